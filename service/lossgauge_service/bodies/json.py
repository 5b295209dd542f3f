"""A JSON body."""

import json
from collections.abc import Collection, Iterable
from typing import Any

import orjson
from lossgauge.encodings import CONTENTS
from lossgauge.wire import Limits

from lossgauge_service.bodies.envelope import Envelope, Parameters
from lossgauge_service.errors import LimitExceeded, Malformed

Text = bytes | bytearray | str
BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
LONG = 2**12
MOST_QUOTES = 2**16
NODES = frozenset((dict, list))
PARSER_TOO_DEEP = "depth limit exceeded"


def read(body: bytearray, parameters: Parameters, limits: Limits) -> Envelope:
    """The body is the document."""
    return Envelope(document_of(body, limits, "the body"))


def document_of(text: Text, limits: Limits, where: str) -> dict[str, Any]:
    """The JSON object of a text; `where` names the text in errors."""
    _check_values(text, limits.json_values, where)
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as broken:
        raise _not_json(broken, limits, where) from None
    if not isinstance(document, dict):
        raise Malformed(f"{where} must be a JSON object")
    keys = _check_depth(document, limits.json_depth, where)
    _check_keys(_without_arrays(text), keys, where)
    _check_members(document, limits.json_members, where)
    return document


def small_document_of(text: Text, limits: Limits, where: str) -> dict[str, Any]:
    """The same, of a document that stands beside its arrays."""
    if len(text) > limits.document_bytes:
        raise LimitExceeded(
            f"{where} has {len(text)} bytes; at most {limits.document_bytes} are allowed", limit="document_bytes"
        )
    return document_of(text, limits, where)


def _not_json(broken: orjson.JSONDecodeError, limits: Limits, where: str) -> Malformed | LimitExceeded:
    if broken.msg.startswith(PARSER_TOO_DEEP):
        return _too_deep(limits.json_depth, where)
    return Malformed(f"{where} is not JSON: {broken}")


def _too_deep(cap: int, where: str) -> LimitExceeded:
    return LimitExceeded(f"{where} is nested more than {cap} deep", limit="json_depth")


def _check_values(text: Text, cap: int, where: str) -> None:
    """Before any memory is taken: a value takes far more of it than its text, and JSON has a comma between any two."""
    if _count(text, ",") > cap:
        raise LimitExceeded(f"{where} has more than {cap} values", limit="json_values")


def _count(text: Text, character: str) -> int:
    return text.count(character) if isinstance(text, str) else text.count(character.encode())


def _without_arrays(text: Text) -> Text:
    """The text without the inside of its long strings: arrays in base64, which need not be read once more.

    A character of base64 after a quote stands in a string, and so does all up to the next quote where no backslash is.
    """
    if isinstance(text, str):
        return text
    kept, start, quote = list[bytes | bytearray](), 0, text.find(b'"')
    for _ in range(MOST_QUOTES):
        following = text.find(b'"', quote + 1)
        if following < 0:
            break
        if following - quote > LONG and text[quote + 1] in BASE64 and text.find(b"\\", quote, following) < 0:
            kept.append(text[start : quote + 1])
            start = following
        quote = following
    return b"".join([*kept, text[start:]]) if kept else text


def _check_keys(text: Text, keys: int, where: str) -> None:
    """Refuse a key that stands twice. The parser keeps the last: then the text has more colons than `keys` are left."""
    if _count(text, ":") == keys:
        return
    try:
        json.loads(text, object_pairs_hook=_without_duplicates, parse_int=str, parse_float=str)
    except _StandsTwice as twice:
        raise Malformed(f"the key {str(twice)[:100]!r} stands twice in one object of {where}") from None


class _StandsTwice(Exception):
    """A key that an object has twice."""


def _without_duplicates(pairs: list[tuple[str, Any]]) -> None:
    seen = set[str]()
    for key, _ in pairs:
        if key in seen:
            raise _StandsTwice(key)
        seen.add(key)


def _check_depth(document: dict[str, Any], cap: int, where: str) -> int:
    """The number of keys of the document's objects."""
    level: list[Any] = [document]
    keys = 0
    for _ in range(cap):
        keys += sum(len(node) for node in level if isinstance(node, dict))
        level = [child for node in level for child in _nodes(_members(node))]
        if not level:
            return keys
    raise _too_deep(cap, where)


def _members(node: Any) -> Collection[Any]:
    return node.values() if isinstance(node, dict) else node


def _nodes(members: Collection[Any]) -> Iterable[Any]:
    """The objects and lists among them. A row of numbers has none, and rows of numbers are most of what comes."""
    if NODES.isdisjoint(map(type, members)):
        return ()
    return [child for child in members if type(child) in NODES]


def _check_members(node: Any, cap: int, where: str) -> None:
    """So that no list of wrong members makes as many errors."""
    if len(node) > cap:
        raise LimitExceeded(
            f"a list or object of {where} has {len(node)} members; at most {cap} are allowed", limit="json_members"
        )
    for child in _nodes(_members_outside_arrays(node)):
        _check_members(child, cap, where)


def _members_outside_arrays(node: Any) -> Collection[Any]:
    """An array's content has caps of its own, which its encoding checks."""
    if isinstance(node, dict) and "encoding" in node:
        return [value for key, value in node.items() if key not in CONTENTS]
    return _members(node)
