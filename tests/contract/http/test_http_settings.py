"""Settings: from arguments and LOSSGAUGE_* variables; what is not known is refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from lossgauge_service.settings import InvalidSettings, Settings, load


def test_arguments_win_over_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable sets a setting, an argument overrides it."""
    monkeypatch.setenv("LOSSGAUGE_PORT", "9000")
    monkeypatch.setenv("LOSSGAUGE_ITEMS", "7")
    settings = load({}, port="9001")
    assert (settings.port, settings.items, settings.limits.items) == (9001, 7, 7)


@pytest.mark.parametrize("name", ["LOSSGAUGE_PROT", "LOSSGAUGE_", "lossgauge_x", "LOSSGAUGE_BODY_BYTE"])
def test_an_unknown_setting_is_refused(name: str) -> None:
    """A variable with our prefix that is no setting is refused, with the closest name."""
    with pytest.raises(InvalidSettings, match=name):
        load({name: "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "x"), ("port", "70000"), ("device", "tpu"), ("device", "cuda:x"), ("kernel", "fast"), ("threads", "0")],
)
def test_a_value_that_is_not_allowed(name: str, value: str) -> None:
    """A wrong value is refused by the setting's name."""
    with pytest.raises(InvalidSettings, match=f"LOSSGAUGE_{name.upper()}"):
        load({}, **{name: value})


def test_the_kernel_cache_follows_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Compiled kernels are kept under XDG_CACHE_HOME, or else under ~/.cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Settings().kernel_cache == tmp_path / "lossgauge" / "kernels"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert Settings().kernel_cache == Path.home() / ".cache" / "lossgauge" / "kernels"


def test_every_cap_is_a_setting() -> None:
    """The limits and the caps of arrays are settings, by the same names."""
    settings = Settings(dimensions=5, json_depth=9)
    assert (settings.limits.dimensions, settings.caps.dimensions, settings.limits.json_depth) == (5, 5, 9)


def test_the_command_refuses_what_it_does_not_know() -> None:
    """`lossgauge serve` ends with 2 and one clear line when a setting is wrong."""
    command = [sys.executable, "-m", "lossgauge_service", "serve", "--port", "x"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "LOSSGAUGE_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr
