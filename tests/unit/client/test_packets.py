"""How a body leaves the client."""

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge import AsyncClient, Client, LossgaugeError
from lossgauge.bodies import Attachment, body_kind
from lossgauge.calls import post
from lossgauge.packets import PACKET, AsyncPackets, Packets, Stretch

CONTENT = np.random.default_rng(0).bytes(3 * PACKET + 1)
SIDE = 512
ASKED: Any = {"metrics": "dice", "task": "binary", "prediction_kind": "logits"}
PAIR = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), np.uint8)


class Listening(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Takes requests as they come; refuses the first with a 503, and all others with a 422."""

    def __init__(self) -> None:
        self.heads: list[httpx.Headers] = []
        self.bodies: list[list[bytes]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Hear a whole body."""
        assert isinstance(request.stream, httpx.SyncByteStream)
        return self._heard(request, list(request.stream))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The same."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        return self._heard(request, [packet async for packet in request.stream])

    def _heard(self, request: httpx.Request, packets: list[bytes]) -> httpx.Response:
        self.heads.append(request.headers)
        self.bodies.append(packets)
        again = {"Retry-After": "0"} if len(self.bodies) == 1 else {}
        return httpx.Response(503 if again else 422, headers=again)


async def _heard(pieces: Sequence[Stretch]) -> list[bytes]:
    return [packet async for packet in AsyncPackets(pieces)]


@pytest.mark.parametrize("cuts", [[], [1], [PACKET], [5, 5, PACKET - 1, PACKET + 1, 3 * PACKET]])
def test_packets_are_the_body(cuts: list[int]) -> None:
    """Packets of one size but for the last; one after the other they are the body, however it is cut, as often as it is sent."""
    pieces = [memoryview(CONTENT)[start:end] for start, end in pairwise([0, *cuts, len(CONTENT)])]
    packets = Packets(pieces)
    assert b"".join(packets) == b"".join(packets) == CONTENT
    assert [len(packet) for packet in packets] == [PACKET] * 3 + [1]
    assert asyncio.run(_heard(pieces)) == list(packets)


def test_an_array_is_sent_from_where_it_lies() -> None:
    """No copy of it is made on the way to the socket, but of what shares a packet with others."""
    array = np.zeros(2 * PACKET, np.uint8)
    body = body_kind("safetensors").body({}, [Attachment("a", array)])
    assert np.shares_memory(np.frombuffer(body.pieces[1], np.uint8), array)
    packets = list(Packets(body.pieces))
    assert [np.shares_memory(np.frombuffer(packet, np.uint8), array) for packet in packets] == [False, True, True]


def test_a_kept_call_has_its_own_bytes() -> None:
    """From then on an array may be filled with something else."""
    array = np.zeros(2 * PACKET, np.uint8)
    call = post("/", body_kind("safetensors").body({}, [Attachment("a", array)]))
    before, kept = call.content, call.kept()
    array[:] = 1
    assert kept.content == before != call.content


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_body_leaves_in_packets(asynchronous: bool) -> None:
    """A call's body is announced whole, leaves in packets, and is the same when it is sent again."""
    listening = Listening()
    _score(listening, asynchronous)
    first, second = listening.bodies
    assert first == second
    assert max(map(len, first)) <= PACKET < sum(map(len, first))
    for head in listening.heads:
        assert head["Content-Length"] == str(sum(map(len, first)))
        assert "Transfer-Encoding" not in head


def _score(listening: Listening, asynchronous: bool) -> None:
    score = partial(asyncio.run, _with_async(listening)) if asynchronous else partial(_with_sync, listening)
    with pytest.raises(LossgaugeError, match="422"):
        score()


def _with_sync(listening: Listening) -> None:
    with Client(transport=listening) as client:
        client.score(*PAIR, **ASKED)


async def _with_async(listening: Listening) -> None:
    async with AsyncClient(transport=listening) as client:
        await client.score(*PAIR, **ASKED)
