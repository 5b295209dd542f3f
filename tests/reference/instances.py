"""Matched objects, from sets of pixels: flood fill, the IoU of every pair, and pairs taken one by one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from lossgauge.metrics import InstanceFBeta, InstancePrecision, PanopticQuality
from lossgauge.metrics.instances import Matched
from lossgauge_service.errors import MetricDoesNotFit
from scipy.optimize import linear_sum_assignment

from tests.reference.averaging import ByClass, averaged, mean_of_defined
from tests.reference.case import (
    NO_VALID_PIXELS,
    NOTHING_TO_SCORE,
    AnyArray,
    Case,
    Expected,
    Mask,
    Outcome,
    quotient,
    tally,
    told,
)
from tests.reference.region import rule_of, ruled

Pixel = tuple[int, ...]
Object = frozenset[Pixel]


@dataclass(frozen=True)
class Scene:
    """The objects of one class, by id. void: ignored pixels. valid: how many pixels count."""

    target: dict[int, Object]
    prediction: dict[int, Object]
    void: Object
    crowd: frozenset[int]
    valid: int


class Match(NamedTuple):
    """A pair of ids and its IoU."""

    target: int
    prediction: int
    iou: float


class Counts(NamedTuple):
    """What is found at a threshold."""

    tp: float
    fp: float
    fn: float
    iou: float
    pairs: tuple[Match, ...]

    def __add__(self, other: Any) -> "Counts":
        """Those of two classes together."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


# --------------------------------------------------------------------------------------------------------------- objects


def scenes_of(spec: Matched, case: Case) -> list[Scene]:
    """The objects of every class."""
    return _scenes_of_ids(spec, case) if case.task == "instances" else _scenes_of_masks(spec, case)


def _scenes_of_masks(spec: Matched, case: Case) -> list[Scene]:
    scenes = []
    for c in range(case.classes):
        prediction, target, valid = case.prediction, case.target, case.valid
        if case.task == "multilabel":
            prediction, target, valid = prediction[c], target[c], valid[c]
        label = c if case.task == "multiclass" else 1
        found = [components((array == label) & valid, spec.connectivity) for array in (target, prediction)]
        of_target, of_prediction = (dict(enumerate(_large(objects, spec), 1)) for objects in found)
        scenes.append(Scene(of_target, of_prediction, frozenset(), frozenset(), int(valid.sum())))
    return scenes


def _large(objects: list[Object], spec: Matched) -> list[Object]:
    return [pixels for pixels in objects if len(pixels) >= spec.min_size]


def components(mask: Mask, connectivity: str) -> list[Object]:
    """The connected components, in the order of their first pixels."""
    left = set(_pixels(mask))
    found = []
    for start in _pixels(mask):
        if start in left:
            component, edge = {start}, [start]
            left.discard(start)
            while edge:
                near = [pixel for pixel in _neighbours(edge.pop(), connectivity) if pixel in left]
                left -= set(near)
                component |= set(near)
                edge += near
            found.append(frozenset(component))
    return found


def _pixels(mask: Mask) -> list[Pixel]:
    return [tuple(map(int, pixel)) for pixel in np.argwhere(mask)]


def _neighbours(pixel: Pixel, connectivity: str) -> Iterator[Pixel]:
    for step in product((-1, 0, 1), repeat=len(pixel)):
        if any(step) and (connectivity == "full" or sum(map(abs, step)) == 1):
            yield tuple(a + b for a, b in zip(pixel, step, strict=True))


def _scenes_of_ids(spec: Matched, case: Case) -> list[Scene]:
    void = frozenset(_pixels(~case.valid))
    target = _objects(case.target, spec, void)
    prediction = _objects(case.prediction, spec, frozenset())
    scenes = []
    for c in range(case.classes):
        of_target, of_prediction = (
            {i: pixels for i, pixels in side.items() if _class(i, spec) == c} for side in (target, prediction)
        )
        scenes.append(Scene(of_target, of_prediction, void, frozenset(spec.crowd), int(case.valid.sum())))
    return scenes


def _class(number: int, spec: Matched) -> int:
    return 0 if spec.instance_divisor is None else number // spec.instance_divisor


def _objects(ids: AnyArray, spec: Matched, out: Object) -> dict[int, Object]:
    found = {int(i): frozenset(_pixels(ids == i)) - out for i in np.unique(ids) if i > 0}
    return {i: pixels for i, pixels in found.items() if len(pixels) >= spec.min_size}


# -------------------------------------------------------------------------------------------------------------- matching


def counts_at(spec: Matched, scene: Scene, threshold: float) -> Counts:
    """The matched pairs of a class, and what is left."""
    pairs = [
        (Match(t, p, _iou(scene, t, p)), min(scene.target[t] & scene.prediction[p]))
        for t, p in product(scene.target, scene.prediction)
        if t not in scene.crowd and scene.target[t] & scene.prediction[p]
    ]
    enough = [pair for pair in pairs if pair[0].iou > threshold or (_inclusive(spec) and pair[0].iou == threshold)]
    matches = _optimal(enough) if spec.matching == "optimal" else _greedy(enough, spec.ranking)
    free = [p for p in scene.prediction if p not in {match.prediction for match in matches}]
    return Counts(
        len(matches),
        sum(not _excused(scene, p) for p in free),
        len([t for t in scene.target if t not in scene.crowd]) - len(matches),
        sum(match.iou for match in matches),
        tuple(sorted(matches)),
    )


def _inclusive(spec: Matched) -> bool:
    return spec.threshold_side == "greater_equal"


def _iou(scene: Scene, t: int, p: int) -> float:
    target, prediction = scene.target[t], scene.prediction[p] - scene.void
    return len(target & prediction) / len(target | prediction)


def _excused(scene: Scene, p: int) -> bool:
    crowd = frozenset().union(*(scene.target[t] for t in scene.crowd if t in scene.target))
    return len(scene.prediction[p] & (scene.void | crowd)) / len(scene.prediction[p]) > 0.5


def _greedy(pairs: list[tuple[Match, Pixel]], ranking: list[int]) -> list[Match]:
    """One by one: that ranked first, then the greatest IoU, and of equal ones the pair whose common pixels begin first."""

    def rank(match: Match) -> int:
        return ranking.index(match.prediction) if match.prediction in ranking else len(ranking)

    left, chosen = sorted(pairs, key=lambda pair: (rank(pair[0]), -pair[0].iou, pair[1])), list[Match]()
    while left:
        best = left[0][0]
        chosen.append(best)
        left = [(m, at) for m, at in left if m.target != best.target and m.prediction != best.prediction]
    return chosen


def _optimal(pairs: list[tuple[Match, Pixel]]) -> list[Match]:
    """As many as there can be, and of these the greatest sum of IoU: a pair is worth more than all IoU together."""
    matches = {(match.target, match.prediction): match for match, _ in pairs}
    rows, columns = (sorted({key[side] for key in matches}) for side in (0, 1))
    worth = np.zeros((len(rows), len(columns)))
    for (t, p), match in matches.items():
        worth[rows.index(t), columns.index(p)] = len(pairs) + 1 + match.iou
    chosen = [(rows[i], columns[j]) for i, j in zip(*linear_sum_assignment(worth, maximize=True), strict=True)]
    return [matches[key] for key in chosen if key in matches]


# ---------------------------------------------------------------------------------------------------------------- scores

Formula = Callable[[Counts], Outcome]


def instance_fbeta(spec: InstanceFBeta, case: Case) -> Expected:
    """(1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP)."""
    b2 = spec.beta**2

    def formula(c: Counts) -> Outcome:
        return quotient((1 + b2) * c.tp, (1 + b2) * c.tp + b2 * c.fn + c.fp, empty_case(c) or "zero_denominator")

    def shares(c: Counts) -> dict[str, Any]:
        why = empty_case(c) or "no_match"
        precision, recall = quotient(c.tp, c.tp + c.fp, why), quotient(c.tp, c.tp + c.fn, why)
        return {"tp": c.tp, "fp": c.fp, "fn": c.fn, "precision": precision, "recall": recall}

    return _score(spec, case, [spec.iou_threshold], formula, shares)


def instance_precision(spec: InstancePrecision, case: Case) -> Expected:
    """The mean over thresholds of TP / (TP + FP + FN)."""

    def formula(c: Counts) -> Outcome:
        return quotient(c.tp, c.tp + c.fp + c.fn, empty_case(c) or "zero_denominator")

    return _score(spec, case, spec.thresholds, formula, lambda counts: {})


def panoptic_quality(spec: PanopticQuality, case: Case) -> Expected:
    """The sum of IoU over TP + FP / 2 + FN / 2."""

    def formula(c: Counts) -> Outcome:
        return quotient(c.iou, c.tp + c.fp / 2 + c.fn / 2, empty_case(c) or "zero_denominator")

    def parts(c: Counts) -> dict[str, Any]:
        why = empty_case(c) or "no_match"
        sq, rq = quotient(c.iou, c.tp, why), quotient(c.tp, c.tp + c.fp / 2 + c.fn / 2, why)
        return {"sq": sq, "rq": rq, "tp": c.tp, "fp": c.fp, "fn": c.fn}

    return _score(spec, case, [spec.iou_threshold], formula, parts)


def _score(
    spec: Matched,
    case: Case,
    thresholds: list[float],
    formula: Formula,
    extras: Callable[[Counts], dict[str, Any]],
) -> Expected:
    _require_meaning(spec, case)
    scenes = scenes_of(spec, case)
    if all(scene.valid == 0 for scene in scenes):
        return NOTHING_TO_SCORE
    tables = [[counts_at(spec, scene, threshold) for threshold in thresholds] for scene in scenes]
    single = case.task in ("binary", "instances") and case.classes == 1
    more = _by_class(single, [extras(table[0]) for table in tables])
    if isinstance(spec, InstancePrecision):
        values = [[_ruled(spec, formula, counts) for counts in table] for table in tables]
        more["per_threshold"] = values[0] if single else values
    if spec.pairs:
        listed = [[list(pair) for pair in table[0].pairs[: spec.pairs]] for table in tables]
        more["pairs"] = listed[0] if single else listed
    outcomes = [_over(spec, formula, scene.valid, table) for scene, table in zip(scenes, tables, strict=True)]
    more = told(**more, **_means(spec, case, tables, extras))
    if single:
        of_thresholds = tally(values[0]) if isinstance(spec, InstancePrecision) else {}
        return Expected(outcomes[0].value, outcomes[0].reason, extras=more | of_thresholds)
    first = 0 if spec.include_background else 1
    sizes = [table[0].tp + table[0].fn for table in tables]
    summed = _summed(spec, formula, scenes[first:], tables[first:])
    score = averaged(case, spec.average, ByClass(outcomes, sizes, summed, first))
    return Expected(score.value, score.undefined, score.per_class, score.extras | more)


QUALITIES = ("sq", "rq")


def _means(
    spec: Matched, case: Case, tables: list[list[Counts]], extras: Callable[[Counts], dict[str, Any]]
) -> dict[str, Outcome]:
    """The qualities' averages over the classes, whatever a rule makes of the score."""
    if not isinstance(spec, PanopticQuality):
        return {}
    parts = [extras(table[0]) for table in tables]
    if case.task in ("binary", "instances") and case.classes == 1:
        return {f"{name}_mean": parts[0][name] for name in QUALITIES}
    first = 0 if spec.include_background else 1
    counts = [table[0] for table in tables]
    sizes = [one.tp + one.fn for one in counts]
    whole = extras(sum(counts[first + 1 :], counts[first])) if counts[first:] else {}
    found = {}
    for name in QUALITIES:
        summed = whole.get(name, Outcome(None, "no_class_defined"))
        score = averaged(case, spec.average, ByClass([one[name] for one in parts], sizes, summed, first))
        found[f"{name}_mean"] = Outcome(score.value, score.undefined)
    return found


def _summed(spec: Matched, formula: Formula, scenes: list[Scene], tables: list[list[Counts]]) -> Outcome:
    if not tables:
        return Outcome(None, "no_class_defined")
    together = [sum(counts[1:], counts[0]) for counts in zip(*tables, strict=True)]
    return _over(spec, formula, sum(scene.valid for scene in scenes), together)


def _by_class(single: bool, members: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: members[0][name] if single else [one[name] for one in members] for name in members[0]}


def _over(spec: Matched, formula: Formula, valid: int, table: list[Counts]) -> Outcome:
    if valid == 0:
        return Outcome(None, NO_VALID_PIXELS)
    return mean_of_defined([_ruled(spec, formula, counts) for counts in table])


def empty_case(counts: Counts) -> str | None:
    """Which map has no object of a class, if any."""
    predicted, targeted = counts.tp + counts.fp, counts.tp + counts.fn
    if targeted == 0:
        return "both_empty" if predicted == 0 else "target_empty"
    return "prediction_empty" if predicted == 0 else None


def _ruled(spec: Matched, formula: Formula, counts: Counts) -> Outcome:
    return ruled(*rule_of(spec.empty, empty_case(counts), counts.tp), formula(counts))


def _require_meaning(spec: Matched, case: Case) -> None:
    ids = case.task == "instances"
    one = case.task == "binary" or (ids and case.classes == 1)
    if case.weight is not None or case.target_kind != "labels":
        raise MetricDoesNotFit("objects have no weights, and a soft target has no objects")
    if not ids and (spec.crowd or spec.instance_divisor is not None):
        raise MetricDoesNotFit("masks have no ids")
    if ids and spec.instance_divisor is None and case.classes > 1:
        raise MetricDoesNotFit("num_classes needs instance_divisor")
    if one and not spec.include_background:
        raise MetricDoesNotFit("include_background=false needs classes or labels")


REFERENCES: dict[str, Callable[[Any, Case], Expected]] = {
    "instance_fbeta": instance_fbeta,
    "instance_precision": instance_precision,
    "panoptic_quality": panoptic_quality,
}
