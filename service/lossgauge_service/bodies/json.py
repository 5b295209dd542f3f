"""A JSON body."""

import json
import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import orjson
from lossgauge.encodings import CONTENTS
from lossgauge.wire import Limits

from lossgauge_service.bodies.envelope import Envelope, Parameters
from lossgauge_service.errors import LimitExceeded, Malformed

Text = bytes | bytearray | str
BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
BACKSLASH = ord("\\")
PRINTED = range(0x20, 0x80)
COLON = re.compile(rb"\s*:")
LONG = 2**12
MOST_QUOTES = 2**16
NODES = frozenset((dict, list))
PARSER_TOO_DEEP = "depth limit exceeded"
Taken = Mapping[str, slice]
"""Where strings of a text are, by the words that stand for them."""


def read(body: bytearray, parameters: Parameters, limits: Limits) -> Envelope:
    """The body is the document, and is empty from then on: its arrays in base64 are not kept twice."""
    document = document_of(body, limits, "the body")
    body.clear()
    return Envelope(document)


def document_of(text: Text, limits: Limits, where: str) -> dict[str, Any]:
    """The JSON object of a text; `where` names the text in errors."""
    thin, taken = _thinned(text)
    _check_values(thin, limits.json_values, where)
    document = _parsed(thin, text, limits, where)
    if not isinstance(document, dict):
        raise Malformed(f"{where} must be a JSON object")
    keys = _check_depth(document, limits.json_depth, where)
    _check_keys(thin, keys, where)
    if taken:
        _put_back(document, taken, text)
    _check_members(document, limits.json_members, where)
    return document


def small_document_of(text: Text, limits: Limits, where: str) -> dict[str, Any]:
    """The same, of a document that stands beside its arrays."""
    if len(text) > limits.document_bytes:
        raise LimitExceeded(
            f"{where} has {len(text)} bytes; at most {limits.document_bytes} are allowed", limit="document_bytes"
        )
    return document_of(text, limits, where)


def _parsed(thin: Text, text: Text, limits: Limits, where: str) -> Any:
    """The value of a thin text; what is wrong with it is told of the whole one."""
    try:
        return orjson.loads(thin)
    except orjson.JSONDecodeError:
        pass
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as broken:
        raise _not_json(broken, limits, where) from None


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


def _thinned(text: Text) -> tuple[Text, Taken]:
    """The text with a word of no meaning in place of each long string: arrays in base64, of which the parser makes a copy."""
    if isinstance(text, str):
        return text, {}
    mark, taken = secrets.token_hex(16), dict[str, slice]()
    for inside in _long_strings(text):
        taken[f"{mark}{len(taken)}"] = inside
    return _with_words(text, taken) if taken else text, taken


def _with_words(text: bytes | bytearray, taken: Taken) -> bytes:
    pieces, start = list[bytes | bytearray](), 0
    for word, inside in taken.items():
        pieces += [text[start : inside.start], word.encode()]
        start = inside.stop
    return b"".join([*pieces, text[start:]])


def _long_strings(text: bytes | bytearray) -> Iterator[slice]:
    """Where long strings are that stand for themselves, and are no keys."""
    quote = text.find(b'"')
    for _ in range(MOST_QUOTES):
        following = text.find(b'"', quote + 1)
        if following < 0:
            return
        if following - quote > LONG and _is_plain(text, quote, following):
            yield slice(quote + 1, following)
        quote = following


def _is_plain(text: bytes | bytearray, quote: int, following: int) -> bool:
    """Whether all between two quotes is a string's value, as it is.

    A character of base64 after a quote that is not escaped stands in a string, and so does all up to the next quote where no
    backslash is.
    """
    if text[quote + 1] not in BASE64 or text[quote - 1] == BACKSLASH or COLON.match(text, following + 1):
        return False
    inside = np.frombuffer(text, np.uint8, following - quote - 1, quote + 1)
    printed = int(inside.min()) in PRINTED and int(inside.max()) in PRINTED
    return printed and text.find(b"\\", quote, following) < 0


def _put_back(document: dict[str, Any], taken: Taken, text: Text) -> None:
    """The strings in place of the words that stand for them."""
    level: list[Any] = [document]
    while level:
        for node in level:
            for key, word in _strings(node):
                if word in taken:
                    node[key] = str(memoryview(text)[taken[word]], "ascii")  # type: ignore[arg-type]  # only of bytes
        level = [child for node in level for child in _nodes(_members(node))]


def _strings(node: Any) -> list[tuple[Any, str]]:
    """The strings that a node has, each with its key or place. A row of numbers has none."""
    if str not in set(map(type, _members(node))):
        return []
    members = node.items() if isinstance(node, dict) else enumerate(node)
    return [(key, value) for key, value in members if type(value) is str]


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
