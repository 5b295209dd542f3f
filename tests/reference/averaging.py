"""The value of several classes: macro, micro, weighted, or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.reference.case import Case, Expected, Outcome, reasons_by_class

NO_CLASS_DEFINED = "no_class_defined"


@dataclass(frozen=True)
class ByClass:
    """Each class's outcome and target size, and the outcome of the summed sums of the classes in the average."""

    outcomes: list[Outcome]
    sizes: list[float]
    summed: Outcome
    first: int = 0


def averaged(case: Case, average: str, classes: ByClass) -> Expected:
    """The score: of the one class (binary), or averaged over the classes from `first` on."""
    if case.task == "binary":
        return Expected(*classes.outcomes[0])
    (value, undefined), extras = _AVERAGES[average](classes)
    reasons = reasons_by_class(classes.outcomes)
    extras |= {"undefined_classes": reasons} if reasons else {}
    return Expected(value, undefined, [outcome.value for outcome in classes.outcomes], extras)


def mean_of_defined(outcomes: Sequence[Outcome]) -> Outcome:
    """The mean of the values there are; where there is none, their one reason, or `no_class_defined`."""
    values = [outcome.value for outcome in outcomes if outcome.value is not None]
    if values:
        return Outcome(sum(values) / len(values))
    reasons = {outcome.reason for outcome in outcomes}
    return Outcome(None, reasons.pop() if len(reasons) == 1 else NO_CLASS_DEFINED)


def _macro(classes: ByClass) -> tuple[Outcome, dict[str, Any]]:
    return mean_of_defined(classes.outcomes[classes.first :]), _tally(classes)


def _micro(classes: ByClass) -> tuple[Outcome, dict[str, Any]]:
    return classes.summed, {}


def _weighted(classes: ByClass) -> tuple[Outcome, dict[str, Any]]:
    pairs = zip(classes.outcomes[classes.first :], classes.sizes[classes.first :], strict=True)
    defined = [(outcome.value, size) for outcome, size in pairs if outcome.value is not None]
    total = sum(size for _, size in defined)
    if not defined:
        return mean_of_defined(classes.outcomes[classes.first :]), _tally(classes)
    if total == 0:
        return Outcome(None, "target_empty"), _tally(classes)
    return Outcome(sum(value * size for value, size in defined) / total), _tally(classes)


def _none(classes: ByClass) -> tuple[Outcome, dict[str, Any]]:
    return Outcome(None, "not_averaged"), {}


def _tally(classes: ByClass) -> dict[str, Any]:
    within = classes.outcomes[classes.first :]
    counted = sum(outcome.value is not None for outcome in within)
    return {"counted": counted, "skipped": len(within) - counted}


_AVERAGES = {"macro": _macro, "micro": _micro, "weighted": _weighted, "none": _none}
