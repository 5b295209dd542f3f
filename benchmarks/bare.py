"""A FastAPI route that only reads the body, served as ours is: what no service of this kind can go below."""

import argparse

from fastapi import FastAPI, Request
from lossgauge_service.listening import listening
from lossgauge_service.logs import configure
from lossgauge_service.server import server_of
from lossgauge_service.settings import Settings

app = FastAPI()


@app.post("/v1/score")
async def read(request: Request) -> dict[str, int]:
    """Read the body."""
    return {"bytes": len(await request.body())}


@app.get("/health/ready")
async def ready() -> dict[str, bool]:
    """Say that it runs."""
    return {"ready": True}


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("serve",))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    settings = Settings(host=given.host, port=given.port)
    configure(settings.log_format, settings.log_level)
    with listening(settings.host, settings.port) as sockets:
        server_of(app, settings).run(sockets)


if __name__ == "__main__":
    main()
