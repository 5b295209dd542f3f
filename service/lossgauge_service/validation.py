"""From a document to a message of the contract; what is wrong with it is told in words, each with its JSON pointer."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from lossgauge.encodings import BY_NAME
from lossgauge.mapping import MAP_KINDS
from lossgauge.metrics import CATALOGUE
from lossgauge.metrics.spec import Forbidden
from lossgauge.short_names import SHORT_NAMES
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lossgauge_service.errors import InvalidParameter, InvalidRequest, UnknownMetric, pointer_to

Model = TypeVar("Model", bound=BaseModel)
Location = Sequence[str | int]

SHOWN_CHARACTERS = 40
MOST_ERRORS = 64
MISMATCHES = ("_type", "_parsing", "literal_error")
JSON_WORDS = {None: "null", True: "true", False: "false"}
PLAIN = {
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "too_short": "must have {min_length} or more members",
    "too_long": "must have {max_length} members or fewer",
}
NAMES: Mapping[str, Iterable[str]] = {"name": CATALOGUE, "encoding": BY_NAME, "kind": MAP_KINDS}


def validated(model: type[Model], document: Any, at: str = "") -> Model:
    """The message that a document is; or its first error is raised, with all in `errors`. `at` is its own pointer."""
    try:
        return model.model_validate(document)
    except ValidationError as invalid:
        details = invalid.errors(include_url=False)[:MOST_ERRORS]
        complaints = _without_noise([_complaint(error, model, document) for error in details])
    raise _first_of([complaint.error(at) for complaint in complaints])


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """That a name is not known, what may be meant by it, and all that are."""
    names = list(known)
    meant = (_usual(name, names) if kind == "metric" else None) or _closest(name, names)
    hint = f"did you mean {meant}? " if meant else ""
    return f"{kind} {found(name)} is not known; {hint}allowed: {', '.join(names)}"


def _usual(short: str, names: Collection[str]) -> str | None:
    """What the field means by a short name, where it is one of the names."""
    meant = dict(SHORT_NAMES.get(short.lower(), {}))
    name = meant.pop("name", None)
    if name not in names:
        return None
    parameters = " and ".join(f"{key} {value!r}" for key, value in meant.items())
    return f"{name!r} with {parameters}" if parameters else repr(name)


def _closest(name: str, names: Collection[str]) -> str | None:
    close = difflib.get_close_matches(name, names, n=1)
    return repr(close[0]) if close else None


def found(value: Any) -> str:
    """A value as an error shows it: never long, and never what an array holds."""
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return f"a string of {len(value)} characters"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    if value is None or isinstance(value, bool):
        return JSON_WORDS[value]
    return repr(value)[:SHOWN_CHARACTERS]


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong with a document."""

    pointer: str
    detail: str
    found: str | None = None
    is_mismatch: bool = False
    kind: type[InvalidRequest] = InvalidParameter

    def error(self, at: str) -> InvalidRequest:
        """The complaint as an error, of a document that stands at a pointer."""
        tail = "" if self.found is None else f"; found {self.found}"
        return self.kind(self.detail + tail, pointer=at + self.pointer)


def _first_of(errors: list[InvalidRequest]) -> InvalidRequest:
    first = errors[0]
    return type(first)(first.detail, pointer=first.pointer, errors=errors)


def _complaint(error: ErrorDetails, model: type[BaseModel], document: Any) -> Complaint:
    write = WRITERS.get(error["type"], _plain)
    return write(error, model, document)


def _plain(error: ErrorDetails, model: type[BaseModel], document: Any) -> Complaint:
    detail = _in_words(error)
    mismatch = error["type"].endswith(MISMATCHES)
    return Complaint(pointer_to(_path(document, error["loc"])), detail, found(error["input"]), mismatch)


def _in_words(error: ErrorDetails) -> str:
    if error["type"] in PLAIN:
        return PLAIN[error["type"]].format(**error.get("ctx", {}))
    return error["msg"].replace("Input should", "must")


def _literal(error: ErrorDetails, model: type[BaseModel], document: Any) -> Complaint:
    """One of a few words; where the value is nearly one of them, that one is named."""
    plain = _plain(error, model, document)
    words = re.findall(r"'([^']*)'", error["ctx"]["expected"])
    close = difflib.get_close_matches(error["input"], words, n=1) if isinstance(error["input"], str) else []
    return replace(plain, detail=f"{plain.detail}, did you mean {close[0]!r}?") if close else plain


def _missing(error: ErrorDetails, model: type[BaseModel], document: Any) -> Complaint:
    *place, name = error["loc"]
    return Complaint(pointer_to([*_path(document, place), name]), f"{name!r} is required and missing")


def _extra(error: ErrorDetails, model: type[BaseModel], document: Any) -> Complaint:
    name = str(error["loc"][-1])
    known = _fields_beside(error["loc"], model)
    detail = unknown("field", name, known) if known else f"field {found(name)} is not known here"
    return Complaint(pointer_to(_path(document, error["loc"])), detail)


def _fields_beside(location: Location, model: type[BaseModel]) -> list[str]:
    tag = str(location[-2]) if len(location) > 1 else ""
    owner = CATALOGUE.get(tag) or BY_NAME.get(tag) if tag else model
    return list(owner.model_fields) if owner else []


def _untagged(error: ErrorDetails, model: type[BaseModel], document: Any) -> Complaint:
    tag = error["ctx"]["discriminator"].strip("'")
    path = [*_path(document, error["loc"]), tag]
    return Complaint(pointer_to(path), f"{tag!r} is required and missing; allowed: {', '.join(NAMES[tag])}")


def _unknown_tag(error: ErrorDetails, model: type[BaseModel], document: Any) -> Complaint:
    tag = error["ctx"]["discriminator"].strip("'")
    path = _path(document, error["loc"])
    path = [*path, tag] if isinstance(_at(document, path), dict) else path
    is_metric = tag == "name"
    allowed = [name.strip("'") for name in error["ctx"]["expected_tags"].split(", ")]
    name = str(error["ctx"]["tag"])
    if is_metric and name in CATALOGUE:
        return Complaint(pointer_to(path), f"metric {name!r} may not stand here; allowed: {', '.join(allowed)}")
    detail = unknown("metric" if is_metric else tag, name, allowed)
    return Complaint(pointer_to(path), detail, kind=UnknownMetric if is_metric else InvalidParameter)


def _rule(error: ErrorDetails, model: type[BaseModel], document: Any) -> Complaint:
    broken = error["ctx"]["error"]
    at = broken.at if isinstance(broken, Forbidden) else ()
    return Complaint(pointer_to([*_path(document, error["loc"]), *at]), str(broken))


WRITERS: Mapping[str, Callable[[ErrorDetails, type[BaseModel], Any], Complaint]] = {
    "literal_error": _literal,
    "missing": _missing,
    "extra_forbidden": _extra,
    "union_tag_invalid": _unknown_tag,
    "union_tag_not_found": _untagged,
    "value_error": _rule,
}


def _path(document: Any, location: Location) -> list[str | int]:
    """The part of pydantic's location that is in the document: the names of a union's branches are not."""
    path: list[str | int] = []
    node = document
    for token in location:
        if _leads_on(node, token):
            path.append(token)
            node = node[token]
    return path


def _leads_on(node: Any, token: str | int) -> bool:
    if isinstance(node, dict):
        return token in node
    return isinstance(node, list) and isinstance(token, int) and token < len(node)


def _at(document: Any, path: Location) -> Any:
    for token in path:
        document = document[token]
    return document


def _without_noise(complaints: list[Complaint]) -> list[Complaint]:
    """One complaint a pointer: of a union's branches, the one that the value was meant for where that can be told."""
    by_pointer: dict[str, list[Complaint]] = {}
    for complaint in complaints:
        by_pointer.setdefault(complaint.pointer, []).append(complaint)
    return [_joined(group) for pointer, group in by_pointer.items() if not _is_noise(pointer, group, by_pointer)]


def _is_noise(pointer: str, group: list[Complaint], pointers: Iterable[str]) -> bool:
    return all(one.is_mismatch for one in group) and any(other.startswith(f"{pointer}/") for other in pointers)


def _joined(group: list[Complaint]) -> Complaint:
    telling = [complaint for complaint in group if not complaint.is_mismatch] or group
    first = telling[0]
    detail = ", or ".join(dict.fromkeys(complaint.detail for complaint in telling))
    return Complaint(first.pointer, detail, first.found, first.is_mismatch, first.kind)
