"""Run lengths and packed masks counted here, beside pycocotools and beside unpacking.

    scripts/bench rle [--rounds 21] [--sides 512 2048]

Two masks of patches of any form, a third of the image. `COCO RLE`: their documents in, IoU and dice out, checks and plan included;
beside pycocotools decoding both, with NumPy's counts, and beside its own IoU of the runs, which sees no pixel and gives nothing else.
`packed`: the same of masks of a bit a pixel, in base64, counted as words; beside unpacking both and counting the bytes. The
numbers are compared before any is timed; the contenders take turns.
"""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from lossgauge import metrics as m
from lossgauge.encodings import encode
from lossgauge.wire import ScoreRequest
from lossgauge_service.decoding import Decoder
from lossgauge_service.engine import Engine
from lossgauge_service.plan import plan_for
from lossgauge_service.settings import Settings
from numpy.typing import NDArray
from pycocotools import mask as coco

from benchmarks.benchmark import Benchmark, Record
from benchmarks.figure import Figure
from benchmarks.ours import checked, engine_of
from benchmarks.surface import Mask, patches
from benchmarks.timing import timed

Ious = Callable[[], float]
OURS = "lossgauge"
ASKED: dict[str, Any] = {"task": "binary", "prediction_kind": "labels", "metrics": [m.Iou(), m.Dice()]}


def ours(engine: Engine, encoding: str, masks: list[Mask]) -> Ious:
    """IoU of encoded masks, as the service finds it, from a document that is read."""
    prediction, target = (dict(encode(mask, encoding)) for mask in masks)
    document = {**ASKED, "prediction": prediction, "target": target}
    settings = Settings()
    decoder = Decoder({}, settings.caps, settings.limits)

    def run() -> float:
        request = ScoreRequest.model_validate(document)
        plan = plan_for(request)
        [scores] = plan.scores(engine.run(plan, [decoder.compact_sample(request, request)]))
        return float(checked(scores, dict)["iou"].value or 0.0)

    return run


def counted(prediction: NDArray[Any], target: NDArray[Any]) -> float:
    """IoU, and dice on the way, of masks of bytes."""
    both, of_both = np.count_nonzero(prediction & target), np.count_nonzero(prediction) + np.count_nonzero(target)
    _ = 2 * both / of_both
    return both / (of_both - both)


def of_runs(masks: list[Mask]) -> dict[str, Ious]:
    """What pycocotools makes of the runs."""
    known = [coco.encode(np.asfortranarray(mask)) for mask in masks]
    return {
        "pycocotools, decoded and counted": lambda: counted(*(coco.decode(one) for one in known)),
        "pycocotools, IoU of runs": lambda: float(coco.iou(known[:1], known[1:], [0])[0, 0]),
    }


def of_bits(masks: list[Mask]) -> dict[str, Ious]:
    """What NumPy makes of the bits."""
    packed, pixels = [np.packbits(mask) for mask in masks], masks[0].size
    return {"NumPy, unpacked and counted": lambda: counted(*(np.unpackbits(one, count=pixels) for one in packed))}


def beside(case: str, mine: Ious, peers: dict[str, Ious], rounds: int) -> Iterator[Record]:
    """Compare, time."""
    named = {OURS: mine, **peers}
    for name, run in named.items():
        np.testing.assert_allclose(run(), mine(), rtol=1e-12, err_msg=name)
    rows = timed(case, named, rounds)
    yield from rows.values()
    for name in peers:
        yield Figure(f"{case}, beside {name}", rows[name].over(rows[OURS]))


def records(given: argparse.Namespace) -> Iterator[Record]:
    """Each side, as runs and as bits."""
    engine = engine_of("eager")
    for side in given.sides:
        masks = [patches(side, 2, seed) for seed in (0, 1)]
        size = f"{side} x {side}"
        yield from beside(f"COCO RLE, {size}", ours(engine, "coco_rle", masks), of_runs(masks), given.rounds)
        yield from beside(f"packed, {size}", ours(engine, "packbits", masks), of_bits(masks), given.rounds)


BENCHMARK = Benchmark(
    "Run lengths and packed masks",
    __doc__,
    ("pycocotools", "numpy"),
    {"rounds": 21, "sides": [512, 2048]},
    records,
)
