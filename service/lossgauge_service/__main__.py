"""The command: `lossgauge serve`."""

import argparse
import os
import sys
from collections.abc import Sequence

import uvicorn

from lossgauge_service.http_protocol import BoundedHeaders
from lossgauge_service.settings import InvalidSettings, Settings, load

GRACE_S = 30


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    given.pop("command")
    try:
        settings = load(os.environ, **{name: value for name, value in given.items() if value is not None})
    except InvalidSettings as invalid:
        parser.error(str(invalid))
    serve(settings)


def serve(settings: Settings) -> None:
    """Serve until told to stop."""
    # torch takes seconds to import, and a wrong setting should be told at once
    from lossgauge_service.app import create_app

    print(f"lossgauge: documentation at {_address(settings)}/docs", file=sys.stderr, flush=True)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=BoundedHeaders,
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lossgauge", description="Losses and metrics over HTTP.")
    commands = parser.add_subparsers(dest="command", required=True)
    server = commands.add_parser("serve", help="run the service", epilog="Every setting is LOSSGAUGE_<NAME> too.")
    for name in ("host", "port", "device", "kernel", "threads"):
        field = Settings.model_fields[name]
        server.add_argument(f"--{name}", help=f"{field.description} Default: {field.default}.")
    return parser


if __name__ == "__main__":
    main()
