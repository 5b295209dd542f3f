"""A JSON body."""

from collections.abc import Iterable
from typing import Any

import orjson
from lossgauge.wire import Limits

from lossgauge_service.bodies.envelope import Envelope, Parameters
from lossgauge_service.errors import LimitExceeded, Malformed

Text = bytes | bytearray | str
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
    _check_depth(document, limits.json_depth, where)
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
    commas = text.count(",") if isinstance(text, str) else text.count(b",")
    if commas > cap:
        raise LimitExceeded(f"{where} has more than {cap} values", limit="json_values")


def _check_depth(document: dict[str, Any], cap: int, where: str) -> None:
    level: list[Any] = [document]
    for _ in range(cap):
        level = [child for node in level for child in _members(node) if isinstance(child, dict | list)]
        if not level:
            return
    raise _too_deep(cap, where)


def _members(node: Any) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else iter(node)


def _check_members(node: Any, cap: int, where: str) -> None:
    """So that no list of wrong members makes as many errors."""
    if len(node) > cap:
        raise LimitExceeded(
            f"a list or object of {where} has {len(node)} members; at most {cap} are allowed", limit="json_members"
        )
    for child in _members_outside_arrays(node):
        if isinstance(child, dict | list):
            _check_members(child, cap, where)


def _members_outside_arrays(node: Any) -> Iterable[Any]:
    if isinstance(node, dict) and "encoding" in node:
        return [value for key, value in node.items() if key != "data"]
    return _members(node)
