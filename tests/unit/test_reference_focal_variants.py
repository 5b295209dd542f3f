"""The references of asymmetric and unified focal loss against their authors' code, their paper, and MONAI."""

from typing import Literal

import numpy as np
import pytest
import torch
from lossgauge import metrics as m
from monai.losses.unified_focal_loss import AsymmetricFocalLoss as MonaiFocal
from monai.losses.unified_focal_loss import AsymmetricFocalTverskyLoss as MonaiTversky
from monai.losses.unified_focal_loss import AsymmetricUnifiedFocalLoss as MonaiUnified

from tests.reference import Case, reference
from tests.reference.case import AnyArray, Floats

RNG = np.random.default_rng(41)
P, T = RNG.uniform(0.02, 0.98, (9, 11)), (RNG.random((9, 11)) < 0.3).astype(np.int64)
BINARY = Case(P, T, prediction_kind="probabilities")
TWO = np.stack([1 - P, P])
HOT = np.stack([1 - T, T]).astype(np.float64)
Form = Literal["symmetric", "asymmetric"]
FORMS: tuple[Form, ...] = ("symmetric", "asymmetric")
EPSILON = 1e-7


def index(y: Floats, p: Floats, delta: float) -> float:
    """The authors' Tversky index of a class."""
    tp, fn, fp = np.sum(y * p), np.sum(y * (1 - p)), np.sum((1 - y) * p)
    return float((tp + EPSILON) / (tp + delta * fn + (1 - delta) * fp + EPSILON))


def authors(form: Form, weight: float, delta: float, gamma: float) -> float:
    """github.com/mlyg/unified-focal-loss: sym_unified_focal_loss and asym_unified_focal_loss, of an image."""
    p = np.clip(TWO, EPSILON, 1 - EPSILON)
    entropy = -HOT * np.log(p)
    fore_focus = (1 - p[1]) ** gamma if form == "symmetric" else 1.0
    pixels = (1 - delta) * (1 - p[0]) ** gamma * entropy[0] + delta * fore_focus * entropy[1]
    back, fore = (1 - index(HOT[c], p[c], delta) for c in (0, 1))
    back = back * back**-gamma if form == "symmetric" else back
    return float(weight * np.mean([back, fore * fore**-gamma]) + (1 - weight) * np.mean(pixels))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("weight", "delta", "gamma"), [(0.5, 0.6, 0.5), (0.2, 0.7, 0.25), (1.0, 0.6, 0.75)])
def test_unified_focal_loss_is_its_authors_code(form: Form, weight: float, delta: float, gamma: float) -> None:
    """Both forms, to the digit, within the bounds that the code clips at."""
    spec = m.UnifiedFocalLoss(form=form, weight=weight, delta=delta, gamma=gamma)
    assert reference(spec, BINARY).value == pytest.approx(authors(form, weight, delta, gamma), rel=1e-9)


def test_the_defaults_are_the_authors() -> None:
    """weight 0.5, delta 0.6, gamma 0.5, epsilon 1e-7."""
    spec = m.UnifiedFocalLoss()
    assert (spec.weight, spec.delta, spec.gamma, spec.smooth) == (0.5, 0.6, 0.5, EPSILON)


def test_the_paper_s_asymmetric_form() -> None:
    """lambda L_maF + (1 - lambda) L_maFT: -delta/N y log p of the rare class, -(1 - delta)/N (1 - p)^gamma log p of the other;

    the sum over the classes of 1 - TI, the rare class's to the power 1 - gamma.
    """
    share, delta, gamma = 0.3, 0.7, 0.25
    rare, other = T == 1, T == 0
    focal = -delta * np.log(P[rare]).sum() - (1 - delta) * (P[other] ** gamma * np.log(1 - P[other])).sum()
    tversky = (1 - index(HOT[0], TWO[0], delta)) + (1 - index(HOT[1], TWO[1], delta)) ** (1 - gamma)
    published = share * focal / T.size + (1 - share) * tversky
    spec = m.UnifiedFocalLoss(form="asymmetric", class_reduction="sum", weight=1 - share, delta=delta, gamma=gamma)
    assert reference(spec, BINARY).value == pytest.approx(published, rel=1e-9)


def test_the_paper_s_symmetric_form_has_the_complement_of_gamma() -> None:
    """(1 - pt)^(1 - gamma) and (1 - TI)^gamma are the code's two terms at 1 - gamma."""
    delta, gamma = 0.6, 0.3
    tversky = sum((1 - index(HOT[c], TWO[c], delta)) ** gamma for c in (0, 1))
    pt = np.where(T == 1, P, 1 - P)
    focal = np.mean(np.where(T == 1, delta, 1 - delta) * (1 - pt) ** (1 - gamma) * -np.log(pt))
    spec = m.UnifiedFocalLoss(class_reduction="sum", delta=delta, gamma=1 - gamma)
    assert reference(spec, BINARY).extras["terms"] == pytest.approx([tversky, focal], rel=1e-9)


def test_classes_beyond_two_are_all_foreground() -> None:
    """Class 0 is the background; each other class has the foreground's weight and exponent."""
    x, t = RNG.normal(size=(4, 9, 11)), RNG.integers(0, 4, (9, 11))
    p = np.exp(x) / np.exp(x).sum(0)
    hot = (np.arange(4).reshape(4, 1, 1) == t).astype(np.float64)
    tversky = np.mean([(1 - index(hot[c], p[c], 0.6)) ** (0.5 if c else 1.0) for c in range(4)])
    pixels = sum(hot[c] * (0.6 if c else 0.4 * (1 - p[c]) ** 0.5) * -np.log(p[c]) for c in range(4))
    found = reference(m.UnifiedFocalLoss(form="asymmetric"), Case(x, t, task="multiclass"))
    assert found.extras["terms"] == pytest.approx([tversky, np.mean(pixels)], rel=1e-9)


# ----------------------------------------------------------------------------------------------------------------- MONAI


def batched(array: AnyArray) -> torch.Tensor:
    """A batch of one."""
    return torch.as_tensor(array, dtype=torch.float64)[None]


def test_asymmetric_focal_loss_is_twice_monais() -> None:
    """MONAI takes the mean over pixels and both channels, of which one is 0; the authors the mean of the channels' sum."""
    theirs = MonaiFocal(delta=0.7, gamma=2.0)(batched(TWO), batched(HOT)).item()
    assert reference(m.AsymmetricFocalLoss(delta=0.7, gamma=2.0), BINARY).value == pytest.approx(2 * theirs, rel=1e-6)


def test_the_tversky_term_is_monais() -> None:
    """The mean over background and foreground, the foreground's to the power 1 - gamma."""
    theirs = MonaiTversky(delta=0.6, gamma=0.25)(batched(TWO), batched(HOT)).item()
    spec = m.UnifiedFocalLoss(form="asymmetric", gamma=0.25)
    assert reference(spec, BINARY).extras["terms"][0] == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("weight", [0.5, 0.2])
def test_monais_unified_loss_halves_the_focal_term_and_weighs_it(weight: float) -> None:
    """weight F / 2 + (1 - weight) T, of probabilities (and not, as it says, of logits): ours, but for a factor of the whole."""
    theirs = MonaiUnified(weight=weight, delta=0.7, gamma=0.5)(batched(P[None]), batched(T[None])).item()
    spec = m.UnifiedFocalLoss(form="asymmetric", delta=0.7, weight=(1 - weight) / (1 - weight / 2))
    ours = reference(spec, BINARY)
    tversky, focal = ours.extras["terms"]
    assert theirs == pytest.approx(weight * focal / 2 + (1 - weight) * tversky, rel=1e-6)
    scaled = m.CombinedLoss(terms=[m.CombinedTerm(metric=spec, weight=1 - weight / 2)])
    assert reference(scaled, BINARY).value == pytest.approx(theirs, rel=1e-6)
