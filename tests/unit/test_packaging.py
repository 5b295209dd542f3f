"""What is installed: ranges in pyproject.toml, exact versions in constraints.txt."""

import re
import tomllib

import pytest

from docs.tables import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
)


def canonical(name: str) -> str:
    """A distribution's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> list[str]:
    """Every requirement of the project, its extras and its build."""
    project = PROJECT["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    return [*project["dependencies"], *extras, *PROJECT["build-system"]["requires"]]


@pytest.mark.parametrize("requirement", requirements())
def test_every_requirement_has_a_pin(requirement: str) -> None:
    """What scripts, CI and the image install is one version, the one that was tested."""
    name = re.split(r"[<>=;\[ ]", requirement, maxsplit=1)[0]
    assert canonical(name) in {canonical(pinned) for pinned in PINS}


def test_pins_are_plain_versions() -> None:
    """No local version, no URL: they resolve wherever there is an index. Of OpenTelemetry some parts are beta for ever."""
    plain = re.compile(r"[0-9]+(\.[0-9]+)+(b[0-9]+)?")
    assert {name: version for name, version in PINS.items() if not plain.fullmatch(version)} == {}
    assert PINS["torch"] == "2.13.0"
