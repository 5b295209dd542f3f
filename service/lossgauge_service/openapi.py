"""The OpenAPI document: what the routes read by hand, said by hand."""

from collections.abc import Mapping
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

from lossgauge_service.access import needed

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
WHEN = {
    HTTPStatus.BAD_REQUEST: "The body is not what its media type says.",
    HTTPStatus.UNAUTHORIZED: "A key is needed, and none was sent, or one that is not known, or several.",
    HTTPStatus.FORBIDDEN: "The key that was sent may read, not score.",
    HTTPStatus.NOT_FOUND: "There is no such thing.",
    HTTPStatus.REQUEST_TIMEOUT: "The body, or the next item of it, did not come in time.",
    HTTPStatus.NOT_ACCEPTABLE: "No media type of those that `Accept` names can hold the answer.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than the service reads; `limit` names the cap.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "A media type or content coding that is not taken.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "The request cannot be scored; `pointer` says where, `errors` lists all.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The service failed.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Warming up, or broken; `Retry-After` says when to try again.",
}
SCORING_PROBLEMS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
MAP_PROBLEMS = (*SCORING_PROBLEMS, HTTPStatus.NOT_ACCEPTABLE)
KEY_PROBLEMS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
KEYS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of `lossgauge key`, where the service asks."},
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same key, in another header.",
    },
}
STREAM_PROBLEMS = (*MAP_PROBLEMS, HTTPStatus.REQUEST_TIMEOUT)
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
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


def problems(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The problem responses of a route."""
    named: dict[int | str, dict[str, Any]] = {int(status): _problem(WHEN[status], status) for status in statuses}
    return {"default": _problem("Any other problem."), **named}


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
        _secure(app.openapi_schema, guarded)
    return app.openapi_schema


def _secure(document: dict[str, Any], guarded: bool) -> None:
    """Say what shows a key, and where none is needed: nowhere, unless the service asks for them."""
    document["components"]["securitySchemes"] = KEYS
    document["security"] = [*({name: []} for name in KEYS), *([] if guarded else [{}])]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if needed(method.upper(), path) is None:
                operation["security"] = []
            else:
                operation["responses"] |= {str(int(status)): _problem(WHEN[status]) for status in KEY_PROBLEMS}


def _problem(description: str, status: HTTPStatus | None = None) -> dict[str, Any]:
    content = {PROBLEM_JSON: {"schema": {"$ref": REF.format(model=Problem.__name__)}}}
    headers = {"headers": RETRY_AFTER} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    return {"description": description, "content": content, **headers}
