"""What is installed: ranges in pyproject.toml, exact versions in constraints.txt, hashes of the image's files in requirements."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker

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


LOCKED = sorted((ROOT / "requirements").glob("*.txt"))
ENTRY = re.compile(r"([a-z0-9-]+)==(\S+)((?: --hash=sha256:[0-9a-f]{64})+)")
OF_CUDA = re.compile("nvidia-|cuda-|triton$")
"""What torch's build for CUDA brings, which may be the one that is installed here."""


def locked(file: Path) -> dict[str, str]:
    """The versions of a file of the image, each with its hashes."""
    lines = re.sub(r" \\\n +", " ", file.read_text()).splitlines()
    found = [ENTRY.fullmatch(line) for line in lines if not line.startswith("#")]
    assert None not in found
    return {entry[1]: entry[2] for entry in found if entry}


def of_image(torch: str) -> dict[str, str]:
    """What an image installs, for the CPU or for CUDA."""
    return locked(ROOT / "requirements/service.txt") | locked(ROOT / f"requirements/torch-{torch}.txt")


def needed_by(requirements: list[str], found: set[str]) -> set[str]:
    """All that some requirements need, by what is installed here; extras are those that they name."""
    for requirement in requirements:
        name = canonical(re.split(r"[<>=!~;\[( ]", requirement, maxsplit=1)[0])
        marker = requirement.partition(";")[2]
        if name not in found and "extra" not in marker and holds(marker):
            found.add(name)
            needed_by(metadata.requires(name) or [], found)
    return found


def holds(marker: str) -> bool:
    """Whether a marker of ours or of a dependency's holds for the image: Python 3.11 on Linux."""
    return not marker or Marker(marker).evaluate({"python_version": "3.11", "sys_platform": "linux"})


@pytest.mark.parametrize("file", LOCKED, ids=lambda file: file.name)
def test_the_image_installs_the_pins(file: Path) -> None:
    """A version with hashes is that of constraints.txt, but for what torch's build for CUDA alone brings; `scripts/lock` writes it."""
    pins = {canonical(name): version for name, version in PINS.items()}
    differ = {name: version for name, version in locked(file).items() if pins.get(name) != version.removesuffix("+cpu")}
    assert {name for name in differ if not OF_CUDA.match(name)} == set()
    assert (file.name == "torch-cuda.txt") == bool(differ)


@pytest.mark.parametrize("torch", ["cpu", "cuda"])
def test_the_image_installs_all_that_the_service_needs(torch: str) -> None:
    """Every requirement of the service, and of what it requires, has its hash; torch's build for CUDA aside, nothing else has."""
    project = PROJECT["project"]
    asked = [
        *project["dependencies"],
        *project["optional-dependencies"]["service"],
        *project["optional-dependencies"]["otel"],
        *PROJECT["build-system"]["requires"],
    ]
    needed = needed_by(asked, set())
    if torch == "cpu":
        needed = {name for name in needed if not OF_CUDA.match(name)}
    assert needed - {*of_image(torch)} == set()
    assert {*of_image("cpu")} - needed == set()


def test_the_image_installs_by_hash() -> None:
    """Each pip of the Dockerfile checks hashes, or reaches no index; the files are those that scripts/lock writes."""
    dockerfile = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    commands = re.findall(r"pip install[^;&\n]*", dockerfile)
    assert len(commands) == 4
    assert [command for command in commands if not re.search("--require-hashes|--no-index", command)] == []
    assert {*re.findall(r"requirements/[\w-]+\.txt", dockerfile)} == {f"requirements/{file.name}" for file in LOCKED}


def test_the_containers_start_as_they_are_published() -> None:
    """The image listens on every address and says nothing of keys, so it refuses without; compose publishes to this machine alone."""
    dockerfile, compose = ((ROOT / name).read_text() for name in ("Dockerfile", "docker-compose.yml"))
    assert "LOSSGAUGE_HOST=0.0.0.0" in dockerfile
    assert not re.search(r"^ *(ENV )?LOSSGAUGE_INSECURE", dockerfile, re.MULTILINE)
    assert {*re.findall(r"^  ports: (.*)$", compose, re.MULTILINE)} == {'["127.0.0.1:8000:8000"]'}
    assert "LOSSGAUGE_INSECURE: ${LOSSGAUGE_INSECURE:-true}" in compose
