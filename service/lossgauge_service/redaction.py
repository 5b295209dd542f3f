"""What a log may not hold: keys, query strings, and what was in an array.

Keys are known by their shape. A query string is nothing that the service reads, so it is left out. An exception that nobody foresaw
may have the caller's data in its message: its type and its traceback stay, and of its message what stands in no quotes and no
brackets, and no long word.
"""

import logging
import re
from types import TracebackType
from typing import cast

from lossgauge_service.keys import MARK, SHAPE

LEFT_OUT = ".."
QUOTED = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
BRACKETED = re.compile(r"[\[({<].*[\])}>]")
UNCLOSED = re.compile(r"['\"\[({<].*")
NUMBERS = re.compile(r"(?:[-+]?[\d.]+(?:e[-+]?\d+)?[,;\s]+){3,}\S*")
LONG_WORD = re.compile(r"\S{24,}")
MOST_CHARACTERS = 300
WITHOUT_WORDS = "what was to be said cannot be written"

ACCESS_LOG, ASYNCIO_LOG = "uvicorn.access", "asyncio"
PATH_OF_ACCESS = 2

Raised = tuple[type[BaseException], BaseException, TracebackType | None]


class Redaction(logging.Filter):
    """For a handler: it lets every record pass, without what a log may not hold."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record passes: yes."""
        if record.name == ACCESS_LOG and isinstance(record.args, tuple) and len(record.args) > PATH_OF_ACCESS:
            record.args = tuple(_of_access(place, value) for place, value in enumerate(record.args))
        else:
            _redact_message(record)
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_info = _raised(told(record.exc_info[1]))
            record.exc_text = None
        return True


def without_keys(text: str) -> str:
    """A text without the keys in it."""
    return SHAPE.sub(MARK + LEFT_OUT, text)


def told(error: BaseException) -> BaseException:
    """An exception as a log may hold it: of the same name, with the same traceback, of the same causes."""
    return _told(error, {})


def _told(error: BaseException, known: dict[int, BaseException]) -> BaseException:
    if id(error) in known:
        return known[id(error)]
    safe = known[id(error)] = _namesake(error, known)
    safe.__traceback__ = error.__traceback__
    safe.__cause__ = _told(error.__cause__, known) if error.__cause__ else None
    safe.__context__ = _told(error.__context__, known) if error.__context__ else None
    safe.__suppress_context__ = error.__suppress_context__
    return safe


def _namesake(error: BaseException, known: dict[int, BaseException]) -> BaseException:
    if isinstance(error, BaseExceptionGroup):
        return BaseExceptionGroup(of_message(error.message), [_told(one, known) for one in error.exceptions])
    kind = type(error)
    namesake = type(kind.__name__, (Exception,), {"__module__": kind.__module__, "__qualname__": kind.__qualname__})
    return cast(Exception, namesake(of_message(_words(error))))


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return WITHOUT_WORDS


def of_message(message: str) -> str:
    """What a log may hold of an exception's message."""
    line = message.partition("\n")[0]
    for secret in (QUOTED, BRACKETED, UNCLOSED, NUMBERS, LONG_WORD):
        line = secret.sub(LEFT_OUT, line)
    return line[:MOST_CHARACTERS]


def _redact_message(record: logging.LogRecord) -> None:
    try:
        message = record.getMessage()
    except Exception:
        # a log that fails would take the answer with it, and logging would tell what the arguments were
        record.msg, record.args = WITHOUT_WORDS, ()
        return
    # what asyncio says of a task goes on with the task, and with what it raised
    safe = without_keys(message.partition("\n")[0] if record.name == ASYNCIO_LOG else message)
    if safe != message:
        record.msg, record.args = safe, ()


def _of_access(place: int, value: object) -> object:
    return without_keys(str(value).partition("?")[0]) if place == PATH_OF_ACCESS else value


def _raised(error: BaseException) -> Raised:
    return type(error), error, error.__traceback__
