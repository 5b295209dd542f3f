"""The OpenAPI document: what the routes read by hand, said by hand."""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from lossgauge.mapping import MapRequest
from lossgauge.sweeps import SweepRequest
from lossgauge.wire import (
    BatchItem,
    BatchRequest,
    FailedItem,
    Problem,
    ScoredItem,
    ScoreRequest,
    StreamProblem,
    StreamRequest,
    StreamSummary,
)
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from lossgauge_service import errors
from lossgauge_service.access import needed
from lossgauge_service.problems import INTERNAL_ERROR
from lossgauge_service.request_id import ACCEPTABLE
from lossgauge_service.statuses import Kind, every_kind, status_of

REF = "#/components/schemas/{model}"
PROBLEM_JSON = "application/problem+json"
SPOKEN_BY_HAND: list[tuple[type[BaseModel], JsonSchemaMode]] = [
    (ScoreRequest, "validation"),
    (BatchRequest, "validation"),
    (SweepRequest, "validation"),
    (MapRequest, "validation"),
    (StreamRequest, "validation"),
    (BatchItem, "validation"),
    (ScoredItem, "serialization"),
    (FailedItem, "serialization"),
    (StreamSummary, "serialization"),
    (StreamProblem, "serialization"),
    (Problem, "serialization"),
]
OF_SOME = (errors.NotAcceptable, errors.NotFound, errors.Unauthorized, errors.Forbidden)
"""Errors that only some routes answer, each of which names them."""
PARENTS = (errors.LossgaugeError, errors.InvalidRequest, errors.InvalidArray)
"""Kinds that no route answers, only their children."""
SCORING = tuple(kind for kind in every_kind() if kind not in (*OF_SOME, *PARENTS))
"""What every route that scores may answer: each error that there is, unless it is said to be of some."""
NEGOTIATED = (*SCORING, errors.NotAcceptable)
"""Those of a route that also asks what its caller accepts."""
KEYS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of `lossgauge key`, where the service asks."},
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same key, in another header.",
    },
}
NDJSON = "application/x-ndjson"
LINES: dict[str, Any] = {
    NDJSON: {
        "schema": {
            "description": "Lines: an item each, in their order, and a last one with `end`.",
            "oneOf": [
                {"$ref": REF.format(model=model.__name__)}
                for model in (ScoredItem, FailedItem, StreamSummary, StreamProblem)
            ],
        }
    }
}
"""An answer of lines."""
HEADERS: dict[str, dict[str, Any]] = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "What shows a key.", "schema": {"type": "string"}},
    "X-Request-Id": {
        "description": "The request's id: the caller's, or one made for it.",
        "schema": {"type": "string"},
    },
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "An id by which the request is found again; one that is not so is replaced.",
        "schema": {"type": "string", "pattern": f"^{ACCEPTABLE.pattern}$"},
    },
    "X-Request-Timeout-Ms": {
        "description": "How long the caller waits, in milliseconds; the service's own limit holds too.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
    },
    "Idempotency-Key": {
        "description": "The same for each attempt of a call: one that was told to come back has its turn then.",
        "schema": {"type": "string"},
    },
}


def headers(*names: str) -> dict[str, Any]:
    """Headers of an answer."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


RETRY_AFTER = headers("Retry-After")
OF_STATUS = {
    HTTPStatus.UNAUTHORIZED: headers("WWW-Authenticate"),
    HTTPStatus.FORBIDDEN: headers("WWW-Authenticate"),
    HTTPStatus.TOO_MANY_REQUESTS: RETRY_AFTER,
    HTTPStatus.SERVICE_UNAVAILABLE: RETRY_AFTER,
}
FAULT = f"- `{INTERNAL_ERROR}`: The service is wrong; its log tells why, under the request's id."


def problems(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """The problem responses of a route that answers these errors: their statuses, and that of a fault."""
    told: dict[HTTPStatus, list[str]] = {}
    for kind in kinds:
        told.setdefault(status_of(kind), []).append(f"- `{kind.code}`: {kind.__doc__}")
    told.setdefault(HTTPStatus.INTERNAL_SERVER_ERROR, []).append(FAULT)
    return {int(status): _problem(status, lines) for status, lines in sorted(told.items())}


def body_of(model: type[BaseModel], examples: Mapping[str, Any]) -> dict[str, Any]:
    """A request body in the three media types that carry a message of the contract."""
    message = {"$ref": REF.format(model=model.__name__)}
    parts = {
        "type": "object",
        "required": ["request"],
        "properties": {"request": message},
        "additionalProperties": {"type": "string", "format": "binary", "description": "An array, for encoding `part`."},
    }
    tensors = {
        "type": "string",
        "format": "binary",
        "description": f"The JSON of a {model.__name__} under `request` of `__metadata__`; arrays as tensors.",
    }
    content = {
        "application/json": {"schema": message, "examples": dict(examples)},
        "multipart/form-data": {"schema": parts, "encoding": {"request": {"contentType": "application/json"}}},
        "application/x-safetensors": {"schema": tensors},
    }
    return {"requestBody": {"required": True, "content": content}}


def stream_of(example: str) -> dict[str, Any]:
    """A request body that is scored while it arrives."""
    question, item = ({"$ref": REF.format(model=model.__name__)} for model in (StreamRequest, BatchItem))
    lines = {"description": "Lines: the question, then an item each.", "oneOf": [question, item]}
    parts = {
        "type": "object",
        "required": ["request", "item"],
        "description": "The part `request` first; then, of each item, its arrays' parts and after them its part `item`.",
        "properties": {"request": question, "item": {"type": "array", "items": item}},
        "additionalProperties": {"type": "string", "format": "binary", "description": "An array, for encoding `part`."},
    }
    content = {
        NDJSON: {"schema": lines, "example": example},
        "multipart/form-data": {"schema": parts, "encoding": {"request": {"contentType": "application/json"}}},
    }
    return {"requestBody": {"required": True, "content": content}}


def document(app: FastAPI, guarded: bool) -> dict[str, Any]:
    """The whole document; `guarded` where the service asks for keys."""
    if not app.openapi_schema:
        app.openapi_schema = get_openapi(
            title=app.title, version=app.version, summary=app.summary, description=app.description, routes=app.routes
        )
        _, schemas = models_json_schema(SPOKEN_BY_HAND, ref_template=REF)
        app.openapi_schema["components"]["schemas"].update(schemas["$defs"])
        _without_the_frameworks(app.openapi_schema)
        _secure(app.openapi_schema, guarded)
        _with_headers(app.openapi_schema)
    return app.openapi_schema


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each operation with its method and path."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def _without_the_frameworks(document: dict[str, Any]) -> None:
    """Without what the framework says of paths with a name in them: every string is a name."""
    schemas = document["components"]["schemas"]
    if schemas.pop("HTTPValidationError", None) is None:
        return
    schemas.pop("ValidationError")
    for _, _, operation in _operations(document):
        if "application/json" in operation["responses"].get("422", {}).get("content", {}):
            operation["responses"].pop("422")


def _secure(document: dict[str, Any], guarded: bool) -> None:
    """Say what shows a key, and where none is needed: nowhere, unless the service asks for them."""
    document["components"]["securitySchemes"] = KEYS
    document["security"] = [*({name: []} for name in KEYS), *([] if guarded else [{}])]
    for method, path, operation in _operations(document):
        asked = needed(method, path)
        if asked is None:
            operation["security"] = []
        else:
            refused = problems(errors.Unauthorized, *([errors.Forbidden] if asked == "score" else []))
            operation["responses"] |= {str(status): one for status, one in refused.items()}


def _with_headers(document: dict[str, Any]) -> None:
    """Say which headers are read and sent: the id everywhere, how long and how often where there is a body."""
    document["components"]["headers"] = HEADERS
    document["components"]["parameters"] = {
        name: {"name": name, "in": "header", **parameter} for name, parameter in PARAMETERS.items()
    }
    for _, _, operation in _operations(document):
        names = [*PARAMETERS] if "requestBody" in operation else ["X-Request-Id"]
        parameters = [{"$ref": f"#/components/parameters/{name}"} for name in names]
        operation["parameters"] = [*operation.get("parameters", ()), *parameters]
        for answer in operation["responses"].values():
            answer["headers"] = {**answer.get("headers", {}), **headers("X-Request-Id")}


def _problem(status: HTTPStatus, lines: Iterable[str]) -> dict[str, Any]:
    content = {PROBLEM_JSON: {"schema": {"$ref": REF.format(model=Problem.__name__)}}}
    return {"description": "\n".join(lines), "content": content, "headers": OF_STATUS.get(status, {})}
