"""Masks of labels are counted as bytes and as bits."""

from typing import Any

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.encodings.base import Attachments, Part
from lossgauge.encodings.coco_rle import CocoRleArray
from lossgauge.encodings.packbits import PackbitsArray
from lossgauge.encodings.part import PartArray
from lossgauge.metrics.spec import MetricSpec
from lossgauge.wire import Question, ScoreRequest
from lossgauge_service.decoding import Decoder
from lossgauge_service.engine import Engine
from lossgauge_service.engine.counting import BLOCK, counted
from lossgauge_service.errors import LossgaugeError
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Sample, sample_of, unpacked
from lossgauge_service.settings import Settings
from lossgauge_service.statistics import Counts, Entropy, Moments, Pairs, PixelStatistic, Sums, Totals
from numpy.typing import NDArray

from tests.scoring import fitting, keyed, scores_of
from tests.specs import EXPLICIT

Mask = NDArray[np.bool_]
SHAPES = [(1,), (7,), (8, 8), (3, 5), (13, 67), (2, 3, 5), (64, 65)]
ASKED: dict[str, Any] = {"task": "binary", "prediction_kind": "labels", "metrics": ["dice", "confusion"]}
SETTINGS = Settings()


def pair_of(shape: tuple[int, ...]) -> tuple[Mask, Mask]:
    """Two masks."""
    rng = np.random.default_rng(0)
    return rng.random(shape) < 0.4, rng.random(shape) < 0.6


def asked_of(prediction: Mask, target: Mask, /, **more: Any) -> ScoreRequest:
    """The request that holds both as bits."""
    packed = {"prediction": PackbitsArray.of(prediction), "target": PackbitsArray.of(target)}
    return ScoreRequest(**{**ASKED, **packed, **more})


def decoded(asked: ScoreRequest, attachments: Attachments | None = None) -> Sample:
    """What the service reads."""
    return Decoder(attachments or {}, SETTINGS.caps, SETTINGS.limits).compact_sample(asked, asked)


def sums_of(samples: list[Sample]) -> Sums:
    """What is counted of them."""
    return Sums(np.zeros(len(samples)), counted([Totals(), Counts()], samples))


@pytest.mark.parametrize("statistic", [Moments(), Entropy(), Pairs()], ids=lambda key: type(key).__name__)
def test_nothing_else_is_counted(statistic: PixelStatistic) -> None:
    """A statistic that masks of labels have no count of is refused: the counts are never given in its place."""
    with pytest.raises(AssertionError, match=r"not counted|no pairs"):
        counted([statistic], [decoded(asked_of(*pair_of((5, 13))))])


@pytest.mark.parametrize("pixels", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
@pytest.mark.parametrize("ignored", [False, True], ids=["whole", "ignored"])
def test_bytes_are_counted_as_they_are_one_by_one(pixels: int, ignored: bool) -> None:
    """The sizes of masks of any number of bytes, with ignored pixels or without, are the sums of their pixels."""
    rng = np.random.default_rng(pixels)
    p, t = rng.integers(0, 2, (3, 2, pixels), np.int8), rng.integers(-ignored, 2, (3, 2, pixels), np.int8)
    question = Question(task="multilabel", prediction_kind="labels", ignore_index=-1, metrics=[m.Dice()])
    found = sums_of([sample_of(question, *pair) for pair in zip(p, t, strict=True)])
    for name, places in {
        "tp": (p == 1) & (t == 1),
        "fp": (p == 1) & (t == 0),
        "fn": (p == 0) & (t == 1),
        "tn": (p == 0) & (t == 0),
    }.items():
        assert getattr(found.counts(Counts()), name).tolist() == places.sum(-1).tolist(), name
    for name, places in {"valid": t >= 0, "positive": t == 1, "negative": t == 0}.items():
        assert getattr(found.totals(), name).tolist() == places.sum(-1).tolist(), name


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bits_have_the_scores_of_their_bytes(engine: Engine, shape: tuple[int, ...]) -> None:
    """Every metric of a packed pair is, to the bit, that of the same pair as bytes."""
    prediction, target = pair_of(shape)
    sample = decoded(asked_of(prediction, target))
    question = Question(task="binary", prediction_kind="labels", metrics=keyed(_of_labels()))
    plain = sample_of(question, prediction, target)
    plan = plan_for(question.model_copy(update={"metrics": fitting(question.metrics, question, plain.case)}))
    assert sample.case.packed
    assert scores_of(engine, plan, [plain]) == scores_of(engine, plan, [sample])


def _of_labels() -> list[MetricSpec]:
    return [spec for spec in EXPLICIT if "binary" in spec.about.tasks and "labels" in spec.about.kinds]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 13), (70, 66), (64, 128)], ids=str)
def test_runs_have_the_scores_of_their_bytes(engine: Engine, shape: tuple[int, int]) -> None:
    """Two masks of runs down the columns are counted as bits in that order, and unpacked along the rows: each metric is as of bytes."""
    prediction, target = pair_of(shape)
    named = {"prediction": CocoRleArray.of(prediction), "target": CocoRleArray.of(target)}
    sample = decoded(asked_of(prediction, target, **named))
    question = Question(task="binary", prediction_kind="labels", metrics=keyed(_of_labels()))
    plain = sample_of(question, prediction, target)
    plan = plan_for(question.model_copy(update={"metrics": fitting(question.metrics, question, plain.case)}))
    assert sample.case.packed
    assert scores_of(engine, plan, [plain]) == scores_of(engine, plan, [sample])


def test_runs_beside_bits_are_unpacked() -> None:
    """Bits in another order are no pair."""
    prediction, target = pair_of((5, 13))
    sample = decoded(asked_of(prediction, target, target=CocoRleArray.of(target)))
    assert not sample.case.packed
    assert (sample.target[0] == target.reshape(-1)).all()


@pytest.mark.parametrize(("metric", "packed"), [(m.Dice(), True), (m.Confusion(), True), (m.Hausdorff(), False)])
def test_bits_are_counted_packed(engine: Engine, metric: MetricSpec, packed: bool) -> None:
    """Counts are made of the bits themselves; distances of what they are unpacked to."""
    sample = decoded(asked_of(*pair_of((16, 16))))
    plan = plan_for(Question(task="binary", prediction_kind="labels", metrics=[metric]))
    [group] = engine.run(plan, [sample]).groups
    assert group.case.packed == packed


def test_parts_of_bits_stay_packed() -> None:
    """Bits of a multipart body are not unpacked either, wherever in memory they lie."""
    prediction, target = pair_of((5, 13))
    body = b"x" + np.packbits(prediction).tobytes() + np.packbits(target).tobytes()
    size = -(-prediction.size // 8)
    parts = {
        name: Part("application/x-packbits; shape=5,13", memoryview(body)[start : start + size])
        for name, start in (("p", 1), ("t", 1 + size))
    }
    named = {"prediction": PartArray(name="p"), "target": PartArray(name="t")}
    sample = decoded(asked_of(prediction, target, **named), parts)
    assert sample.case.packed
    assert (unpacked(sample).prediction[0] == prediction.reshape(-1)).all()
    assert (unpacked(sample).target[0] == target.reshape(-1)).all()
    assert sums_of([sample]).counts(Counts()).tp.tolist() == [[(prediction & target).sum()]]


UNPACKED: dict[str, dict[str, Any]] = {
    "ignored": {"ignore_index": 0},
    "soft": {"target_kind": "probabilities"},
    "weighted": {"weight": {"encoding": "list", "data": [[1.0, 2.0], [3.0, 4.0]]}},
    "probabilities": {"prediction": {"encoding": "list", "data": [[1, 0], [0, 1]]}},
}


@pytest.mark.parametrize("more", UNPACKED.values(), ids=UNPACKED)
def test_what_bits_do_not_say_is_unpacked(more: dict[str, Any]) -> None:
    """Ignored pixels, soft targets, weights, and a mask that is not packed beside one that is."""
    assert not decoded(asked_of(*pair_of((2, 2)), **more)).case.packed


@pytest.mark.parametrize(
    ("shapes", "spacing", "code"),
    [
        (((2, 3), (3, 2)), None, "shape_mismatch"),
        (((0, 2), (0, 2)), None, "shape_mismatch"),
        (((2, 3), (2, 3)), [1.0], "invalid_parameter"),
    ],
)
def test_bad_bits_have_the_errors_of_their_bytes(
    shapes: tuple[tuple[int, ...], tuple[int, ...]], spacing: list[float] | None, code: str
) -> None:
    """What is wrong with a packed pair is told as of any other."""
    masks = [np.zeros(shape, bool) for shape in shapes]
    with pytest.raises(LossgaugeError) as packed:
        decoded(asked_of(*masks, spacing=spacing))
    with pytest.raises(LossgaugeError) as plain:
        sample_of(Question(**{**ASKED, "spacing": spacing}), *masks)
    assert (packed.value.code, str(packed.value), packed.value.pointer) == (code, str(plain.value), plain.value.pointer)
