"""How the log is written: a line an event, as JSON or for a terminal.

Everything that is logged goes through the standard library, the server's lines too; structlog writes it. What is logged while a
request is served has its `request_id`. Locals of a traceback are never written: they hold arrays.
"""

import logging
import sys
from typing import Any, Literal, TextIO

import orjson
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from lossgauge_service.redaction import Redaction, without_keys

Format = Literal["json", "console"]
Level = Literal["debug", "info", "warning", "error"]

OURS = ("lossgauge", "uvicorn")
"""Whose lines the level is about; of other libraries' only warnings are written: below that some tell of the bytes they read."""

SAID_BETTER = ("python_multipart",)
"""Libraries that warn of what a caller did wrong, which its problem and the request's line tell: only their errors are written."""


class Stderr(logging.StreamHandler[TextIO]):
    """Writes to standard error, wherever that is at the time."""

    @property
    def stream(self) -> TextIO:
        """Standard error."""
        return sys.stderr

    @stream.setter
    def stream(self, stream: TextIO) -> None:
        pass


class WithoutKeys(structlog.stdlib.ProcessorFormatter):
    """Writes no key, whatever member of an event it stands in."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return without_keys(super().format(record))


def configure(format: Format, level: Level) -> None:
    """Have the whole process log in one way; for whoever owns the process."""
    handler = Stderr()
    handler.addFilter(Redaction())
    handler.setFormatter(formatter(format, colors=sys.stderr.isatty()))
    logging.root.handlers = [handler]
    logging.root.setLevel(max(logging.WARNING, _number(level)))
    for name in OURS:
        logging.getLogger(name).setLevel(_number(level))
    for name in SAID_BETTER:
        logging.getLogger(name).setLevel(logging.ERROR)


def formatter(format: Format, colors: bool = False) -> logging.Formatter:
    """What makes a line of a record."""
    return WithoutKeys(
        processors=[*_common(), *_last(format, colors)],
        foreign_pre_chain=[structlog.contextvars.merge_contextvars, structlog.stdlib.ExtraAdder()],
    )


def _common() -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_colors,
    ]


def _last(format: Format, colors: bool) -> list[Processor]:
    if format == "console":
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]


def _without_colors(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Without what the server repeats in colours."""
    event.pop("color_message", None)
    return event


def _json(event: EventDict, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


def _number(level: Level) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
