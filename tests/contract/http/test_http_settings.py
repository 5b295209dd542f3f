"""Settings: from arguments and LOSSGAUGE_* variables; what is not known is refused."""

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import uvicorn
from lossgauge_service.__main__ import main
from lossgauge_service.bodies import multipart
from lossgauge_service.errors import Malformed
from lossgauge_service.keys import holder, minted, parsed
from lossgauge_service.logs import SAID_BETTER, configure
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


LINKS = {
    "LOSSGAUGE_SERVICE_HOST": "10.0.0.1",
    "LOSSGAUGE_SERVICE_PORT": "8000",
    "LOSSGAUGE_SERVICE_PORT_HTTP": "8000",
    "LOSSGAUGE_PORT": "tcp://10.0.0.1:8000",
    "LOSSGAUGE_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "LOSSGAUGE_PORT_8000_TCP_PROTO": "tcp",
    "LOSSGAUGE_PORT_8000_TCP_PORT": "8000",
    "LOSSGAUGE_PORT_8000_TCP_ADDR": "10.0.0.1",
}


def test_links_of_kubernetes_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Kubernetes tells pods of a Service named lossgauge is let pass; the port is the default, or the argument's."""
    for name, value in LINKS.items():
        monkeypatch.setenv(name, value)
    assert load(LINKS).port == 8000
    assert load(LINKS, port="9001").port == 9001


@pytest.mark.parametrize(
    "name", ["LOSSGAUGE_SERVICE", "LOSSGAUGE_PORT_TCP", "LOSSGAUGE_PORT_8000", "LOSSGAUGE_HOST_TCP"]
)
def test_what_only_looks_like_a_link(name: str) -> None:
    """Other names than those of Kubernetes are typing errors."""
    with pytest.raises(InvalidSettings, match=name):
        load({**LINKS, name: "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "x"), ("port", "70000"), ("device", "tpu"), ("device", "cuda:x"), ("kernel", "fast"), ("threads", "0")],
)
def test_a_value_that_is_not_allowed(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A wrong value is refused by the name under which it was given: the option's, or the variable's."""
    with pytest.raises(InvalidSettings, match=f"^--{name}: "):
        load({}, **{name: value})
    monkeypatch.setenv(f"LOSSGAUGE_{name.upper()}", value)
    with pytest.raises(InvalidSettings, match=f"^LOSSGAUGE_{name.upper()}: "):
        load({})


def test_the_kernel_cache_follows_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Compiled kernels are kept under XDG_CACHE_HOME, or else under ~/.cache."""
    monkeypatch.delenv("LOSSGAUGE_KERNEL_CACHE", raising=False)
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
    assert ended.stderr.splitlines()[-1].startswith("lossgauge: error: --port: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["serve", "warm-up"])
def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Where there is no GPU, the command that asks for one ends with one line."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("LOSSGAUGE_PORT", "0")
    with pytest.raises(SystemExit) as ended:
        main([command, "--device", "cuda"])
    assert ended.value.code == "lossgauge: device 'cuda' was asked for, and torch finds no CUDA device"


def test_the_port_of_a_variable_is_served_and_announced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """LOSSGAUGE_PORT is where the service listens, and what it says when it starts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("LOSSGAUGE_PORT", str(port))
    monkeypatch.setattr(uvicorn.Server, "run", _stopped_at_once)
    _keep_logging(monkeypatch)
    main(["serve", "--device", "cpu", "--kernel", "eager"])
    told = capsys.readouterr().err
    assert f"listening at http://127.0.0.1:{port}, documentation at http://127.0.0.1:{port}/docs" in told
    assert "Application startup complete" in told.partition("listening at")[0]


def _stopped_at_once(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
    """The server starts, and is told to stop."""

    async def started_and_stopped() -> None:
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup(sockets)
        await server.shutdown(sockets)

    server.config.load()
    asyncio.run(started_and_stopped())


def test_an_address_that_cannot_be_had() -> None:
    """A port that is taken ends the command in one line and with status 1, before anything is loaded or said to be ready."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-X", "importtime", "-m", "lossgauge_service", "serve", "--port", str(port)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    told = [line for line in ended.stderr.splitlines() if not line.startswith("import time:")]
    assert (ended.returncode, told[1:]) == (
        1,
        [f"lossgauge: cannot listen on 127.0.0.1:{port}: Address already in use"],
    )
    assert told[0].startswith("lossgauge: no key is asked for")
    assert " torch\n" not in ended.stderr


def _keep_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sets the logging of its process, which is that of the tests here."""
    for name in (None, "lossgauge", "uvicorn", *SAID_BETTER):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "handlers", list(logger.handlers))
        monkeypatch.setattr(logger, "level", logger.level)


def test_a_broken_body_has_no_line_of_a_library(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the multipart parser warns of is the caller's fault, and told to the caller."""
    _keep_logging(monkeypatch)
    configure("json", "debug")
    with pytest.raises(Malformed):
        multipart.read(bytearray(b"no boundary at all"), {"boundary": "x"}, Settings().limits)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("settings", "ours", "others", "as_json"),
    [
        (["json", "info"], ["information", "warning"], ["warning"], True),
        (["json", "debug"], ["details", "information", "warning"], ["warning"], True),
        (["console", "warning"], ["warning"], ["warning"], False),
        (["json", "error"], [], [], True),
    ],
)
def test_how_lines_are_written(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: Any,
    ours: list[str],
    others: list[str],
    as_json: bool,
) -> None:
    """The level is about the service and its server, other libraries only warn; the format is that of every line."""
    _keep_logging(monkeypatch)
    configure(*settings)
    for name in ("lossgauge.x", "uvicorn.error", "multipart"):
        logger = logging.getLogger(name)
        logger.debug("details")
        logger.info("information")
        logger.warning("warning")
    lines = capsys.readouterr().err.splitlines()
    assert [
        word for line in lines for word in ("details", "information", "warning") if word in words(line, as_json)
    ] == ([*ours, *ours, *others])


def words(line: str, as_json: bool) -> str:
    """What a line says happened."""
    return str(json.loads(line)["event"]) if as_json else line.replace("[warning", "")


def test_the_script_leaves_the_settings_to_the_command(tmp_path: Path) -> None:
    """`scripts/serve` adds nothing to its arguments, so that a variable counts."""
    stubs = {"scripts/install": "", ".venv/bin/lossgauge": 'echo "$LOSSGAUGE_PORT" "$@"'}
    stubs["scripts/serve"] = (Path(__file__).parents[3] / "scripts/serve").read_text()
    for name, text in stubs.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if text.startswith("#!") else f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(0o755)
    environment = {**os.environ, "LOSSGAUGE_PORT": "8055"}
    script = [str(tmp_path / "scripts/serve"), "--device", "cpu"]
    ended = subprocess.run(script, capture_output=True, text=True, check=True, env=environment)
    assert ended.stdout == "8055 serve --device cpu\n"


@pytest.mark.parametrize("command", ["serve", "warm-up"])
def test_the_help_names_values_and_defaults(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """The help says which kernels there are, and names no default where there is none."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "auto, compiled or eager" in told
    assert "None" not in told


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_beyond_this_machine_nothing_starts_without_keys(host: str) -> None:
    """Without keys the service refuses another address, in one line and with a status that is not 0."""
    command = [sys.executable, "-m", "lossgauge_service", "serve", "--host", host]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"lossgauge: {host} can be reached from other machines, and no key is asked for; ")


@pytest.mark.parametrize("given", [["--insecure"], []], ids=["argument", "variable"])
def test_unless_it_is_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    """`--insecure` or its variable starts it all the same, and says who may score."""
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: None)
    if not given:
        monkeypatch.setenv("LOSSGAUGE_INSECURE", "true")
    main(["serve", "--host", "0.0.0.0", "--device", "cpu", "--kernel", "eager", "--port", "0", *given])
    assert "no key is asked for: whoever reaches 0.0.0.0 may score" in capsys.readouterr().err


def test_or_with_keys(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What `lossgauge key` prints, put into a file or a variable, is enough; a caller's own key in the environment is none."""
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: None)
    main(["key", "--name", "ci", "--scope", "score"])
    shown, line = capsys.readouterr().out.splitlines()
    assert holder(parsed(line, "the output"), shown.encode()) == parsed(line, "the output")[0]
    serve = ["serve", "--host", "0.0.0.0", "--device", "cpu", "--kernel", "eager", "--port", "0"]
    monkeypatch.setenv("LOSSGAUGE_API_KEY", shown)
    with pytest.raises(SystemExit, match="no key is asked for"):
        main(serve)
    (tmp_path / "keys").write_text(line)
    main([*serve, "--api-keys-file", str(tmp_path / "keys")])
    monkeypatch.setenv("LOSSGAUGE_API_KEYS", line)
    main(serve)
    told = capsys.readouterr().err
    assert told.count("one of 1 keys is asked for") == 2
    assert shown not in told


@pytest.mark.parametrize("variable", ["LOSSGAUGE_API_KEYS", "LOSSGAUGE_API_KEYS_FILE"])
def test_keys_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str) -> None:
    """Keys that are wrong stop the service in one line that shows none of them."""
    secret = minted("ci", "score")[0]
    (tmp_path / "keys").write_text(secret)
    monkeypatch.setenv(variable, secret if variable == "LOSSGAUGE_API_KEYS" else str(tmp_path / "keys"))
    with pytest.raises(SystemExit, match=f"^lossgauge: {variable}, entry 1: must be name:scope") as ended:
        main(["serve"])
    assert secret not in str(ended.value)


def test_the_keys_of_settings_are_not_shown() -> None:
    """Printing the settings shows no key."""
    assert "ci:score" not in repr(Settings.model_validate({"api_keys": "ci:score"}))


def test_a_name_that_no_line_can_hold() -> None:
    """`lossgauge key` refuses it in one line."""
    with pytest.raises(SystemExit, match=r"^lossgauge: the name of a key is"):
        main(["key", "--name", "a:b", "--scope", "read"])
