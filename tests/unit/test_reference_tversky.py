"""The references of Tversky and generalised dice loss against MONAI, and the names of their parameters."""

import json
from typing import Literal

import numpy as np
import pytest
import torch
from lossgauge.metrics import FocalTverskyLoss, GeneralizedDiceLoss, LogCoshDiceLoss, TverskyLoss
from monai.losses.dice import GeneralizedDiceLoss as MonaiGeneralized
from monai.losses.tversky import TverskyLoss as MonaiTversky
from pydantic import ValidationError

from tests.reference import Case, reference

RNG = np.random.default_rng(13)
CLASSES, SHAPE = 4, (12, 9)
X, Y = RNG.normal(size=(CLASSES, *SHAPE)), RNG.integers(0, CLASSES - 1, SHAPE)
S = 1e-3
CASE = Case(X, Y, task="multiclass")
"""The last class is absent."""


def batched(array: object) -> torch.Tensor:
    """A batch of one."""
    return torch.as_tensor(array)[None]


def test_tversky_is_monais() -> None:
    """MONAI's alpha weighs false alarms, its beta misses."""
    theirs = MonaiTversky(softmax=True, to_onehot_y=True, alpha=0.2, beta=0.9, smooth_nr=S, smooth_dr=S)
    ours = reference(TverskyLoss(fp_weight=0.2, fn_weight=0.9, smooth_numerator=S, smooth_denominator=S), CASE)
    assert ours.value == pytest.approx(theirs(batched(X), batched(Y[None])).item(), rel=1e-6)


@pytest.mark.parametrize("weight_type", ["square", "simple", "uniform"])
@pytest.mark.parametrize("include_background", [True, False])
def test_generalized_dice_is_monais(
    weight_type: Literal["square", "simple", "uniform"], include_background: bool
) -> None:
    """A class that the target lacks weighs as the heaviest of the others."""
    theirs = MonaiGeneralized(
        include_background=include_background,
        softmax=True,
        to_onehot_y=True,
        w_type=weight_type,
        smooth_nr=S,
        smooth_dr=S,
    )
    spec = GeneralizedDiceLoss(
        weight_type=weight_type, include_background=include_background, smooth_numerator=S, smooth_denominator=S
    )
    assert reference(spec, CASE).value == pytest.approx(theirs(batched(X), batched(Y[None])).item(), rel=1e-6)


def test_binary_generalized_dice_has_two_classes() -> None:
    """The background is the second class: a mask has the loss of the two classes' probabilities."""
    p, t = RNG.uniform(size=SHAPE), RNG.integers(0, 2, SHAPE)
    binary = Case(p, t, prediction_kind="probabilities")
    classes = Case(np.stack([1 - p, p]), t, task="multiclass", prediction_kind="probabilities")
    spec = GeneralizedDiceLoss()
    assert reference(spec, binary).value == pytest.approx(reference(spec, classes).value, rel=1e-12)


def test_focal_tversky_and_log_cosh_by_hand() -> None:
    """Two of four pixels found, one missed, one false alarm: TI = 2 / (2 + 0.3 + 0.7) and dice = 4 / 6."""
    case = Case(np.array([1, 1, 0, 1, 0]), np.array([1, 1, 1, 0, 0]), prediction_kind="labels")
    focal = FocalTverskyLoss(smooth_numerator=0.0, smooth_denominator=0.0)
    log_cosh = LogCoshDiceLoss(smooth_numerator=0.0, smooth_denominator=0.0)
    assert reference(focal, case).value == pytest.approx((1 / 3) ** 0.75, rel=1e-12)
    assert reference(log_cosh, case).value == pytest.approx(np.log(np.cosh(1 / 3)), rel=1e-12)


def test_alpha_and_beta_are_false_alarms_and_misses() -> None:
    """The papers' letters are read as aliases, from JSON too, never beside the names, and answered by the names."""
    spec = TverskyLoss.model_validate_json(json.dumps({"alpha": 0.2, "beta": 0.9}))
    assert (spec.fp_weight, spec.fn_weight) == (0.2, 0.9)
    assert {"fp_weight", "fn_weight"} <= spec.model_dump().keys()
    with pytest.raises(ValidationError, match="name one parameter"):
        TverskyLoss.model_validate_json(json.dumps({"alpha": 0.2, "fp_weight": 0.3}))
