"""Laws that tie one metric to another: focal loss to cross-entropy, dice to IoU."""

import numpy as np
import pytest
from hypothesis import given, settings
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.metrics.combined import CombinedTerm, Mix
from lossgauge.metrics.overlap import Average
from lossgauge.metrics.pixel_loss import PixelLoss
from lossgauge.wire import Score
from lossgauge_service.engine import Engine

from tests import laws
from tests.examples import examples
from tests.reference import Case
from tests.scoring import asked, disagreements, score
from tests.strategies import cases

SOME = settings(max_examples=examples(30))

# ------------------------------------------------------------------------------------------------ focal and cross-entropy


@SOME
@given(case=cases(kinds=("logits", "probabilities"), soft_targets=False))
def test_focal_without_focus_is_cross_entropy(engine: Engine, case: Case) -> None:
    """With gamma 0 focal loss is cross-entropy, alpha for alpha, and so it is in every mix."""
    specs = laws.FOCAL_IS_CROSS_ENTROPY_AT_0.specs
    focal = asked(engine, [_without_focus(spec) for spec in specs], case)
    entropy = asked(engine, [_with_entropy(spec) for spec in specs], case)
    shared = {key.split()[0]: key for key in entropy}
    pairs = {key: (score.value, entropy[shared[key.split()[0]]].value) for key, score in focal.items()}
    assert {key: pair for key, pair in pairs.items() if not _equal(*pair)} == {}


def _equal(one: float | None, two: float | None) -> bool:
    return one == two if one is None or two is None else one == pytest.approx(two, rel=1e-9)


def _without_focus(spec: MetricSpec) -> MetricSpec:
    if isinstance(spec, m.FocalLoss):
        return spec.model_copy(update={"gamma": 0.0})
    if isinstance(spec, m.CombinedLoss):
        terms = [term.model_copy(update={"metric": _without_focus(term.metric)}) for term in spec.terms]
        return spec.model_copy(update={"terms": terms})
    return spec.model_copy(update={"focal": _without_focus(spec.focal)}) if hasattr(spec, "focal") else spec


def _with_entropy(spec: MetricSpec) -> MetricSpec:
    """The metric with cross-entropy in the place of focal loss."""
    terms = spec.terms_of() if isinstance(spec, Mix) else [CombinedTerm(metric=spec)]  # type: ignore[arg-type]
    return m.CombinedLoss(terms=[_entropy_term(term) for term in terms])


def _entropy_term(term: CombinedTerm) -> CombinedTerm:
    focal = term.metric
    if not isinstance(focal, m.FocalLoss):
        return term
    alpha = focal.alpha if isinstance(focal.alpha, float) else None
    constant = focal.alpha_mode == "constant" and alpha is not None
    shared = {name: getattr(focal, name) for name in PixelLoss.model_fields if name not in ("name", "key", "pooling")}
    entropy = m.CrossEntropy(alpha=None if constant else alpha, **shared)
    factor = 1.0 if alpha is None or not constant else alpha
    return CombinedTerm(metric=entropy, weight=term.weight * factor, transform=term.transform)


@SOME
@given(case=cases(kinds=("logits", "probabilities")))
def test_alpha_of_a_half_is_half(engine: Engine, case: Case) -> None:
    """Focal loss with alpha 0.5 is half of focal loss without alpha, every part of it."""
    mode = "constant" if case.task == "multiclass" else "balanced"
    specs = [spec.model_copy(update={"alpha_mode": mode}) for spec in laws.HALF_ALPHA_IS_HALF.specs]
    halves = asked(engine, [spec.model_copy(update={"alpha": 0.5}) for spec in specs], case)
    wholes = asked(engine, [spec.model_copy(update={"alpha": None}) for spec in specs], case)
    assert [_doubled(score) for score in halves.values()] == [_plain(score) for score in wholes.values()]


def _plain(score: Score) -> list[float | None]:
    extras = score.model_dump()
    return [score.value, extras.get("positive"), extras.get("negative"), *(score.per_class or [])]


def _doubled(score: Score) -> list[object]:
    return [value if value is None else pytest.approx(2 * value, rel=1e-12) for value in _plain(score)]


# ----------------------------------------------------------------------------------------------------------- dice and IoU


@SOME
@given(case=cases())
def test_dice_follows_from_iou(engine: Engine, case: Case) -> None:
    """dice = 2 J / (1 + J), without smoothing and class by class (binary, and micro: as a whole)."""
    exact = {"smooth_numerator": 0.0, "smooth_denominator": 0.0, "empty": m.Empty()}
    specs = [spec.model_copy(update=exact) for spec in laws.DICE_IS_OF_IOU.specs]
    dice, iou = asked(engine, specs, case), asked(engine, [_iou_of(spec) for spec in specs], case)
    for spec, one, other in zip(_spec_of(dice, specs), dice.values(), iou.values(), strict=True):
        loss = spec.name == "dice_loss"
        whole = case.task == "binary" or spec.average == "micro"  # type: ignore[attr-defined]
        expected = [_dice(j, loss) for j in ([other.value] if whole else other.per_class or [])]
        assert expected == ([one.value] if whole else one.per_class or [])


def _spec_of(scores: dict[str, Score], specs: list[MetricSpec]) -> list[MetricSpec]:
    return [specs[int(key.split()[0])] for key in scores]


def _iou_of(spec: MetricSpec) -> MetricSpec:
    shared = {name: getattr(spec, name) for name in m.Iou.model_fields if name != "name"}
    return m.IouLoss(**shared) if spec.name == "dice_loss" else m.Iou(**shared)


def _dice(j: float | None, loss: bool) -> object:
    if j is None:
        return None
    ratio = 1 - j if loss else j
    dice = 2 * ratio / (1 + ratio)
    return pytest.approx(1 - dice if loss else dice, rel=1e-9, abs=1e-12)


@SOME
@given(case=cases())
def test_tversky_of_halves_is_dice_and_of_ones_iou(engine: Engine, case: Case) -> None:
    """Tversky loss with both weights 0.5 is dice loss, with both 1 IoU loss, unsmoothed and averaged in every way."""
    exact = {"smooth_numerator": 0.0, "smooth_denominator": 0.0}
    averages: tuple[Average, ...] = ("macro", "micro", "weighted", "none")
    specs = [
        spec.model_copy(update={**exact, "average": average})
        for spec in laws.TVERSKY_IS_DICE_AND_IOU.specs
        for average in averages
    ]
    for weight, loss in ((0.5, m.DiceLoss), (1.0, m.IouLoss)):
        tversky = [spec.model_copy(update={"fp_weight": weight, "fn_weight": weight}) for spec in specs]
        overlaps = [_with_fields_of(spec, loss) for spec in tversky]
        found, expected = (asked(engine, specs, case) for specs in (tversky, overlaps))
        assert disagreements(_renamed(expected), _renamed(found)) == {}


def _with_fields_of(spec: MetricSpec, kind: type[MetricSpec]) -> MetricSpec:
    return kind(**{name: getattr(spec, name) for name in kind.model_fields if name != "name" and hasattr(spec, name)})


@SOME
@given(case=cases())
def test_fbeta_of_one_is_dice_of_the_masks(engine: Engine, case: Case) -> None:
    """F1 and dice are one number with two names."""
    averages: tuple[Average, ...] = ("macro", "micro", "weighted", "none")
    f1 = asked(engine, [m.FBeta(average=average) for average in averages], case)
    dice = asked(engine, [m.Dice(average=average) for average in averages], case)
    assert disagreements(_renamed(f1), _renamed(dice)) == {}


def _renamed(scores: dict[str, Score]) -> dict[str, Score]:
    return {str(place): score for place, score in enumerate(scores.values())}


def test_the_positives_share_of_a_loss(engine: Engine) -> None:
    """10 positives at pt = 0.05 among 100,000 negatives at pt = 0.95 carry 0.0058 of cross-entropy, 0.4127 of focal loss."""
    target = np.zeros(100_010, np.int64)
    target[[7, 4095, 4096, 12_345, 50_000, 65_535, 65_536, 77_777, 99_999, 100_009]] = 1
    case = Case(np.full(target.shape, 0.05), target, prediction_kind="probabilities")
    shares = [score(engine, spec, case).model_dump()["positive_share"] for spec in (m.CrossEntropy(), m.FocalLoss())]
    assert [round(share, 4) for share in shares] == [0.0058, 0.4127]
