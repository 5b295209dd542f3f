"""What is told of every request, whatever its route: one line in the log, counts and durations, a trace.

The account of a request is opened when it comes, filled in on its way, and told when its last byte has left. It knows sizes, times
and codes, and nothing of what was in the request. What asks only how the service is has a line for who looks closely, and no more.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lossgauge_service.answers import Stopwatch
from lossgauge_service.events import STEPS, SUCCESS, Answered
from lossgauge_service.filling import INTO
from lossgauge_service.problems import CLIENT_CLOSED_REQUEST, INTERNAL_ERROR, code_of
from lossgauge_service.service import Service
from lossgauge_service.tracing import Trace

log = logging.getLogger("lossgauge.requests")

UNMATCHED = "unmatched"
"""The route of a request that found none: a path could be anything."""
CANCELLED = "cancelled"
PROBES = frozenset({"/health/live", "/health/ready", "/metrics"})
"""Paths by which the service is watched, again and again."""
EXPECTED = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
"""What a probe is answered by a service that is well, and by one that cannot score now."""


@dataclass
class Account:
    """What becomes known of a request while it is served."""

    scope: Scope
    trace: Trace = field(default_factory=Trace)
    watch: Stopwatch = field(default_factory=Stopwatch)
    bytes_in: int = 0
    pairs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    status: int | None = None
    fault: bool = False

    def decided(self, outcomes: Iterable[str]) -> None:
        """The outcome of each pair of a batch: `SUCCESS`, or the code of its problem."""
        self.outcomes.update(outcomes)

    def came(self, size: int) -> None:
        """So much of its body came."""
        self.bytes_in += size

    @property
    def is_probe(self) -> bool:
        """Whether somebody watches the service."""
        return self.scope["path"] in PROBES

    @property
    def is_told_to_all(self) -> bool:
        """Whether it is counted, and has a line that is always written: all but a probe that went as it should."""
        return not self.is_probe or self.fault or self.status not in EXPECTED

    def closed(self) -> Answered:
        """All of it, once the request is over."""
        outcome = self._outcome()
        return Answered(
            request_id=self.scope["state"]["request_id"],
            method=self.scope["method"],
            route=getattr(self.scope.get("route"), "path", UNMATCHED),
            status=self.status or (HTTPStatus.INTERNAL_SERVER_ERROR if self.fault else CLIENT_CLOSED_REQUEST),
            outcome=outcome,
            total_s=self.watch.total_s,
            steps={step: seconds for step, seconds in self.watch.seconds.items() if step in STEPS},
            bytes_in=self.bytes_in,
            pairs=self.outcomes or Counter({outcome: self.pairs} if self.pairs else {}),
            began_ns=self.watch.began_ns,
        )

    def _outcome(self) -> str:
        if self.fault:
            return INTERNAL_ERROR
        if self.status is None:
            return CANCELLED
        told: str | None = self.scope["state"].get("outcome")
        return told or (SUCCESS if self.status < HTTPStatus.BAD_REQUEST else code_of(HTTPStatus(self.status)))


def account_of(request: Request) -> Account:
    """A request's account."""
    return cast(Account, request.state.account)


class Observed:
    """ASGI middleware: keeps an account of every request, and tells it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        service: Service = scope["app"].state.service
        account = _opened(service, scope)
        scope["state"]["account"] = account
        _count_filling(scope, account)

        async def receive_counted() -> Message:
            message = await receive()
            account.came(len(message.get("body", b"")))
            return message

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                account.status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive_counted, send_noted)
        except Exception:
            account.fault = True
            raise
        finally:
            _tell(service, account)


def _opened(service: Service, scope: Scope) -> Account:
    account = Account(scope)
    if not account.is_probe:
        account.trace = service.tracing.request(Headers(scope=scope), account.watch.began_ns)
    return account


def _count_filling(scope: Scope, account: Account) -> None:
    """Count the bytes of a body that is received by no messages."""
    extensions = scope.get("extensions", {})
    if INTO in extensions:
        extensions[INTO] = partial(extensions[INTO], moved=account.came)


def _tell(service: Service, account: Account) -> None:
    request = account.closed()
    if account.is_told_to_all:
        service.meters.answered(request)
    account.trace.answered(request)
    log.log(_level(account, request), "request", extra=_fields(request, account.trace))


def _level(account: Account, request: Answered) -> int:
    if not account.is_told_to_all:
        return logging.DEBUG
    return logging.INFO if request.status < HTTPStatus.INTERNAL_SERVER_ERROR else logging.WARNING


def _fields(request: Answered, trace: Trace) -> dict[str, Any]:
    """What a line of the log says."""
    traced = {} if trace.id is None else {"trace_id": trace.id}
    return {
        "request_id": request.request_id,
        "method": request.method,
        "route": request.route,
        "status": int(request.status),
        "outcome": request.outcome,
        "bytes_in": request.bytes_in,
        "pairs": sum(request.pairs.values()),
        "failed_pairs": sum(count for outcome, count in request.pairs.items() if outcome != SUCCESS),
        **{f"{step}_ms": _ms(seconds) for step, seconds in request.steps.items()},
        "total_ms": _ms(request.total_s),
        **traced,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
