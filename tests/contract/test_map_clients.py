"""The real clients' maps: arrays by name, whatever the request's arrays travel as."""

import asyncio
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge import AsyncClient, Client, MapSet, UndefinedScore, UnreadableAnswer, errors
from lossgauge import metrics as m
from lossgauge.bodies import Encoding
from lossgauge.calls import MapLike
from lossgauge.mapping import ErrorMap, GradientMap, LossMap

LOGITS = np.linspace(-3, 3, 24, dtype=np.float32).reshape(4, 6)
TARGET = np.arange(24).reshape(4, 6) % 3 == 0
MAPS: list[MapLike] = [GradientMap(metric=m.DiceLoss()), {"kind": "loss", "metric": m.FocalLoss(gamma=1)}, "errors"]


def check(found: MapSet) -> None:
    """All three maps are there, in the prediction's shape and precision."""
    assert {name: (array.dtype.name, array.shape) for name, array in found.items()} == {
        "dice_loss.gradient": ("float32", (4, 6)),
        "focal_loss.loss": ("float32", (4, 6)),
        "errors": ("uint8", (4, 6)),
    }
    assert ((found["errors"] == 1) | (found["errors"] == 3)).tolist() == TARGET.tolist()
    assert found["focal_loss.loss"].mean() == pytest.approx(found.told["focal_loss.loss"].value, rel=1e-6)


@pytest.mark.parametrize("encoding", ["safetensors", "multipart", "npy"])
def test_the_client_reads_arrays_by_name(url: str, encoding: Encoding) -> None:
    """However the request travels, the answer is arrays by name."""
    with Client(url, retries=0, encoding=encoding) as client:
        check(client.maps(LOGITS, TARGET, maps=MAPS, prediction_kind="logits"))


def test_the_async_client_reads_the_same(url: str) -> None:
    """Awaited, the maps are the same."""

    async def mapped() -> MapSet:
        async with AsyncClient(url, retries=0) as client:
            return await client.maps(LOGITS, TARGET, maps=MAPS, prediction_kind="logits", id="a")

    found = asyncio.run(mapped())
    check(found)
    assert found.id == "a"


def test_a_step_along_the_gradient_lowers_the_loss(client: Client) -> None:
    """The score changes by the gradient's square times a small step."""
    asked: dict[str, Any] = {"prediction_kind": "logits", "precision": "float64"}
    logits = LOGITS.astype(np.float64)
    found = client.maps(logits, TARGET, maps=GradientMap(metric=m.BceDice(), name="g"), **asked)
    moved = client.score(logits - 1e-5 * found["g"], TARGET, metrics=m.BceDice(), **asked)
    before = found.told["g"].value
    assert before is not None
    assert (before - moved["bce_dice"]) / 1e-5 == pytest.approx((found["g"] ** 2).sum(), rel=1e-3)


def test_an_undefined_gradient_raises_where_it_is_read(client: Client) -> None:
    """The others are read; the reason stands in what is told."""
    maps: list[MapLike] = [LossMap(metric=m.CrossEntropy()), GradientMap(metric=m.CrossEntropy()), ErrorMap()]
    target = np.full((4, 6), 7)
    found = client.maps(LOGITS, target, maps=maps, prediction_kind="logits", ignore_index=7)
    assert sorted(found) == ["cross_entropy.loss", "errors"]
    with pytest.raises(UndefinedScore, match="no_valid_pixels"):
        found["cross_entropy.gradient"]


def test_a_refusal_is_raised(client: Client) -> None:
    """A metric without a gradient is an exception that points to its map."""
    with pytest.raises(errors.MetricDoesNotFitError) as raised:
        client.maps(LOGITS, TARGET, maps={"kind": "gradient", "metric": "confusion"}, prediction_kind="logits")
    assert raised.value.pointer == "/maps/0/metric"
    with pytest.raises(errors.InvalidArgumentError, match="a map is"):
        client.maps(LOGITS, TARGET, maps=3, prediction_kind="logits")  # type: ignore[arg-type]


def test_another_answer_is_unreadable() -> None:
    """What is no safetensors body of maps is told so."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="hello"))
    with pytest.raises(UnreadableAnswer, match="not the maps of a pair"):
        Client(transport=transport).maps(LOGITS, TARGET, maps="errors", prediction_kind="logits")
