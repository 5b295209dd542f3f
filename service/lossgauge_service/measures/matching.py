"""Which predicted object is which of the target's, at several thresholds of the IoU."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from lossgauge_service.errors import InvalidValues
from lossgauge_service.measures.objects import ByClass, Layout, Objects
from lossgauge_service.statistics import Derived, Values

MOST_RIVALS = 10_000
"""Pairs of which the best choice is found in about a second: the time grows with their square."""

Places = NDArray[np.int64]
Pair = tuple[int, int, float]


class MatchSums(NamedTuple):
    """valid (classes,): pixels that count. tp, fp, fn, iou (classes, thresholds): counts of objects, and the pairs' summed IoU.

    pairs (classes,): tuples of (target id, prediction id, IoU), at the first threshold.
    """

    valid: Values
    tp: Values
    fp: Values
    fn: Values
    iou: Values
    pairs: NDArray[np.object_]


@dataclass(frozen=True)
class Matching(Derived[MatchSums, ByClass]):
    """The matched pairs of a sample's objects, and what is left, at each threshold. ranking: which predicted ids choose first."""

    told: ClassVar[str] = "matched objects"

    thresholds: tuple[float, ...]
    inclusive: bool
    optimal: bool
    ranking: tuple[int, ...]
    layout: Layout
    pairs: int

    @property
    def grows(self) -> bool:
        return self.pairs > 0

    @property
    def basis(self) -> Layout:
        return self.layout

    def derive(self, found: ByClass) -> MatchSums:
        rows = [self._of_class(objects) for objects in found.objects]
        tp, fp, fn, iou = np.moveaxis(np.array([row[:-1] for row in rows], np.float64), 1, 0)
        pairs = np.empty(len(rows), object)
        pairs[:] = [row[-1] for row in rows]
        return MatchSums(np.asarray(found.valid, np.float64), tp, fp, fn, iou, pairs)

    def _of_class(self, objects: Objects) -> tuple[Any, ...]:
        iou = ious(objects)
        matched = self._matched(objects, iou)
        tp = [len(pairs) for pairs in matched]
        fp = [_invented(objects, pairs) for pairs in matched]
        fn = [int((~objects.crowd).sum()) - count for count in tp]
        return tp, fp, fn, [float(iou[pairs].sum()) for pairs in matched], self._listed(objects, iou, matched[0])

    def _matched(self, objects: Objects, iou: Values) -> list[Places]:
        """The matched pairs at each threshold. What greedy takes above a threshold does not ask what is below it."""
        if self.optimal or self.ranking:
            return [self._pairs(objects, iou, threshold) for threshold in self.thresholds]
        every = self._pairs(objects, iou, min(self.thresholds))
        return [every[self._enough(iou[every], threshold)] for threshold in self.thresholds]

    def _enough(self, iou: Values, threshold: float) -> NDArray[np.bool_]:
        return iou >= threshold if self.inclusive else iou > threshold

    def _pairs(self, objects: Objects, iou: Values, threshold: float) -> Places:
        """The places, among the pairs that share pixels, of those that are matched."""
        candidates = np.flatnonzero(self._enough(iou, threshold) & ~objects.crowd[objects.shared.target])
        rivals = _rivalled(objects.shared.target[candidates]) | _rivalled(objects.shared.prediction[candidates])
        choose = _optimal if self.optimal else partial(_greedy, self.ranking)
        return np.concatenate([candidates[~rivals], choose(objects, iou, candidates[rivals])])

    def _listed(self, objects: Objects, iou: Values, pairs: Places) -> tuple[Pair, ...]:
        ids = objects.target.ids[objects.shared.target[pairs]], objects.prediction.ids[objects.shared.prediction[pairs]]
        listed = zip(ids[0].tolist(), ids[1].tolist(), iou[pairs].tolist(), strict=True)
        return tuple(sorted(listed)[: self.pairs])


def ious(objects: Objects) -> Values:
    """The IoU of the pairs that share pixels; ignored pixels are in no union."""
    target, prediction, pixels, _ = objects.shared
    sizes = objects.prediction.sizes - objects.void
    return np.asarray(pixels / (objects.target.sizes[target] + sizes[prediction] - pixels), np.float64)


def _rivalled(places: Places) -> NDArray[np.bool_]:
    """Which of the objects stand in more than one pair."""
    _, inverse, counts = np.unique(places, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse] > 1, np.bool_)


def _greedy(ranking: tuple[int, ...], objects: Objects, iou: Values, candidates: Places) -> Places:
    """Those ranked first, then the greatest IoU, then the pair that comes first in the image: no order of labels decides."""
    rank = _ranks(ranking, objects.prediction.ids)[objects.shared.prediction[candidates]]
    order = candidates[np.lexsort((objects.shared.first[candidates], -iou[candidates], rank))]
    targets, predictions, chosen = set[int](), set[int](), list[int]()
    both = objects.shared.target[order].tolist(), objects.shared.prediction[order].tolist()
    for place, target, prediction in zip(order.tolist(), *both, strict=True):
        if target not in targets and prediction not in predictions:
            targets.add(target)
            predictions.add(prediction)
            chosen.append(place)
    return np.array(chosen, np.int64)


def _ranks(ranking: tuple[int, ...], ids: Places) -> Places:
    """The place of each id in the ranking; of those that it does not name, the one after its last."""
    places = {number: place for place, number in enumerate(ranking)}
    return np.array([places.get(number, len(places)) for number in ids.tolist()], np.int64)


def _optimal(objects: Objects, iou: Values, candidates: Places) -> Places:
    """As many pairs as there can be, and of these the greatest sum of IoU; who goes without is matched to nobody.

    Raises `InvalidValues` where there are too many rivals.
    """
    if not candidates.size:
        return candidates
    if candidates.size > MOST_RIVALS:
        found = f"matching 'optimal' takes at most {MOST_RIVALS} pairs whose objects overlap others too; found {candidates.size}"
        raise InvalidValues(f"{found}; a higher threshold leaves fewer, and 'greedy' takes any", pointer="/prediction")
    _, rows = np.unique(objects.shared.target[candidates], return_inverse=True)
    _, columns = np.unique(objects.shared.prediction[candidates], return_inverse=True)
    height, width = rows.max() + 1, columns.max() + 1
    costs = 1 - iou[candidates] / (2 * min(height, width))
    nobody = np.arange(height)
    table = coo_array(
        (
            np.concatenate([costs, np.full(height, 2.0)]),
            (np.concatenate([rows, nobody]), np.concatenate([columns, width + nobody])),
        ),
        shape=(height, width + height),
    )
    chosen = dict(zip(*(places.tolist() for places in min_weight_full_bipartite_matching(table.tocsr())), strict=True))
    return candidates[[chosen[row] == column for row, column in zip(rows.tolist(), columns.tolist(), strict=True)]]


def _invented(objects: Objects, pairs: Places) -> int:
    """How many predicted objects have no partner, and do not lie in void and crowd by more than half."""
    target, prediction, pixels, _ = objects.shared
    in_crowd = np.bincount(prediction, pixels * objects.crowd[target], minlength=len(objects.prediction.ids))
    left = 2 * (objects.void + in_crowd) <= objects.prediction.sizes
    left[prediction[pairs]] = False
    return int(left.sum())
