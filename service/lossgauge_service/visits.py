"""What every request that is scored goes through, whatever its route: admitted, timed, given up where nobody waits for it.

A visit begins when the request comes and ends with its answer. Its deadline is the caller's (`X-Request-Timeout-Ms`) or the
service's own, whichever comes first. Once its body is there, a caller that hangs up ends it: work that has not begun is not done.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect, Request

from lossgauge_service.admission import Admitted
from lossgauge_service.answers import Stopwatch, timing_headers
from lossgauge_service.batching import Ticket
from lossgauge_service.bodies import Body, Envelope, opened, receive
from lossgauge_service.decoding import Decoder
from lossgauge_service.engine.pieces import Pieces
from lossgauge_service.errors import DeadlineExceeded, InvalidParameter
from lossgauge_service.observing import Account, account_of
from lossgauge_service.outcomes import Outcomes
from lossgauge_service.plan import Plan
from lossgauge_service.samples import Sample
from lossgauge_service.service import Service, service_of
from lossgauge_service.taking import hand_over

TIMEOUT = "X-Request-Timeout-Ms"
MOST_DIGITS = 9
IDEMPOTENCY_KEY = "Idempotency-Key"
MOST_KEY = 128

Made = TypeVar("Made")


@dataclass
class Visit:
    """A request on its way through the service."""

    request: Request
    service: Service
    admitted: Admitted
    deadline: float
    watch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def ticket(self) -> Ticket:
        """What its work on the device is to know."""
        return Ticket(self.deadline, partial(self.watch.lap, "queue"), self.account.trace)

    @property
    def account(self) -> Account:
        """What is told of it in the end."""
        return account_of(self.request)

    async def decoded(self, decode: "Callable[[Visit, Body], Made]") -> Made:
        """What is made of its body, in one of the threads that decode."""
        async with _until(self.deadline):
            body = await receive(self.request, self.service.limits, self.admitted.hold, self.service.idle_s)
        self.watch.lap("receive")
        made = await run_sync(decode, self, body, limiter=self.service.decoders)
        self.watch.lap("decode")
        return made

    def opened(self, body: Body) -> Envelope:
        """The body, which it holds as it is inflated. Not for the event loop."""
        return opened(body, self.service.limits, self.admitted.hold)

    def decoder(self, envelope: Envelope) -> Decoder:
        """What decodes the arrays of its body."""
        return Decoder(envelope.attachments, self.service.caps, self.service.limits)

    def hold(self, samples: Sequence[Sample]) -> None:
        """Hold what was decoded. Raises `Overloaded`."""
        self.account.pairs = len(samples)
        self.admitted.hold(bytes=sum(sample.nbytes for sample in samples), pairs=max(0, len(samples) - 1))

    @property
    def seconds(self) -> float:
        """How long a result is of use: the request's, or each item's of a stream."""
        return _seconds(self.request, self.service.timeout_s)

    async def scored(self, plan: Plan, samples: Sequence[Sample]) -> Outcomes:
        """The sums of its samples."""
        outcomes = await while_present(self.request, self.service.batcher.run(plan, samples, self.ticket))
        self.watch.ended("queue")  # where nothing was run: too late, or nothing to score
        return outcomes

    async def mapped(self, work: Pieces[Made]) -> Made:
        """What long work finds, in turns with others'."""
        return await while_present(self.request, self.service.batcher.in_turns(work, self.ticket))


@asynccontextmanager
async def visiting(request: Request) -> AsyncIterator[Visit]:
    """A visit, until its answer is made; what it holds goes when that is taken. Raises what forbids it: not ready, draining, overloaded."""
    service = service_of(request)
    service.readiness.require()
    deadline = time.monotonic() + _seconds(request, service.timeout_s)
    admitted = await service.admission.admit(request.headers.get(IDEMPOTENCY_KEY, "")[:MOST_KEY] or None, deadline)
    visit = Visit(request, service, admitted, deadline, account_of(request).watch)
    try:
        yield visit
    except BaseException:
        visit.watch.break_off()
        request.state.timing = timing_headers(visit.watch.times())
        admitted.release()
        raise
    hand_over(request, admitted)


@asynccontextmanager
async def _until(deadline: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            yield
    except TimeoutError:
        raise DeadlineExceeded("the deadline passed while the body was still coming") from None


async def while_present(request: Request, work: Awaitable[Made]) -> Made:
    """What the work finds; it is given up when the caller, whose body is there, hangs up. Raises `ClientDisconnect`."""
    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _seconds(request: Request, most: float) -> float:
    """How long the caller waits, and the service at most."""
    several = request.headers.getlist(TIMEOUT)
    if not several:
        return most
    [given, *others] = several
    if others:
        raise InvalidParameter(f"{TIMEOUT} is sent {len(several)} times; once is enough")
    if not (given.isascii() and given.isdigit() and len(given) <= MOST_DIGITS and int(given) > 0):
        allowed = f"a whole number of milliseconds, above 0, of {MOST_DIGITS} digits at most"
        raise InvalidParameter(f"{TIMEOUT} is {allowed}; found {given[:40]!r}")
    return min(int(given) / 1000, most)
