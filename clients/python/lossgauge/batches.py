"""A batch on its way: the requests that it takes, and their answers put together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import httpx

from lossgauge import wire
from lossgauge.bodies import BodyKind, Document
from lossgauge.calls import read
from lossgauge.errors import InvalidArgumentError, UnreadableAnswer, error_of
from lossgauge.results import BatchResult, FailedItem, Item, ScoredItem
from lossgauge.splitting import Part, pieces
from lossgauge.spread import mean_and_std


class BatchJob:
    """One `score_batch`: send each of `parts()`, `take` its answer, and read the `result`."""

    def __init__(
        self, items: Iterable[Any] | Mapping[str, Any], asked: Document, kind: BodyKind, limits: wire.Limits
    ) -> None:
        self._pieces = pieces(items, asked, kind, limits)
        self._items: list[Item] = []
        self._answers: list[wire.BatchResponse] = []

    def parts(self) -> Iterator[Part]:
        """The requests, each made when it is asked for; refused items go straight to the result."""
        for piece in self._pieces:
            if isinstance(piece, Part):
                yield piece
            else:
                self._items.append(piece)

    def take(self, part: Part, response: httpx.Response) -> None:
        """The answer to a part."""
        answer = answer_to(part, response)
        self._items += items_of(part, answer)
        self._answers.append(answer)

    def result(self) -> BatchResult:
        """All items in their order. Raises where nothing could be sent: no item, or every one refused."""
        items = tuple(sorted(self._items, key=lambda item: item.index))
        if not self._answers:
            raise _refusal(items)
        first, requests = self._answers[0], len(self._answers)
        summary, timings = self._summary(items), self._timings()
        return BatchResult(items, summary, first.semantics, timings, first.engine, requests, first.asked)

    def _summary(self, items: Sequence[Item]) -> Mapping[str, wire.Summary]:
        first = self._answers[0]
        if len(self._answers) == 1 and len(first.items) == len(items):
            return first.summary
        known = first.summary if len(self._answers) == 1 else dict.fromkeys(first.summary)
        return {key: _summary(items, key, first.semantics.get(key, {}), whole) for key, whole in known.items()}

    def _timings(self) -> wire.Timings:
        names = self._answers[0].timing_ms
        return {name: sum(answer.timing_ms.get(name, 0.0) for answer in self._answers) for name in names}


def answer_to(part: Part, response: httpx.Response) -> wire.BatchResponse:
    """The answer to a part; raises `UnreadableAnswer` where its items are not the part's."""
    answer = read(response, wire.BatchResponse)
    if [item.index for item in answer.items] != [*range(len(part.indexes))]:
        raise UnreadableAnswer(f"{response.url}: asked for {len(part.indexes)} items; the answer's are others")
    return answer


def items_of(part: Part, answer: wire.BatchResponse) -> list[Item]:
    """The answer's items, with their places in the whole batch."""
    return [_item(item, index) for item, index in zip(answer.items, part.indexes, strict=True)]


def _item(item: wire.ScoredItem | wire.FailedItem, index: int) -> Item:
    if isinstance(item, wire.ScoredItem):
        return ScoredItem(item.id, item.scores, index, item.precision)
    return FailedItem(index, item.id, error_of(_in_whole_batch(item.problem, item.index, index)))


def _in_whole_batch(problem: wire.Problem, local: int, index: int) -> wire.Problem:
    """The problem with its pointer into the caller's items, not into the request that carried them."""
    here = f"/items/{local}"
    if problem.pointer is None or not problem.pointer.startswith(here):
        return problem
    return problem.model_copy(update={"pointer": f"/items/{index}{problem.pointer[len(here) :]}"})


def _summary(items: Sequence[Item], key: str, semantics: Mapping[str, Any], whole: wire.Summary | None) -> wire.Summary:
    """The summary over all items; `whole` is that of the one answer, None where there are several."""
    values = [item[key] for item in items if isinstance(item, ScoredItem) and item.get(key) is not None]
    mean, std = mean_and_std(values)
    pooled = whole.pooled if whole else None
    return wire.Summary(
        value=pooled if semantics.get("pooling") == "batch" else mean,
        mean=mean,
        std=std,
        pooled=pooled,
        pooled_undefined=whole.pooled_undefined if whole else "several_requests",
        counted=len(values),
        skipped=len(items) - len(values),
    )


def _refusal(items: Sequence[Item]) -> Exception:
    refused = next((item.error for item in items if isinstance(item, FailedItem)), None)
    return refused or InvalidArgumentError("a batch has at least one item", pointer="/items")
