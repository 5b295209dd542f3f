"""The command: `lossgauge serve`, and `lossgauge warm-up` for images and first starts."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lossgauge_service.logs import configure
from lossgauge_service.settings import InvalidSettings, Settings, load

if TYPE_CHECKING:
    from fastapi import FastAPI

    from lossgauge_service.engine import Engine

log = logging.getLogger("lossgauge")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    command = COMMANDS[given.pop("command")]
    try:
        settings = load(os.environ, **{name: value for name, value in given.items() if value is not None})
    except InvalidSettings as invalid:
        parser.error(str(invalid))
    command(settings)


def serve(settings: Settings) -> None:
    """Serve until told to stop."""
    # not above: they load torch, and a wrong setting is told at once
    from lossgauge_service.server import server_of

    configure(settings.log_format, settings.log_level)
    app = _app_of(settings)
    address = _address(settings)
    log.info("documentation at %s/docs, ready at %s/health/ready", address, address)
    server_of(app, settings).run()


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


def _engine_of(settings: Settings) -> "Engine":
    """The engine that the settings describe; one line where this machine has no such device or compiler."""
    from lossgauge_service.service import engine_of  # not above, as in `serve`

    try:
        return engine_of(settings)
    except RuntimeError as missing:
        sys.exit(f"lossgauge: {missing}")


COMMANDS: dict[str, Callable[[Settings], None]] = {"serve": serve, "warm-up": warm_up}


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lossgauge", description="Losses and metrics over HTTP.")
    commands = parser.add_subparsers(dest="command", required=True)
    epilog = "Every setting is LOSSGAUGE_<NAME> too."
    server = commands.add_parser("serve", help="run the service", epilog=epilog)
    _add_settings(server, "host", "port", "device", "kernel", "threads")
    warmer = commands.add_parser("warm-up", help="compile the kernels into the cache and exit", epilog=epilog)
    _add_settings(warmer, "device", "kernel", "threads")
    return parser


def _add_settings(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        field = Settings.model_fields[name]
        default = "" if field.default is None else f" Default: {field.default}."
        parser.add_argument(f"--{name}", help=f"{field.description}{default}")


if __name__ == "__main__":
    main()
