"""What the two clients share: a call is made here from arguments, and an answer read here."""

import operator
import os
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

import lossgauge
from lossgauge.arrays import Sendable, sendable
from lossgauge.bodies import Attachment, Body, BodyKind, Document, Packed
from lossgauge.encoded import EncodedArray, Extent
from lossgauge.errors import APIConnectionError, APITimeoutError, InvalidArgumentError, UnreadableAnswer, error_of
from lossgauge.mapping import MapMessage, OfMetric
from lossgauge.metrics.spec import MetricSpec
from lossgauge.packets import Stretch
from lossgauge.retry import Outcome, retry_after
from lossgauge.room import extent_of
from lossgauge.sweeps import FocalGrid
from lossgauge.wire import Problem

MetricLike = str | Mapping[str, Any] | MetricSpec
Metrics = MetricLike | Iterable[MetricLike]
"""Names, mappings or typed specs; one, or several."""

MapLike = str | Mapping[str, Any] | MapMessage
Maps = MapLike | Iterable[MapLike]
"""Kinds of map that need no more ("errors"), mappings or typed maps; one, or several."""

Model = TypeVar("Model", bound=BaseModel)

KEY_VARIABLE = "LOSSGAUGE_API_KEY"
KEY = re.compile(r"[!-~]*")

SAFETENSORS = "application/x-safetensors"

PAIR_KEYS = ("prediction", "target", "weight")
PLAIN_KEYS = ("id", "spacing")
REQUIRED = ("prediction", "target")


@dataclass(frozen=True)
class Call:
    """A request that can be sent again as it is: its idempotency key is minted once."""

    method: str
    path: str
    pieces: Sequence[Stretch] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes | None:
        """Its body as one, copied."""
        return None if self.pieces is None else b"".join(self.pieces)

    def kept(self) -> "Call":
        """The same, of a copy of its body: from then on the arrays that it was made of may change."""
        return self if self.pieces is None else replace(self, pieces=(b"".join(self.pieces),))


@dataclass(frozen=True)
class Pair:
    """A prediction, its target and perhaps a weight, packed, and how much each of them is."""

    document: Document
    attachments: tuple[Attachment, ...]
    extents: Mapping[str, Extent]


def headers_of_client(api_key: str | None) -> dict[str, str]:
    """What every call of a client says; without a key that of the environment, where there is one."""
    identity = {"User-Agent": f"lossgauge-python/{lossgauge.__version__}", "Accept": "application/json"}
    key = os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key
    if not KEY.fullmatch(key):
        # not the library's complaint, which would hold the key
        raise InvalidArgumentError("an API key has no spaces, no line ends and none but ASCII characters")
    return identity | ({"Authorization": f"Bearer {key}"} if key else {})


def get(path: str) -> Call:
    """A call that reads."""
    return Call("GET", path)


def post(path: str, body: Body, **more: str) -> Call:
    """A call that posts a body; more are headers."""
    length = {"Content-Length": str(body.size)}
    headers = {"Content-Type": body.media_type, **length, "Idempotency-Key": secrets.token_hex(16), **more}
    return Call("POST", path, body.pieces, headers)


def subject(**options: Any) -> Document:
    """What is said of the arrays; None stands for the service's default."""
    return {name: value for name, value in options.items() if value is not None}


def question(metrics: Metrics, **options: Any) -> Document:
    """What is asked of every pair; None stands for the service's default."""
    in_full = options.get("preset") is None
    write = _metric if options.get("regions") is None else _metric_of_regions
    return subject(**options) | {"metrics": [write(metric, in_full) for metric in _listed(metrics)]}


def score_call(kind: BodyKind, asked: Document, item: Mapping[str, Any]) -> Call:
    """The call that scores one pair."""
    pair = packed_pair(kind, item)
    return post("/v1/score", kind.body(asked | pair.document, pair.attachments))


def sweep_call(kind: BodyKind, said: Document, swept: Document, item: Mapping[str, Any]) -> Call:
    """The call that sweeps one pair."""
    pair = packed_pair(kind, item)
    grid = swept.get("focal")
    asked = {**swept, "focal": _grid(grid)} if isinstance(grid, FocalGrid) else swept
    return post("/v1/sweep", kind.body(said | {"sweep": asked} | pair.document, pair.attachments))


def _grid(grid: FocalGrid) -> Document:
    """A grid as it travels; with a preset what was given only, as of a metric."""
    return grid.model_dump(mode="json", exclude_unset=grid.preset is not None)


def maps_call(kind: BodyKind, maps: Maps, said: Document, item: Mapping[str, Any]) -> Call:
    """The call that maps one pair."""
    in_full = said.get("preset") is None
    asked = said | {"maps": [_map(one, in_full) for one in _listed_maps(maps)]}
    pair = packed_pair(kind, item)
    return post("/v1/maps", kind.body(asked | pair.document, pair.attachments), Accept=SAFETENSORS)


def packed_pair(kind: BodyKind, item: Mapping[str, Any], *, place: str = "", prefix: str = "") -> Pair:
    """An item packed: its arrays by `kind`, the rest as it is. `place` is where it stands in the request."""
    check_keys(item, (*PAIR_KEYS, *PLAIN_KEYS), place)
    roles = [role for role in PAIR_KEYS if item.get(role) is not None]
    held = {role: sendable(item[role], f"{place}/{role}") for role in roles}
    packed = {role: _packed(kind, prefix + role, array, f"{place}/{role}") for role, array in held.items()}
    document: Document = {role: part.document for role, part in packed.items()}
    attachments = tuple(part.attachment for part in packed.values() if part.attachment)
    plain = {key: item[key] for key in PLAIN_KEYS if item.get(key) is not None}
    return Pair(document | plain, attachments, {role: extent_of(array) for role, array in held.items()})


def _packed(kind: BodyKind, name: str, held: Sendable, pointer: str) -> Packed:
    """What is encoded already stands in the document, whatever the kind of body."""
    return Packed(held.document) if isinstance(held, EncodedArray) else kind.pack(name, held, pointer)


def check_keys(item: Mapping[str, Any], allowed: tuple[str, ...], place: str) -> None:
    """Refuse a mapping with keys that the contract does not name, or without the arrays that it needs."""
    unknown = [key for key in item if key not in allowed]
    missing = [key for key in REQUIRED if item.get(key) is None]
    if unknown or missing:
        found = f"has no {missing[0]}" if missing else f"has the key {unknown[0]!r}; allowed are {', '.join(allowed)}"
        raise InvalidArgumentError(found, pointer=place or None)


def settled(outcome: Outcome) -> httpx.Response:
    """The answer of the last attempt; its error where it is none."""
    if isinstance(outcome, httpx.TimeoutException):
        raise APITimeoutError(f"{outcome.request.url}: no answer in time ({type(outcome).__name__})") from outcome
    if isinstance(outcome, httpx.RequestError):
        raise APIConnectionError(f"{outcome.request.url}: {outcome or type(outcome).__name__}") from outcome
    if not outcome.is_success:
        raise error_of(_problem(outcome), retry_after=retry_after(outcome, time.time()))
    return outcome


def let_go(response: httpx.Response) -> httpx.Response:
    """A response that has been read, without its stream: that knows the response, and both would keep the body that was sent."""
    response.stream = httpx.ByteStream(b"")
    return response


def read(response: httpx.Response, model: type[Model]) -> Model:
    """The answer as the contract has it."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise UnreadableAnswer(f"{response.url}: not a {model.__name__}: {error.errors()[0]['msg']}") from error


def _problem(response: httpx.Response) -> Problem:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        return _foreign_problem(response)


def _foreign_problem(response: httpx.Response) -> Problem:
    """What something that does not speak problem+json, such as a proxy, answered."""
    return Problem(
        type="about:blank",
        title=response.reason_phrase,
        status=response.status_code,
        detail=response.text[:200] or response.reason_phrase,
        code=f"http_{response.status_code}",
        request_id=response.headers.get("x-request-id"),
    )


def _listed(metrics: Metrics) -> Iterable[MetricLike]:
    if isinstance(metrics, str | Mapping | MetricSpec) or not isinstance(metrics, Iterable):
        return [metrics]
    return metrics


def _metric(metric: MetricLike, in_full: bool) -> Any:
    """A metric as it travels; where there is a preset, with what was given only: defaults would go before the preset's."""
    if isinstance(metric, MetricSpec):
        return metric.model_dump(mode="json", exclude_unset=metric.preset is not None or not in_full)
    if isinstance(metric, str | Mapping):
        return metric if isinstance(metric, str) else dict(metric)
    found = type(metric).__qualname__
    raise InvalidArgumentError(f"a metric is a name, a mapping or a spec, not a {found}", pointer="/metrics")


def _metric_of_regions(metric: MetricLike, in_full: bool) -> Any:
    """The same for regions, of which nothing is soft: a default that is soft is left out, for only what is asked for is refused."""
    document = _metric(metric, in_full)
    if isinstance(metric, MetricSpec):
        for *within, name in metric.soft_by_default():
            reduce(operator.getitem, within, document).pop(name, None)
    return document


def _listed_maps(maps: Maps) -> Iterable[MapLike]:
    if isinstance(maps, str | Mapping | MapMessage) or not isinstance(maps, Iterable):
        return [maps]
    return maps


def _map(one: MapLike, in_full: bool) -> Document:
    if isinstance(one, MapMessage):
        metric = {"metric": _metric(one.metric, in_full)} if isinstance(one, OfMetric) else {}
        return one.model_dump(mode="json") | metric
    if isinstance(one, str):
        return {"kind": one}
    if isinstance(one, Mapping):
        return {name: _metric(value, in_full) if name == "metric" else value for name, value in one.items()}
    raise InvalidArgumentError(
        f"a map is a kind, a mapping or a typed map, not a {type(one).__qualname__}", pointer="/maps"
    )
