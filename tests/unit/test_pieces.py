"""Long work in pieces: others have their turns in between, threads are as they were, errors arrive."""

import asyncio
from typing import Any

import numpy as np
import pytest
import torch
from lossgauge.mapping import MapRequest
from lossgauge_service.batching import Batcher, Ticket
from lossgauge_service.engine import Engine
from lossgauge_service.engine.pieces import Finished, Pieces, finished, next_piece
from lossgauge_service.maps import maps_in_pieces, plans_of, question_of
from lossgauge_service.samples import sample_of

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
    """A piece runs on one thread; after it, also after one that fails, torch has as many as before."""
    seen = list[int]()

    def failing() -> Pieces[None]:
        seen.append(torch.get_num_threads())
        yield
        raise ValueError("no")

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        work = failing()
        assert next_piece(work) is None
        assert (seen, torch.get_num_threads()) == ([1], 3)
        with pytest.raises(ValueError, match="no"):
            next_piece(work)
        assert torch.get_num_threads() == 3
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
        asked: dict[str, Any] = {
            "task": "binary",
            "prediction_kind": "logits",
            "prediction": NOTHING,
            "target": NOTHING,
        }
        request = MapRequest.model_validate({**asked, "maps": [{"kind": kind, "metric": "cross_entropy"}]})
        sample = sample_of(question_of(request), np.zeros((side, side), np.float32), np.eye(side, dtype=np.uint8))
        work, count = maps_in_pieces(engine, request, plans_of(request), sample), 0
        while next_piece(work) is None:
            count += 1
        return count

    assert pieces(1024) - pieces(512) >= 3
