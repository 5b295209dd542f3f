"""Cutting a batch into requests that the service's limits allow."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossgauge.arrays import array_of
from lossgauge.bodies import Attachment, Body, BodyKind, Cost, Document
from lossgauge.calls import PAIR_KEYS, Call, Pair, check_keys, packed_pair, post
from lossgauge.errors import InvalidArgumentError
from lossgauge.results import FailedItem
from lossgauge.room import most_bytes
from lossgauge.wire import Limits

PATH = "/v1/score/batch"
FRAME = Cost(parts=1, document_bytes=256, body_bytes=256)
"""What a body takes beside the document and the arrays, at most."""
STACK_KEYS = (*PAIR_KEYS, "ids")


@dataclass(frozen=True)
class Part:
    """One request of a batch, and which of the batch's items it holds."""

    call: Call
    indexes: Sequence[int]


Piece = Part | FailedItem
"""What a batch is cut into: requests, and the items that the client refuses."""


def pieces(
    items: Iterable[Any] | Mapping[str, Any], asked: Document, kind: BodyKind, limits: Limits
) -> Iterator[Piece]:
    """A batch, given as items or stacked, as requests; one is made only when the one before it was taken."""
    if isinstance(items, Mapping):
        return Stack.of(items).parts(asked, kind, limits)
    return _item_pieces(items, asked, kind, limits)


# --------------------------------------------------------------------------------------------------------------- items


@dataclass(frozen=True)
class PackedItem:
    """An item that is ready to go: where it stands in the batch, and what it takes."""

    index: int
    pair: Pair
    cost: Cost


class Cutter:
    """Cuts items into requests as they come: one is made when the next item would not fit in, or at the end.

    `most` is what a request should hold; an item alone may take all that `limits` allow.
    """

    def __init__(self, asked: Document, kind: BodyKind, limits: Limits, most: Limits | None = None) -> None:
        self._asked = asked
        self._kind = kind
        self._limits = limits
        self._most = most or limits
        self._empty = kind.cost(asked | {"items": []}, ()) + FRAME
        self._group: list[PackedItem] = []
        self._taken = self._empty
        self._count = 0

    def add(self, item: Any) -> Iterator[Piece]:
        """The request that this item does not fit into, where there is one; the item itself where it is refused."""
        packed = _packed(self._kind, self._asked, item, self._count)
        self._count += 1
        if isinstance(packed, FailedItem):
            yield packed
            return
        if self._group and not (self._taken + packed.cost).fits(self._most):
            yield from self.rest()
        self._group.append(packed)
        self._taken += packed.cost

    def rest(self) -> Iterator[Piece]:
        """The request of what has not been sent, where there is anything."""
        group, self._group, self._taken = self._group, [], self._empty
        if group:
            yield _part(group, self._asked, self._kind, self._limits)


def _item_pieces(items: Iterable[Any], asked: Document, kind: BodyKind, limits: Limits) -> Iterator[Piece]:
    cutter = Cutter(asked, kind, limits)
    for item in items:
        yield from cutter.add(item)
    yield from cutter.rest()


def _packed(kind: BodyKind, asked: Document, item: Any, index: int) -> PackedItem | FailedItem:
    place = f"/items/{index}"
    try:
        _check_is_mapping(item, place)
        pair = packed_pair(kind, item, place=place, prefix=f"{index}.")
        cost = kind.cost(pair.document, pair.attachments)
    except InvalidArgumentError as error:
        at_place = error if error.pointer else InvalidArgumentError(error.detail, pointer=place)
        return FailedItem(index, item.get("id") if isinstance(item, Mapping) else None, at_place)
    return PackedItem(index, pair, cost + Cost(items=1, decoded_bytes=most_bytes(asked, pair.extents)))


def _check_is_mapping(item: Any, place: str) -> None:
    if not isinstance(item, Mapping):
        found = type(item).__qualname__
        raise InvalidArgumentError(f"an item is a mapping with prediction and target, not a {found}", pointer=place)


def _part(group: list[PackedItem], asked: Document, kind: BodyKind, limits: Limits) -> Piece:
    document = asked | {"items": [packed.pair.document for packed in group]}
    body = kind.body(document, [attachment for packed in group for attachment in packed.pair.attachments])
    over = body.over(limits) if len(group) == 1 else None
    if over is not None:
        return _too_large(group[0], over)
    return Part(post(PATH, body), [packed.index for packed in group])


def _too_large(packed: PackedItem, found: str) -> FailedItem:
    """An item that would be refused with its whole request fails alone."""
    error = InvalidArgumentError(found, pointer=f"/items/{packed.index}")
    return FailedItem(packed.index, packed.pair.document.get("id"), error)


# ------------------------------------------------------------------------------------------------------------- stacked


@dataclass(frozen=True)
class Stack:
    """Arrays whose first axis is the sample."""

    arrays: Mapping[str, NDArray[Any]]
    ids: Sequence[str] | None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Stack":
        """The stack of a mapping with prediction, target and perhaps weight and ids."""
        check_keys(given, STACK_KEYS, "")
        arrays = {role: array_of(given[role], f"/{role}") for role in PAIR_KEYS if given.get(role) is not None}
        ids = given.get("ids")
        _check_one_length(arrays, ids)
        return cls(arrays, None if ids is None else [*ids])

    def __len__(self) -> int:
        return len(self.arrays["prediction"])

    def parts(self, asked: Document, kind: BodyKind, limits: Limits) -> Iterator[Part]:
        """The stack cut along its first axis; halved where encoding makes a piece larger than was foreseen."""
        step = self._foreseen(kind, limits)
        start = 0
        while start < len(self):
            stop = min(start + step, len(self))
            body = self._body(slice(start, stop), asked, kind)
            if body.size > limits.body_bytes and stop - start > 1:
                step = (stop - start) // 2
                continue
            yield Part(post(PATH, body), range(start, stop))
            start = stop

    def _foreseen(self, kind: BodyKind, limits: Limits) -> int:
        """How many samples a request may hold, as far as the arrays tell."""
        largest = max(array[0].size for array in self.arrays.values())
        sample_bytes = sum(array[0].nbytes for array in self.arrays.values())
        by_elements = kind.elements(limits) // max(largest, 1)
        by_bytes = limits.body_bytes // max(sample_bytes, 1)
        return int(max(1, min(limits.items, by_elements, by_bytes)))

    def _body(self, samples: slice, asked: Document, kind: BodyKind) -> Body:
        packed = {role: kind.pack(role, array[samples], f"/{role}") for role, array in self.arrays.items()}
        document = asked | {role: part.document for role, part in packed.items()}
        attachments: list[Attachment] = [part.attachment for part in packed.values() if part.attachment]
        return kind.body(document | ({} if self.ids is None else {"ids": self.ids[samples]}), attachments)


def _check_one_length(arrays: Mapping[str, NDArray[Any]], ids: Sequence[str] | None) -> None:
    lengths = {role: np.shape(array)[0] if np.ndim(array) else 0 for role, array in arrays.items()}
    lengths |= {} if ids is None else {"ids": len(ids)}
    if 0 in lengths.values() or len(set(lengths.values())) > 1:
        found = ", ".join(f"{role} {length}" for role, length in lengths.items())
        raise InvalidArgumentError(f"a stack has the same number of samples everywhere, at least one; found {found}")
