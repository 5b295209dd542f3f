"""What logs may not hold is not in them, and the rest is."""

import asyncio
import io
import logging
from collections.abc import Iterator

import pytest
from lossgauge_service.keys import minted
from lossgauge_service.redaction import Redaction, of_message, without_keys
from pydantic import BaseModel, ValidationError

KEY = minted("ci", "score")[0]
DATA = "c2VjcmV0"


class Reading(BaseModel):
    """Something that is checked."""

    size: int


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a handler with the filter writes, wherever a server that ran before has sent its lines."""
    for name in ("uvicorn", "uvicorn.access"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.addFilter(Redaction())
    logging.getLogger().addHandler(handler)
    yield text
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize(
    ("message", "safe"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", "CUDA out of memory. Tried to allocate 2.00 GiB"),
        (f"could not convert string to float: '{DATA}'", "could not convert string to float: .."),
        (f'invalid literal "{DATA}", at 3', "invalid literal .., at 3"),
        (rf"bytes b'{DATA}\'{DATA}' end", "bytes b.. end"),
        (f"cut off: '{DATA}", "cut off: .."),
        ("shape [1, 2, [3]] is not (4, 5)", "shape .."),
        ("failed (code 2) at once", "failed .. at once"),
        ("values 0.25 0.5 -1e-3 7 are", "values .."),
        (f"first\n{DATA}", "first"),
        (DATA * 4, ".."),
        ("", ""),
        ("it's only words", "it.."),
    ],
)
def test_what_stays_of_an_exception_s_message(message: str, safe: str) -> None:
    """Words and single numbers stay; what is quoted, in brackets, a row of numbers, long or on the next line does not."""
    assert of_message(message) == safe


def test_keys_are_left_out_of_any_text() -> None:
    """A key is seen wherever it stands."""
    assert without_keys(f"a={KEY}&{KEY}") == "a=lg_..&lg_.."


def test_messages_and_their_arguments(log: io.StringIO) -> None:
    """A key is left out of a message and of what is put into it; a text without one is not touched."""
    logging.error("100 %% %s of %s", KEY, "x")
    logging.error(f"{KEY} 50 %")
    logging.error("plain %s", [1])
    assert log.getvalue() == "100 % lg_.. of x\nlg_.. 50 %\nplain [1]\n"


def test_an_access_log_has_no_query(log: io.StringIO) -> None:
    """The line of a request has its path, without the query and without a key in it."""
    logging.getLogger("uvicorn.access").warning(
        '%s - "%s %s HTTP/%s" %d', "me", "GET", f"/a/{KEY}?b={DATA}", "1.1", 200
    )
    assert log.getvalue() == 'me - "GET /a/lg_.. HTTP/1.1" 200\n'


def test_an_exception_keeps_its_type_its_place_and_its_cause(log: io.StringIO) -> None:
    """A traceback says where and what, also of what caused it, and holds no data."""
    try:
        try:
            float(DATA)
        except ValueError as error:
            raise ZeroDivisionError(f"sent [{DATA}]") from error
    except ZeroDivisionError:
        logging.exception("failed")
    text = log.getvalue()
    for words in (
        "ValueError: could not convert string to float: ..",
        "direct cause",
        "ZeroDivisionError: sent ..",
        "float(DATA)",
    ):
        assert words in text
    assert DATA not in text


def test_exceptions_of_a_group_and_in_a_circle(log: io.StringIO) -> None:
    """Each exception of a group is told, and one that is its own context ends."""
    one, other = ValueError(f"'{DATA}'"), KeyError(DATA)
    one.__context__, other.__context__ = other, one
    logging.error("failed", exc_info=ExceptionGroup(f"of '{DATA}'", [one, ExceptionGroup("inner", [other])]))
    assert DATA not in log.getvalue()
    assert all(words in log.getvalue() for words in ("ValueError", "KeyError", "inner"))


def test_a_validation_error_holds_its_input_no_more(log: io.StringIO) -> None:
    """What pydantic found is not told."""
    try:
        Reading.model_validate({"size": DATA})
    except ValidationError:
        logging.exception("failed")
    assert "ValidationError" in log.getvalue()
    assert DATA not in log.getvalue()


class Wordless(Exception):
    """An exception that cannot be written."""

    def __str__(self) -> str:
        raise ZeroDivisionError(DATA)


def test_what_cannot_be_written_does_no_harm(log: io.StringIO) -> None:
    """A record whose arguments do not fit, or an exception without words, is logged without them and raises nothing."""
    logging.error("%d", DATA)
    logging.error("failed", exc_info=Wordless())
    assert log.getvalue().splitlines()[0] == "what was to be said cannot be written"
    assert "Wordless: what was to be said cannot be written" in log.getvalue()
    assert DATA not in log.getvalue()


async def _lost() -> None:
    raise ValueError(f"'{DATA}'")


def test_a_task_that_nobody_waited_for(log: io.StringIO) -> None:
    """What asyncio says of a lost task holds the task's exception: it is left out there too."""

    async def main() -> None:
        task = asyncio.ensure_future(_lost())
        await asyncio.sleep(0)
        del task

    asyncio.run(main())
    assert "Task exception was never retrieved" in log.getvalue()
    assert DATA not in log.getvalue()
