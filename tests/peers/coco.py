"""The COCO API; and the formulas of panopticapi (evaluation.py) and boundary-iou-api (boundary_utils.py)."""

import contextlib
import io
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as of_masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy import ndimage

from tests.peers.batch import Batch
from tests.peers.objects import DIVISOR
from tests.peers.peer import BOXES, LABELS, MASKS, Peer, of_two_axes
from tests.reference import Case

TEN = tuple(np.linspace(0.5, 0.95, 10))


# ----------------------------------------------------------------------------------------------------------------- masks


def _rle(mask: NDArray[Any]) -> Any:
    return of_masks.encode(np.asfortranarray(mask.reshape(len(mask), -1), np.uint8))


def _iou_of(prediction: NDArray[Any], target: NDArray[Any]) -> float:
    return float(of_masks.iou([_rle(prediction)], [_rle(target)], [0])[0][0])


def _of_each_mask(value: Callable[[NDArray[Any], NDArray[Any]], float]) -> Callable[[Batch], float]:
    def score(batch: Batch) -> float:
        both = (batch.channels(array).numpy() for array in (batch.mask, batch.target))
        return float(np.mean([[value(*pair) for pair in zip(*one, strict=True)] for one in zip(*both, strict=True)]))

    return score


def _band(mask: NDArray[Any], ratio: float) -> NDArray[Any]:
    width = max(1, round(ratio * float(np.hypot(*mask.shape))))
    padded = np.pad(mask.astype(bool), 1)
    inner = ndimage.binary_erosion(padded, np.ones((3, 3)), iterations=width, border_value=1)
    return np.asarray(padded & ~inner)[1:-1, 1:-1]


def _boundary_iou(ratio: float) -> Callable[[Batch], float]:
    return _of_each_mask(lambda prediction, target: _iou_of(_band(prediction, ratio), _band(target, ratio)))


def _box_iou(batch: Batch) -> float:
    pairs = [of_masks.iou(case.prediction, case.target, [0] * len(case.target)) for case in batch.cases]
    return float(np.mean([np.diag(pair).mean() for pair in pairs]))


def _has_sizes(case: Case) -> bool:
    """Of two boxes without an area the union is 0, and their IoU is whatever 0/0 is."""
    return bool((case.prediction[:, 2:] * case.target[:, 2:] > 0).all())


# --------------------------------------------------------------------------------------------------------------- objects

Ids = tuple[int, ...]
RANKING = (11, 12, 3, 2, 1)


def _annotations(image: int, ids: NDArray[Any], divisor: int | None, crowd: Ids, ranking: Ids) -> list[dict[str, Any]]:
    return [
        {
            "id": image * 1000 + int(one) + 1,
            "image_id": image,
            "category_id": 1 if divisor is None else int(one) // divisor,
            "segmentation": _rle(ids == one),
            "area": int((ids == one).sum()),
            "iscrowd": int(one in crowd),
            "score": float(len(ranking) - ranking.index(one)) if ranking else 1.0,
        }
        for one in np.unique(ids[ids > 0])
    ]


def _coco(maps: list[NDArray[Any]], divisor: int | None, crowd: Ids = (), ranking: Ids = ()) -> COCO:
    made = COCO()
    found = [_annotations(image, ids, divisor, crowd, ranking) for image, ids in enumerate(maps, 1)]
    made.dataset = {
        "images": [{"id": i, "height": len(ids), "width": ids[0].size} for i, ids in enumerate(maps, 1)],
        "categories": [{"id": category} for category in range(3)],
        "annotations": [each for of_image in found for each in of_image],
    }
    made.createIndex()
    return made


def _matched(
    batch: Batch, thresholds: tuple[float, ...], divisor: int | None, ranking: Ids = ()
) -> NDArray[np.float64]:
    """tp, fp, fn (3, categories, thresholds), summed over the images."""
    with contextlib.redirect_stdout(io.StringIO()):
        target, prediction = ([getattr(case, side) for case in batch.cases] for side in ("target", "prediction"))
        run = COCOeval(_coco(target, divisor), _coco(prediction, divisor, ranking=ranking), "segm")
        run.params.iouThrs, run.params.maxDets, run.params.areaRng = np.array(thresholds), [1000], [[0, 1e10]]
        run.params.areaRngLbl = ["all"]
        run.evaluate()
    counts = np.zeros((3, 3, len(thresholds)))
    for found in run.evalImgs:
        if found is not None:
            hits = (found["dtMatches"] > 0).sum(1)
            counts[:, found["category_id"]] += [hits, len(found["dtIds"]) - hits, len(found["gtIds"]) - hits]
    return counts


def _instances(
    share: Callable[..., Any], *thresholds: float, divisor: int | None = None, ranking: Ids = ()
) -> Callable[[Batch], float]:
    """The mean over categories that have objects of that over thresholds."""

    def score(batch: Batch) -> float:
        counts = _matched(batch, thresholds, divisor, ranking)
        there = counts.sum(0).any(1)
        return float(share(*counts[:, there]).mean()) if there.any() else np.nan

    return score


def _f(beta: float) -> Callable[..., Any]:
    square = beta**2
    return lambda tp, fp, fn: (1 + square) * tp / ((1 + square) * tp + square * fn + fp)


def _precision(tp: Any, fp: Any, fn: Any) -> Any:
    return tp / (tp + fp + fn)


# -------------------------------------------------------------------------------------------------------------- panoptic

Tally = Counter[tuple[int, str]]


def _panoptic(divisor: int | None = None, crowd: tuple[int, ...] = ()) -> Callable[[Batch], float]:
    def quality(batch: Batch) -> float:
        tally: Tally = Counter()
        for case in batch.cases:
            _count(tally, case, divisor or 10**6, crowd)
        values = [
            tally[c, "iou"] / (tally[c, "tp"] + (tally[c, "fp"] + tally[c, "fn"]) / 2)
            for c in range(3)
            if tally[c, "tp"] + tally[c, "fp"] + tally[c, "fn"]
        ]
        return float(np.mean(values)) if values else np.nan

    return quality


def _count(tally: Any, case: Case, divisor: int, crowd: tuple[int, ...]) -> None:
    shared = Counter(zip(case.target.ravel().tolist(), case.prediction.ravel().tolist(), strict=True))
    targets, predictions = (Counter(ids.ravel().tolist()) for ids in (case.target, case.prediction))
    matched: set[tuple[str, int]] = set()
    for (target, prediction), pixels in shared.items():
        is_pair = target > 0 and prediction > 0 and target not in crowd and target // divisor == prediction // divisor
        union = targets[target] + predictions[prediction] - pixels - shared[0, prediction]
        if is_pair and pixels / union > 0.5:
            tally[target // divisor, "tp"] += 1
            tally[target // divisor, "iou"] += pixels / union
            matched |= {("target", target), ("prediction", prediction)}
    for target in targets:
        if target > 0 and target not in crowd and ("target", target) not in matched:
            tally[target // divisor, "fn"] += 1
    for prediction in predictions:
        void = [0, *(one for one in crowd if one // divisor == prediction // divisor)]
        ignored = sum(shared[one, prediction] for one in void)
        if prediction > 0 and ("prediction", prediction) not in matched and ignored / predictions[prediction] <= 0.5:
            tally[prediction // divisor, "fp"] += 1


IOU = Peer(_of_each_mask(_iou_of), MASKS)
BOUNDARY = Peer(_boundary_iou(0.02), MASKS, takes=of_two_axes, rarely=True)
PEERS = {
    ("iou", "binary"): IOU,
    ("iou", "multilabel"): IOU,
    ("boundary_iou", "binary"): BOUNDARY,
    ("boundary_iou", "multilabel"): BOUNDARY,
    ("box_iou", "boxes"): Peer(_box_iou, BOXES, takes=_has_sizes),
    ("instance_fbeta", "instances"): Peer(_instances(_f(1), 0.5), LABELS),
    ("instance_precision", "instances"): Peer(_instances(_precision, *TEN), LABELS),
    ("panoptic_quality", "instances"): Peer(_panoptic(), LABELS, ignored=True),
}
MORE = (
    *(
        ("boundary_iou", task, {"dilation_ratio": 0.2}, Peer(_boundary_iou(0.2), MASKS, takes=of_two_axes))
        for task in ("binary", "multilabel")
    ),
    (
        *("instance_fbeta", "instances", {"beta": 2.0, "iou_threshold": 0.75, "instance_divisor": DIVISOR}),
        Peer(_instances(_f(2), 0.75, divisor=DIVISOR), LABELS),
    ),
    (
        *("instance_fbeta", "instances", {"iou_threshold": 0.1, "matching": "ranked", "ranking": list(RANKING)}),
        Peer(_instances(_f(1), 0.1, ranking=RANKING), LABELS),
    ),
    (
        *(
            "instance_precision",
            "instances",
            {"thresholds": [0.1, 0.3], "matching": "ranked", "ranking": list(RANKING)},
        ),
        Peer(_instances(_precision, 0.1, 0.3, ranking=RANKING), LABELS),
    ),
    (
        *("panoptic_quality", "instances", {"instance_divisor": DIVISOR}),
        Peer(_panoptic(DIVISOR), LABELS, ignored=True),
    ),
    (
        *("panoptic_quality", "instances", {"instance_divisor": DIVISOR, "crowd": [2, 12]}),
        Peer(_panoptic(DIVISOR, (2, 12)), LABELS, ignored=True),
    ),
)
