"""Classes against the rest: the same numbers as their masks have, beside other views of the classes, in maps and sweeps."""

import numpy as np
import pytest
import torch
from lossgauge import metrics as m
from lossgauge.metrics import MetricSpec
from lossgauge.sweeps import FocalGrid
from lossgauge_service.engine import Engine
from lossgauge_service.errors import MetricDoesNotFit
from monai.losses.focal_loss import FocalLoss as MonaiFocalLoss
from pydantic import ValidationError
from torch.nn.functional import one_hot

from tests.reference import Case, reference
from tests.scoring import score, scores
from tests.unit.test_maps import maps_of

RNG = np.random.default_rng(29)
X, T = RNG.normal(0, 2, (4, 9, 7)), RNG.integers(0, 4, (9, 7))
W = RNG.uniform(0.2, 3, (9, 7))
IGNORED = np.where(RNG.random((9, 7)) < 0.2, 255, T)
HOT = (np.arange(4).reshape(4, 1, 1) == T).astype(np.int64)
CLASSES = Case(X, T, task="multiclass")


def apart(**parameters: object) -> m.FocalLoss:
    """The loss of classes against the rest, over all masks' elements."""
    return m.FocalLoss.model_validate({"multiclass_mode": "one_vs_rest", "denominator": "elements", **parameters})


def test_it_is_monais_sigmoid_focal_loss() -> None:
    """The reference of logits and a one-hot target is MONAI's FocalLoss without a softmax, which computes in float32."""
    target = one_hot(torch.as_tensor(T)[None], 4).movedim(-1, 1)
    theirs = MonaiFocalLoss(alpha=0.25)(torch.as_tensor(X)[None], target)
    assert reference(apart(), CLASSES).value == pytest.approx(theirs.item(), rel=1e-6)


def test_beside_a_softmax_each_has_its_own_numbers(engine: Engine) -> None:
    """Weights and ignored pixels: both views of the classes in one request are what each is alone."""
    case = Case(X, IGNORED, task="multiclass", weight=W, ignore_index=255)
    specs: list[MetricSpec] = [m.FocalLoss(alpha=None, key="softmax"), apart(key="apart"), m.DiceLoss(), m.Confusion()]
    together = scores(engine, specs, case)
    assert together == {spec.answer_key: score(engine, spec, case) for spec in specs}


@pytest.mark.parametrize("denominator", ["pixels", "elements"])
def test_the_mean_of_its_loss_map_is_the_score(engine: Engine, denominator: str) -> None:
    """One loss a pixel: the sum, or the mean, over the classes."""
    metric = {"name": "focal_loss", "multiclass_mode": "one_vs_rest", "denominator": denominator}
    asked = {"task": "multiclass", "ignore_index": 255, "maps": [{"kind": "loss", "metric": metric}]}
    [found] = maps_of(engine, asked, X, IGNORED, W)
    assert found.array is not None
    assert found.array.shape == T.shape
    assert found.array.sum() / W[IGNORED != 255].sum() == pytest.approx(found.value, rel=1e-12)


def test_a_list_has_one_alpha_for_each_mask(engine: Engine) -> None:
    """alpha_t of a class: alpha_c on the class, 1 - alpha_c on the rest; `constant`: alpha_c on both."""
    alphas = [0.2, 0.5, 0.75, 1.0]
    each = [m.FocalLoss(alpha=alpha) for alpha in alphas]
    single = [score(engine, one, Case(x, t)).value for one, x, t in zip(each, X, HOT, strict=True)]
    assert score(engine, apart(alpha=alphas), CLASSES).per_class == pytest.approx(single, rel=1e-12)
    both = [one.model_copy(update={"alpha_mode": "constant"}) for one in each]
    single = [score(engine, one, Case(x, t)).value for one, x, t in zip(both, X, HOT, strict=True)]
    assert score(engine, apart(alpha=alphas, alpha_mode="constant"), CLASSES).per_class == pytest.approx(single)


def test_what_it_cannot_weigh_is_refused(engine: Engine) -> None:
    """A balanced alpha above 1, a list of another length; and a list does not hide what a softmax cannot have."""
    with pytest.raises(ValidationError, match=r"alpha must be in \[0, 1\]"):
        apart(alpha=[0.1, 0.2, 0.3, 1.5])
    with pytest.raises(MetricDoesNotFit, match="alpha has 2 entries"):
        score(engine, apart(alpha=[0.1, 0.2]), CLASSES)
    listed = {"alpha": [0.1, 0.2, 0.3, 0.4], "clip": (0.001, 0.999)}
    with pytest.raises(MetricDoesNotFit, match="clip_leak"):
        score(engine, m.FocalLoss.model_validate({**listed, "clip_leak": True}), CLASSES)
    with pytest.raises(MetricDoesNotFit, match="weight_from"):
        score(engine, m.FocalLoss.model_validate({**listed, "weight_from": m.BoundaryWeight()}), CLASSES)


def test_a_grid_of_classes_may_balance_each_against_the_rest() -> None:
    """Alphas weigh positives against negatives, which a softmax has not."""
    assert FocalGrid().balanced
    assert not FocalGrid.model_validate({"multiclass_mode": "one_vs_rest"}).balanced
