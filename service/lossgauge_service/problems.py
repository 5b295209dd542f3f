"""What went wrong, as RFC 9457 documents: the service's own errors, the framework's and the unforeseen."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from lossgauge.wire import Problem
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from lossgauge_service.errors import InvalidParameter, LossgaugeError, pointer_to
from lossgauge_service.request_id import HEADER
from lossgauge_service.statuses import Statuses, status_of

log = logging.getLogger("lossgauge.problems")

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:lossgauge:problem:"
CLIENT_CLOSED_REQUEST = 499
CLIENT_GONE, INTERNAL_ERROR = "client_gone", "internal_error"


@dataclass(frozen=True)
class Problems:
    """Makes problems of errors; `statuses` says which status each kind of error has."""

    statuses: Statuses

    def problem_of(self, error: LossgaugeError, **more: Any) -> Problem:
        """An error as a problem."""
        extras = {name: value for name, value in error.extras.items() if name not in ("errors", "retry_after")}
        if "errors" in error.extras:
            extras["errors"] = [_brief(one) for one in error.extras["errors"]]
        told = {"pointer": error.pointer, **extras, **more}
        return _problem(error.code, error.title, status_of(type(error), self.statuses), error.detail, **told)

    def told(self, error: Exception, request: Request) -> Problem:
        """Whatever ends an answer that has begun, as a problem of its request."""
        problem = self._ending(error, request)
        request.state.outcome = problem.code
        return problem

    def _ending(self, error: Exception, request: Request) -> Problem:
        if isinstance(error, LossgaugeError):
            # there is no header any more to say it in
            return self.problem_of(error, **_place(request), retry_after=error.extras.get("retry_after"))
        return _unforeseen(request, error)

    async def on_error(self, request: Request, error: Exception) -> Response:
        """Answer an error of the service."""
        assert isinstance(error, LossgaugeError)
        retry_after = error.extras.get("retry_after")
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        timing: Mapping[str, str] = getattr(request.state, "timing", {})
        return _response(request, self.problem_of(error, **_place(request)), {**headers, **timing})


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer an error of the framework: no such path, no such method."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    headers = _with_head(error.headers or {})
    detail = _framework_detail(request, status, headers, error.detail)
    return _response(request, _problem(code_of(status), status.phrase, status, detail, **_place(request)), headers)


def _with_head(headers: Mapping[str, str]) -> dict[str, str]:
    """Whatever takes GET takes HEAD."""
    allowed = headers.get("Allow", "").split(", ")
    if "GET" in allowed and "HEAD" not in allowed:
        return {**headers, "Allow": ", ".join([*allowed, "HEAD"])}
    return dict(headers)


async def on_invalid_parameters(request: Request, error: Exception) -> Response:
    """Answer a path or query parameter that the framework refuses."""
    assert isinstance(error, RequestValidationError)
    detail = "; ".join(f"{pointer_to(one['loc'])}: {one['msg']}" for one in error.errors())
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    problem = _problem(InvalidParameter.code, InvalidParameter.title, status, detail, **_place(request))
    return _response(request, problem, {})


async def on_unforeseen(request: Request, error: Exception) -> Response:
    """Answer a fault of the service itself, without its internals: the log has them."""
    return _response(request, _unforeseen(request, error), {})


def _unforeseen(request: Request, error: Exception) -> Problem:
    detail = "the service failed to answer this request; its log tells why, under the request's id"
    # the id is given by hand: here, outside of all middleware, no request is being served any more
    told = {"request_id": getattr(request.state, "request_id", None)}
    log.error("the service failed to answer a request", exc_info=error, extra=told)
    return _problem(INTERNAL_ERROR, "Internal error", HTTPStatus.INTERNAL_SERVER_ERROR, detail, **_place(request))


async def on_client_gone(request: Request, error: Exception) -> Response:
    """Nobody is there to read an answer; the status is for the log."""
    request.state.outcome = CLIENT_GONE
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def _problem(code: str, title: str, status: HTTPStatus, detail: str, **more: Any) -> Problem:
    return Problem(type=TYPE_PREFIX + code, title=title, status=int(status), detail=detail, code=code, **more)


def _brief(error: LossgaugeError) -> dict[str, str | None]:
    return {"pointer": error.pointer, "detail": error.detail, "code": error.code}


def _place(request: Request) -> dict[str, str | None]:
    return {"instance": request.scope["path"], "request_id": getattr(request.state, "request_id", None)}


def code_of(status: HTTPStatus) -> str:
    """The code of a problem that has no other."""
    return status.phrase.lower().replace(" ", "_").replace("-", "_")


def _framework_detail(request: Request, status: HTTPStatus, headers: Mapping[str, str], detail: str) -> str:
    path = request.scope["path"][:200]
    if status is HTTPStatus.NOT_FOUND:
        return f"there is nothing at {path}; the routes are in /docs"
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{request.method} is not allowed at {path}; allowed: {headers.get('Allow', 'none')}"
    return detail


def _response(request: Request, problem: Problem, headers: Mapping[str, str]) -> Response:
    request.state.outcome = problem.code
    body = orjson.dumps(problem.model_dump(exclude_none=True))
    own = {} if problem.request_id is None else {HEADER: problem.request_id}
    return Response(body, problem.status, {**headers, **own}, MEDIA_TYPE)


HANDLERS = {
    HTTPException: on_http_exception,
    RequestValidationError: on_invalid_parameters,
    ClientDisconnect: on_client_gone,
    Exception: on_unforeseen,
}
"""Who answers what is not an error of the service's own."""
