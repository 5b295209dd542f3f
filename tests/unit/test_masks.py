"""The masks of a sample's classes: what is in them, and how many may be."""

import numpy as np
import pytest
from lossgauge import metrics as m
from lossgauge.wire import Question
from lossgauge_service.engine import Engine
from lossgauge_service.errors import LimitExceeded, LossgaugeError
from lossgauge_service.measures import masks
from lossgauge_service.measures.masks import masks_of
from lossgauge_service.plan import plan_for
from lossgauge_service.samples import Sample, sample_of

QUESTION = Question(
    task="multiclass",
    prediction_kind="labels",
    num_classes=3,
    ignore_index=9,
    metrics=[m.Hausdorff(), m.Dice()],
)


def _sample() -> Sample:
    return sample_of(QUESTION, np.array([[0, 1], [2, 2]]), np.array([[0, 9], [2, 1]]))


def test_an_ignored_pixel_is_in_no_mask() -> None:
    """Of classes each pixel that counts is in one mask a side, and one that does not in none."""
    found = masks_of(_sample(), None, inclusive=False)
    assert found.prediction.tolist() == [[[1, 0], [0, 0]], [[0, 0], [0, 0]], [[0, 0], [1, 1]]]
    assert found.target.tolist() == [[[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 0], [1, 0]]]
    assert found.valid.tolist() == [[[1, 0], [1, 1]]] * 3


def test_more_masks_than_there_is_memory_for_are_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes times pixels over the bound are an error before a mask is made; metrics of counts have no such bound."""
    monkeypatch.setattr(masks, "MOST_ELEMENTS", 12)
    assert masks_of(_sample(), None, inclusive=False).target.size == 12
    monkeypatch.setattr(masks, "MOST_ELEMENTS", 11)
    for asked, refused in ((QUESTION, True), (QUESTION.model_copy(update={"metrics": [m.Dice()]}), False)):
        plan = plan_for(asked)
        [found] = plan.scores(engine.run(plan, [_sample()]))
        assert isinstance(found, LimitExceeded if refused else dict)
        if isinstance(found, LossgaugeError):
            assert (found.pointer, "3 classes of 4 pixels" in found.detail) == ("/prediction", True)
