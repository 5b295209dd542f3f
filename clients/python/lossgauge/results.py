"""What a caller reads: scores as mappings, batches as sequences. A score without a value is never a number."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, overload

from lossgauge.errors import LossgaugeError, ProblemError, UndefinedScore
from lossgauge.wire import (
    Asked,
    EngineInfo,
    MetricDescription,
    Precision,
    Problem,
    Score,
    ScoreResponse,
    Semantics,
    Summary,
    Timings,
)


@dataclass(frozen=True, repr=False)
class Scores(Mapping[str, float]):
    """The scores of one pair, read like a mapping.

    `scores["dice"]` is a float; a score without a value raises `UndefinedScore` there, and is None for `.get("dice")`
    and `.scores["dice"].value`, beside which stand its reason and the metric's extras: an extra that is undefined is None, with its
    reason in `undefined_extras`.

    >>> pair = Scores(id="a", scores={"dice": Score(value=0.5), "iou": Score(value=None, undefined="both_empty")})
    >>> pair["dice"], pair.get("iou"), pair.scores["iou"].undefined
    (0.5, None, 'both_empty')
    """

    id: str | None
    scores: Mapping[str, Score]
    ok: ClassVar[bool] = True

    def __getitem__(self, key: str) -> float:
        value = _score(self.scores, key).value
        if value is None:
            raise UndefinedScore(key, self.scores[key].undefined)
        return float(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)

    def __contains__(self, key: object) -> bool:
        return key in self.scores

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a score, or `default` where it has none or is not in the answer."""
        return self[key] if key in self and self.scores[key].value is not None else default

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}({self._told()})", *_lines(self.scores)])

    def _told(self) -> str:
        return f"id={self.id!r}"


@dataclass(frozen=True, repr=False)
class ScoredItem(Scores):
    """An item of a batch that was scored; `precision` is what it was computed in.

    >>> ScoredItem(id="a", scores={"dice": Score(value=0.5)}, index=3)
    ScoredItem(index=3, id='a')
      dice  0.5
    """

    index: int
    precision: Precision | None = None

    def _told(self) -> str:
        return f"index={self.index}, id={self.id!r}"


@dataclass(frozen=True, repr=False)
class ScoreResult(Scores):
    """The answer to `score`: the scores, and what they mean.

    `semantics` holds each metric and `asked` the rest of the question, with every default written out, `precision` what
    the pass computed in, `timing_ms` where the time went, `engine` what computed.

    >>> engine = EngineInfo(version="0.1.0", device="cpu", kernel="eager")
    >>> answer = ScoreResponse(scores={"dice": Score(value=0.5)}, semantics={}, timing_ms={}, engine=engine)
    >>> ScoreResult.of(answer)["dice"]
    0.5
    """

    semantics: Semantics
    timing_ms: Timings
    engine: EngineInfo
    asked: Asked | None = None
    precision: Precision | None = None

    @classmethod
    def of(cls, answer: ScoreResponse) -> "ScoreResult":
        """The result of an answer."""
        told = (answer.semantics, answer.timing_ms, answer.engine, answer.asked, answer.precision)
        return cls(answer.id, answer.scores, *told)

    def _told(self) -> str:
        return f"id={self.id!r}, {self.engine.device}, {self.engine.kernel}"


@dataclass(frozen=True, repr=False)
class FailedItem:
    """An item that could not be scored: reading a score raises its error, never gives a number.

    `error` is the exception; `problem` what the service said, None where the client refused the item before sending it.

    >>> item = FailedItem(index=3, id=None, error=LossgaugeError("target is not binary"))
    >>> item["dice"]
    Traceback (most recent call last):
    lossgauge.errors.LossgaugeError: target is not binary
    """

    index: int
    id: str | None
    error: LossgaugeError
    ok: ClassVar[bool] = False

    @property
    def problem(self) -> Problem | None:
        """What the service said."""
        return self.error.problem if isinstance(self.error, ProblemError) else None

    @property
    def scores(self) -> NoReturn:
        """Raises the item's error."""
        raise self.error

    def __getitem__(self, key: str) -> NoReturn:
        raise self.error

    def __iter__(self) -> NoReturn:
        raise self.error

    def get(self, key: str, default: Any = None) -> NoReturn:
        """Raises the item's error: a default would hide it."""
        raise self.error

    def __repr__(self) -> str:
        return f"FailedItem(index={self.index}, id={self.id!r})\n  {type(self.error).__name__}: {self.error}"


Item = ScoredItem | FailedItem


@dataclass(frozen=True, repr=False)
class BatchResult(Sequence[Item]):
    """The answer to `score_batch`: the items in the order in which they were given.

    `summary[key]` has mean, std, pooled, counted and skipped; `semantics` and `asked` are as in `ScoreResult`. A batch
    longer than the service takes at once was sent in several `requests`: mean, std, counted and skipped are those of all
    items all the same, but sums do not travel, so `pooled` (and `value` of a metric with pooling "batch") is None then,
    and `pooled_undefined` is "several_requests"; it says why whenever `pooled` is None.

    >>> engine = EngineInfo(version="0.1.0", device="cpu", kernel="eager")
    >>> items = (ScoredItem("a", {"dice": Score(value=0.5)}, 0), FailedItem(1, "b", LossgaugeError("no")))
    >>> result = BatchResult(items, {}, {"dice": {}}, {}, engine, requests=1)
    >>> result.column("dice"), result[0]["dice"], list(result.problems)
    ([0.5, None], 0.5, [1])
    """

    items: tuple[Item, ...]
    summary: Mapping[str, Summary]
    semantics: Semantics
    timing_ms: Timings
    engine: EngineInfo
    requests: int
    asked: Asked | None = None

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, index: int | slice) -> Item | tuple[Item, ...]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def problems(self) -> dict[int, LossgaugeError]:
        """The error of each item that could not be scored, by index."""
        return {item.index: item.error for item in self.items if isinstance(item, FailedItem)}

    def column(self, key: str) -> list[float | None]:
        """One score of every item; None where it is undefined or the item failed."""
        if key not in self.semantics:
            raise _unknown(key, self.semantics)
        return [item.get(key) if isinstance(item, ScoredItem) else None for item in self.items]

    def __repr__(self) -> str:
        head = f"BatchResult({len(self)} items, {len(self.problems)} problems, {self.requests} requests)"
        return "\n".join([head, *_padded({key: _mean(summary) for key, summary in self.summary.items()})])


class MetricList:
    """The catalogue: the service's metrics, a list that can be read by name too.

    >>> catalogue = MetricList([])
    >>> len(catalogue), "dice" in catalogue
    (0, False)
    """

    def __init__(self, descriptions: Sequence[MetricDescription]) -> None:
        self._by_name = {description.name: description for description in descriptions}

    @property
    def names(self) -> list[str]:
        """The metrics' names."""
        return list(self._by_name)

    @overload
    def __getitem__(self, which: int | str) -> MetricDescription: ...
    @overload
    def __getitem__(self, which: slice) -> list[MetricDescription]: ...
    def __getitem__(self, which: int | str | slice) -> MetricDescription | list[MetricDescription]:
        if not isinstance(which, str):
            return list(self._by_name.values())[which]
        if which not in self._by_name:
            raise _unknown(which, self._by_name)
        return self._by_name[which]

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, which: object) -> bool:
        return any(which in (about.name, about) for about in self)

    def __iter__(self) -> Iterator[MetricDescription]:
        return iter(self._by_name.values())

    def __repr__(self) -> str:
        return "\n".join(["MetricList", *(f"  {about.name:<20} {about.summary}" for about in self)])


def _score(scores: Mapping[str, Score], key: str) -> Score:
    if key not in scores:
        raise _unknown(key, scores)
    return scores[key]


def _unknown(key: str, known: Mapping[str, Any]) -> KeyError:
    return KeyError(f"{key!r} is not in this answer; it has {', '.join(known)}")


def _lines(scores: Mapping[str, Score]) -> list[str]:
    return _padded({key: _shown(score) for key, score in scores.items()})


def _padded(texts: Mapping[str, str]) -> list[str]:
    width = max(map(len, texts), default=0)
    return [f"  {key:<{width}}  {text}" for key, text in texts.items()]


def _shown(score: Score) -> str:
    return f"undefined: {score.undefined}" if score.value is None else f"{score.value:.6g}"


def _mean(summary: Summary) -> str:
    mean = "undefined" if summary.mean is None else f"{summary.mean:.6g}"
    return f"mean {mean} of {summary.counted}, {summary.skipped} skipped"
