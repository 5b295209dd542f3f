"""From an envelope to checked samples. Long work: never on the event loop."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from lossgauge.encodings import Array
from lossgauge.encodings.base import AnyArray, ArrayRejected, Attachments, Bits, Caps, array_of
from lossgauge.mapping import MapRequest
from lossgauge.sweeps import SweepRequest
from lossgauge.wire import BatchItem, BatchRequest, Limits, Question, ScoreRequest, StreamRequest, Subject

from lossgauge_service.bodies import Envelope
from lossgauge_service.errors import (
    InvalidDtype,
    InvalidParameter,
    LimitExceeded,
    LossgaugeError,
    ShapeMismatch,
    UndecodableArray,
)
from lossgauge_service.samples import Sample, may_be_packed, sample_of, sample_of_bits, samples_of_stack
from lossgauge_service.validation import validated

REJECTIONS: dict[str, type[LossgaugeError]] = {
    "undecodable_array": UndecodableArray,
    "invalid_dtype": InvalidDtype,
    "limit_exceeded": LimitExceeded,
}
ARRAYS = frozenset({"prediction", "target", "weight", "items"})
ROLES = ("/prediction", "/target", "/weight")
MOST_ID_CHARACTERS = 200
Request = TypeVar("Request", bound=Subject)


@dataclass(frozen=True)
class Item:
    """A place in a batch: a sample, or its error. `at` points to it; `label` names it where it has no pointer.

    own: what errors point to that stands in the item, not in the request.
    """

    id: str | None
    outcome: Sample | LossgaugeError
    at: str = ""
    label: str = ""
    own: tuple[str, ...] = ROLES

    def told(self, error: LossgaugeError) -> LossgaugeError:
        """An error of this item's arrays, with its place in the request. A copy: items may share an error."""
        pointer = error.pointer or ""
        of_item = pointer.startswith(self.own)
        return type(error)(
            self.label + error.detail, pointer=self.at + pointer if of_item else error.pointer, **error.extras
        )


class Pair(Protocol):
    """What holds a prediction and its target."""

    @property
    def prediction(self) -> Array:
        """The prediction."""

    @property
    def target(self) -> Array:
        """The target."""

    @property
    def weight(self) -> Array | None:
        """The weight map."""


@dataclass
class Room:
    """What is left of the bytes that the samples of one body may take: a few bytes of runs may say millions of pixels."""

    left: int

    def check(self, at: str) -> None:
        """Raises `LimitExceeded` where nothing is left."""
        if self.left <= 0:
            found = "the items before this one decode to as much as a request may; send it in another"
            raise LimitExceeded(found, pointer=at, limit="inflated_bytes")

    def take(self, sample: Sample) -> None:
        """Count what a sample takes; of runs what their bits may be unpacked to, which no body bounds."""
        self.left -= 2 * sample.elements if sample.down_columns else sample.nbytes


@dataclass(frozen=True)
class Decoder:
    """Decodes one request's arrays, within the caps."""

    attachments: Attachments
    caps: Caps
    limits: Limits

    def sample(self, question: Question, pair: Pair) -> Sample:
        """The checked sample of one pair."""
        return self._checked(question, *self._arrays(pair))

    def compact_sample(self, question: Question, pair: Pair) -> Sample:
        """The same; of two masks that travel as bits the bits, packed."""
        if not may_be_packed(question) or pair.weight is not None:
            return self.sample(question, pair)
        prediction = self._array_or_bits(pair.prediction, "/prediction")
        target = self._array_or_bits(pair.target, "/target")
        if isinstance(prediction, Bits) and isinstance(target, Bits) and _are_a_pair(prediction, target):
            return sample_of_bits(question, prediction, target)
        return self._checked(question, array_of(prediction), array_of(target), None)

    def _checked(self, question: Question, prediction: AnyArray, target: AnyArray, weight: AnyArray | None) -> Sample:
        _check_regions(question, target, self.limits)
        sample = sample_of(question, prediction, target, weight)
        _check_classes(sample, self.limits)
        return sample

    def items(self, request: BatchRequest) -> list[Item]:
        """The items of a batch, each read on its own."""
        if request.items is None:
            return self._stacked(request)
        room = Room(self.limits.decoded_bytes)
        return [self._item(request, document, f"/items/{index}", room) for index, document in enumerate(request.items)]

    def item(self, question: Question, document: Any, at: str) -> Item:
        """An item that is decoded by itself; `at` points to it."""
        return self._item(question, document, at, Room(self.limits.decoded_bytes))

    def _item(self, question: Question, document: Any, at: str, room: Room) -> Item:
        try:
            item = validated(BatchItem, document, at)
            room.check(at)
            sample = self.compact_sample(_question_about(question, item), item)
            room.take(sample)
            return Item(item.id, sample, at)
        except LossgaugeError as error:
            return Item(_id_in(document), error, at, own=_own_pointers(document))

    def _stacked(self, request: BatchRequest) -> list[Item]:
        prediction, target, weight = self._arrays(request)
        count = len(prediction) if prediction.ndim else 0
        if count == 0:
            raise ShapeMismatch(f"shape {list(prediction.shape)} stacks no sample", pointer="/prediction")
        _check_count("samples", count, self.limits.items, "/prediction")
        _check_regions(request, target, self.limits)
        ids = _ids_for(count, request.ids)
        outcomes = samples_of_stack(request, prediction, target, weight)
        return [
            Item(id, self._within_limits(outcome), label=f"sample {index}: ")
            for index, (id, outcome) in enumerate(zip(ids, outcomes, strict=True))
        ]

    def _within_limits(self, outcome: Sample | LossgaugeError) -> Sample | LossgaugeError:
        try:
            _check_classes(outcome, self.limits)
        except LimitExceeded as error:
            return error
        return outcome

    def _arrays(self, pair: Any) -> tuple[AnyArray, AnyArray, AnyArray | None]:
        weight = None if pair.weight is None else self._array(pair.weight, "/weight")
        return self._array(pair.prediction, "/prediction"), self._array(pair.target, "/target"), weight

    def _array(self, array: Array, at: str) -> AnyArray:
        with _pointing_to(at):
            return array.decode(self.attachments, self.caps)

    def _array_or_bits(self, array: Array, at: str) -> AnyArray | Bits:
        with _pointing_to(at):
            return array.decode_compact(self.attachments, self.caps)


def _are_a_pair(prediction: Bits, target: Bits) -> bool:
    """Whether two masks are a pair, bit by bit; where they are none, they are as any other arrays."""
    same = (prediction.shape, prediction.down_columns) == (target.shape, target.down_columns)
    return same and len(prediction.packed) > 0


def score_request(envelope: Envelope, limits: Limits) -> ScoreRequest:
    """The request of one pair."""
    return _request(ScoreRequest, envelope.document, limits)


def map_request(envelope: Envelope, limits: Limits) -> MapRequest:
    """The request of one pair's maps."""
    return _request(MapRequest, envelope.document, limits)


def batch_request(envelope: Envelope, limits: Limits) -> BatchRequest:
    """The request of a batch; its items are not read yet."""
    _check_length(envelope.document, "items", limits.items)
    return _request(BatchRequest, envelope.document, limits)


def stream_request(document: dict[str, Any], limits: Limits) -> StreamRequest:
    """The question of a stream."""
    return _request(StreamRequest, document, limits)


def sweep_request(envelope: Envelope, limits: Limits) -> SweepRequest:
    """The request of a sweep."""
    return _request(SweepRequest, envelope.document, limits)


def without_arrays(request: Request) -> Request:
    """The request once its arrays are decoded: what is told of it in the end needs no more of their documents."""
    return request.model_copy(update=dict.fromkeys(ARRAYS & type(request).model_fields.keys()))


def _request(model: type[Request], document: dict[str, Any], limits: Limits) -> Request:
    _check_length(document, "metrics", limits.metrics)
    request = validated(model, document)
    _check_count("classes", request.num_classes or 0, limits.classes, "/num_classes")
    _check_count("classes", len(request.regions or []), limits.classes, "/regions")
    return request


def _check_length(document: dict[str, Any], name: str, cap: int) -> None:
    """Before anything is made of its members."""
    members = document.get(name)
    if isinstance(members, list):
        _check_count(name, len(members), cap, f"/{name}")


def _check_count(what: str, count: int, cap: int, pointer: str) -> None:
    limit = "items" if what == "samples" else what
    if count > cap:
        raise LimitExceeded(f"{count} {what}; at most {cap} are allowed", pointer=pointer, limit=limit)


def _check_classes(sample: Sample | LossgaugeError, limits: Limits) -> None:
    if isinstance(sample, Sample):
        _check_count("classes", sample.case.classes, limits.classes, "/prediction")


def _check_regions(question: Question, target: AnyArray, limits: Limits) -> None:
    """Before there is a mask of each region."""
    elements = len(question.regions or []) * target.size
    if elements > limits.array_elements:
        found = f"{len(question.regions or [])} regions of {target.size} pixels"
        raise LimitExceeded(
            f"{found}; together at most {limits.array_elements} are allowed", pointer="/regions", limit="array_elements"
        )


def _ids_for(count: int, ids: list[str] | None) -> list[str | None]:
    if ids is None:
        return [None] * count
    if len(ids) != count:
        raise InvalidParameter(f"{len(ids)} ids for {count} samples; give one for each", pointer="/ids")
    return [*ids]


def _question_about(question: Question, item: BatchItem) -> Question:
    """The question with what an item says for itself."""
    return question if item.spacing is None else question.model_copy(update={"spacing": item.spacing})


def _own_pointers(document: Any) -> tuple[str, ...]:
    given = isinstance(document, dict) and document.get("spacing") is not None
    return (*ROLES, "/spacing") if given else ROLES


def _id_in(document: Any) -> str | None:
    found = document.get("id") if isinstance(document, dict) else None
    return found if isinstance(found, str) and len(found) <= MOST_ID_CHARACTERS else None


@contextmanager
def _pointing_to(at: str) -> Iterator[None]:
    """An array that is rejected is an error at its place."""
    try:
        yield
    except ArrayRejected as rejected:
        extras = {} if rejected.limit is None else {"limit": rejected.limit}
        raise REJECTIONS[rejected.code](rejected.detail, pointer=at + rejected.pointer, **extras) from None
