"""Long work in pieces: others have their turns in between, threads are as they were, errors arrive."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from lossgauge.mapping import MapRequest
from lossgauge_service.batching import Batcher, Ticket
from lossgauge_service.engine import Engine
from lossgauge_service.engine.columns import one_thread
from lossgauge_service.engine.pieces import Finished, Pieces, finished, next_piece
from lossgauge_service.maps import Mapped, maps_in_pieces, plans_of, question_of
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.plan import Plan
from lossgauge_service.samples import Sample, sample_of

NOTHING = {"encoding": "list", "data": [0]}


def noted(events: list[str], pieces: int) -> Pieces[str]:
    """Work that notes each of its pieces."""
    for piece in range(pieces):
        events.append(f"piece {piece}")
        yield
    return "done"


def test_another_has_its_turn_between_two_pieces(engine: Engine) -> None:
    """What comes while long work goes on does not wait for its end."""
    events = list[str]()

    async def both() -> str:
        batcher = Batcher(engine)
        long = asyncio.create_task(batcher.in_turns(noted(events, 5), Ticket(on_start=lambda: events.append("start"))))
        while "piece 0" not in events:
            await asyncio.sleep(0)
        await batcher.call(lambda _: events.append("other"))
        found = await long
        batcher.close()
        return found

    assert asyncio.run(both()) == "done"
    assert [event for event in events if event != "other"] == ["start", *(f"piece {piece}" for piece in range(5))]
    assert events.index("other") < events.index("piece 4")


def test_the_threads_are_as_they_were() -> None:
    """Short operations run on one thread; after them, also after one that fails, torch has as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        with pytest.raises(ValueError, match="no"), one_thread():
            raise ValueError("no")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_a_score_within_a_map_has_the_threads_of_any_other(engine: Engine, kind: str) -> None:
    """Kernels are compiled for a number of threads: with another one, a map would compile its own while others wait."""
    seen = list[int]()

    class Watched(Engine):
        def run(self, plan: Plan, samples: Sequence[Sample]) -> Outcomes:
            seen.append(torch.get_num_threads())
            return super().run(plan, samples)

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        finished(_map_of(Watched(engine.device, engine.kernels, engine.info), kind, 8))
        assert (seen, torch.get_num_threads()) == ([3], 3)
    finally:
        torch.set_num_threads(before)


def test_what_is_found_at_once() -> None:
    """The value that the last piece returns."""
    assert finished(noted([], 3)) == "done"
    assert next_piece(noted([], 0)) == Finished("done")


@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_a_map_is_made_in_pieces_of_a_bounded_size(engine: Engine, kind: str) -> None:
    """Four times the pixels are more pieces, so that a turn does not grow with the sample."""

    def pieces(side: int) -> int:
        work, count = _map_of(engine, kind, side), 0
        while next_piece(work) is None:
            count += 1
        return count

    assert pieces(1024) - pieces(512) >= 3


def _map_of(engine: Engine, kind: str, side: int) -> Pieces[list[Mapped]]:
    asked: dict[str, Any] = {"task": "binary", "prediction_kind": "logits", "prediction": NOTHING, "target": NOTHING}
    request = MapRequest.model_validate({**asked, "maps": [{"kind": kind, "metric": "cross_entropy"}]})
    sample = sample_of(question_of(request), np.zeros((side, side), np.float32), np.eye(side, dtype=np.uint8))
    return maps_in_pieces(engine, request, plans_of(request), sample)
