"""Regions: unions of classes, scored as masks."""

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.calls import question as asked_of
from lossgauge.metrics import MetricSpec
from lossgauge.metrics.spec import Place
from lossgauge.presets import PRESETS
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.errors import InvalidParameter, InvalidValues, MetricDoesNotFit
from lossgauge_service.plan import Plan, plan_for
from lossgauge_service.samples import sample_of
from numpy.typing import NDArray
from pydantic import ValidationError

from tests.scoring import scores_of

REGIONS = [[1, 2, 3], [2, 3], [3]]
"""Whole tumour, core and enhancing tumour, as nnU-Net's BraTS configuration has them."""


def _question(kind: str = "labels", regions: list[list[int]] | None = REGIONS, **options: object) -> Question:
    asked = {"task": "multiclass", "prediction_kind": kind, "num_classes": 4, "metrics": ["dice", "confusion"]}
    return Question.model_validate({**asked, "regions": regions, **options})


def _labels(seed: int, high: int = 4) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, high, (6, 5))


def test_a_region_scores_as_the_mask_of_its_classes(engine: Engine) -> None:
    """The value of a region is that of the binary masks that say whether a pixel's class is in it."""
    guess, truth = _labels(1), _labels(2)
    truth[0, :3] = 255
    question = _question(ignore_index=255)
    [found] = scores_of(engine, plan_for(question), [sample_of(question, guess, truth)])
    binary = Question(task="binary", prediction_kind="labels", ignore_index=255, metrics=[m.Dice()])
    masks = [(np.isin(guess, r) * 1, np.where(truth == 255, 255, np.isin(truth, r))) for r in REGIONS]
    alone = scores_of(engine, plan_for(binary), [sample_of(binary, *pair) for pair in masks])
    assert [one["dice"].value for one in alone] == found["dice"].per_class
    assert found["dice"].value == pytest.approx(np.mean([one["dice"].value for one in alone]), rel=1e-12)


def test_logits_are_of_the_region_of_their_greatest(engine: Engine) -> None:
    """A pixel's class is the argmax, before the union is taken."""
    logits = np.random.default_rng(3).normal(size=(4, 6, 5))
    truth = _labels(4)
    asked, of_labels = _question("logits"), _question()
    [found] = scores_of(engine, plan_for(asked), [sample_of(asked, logits, truth)])
    [expected] = scores_of(engine, plan_for(of_labels), [sample_of(of_labels, logits.argmax(0), truth)])
    assert expected == found


def test_a_weight_map_weighs_every_region(engine: Engine) -> None:
    """A pixel's weight counts in all regions that it is in."""
    guess, truth = _labels(1), _labels(2)
    weight = np.random.default_rng(5).random((6, 5))
    question = _question()
    [found] = scores_of(engine, plan_for(question), [sample_of(question, guess, truth, weight)])
    hits = [float(weight[np.isin(guess, r) & np.isin(truth, r)].sum()) for r in REGIONS]
    assert hits == pytest.approx(found["confusion"].model_dump()["tp"], rel=1e-6)


def test_no_region_is_the_background(engine: Engine) -> None:
    """A preset that leaves the labels' background out has the mean of all regions, and the semantics say so."""
    asked = _question(regions=[[1, 2, 3], [3]], preset="nnunet", metrics=["dice", "iou"])
    guess, truth = np.array([[1, 1, 2, 3, 0, 0]]), np.array([[1, 2, 2, 0, 0, 3]])
    plan = plan_for(asked)
    [found] = scores_of(engine, plan, [sample_of(asked, guess, truth)])
    assert found["dice"].per_class == [0.75, 0.0]
    assert (found["dice"].value, found["dice"].counted) == (0.375, 2)
    assert (found["iou"].value, found["iou"].counted) == (0.3, 2)
    assert plan.semantics["dice"]["include_background"] is True
    alone = _question(regions=None, preset="nnunet", metrics=["dice"])
    assert plan_for(alone).semantics["dice"]["include_background"] is False


def _without_background() -> list[MetricSpec]:
    """Every metric that leaves class 0 out, as it is told to; mean IoU's background is the rest of a mask, which regions have."""
    specs = [spec for name, spec in m.CATALOGUE.items() if "include_background" in spec.model_fields]
    assert {m.Dice, m.Hausdorff, m.Mcc, m.GeneralizedDiceLoss} <= set(specs)
    return [spec.model_validate({"include_background": False}) for spec in specs if spec is not m.MeanIou]


@pytest.mark.parametrize("spec", _without_background(), ids=lambda spec: spec.name)
def test_regions_have_no_background_to_leave_out(spec: MetricSpec) -> None:
    """include_background false, given by who asks, is refused with its place; so it is beside a preset, and within a sum."""
    term = m.CombinedLoss.model_validate(
        {"terms": [{"metric": m.Brier()}, {"metric": m.Dice(include_background=False)}]}
    )
    others = [
        spec.model_copy(update={"preset": one})
        for one in ("monai", "coco")
        if PRESETS[one].recipe(spec.name, "multilabel")
    ]
    for metric, at in ((spec, ()), *((other, ()) for other in others), (term, ("terms", 1, "metric"))):
        with pytest.raises(ValidationError, match="regions have no background") as refused:
            _question(metrics=["confusion", metric])
        assert _places(refused.value) == [("metrics", 1, *at, "include_background")]
    assert _question(regions=None, metrics=["confusion", spec, term.model_copy(update={"key": "sum"})])


def _places(invalid: ValidationError) -> list[Place]:
    return [error["ctx"]["error"].at for error in invalid.errors()]


def test_mean_iou_of_the_foreground_is_of_regions_too(engine: Engine) -> None:
    """Its background is what is outside of a mask, and every region has that."""
    asked = _question(metrics=[m.MeanIou(include_background=False, thresholds=[0.5]), m.Iou()])
    [found] = scores_of(engine, plan_for(asked), [sample_of(asked, _labels(1), _labels(2))])
    assert found["mean_iou"].value == pytest.approx(found["iou"].value)


@pytest.mark.parametrize(("preset", "metric"), [("kornia", "iou"), ("scikit-learn", "mcc")])
def test_what_a_library_says_of_classes_alone_it_does_not_say_of_regions(preset: str, metric: str) -> None:
    """Regions overlap as labels do: a function of one class a pixel does not take them."""
    with pytest.raises(ValidationError, match=f"{preset}.*multiclass; found 'multilabel', as which regions are scored"):
        _question(preset=preset, metrics=[metric])


def test_a_class_that_there_is_not_is_refused() -> None:
    """A region's class out of range is told with its place."""
    question = _question(regions=[[1], [2, 4]])
    with pytest.raises(InvalidParameter, match="has the class 4; there are the classes 0 to 3") as refused:
        sample_of(question, _labels(1), _labels(2))
    assert refused.value.pointer == "/regions/1/1"


def test_nan_is_not_a_class() -> None:
    """The argmax of NaN is no prediction."""
    logits = np.zeros((4, 2, 2))
    logits[1, 0, 1] = np.nan
    with pytest.raises(InvalidValues, match="NaN at"):
        sample_of(_question("logits"), logits, _labels(1)[:2, :2])


def test_regions_are_masks_of_labels() -> None:
    """A loss of probabilities has no meaning for a union of argmaxes."""
    for name in ("focal_loss", "roc_auc"):
        with pytest.raises(
            MetricDoesNotFit, match="takes logits or probabilities; regions are scored as masks"
        ) as refused:
            plan_for(_question("logits", metrics=["dice", name]))
        assert refused.value.pointer == "/metrics/1"
        assert "not 'labels'" not in refused.value.detail


def test_a_metric_that_no_region_has_is_refused() -> None:
    """A metric of another task is told what regions are."""
    with pytest.raises(MetricDoesNotFit, match="for the tasks binary, multiclass; regions are scored as masks"):
        plan_for(_question(metrics=["unified_focal_loss"]))


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize(
    ("metric", "at"),
    [
        ({"name": "dice", "soft": True}, "soft"),
        ({"name": "iou", "soft": True}, "soft"),
        ({"name": "dice_loss", "soft": True}, "soft"),
        ({"name": "tversky_loss", "soft": True}, "soft"),
        ({"name": "generalized_dice_loss", "soft": True, "preset": "monai"}, "soft"),
        ({"name": "combined_loss", "terms": [{"metric": {"name": "iou_loss", "soft": True}}]}, "terms/0/metric/soft"),
        ({"name": "combined_loss", "terms": [{"metric": {"name": "dice", "soft": True}}]}, "terms/0/metric/soft"),
    ],
)
def test_probabilities_of_a_region_are_refused(kind: str, metric: dict[str, object], at: str) -> None:
    """What asks for probabilities of its own accord is not scored on the argmax in silence; of labels all is the same."""
    with pytest.raises(MetricDoesNotFit, match="soft takes probabilities; regions") as refused:
        plan_for(_question(kind, metrics=[metric]))
    assert refused.value.pointer == f"/metrics/0/{at}"
    plan_for(_question(metrics=[metric]))


@pytest.mark.parametrize(
    "name", ["dice_loss", "iou_loss", "log_cosh_dice_loss", "tversky_loss", "generalized_dice_loss"]
)
def test_a_soft_loss_of_regions_says_that_it_is_of_the_mask(engine: Engine, name: str) -> None:
    """A loss that is soft by default is that of the argmax's masks, and its semantics say so, within a sum too."""
    logits, truth = np.random.default_rng(3).normal(size=(4, 6, 5)), _labels(4)
    terms = [{"metric": {"name": name}}, {"metric": {"name": "dice"}}]
    metrics = [name, {"name": "combined_loss", "terms": terms}]
    asked, of_labels = _question("logits", metrics=metrics), _question(metrics=metrics)
    plan = plan_for(asked)
    [found] = scores_of(engine, plan, [sample_of(asked, logits, truth)])
    [expected] = scores_of(engine, plan_for(of_labels), [sample_of(of_labels, logits.argmax(0), truth)])
    assert {key: score.value for key, score in found.items()} == pytest.approx(
        {key: score.value for key, score in expected.items()}, rel=1e-12
    )
    assert plan.semantics[name]["soft"] is False
    assert plan.semantics["combined_loss"]["terms"][0]["metric"]["soft"] is False


@pytest.mark.parametrize(
    "spec", [m.DiceLoss, m.TverskyLoss, m.Dice], ids=lambda spec: spec.model_fields["name"].default
)
def test_a_typed_spec_is_told_to_be_soft_only_where_it_is(spec: type[MetricSpec]) -> None:
    """The client writes defaults out, but not that a loss is soft by default: of regions that would be asking for it."""

    def asked(metric: MetricSpec) -> Plan:
        document = asked_of([metric, _sum_of(metric)], task="multiclass", prediction_kind="logits", regions=REGIONS)
        return plan_for(Question.model_validate(document))

    empty = {"empty": m.Empty(target=0.5)}
    plain = spec.model_validate(empty)
    semantics = asked(plain).semantics
    assert [semantics[plain.name]["soft"], semantics["sum"]["terms"][1]["metric"]["soft"]] == [False, False]
    assert semantics[plain.name]["empty"] == m.Empty(target=0.5).model_dump()
    with pytest.raises(MetricDoesNotFit, match="soft takes probabilities; regions"):
        asked(spec.model_validate({"soft": True}))


def _sum_of(metric: MetricSpec) -> m.CombinedLoss:
    return m.CombinedLoss.model_validate({"key": "sum", "terms": [{"metric": m.IouLoss()}, {"metric": metric}]})


@pytest.mark.parametrize("kind", ["labels", "logits"])
@pytest.mark.parametrize("name", ["cross_entropy", "focal_loss", "unified_focal_loss"])
def test_a_term_that_no_region_has_is_told_of_regions(kind: str, name: str) -> None:
    """Within a sum the reason is that of the metric alone, with the term's place: nobody is told of labels that were not sent."""
    terms = [{"metric": {"name": "dice_loss"}}, {"metric": {"name": name}}]
    with pytest.raises(MetricDoesNotFit, match=f"combined_loss: {name} .*; regions are scored as masks") as refused:
        plan_for(_question(kind, metrics=[{"name": "combined_loss", "terms": terms}]))
    assert refused.value.pointer == "/metrics/0/terms/1/metric"
    assert "not labels" not in refused.value.detail


def test_regions_are_for_classes() -> None:
    """A binary mask has no classes to unite."""
    with pytest.raises(ValueError, match="for task 'multiclass'"):
        _question(task="binary", num_classes=None)
