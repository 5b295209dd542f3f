"""The command: `lossgauge serve`, `lossgauge warm-up` for images and first starts, `lossgauge key` for callers."""

import argparse
import atexit
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lossgauge_service.exposure import Exposed, check
from lossgauge_service.heap import keep_for_a_while
from lossgauge_service.keyring import Keyring
from lossgauge_service.keys import SCOPES, InvalidKeys, Scope, minted
from lossgauge_service.listening import NotListening, listening
from lossgauge_service.logs import configure
from lossgauge_service.settings import InvalidSettings, Settings, load

if TYPE_CHECKING:
    from fastapi import FastAPI

    from lossgauge_service.engine import Engine


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = _parser()
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    command = given.pop("command")
    if command == "key":
        key(**given)
        return
    try:
        settings = load(os.environ, **given)
    except InvalidSettings as invalid:
        parser.error(str(invalid))
    COMMANDS[command](settings)


def serve(settings: Settings) -> None:
    """Serve until told to stop. Beyond this machine only with keys, or where that is meant."""
    keep_for_a_while()
    _announce_keys(settings)
    try:
        with listening(settings.host, settings.port, settings.unix_socket) as sockets:
            _serve(settings, sockets)
    except NotListening as refused:
        sys.exit(f"lossgauge: {refused}")


def _serve(settings: Settings, sockets: list[socket.socket]) -> None:
    # the threads of a pass would spin for a while after it, on cores that read and decode the next request
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # not above: they load torch, and a wrong setting is told at once
    from lossgauge_service.server import server_of

    configure(settings.log_format, settings.log_level)
    app = _app_of(settings)
    server_of(app, settings).run(sockets)
    atexit.register(_end_what_runs, app)


def _end_what_runs(app: "FastAPI") -> None:
    """End the process where the engine still compiles or computes: an interpreter that ends meanwhile aborts."""
    service = getattr(app.state, "service", None)
    if service is not None and not service.batcher.is_over:
        logging.shutdown()
        sys.stderr.flush()
        os._exit(os.EX_OK)


def warm_up(settings: Settings) -> None:
    """Compile every kernel into the cache, so that a service that starts later finds them there."""
    engine = _engine_of(settings)
    engine.warm_up()
    cache = f", kept in {settings.kernel_cache}" if engine.info.kernel == "compiled" else ""
    print(f"lossgauge: {engine.info.kernel} kernels for {engine.info.device} are ready{cache}", file=sys.stderr)


def _app_of(settings: Settings) -> "FastAPI":
    """The application that the settings describe; one line where what they ask for is not installed."""
    from lossgauge_service.app import create_app  # not above, as in `serve`
    from lossgauge_service.tracing import NotInstalled

    try:
        return create_app(settings, _engine_of(settings))
    except NotInstalled as missing:
        sys.exit(f"lossgauge: {missing}")


def key(name: str, scope: Scope) -> None:
    """Mint a key: it is printed this once, and after it the line by which the service knows it."""
    try:
        shown, kept = minted(name, scope)
    except InvalidKeys as invalid:
        sys.exit(f"lossgauge: {invalid}")
    print(
        "lossgauge: for the caller the key, which is kept nowhere; for the service the line under it", file=sys.stderr
    )
    print(shown, kept.line, sep="\n")


def _announce_keys(settings: Settings) -> None:
    """Say who may ask; one line, and no service, where that is everybody who reaches this machine."""
    try:
        keys = len(Keyring(settings.api_keys.get_secret_value(), settings.api_keys_file))
        check(settings.host, keys, settings.insecure)
    except (InvalidKeys, Exposed) as refused:
        sys.exit(f"lossgauge: {refused}")
    asked = (
        f"one of {keys} keys is asked for"
        if keys
        else f"no key is asked for: whoever reaches {settings.host} may score"
    )
    print(f"lossgauge: {asked}", file=sys.stderr, flush=True)


def _engine_of(settings: Settings) -> "Engine":
    """The engine that the settings describe; one line where this machine has no such device or compiler."""
    from lossgauge_service.service import engine_of  # not above, as in `serve`

    try:
        return engine_of(settings)
    except RuntimeError as missing:
        sys.exit(f"lossgauge: {missing}")


COMMANDS: dict[str, Callable[[Settings], None]] = {"serve": serve, "warm-up": warm_up}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lossgauge", description="Losses and metrics over HTTP.")
    commands = parser.add_subparsers(dest="command", required=True)
    epilog = "Every setting is LOSSGAUGE_<NAME> too."
    server = commands.add_parser("serve", help="run the service", epilog=epilog)
    _add_settings(server, "host", "port", "unix_socket", "device", "kernel", "threads", "api_keys_file")
    server.add_argument(
        "--insecure", action="store_const", const=True, help=Settings.model_fields["insecure"].description
    )
    warmer = commands.add_parser("warm-up", help="compile the kernels into the cache and exit", epilog=epilog)
    _add_settings(warmer, "device", "kernel", "threads")
    minter = commands.add_parser("key", help="mint a key for a caller, and print it once")
    minter.add_argument("--name", required=True, help="Whose it is: letters, digits, dots, dashes, underscores.")
    minter.add_argument("--scope", choices=SCOPES, required=True, help="read: what is told; score: that, and scoring.")
    return parser


def _add_settings(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        field = Settings.model_fields[name]
        default = "" if field.default is None else f" Default: {field.default}."
        parser.add_argument(f"--{name.replace('_', '-')}", help=f"{field.description}{default}")


if __name__ == "__main__":
    main()
