"""JSON whose long strings the parser is spared."""

import json
from typing import Any

import orjson
import pytest
from lossgauge.wire import Limits
from lossgauge_service.bodies.envelope import Envelope
from lossgauge_service.bodies.json import LONG, document_of, read
from lossgauge_service.errors import Malformed
from lossgauge_service.settings import Settings

TEXT = "QUJD" * LONG
LIMITS: Limits = Settings().limits


@pytest.mark.parametrize(
    "document",
    [
        {"data": TEXT},
        {"items": [{"data": TEXT}, {"data": "short"}, {"data": TEXT[:-4]}], "more": [TEXT, 1, TEXT]},
        {TEXT: TEXT},
        {
            "quoted": 'a"' + TEXT,
            "slashed": TEXT + "\\",
            "broken": TEXT + "\n",
            "wide": TEXT + "é",
            "spaced": TEXT + " ü",
        },
        {"a": {"b": [[{"c": TEXT}]]}},
    ],
)
@pytest.mark.parametrize("spaced", [None, 2])
def test_long_strings_are_what_they_were(document: dict[str, Any], spaced: int | None) -> None:
    """Whatever stands beside a long string, in it or for its key, the document is that of any other parser."""
    body = json.dumps(document, indent=spaced, ensure_ascii=False).encode()
    assert document_of(bytearray(body), LIMITS, "the body") == orjson.loads(body) == document


@pytest.mark.parametrize("end", ["\x00", "\x1f", "\n"])
def test_a_long_string_that_is_no_json(end: str) -> None:
    """What no string of JSON may hold is refused in a long one too."""
    with pytest.raises(Malformed, match="not JSON"):
        document_of(f'{{"data": "{TEXT}{end}"}}'.encode(), LIMITS, "the body")


def test_a_key_that_stands_twice_behind_a_long_string() -> None:
    """The keys are still counted."""
    with pytest.raises(Malformed, match="stands twice"):
        document_of(f'{{"data": "{TEXT}", "a": 1, "a": 2}}'.encode(), LIMITS, "the body")


def test_a_body_that_is_read_is_empty() -> None:
    """Its arrays are in the document, and nowhere else."""
    body = bytearray(json.dumps({"data": TEXT}).encode())
    assert read(body, {}, LIMITS) == Envelope({"data": TEXT})
    assert not body
