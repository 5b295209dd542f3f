"""Combined losses: every loss of pixels may be a term, and any two add up."""

from itertools import combinations
from typing import get_args

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.metrics import CATALOGUE, MetricSpec
from lossgauge.metrics.combined import Combinable, Mix
from lossgauge.tasks import TASKS_OF_PIXELS
from lossgauge_service.engine import Engine
from lossgauge_service.errors import MetricDoesNotFit

from tests.reference import Case
from tests.scoring import asked, score, scores

RNG = np.random.default_rng(37)
BINARY = Case(RNG.normal(0, 2, (8, 9)), RNG.integers(0, 2, (8, 9)))
CLASSES = Case(RNG.normal(0, 2, (3, 8, 9)), RNG.integers(0, 3, (8, 9)), task="multiclass")
TERMS: tuple[type[MetricSpec], ...] = get_args(get_args(Combinable)[0])
NO_TERMS = {"average_surface_distance", "calibration_error", "confusion", "hausdorff"}
"""Lower is better, and yet no losses that anybody trains with: what is counted, or measured of bins and borders."""


def _plain(spec: type[MetricSpec]) -> MetricSpec:
    """The metric as it fits any task."""
    return spec.model_validate({"alpha": None} if spec is m.FocalLoss else {})


def test_every_loss_of_pixels_may_be_a_term() -> None:
    """All of the catalogue of which lower is better, but mixes and what is no loss."""
    losses = {
        name
        for name, spec in CATALOGUE.items()
        if spec.about.direction == "lower"
        and set(spec.about.tasks) & set(TASKS_OF_PIXELS)
        and not issubclass(spec, Mix)
    }
    assert losses - {spec.model_fields["name"].default for spec in TERMS} == NO_TERMS


@pytest.mark.parametrize("case", [BINARY, CLASSES], ids=lambda case: case.task)
def test_any_two_add_up(engine: Engine, case: Case) -> None:
    """The sum of both, with the weight of each; `terms` has both values; all from one request."""
    fitting = [_plain(spec) for spec in TERMS if asked(engine, [_plain(spec)], case)]
    pairs = [*combinations(fitting, 2)]
    sums: list[MetricSpec] = [
        m.CombinedLoss.model_validate(
            {"key": f"{one.name} {two.name}", "terms": [{"metric": one, "weight": 0.5}, {"metric": two, "weight": 2.0}]}
        )
        for one, two in pairs
    ]
    found = scores(engine, [*fitting, *sums], case)
    for one, two in pairs:
        parts = [found[one.name].value, found[two.name].value]
        both = found[f"{one.name} {two.name}"]
        assert both.value == pytest.approx(0.5 * (parts[0] or 0.0) + 2 * (parts[1] or 0.0), rel=1e-12)
        assert both.model_dump()["terms"] == parts
    assert len(fitting) >= len(TERMS) - 1


def test_a_term_that_is_not_for_the_task_is_refused(engine: Engine) -> None:
    """The term is named, as it would be alone."""
    labels = Case(RNG.normal(size=(2, 4, 4)), RNG.integers(0, 2, (2, 4, 4)), task="multilabel")
    mixed = m.CombinedLoss(terms=[m.CombinedTerm(metric=m.CrossEntropy()), m.CombinedTerm(metric=m.UnifiedFocalLoss())])
    with pytest.raises(MetricDoesNotFit, match="unified_focal_loss is for the tasks binary, multiclass"):
        score(engine, mixed, labels)
