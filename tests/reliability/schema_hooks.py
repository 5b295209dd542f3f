"""What schemathesis is told before it asks: which of the many cases of the document it tries, and what a body of lines is.

Its phase of coverage makes each case that a schema has: tens of thousands for a route that scores, as every parameter of every metric
is a member of `metrics`, of the terms of a combined loss, and of both carriers again. So a share of them is tried, spread evenly, and
the message of a body in parts is one of the examples: what a message may be is the same in JSON.
"""

import json
import os
import random
from typing import Any

import schemathesis
from schemathesis import Case, DeserializationContext, HookContext, Response, SerializationContext

SHARE = "SCHEMA_SHARE"
"""The variable that says how much of it is tried: a number up to 1."""
NDJSON = "application/x-ndjson"
DEADLINE, LEAST, LONG = "X-Request-Timeout-Ms", "1", "60000"
QUESTION = {"task": "binary", "prediction_kind": "probabilities", "metrics": ["dice", "focal_loss"]}
ITEM = {"prediction": {"encoding": "list", "data": [[0.9, 0.2]]}, "target": {"encoding": "list", "data": [[1, 0]]}}


def drawn(place: int, share: float) -> bool:
    """Whether the case at a place is tried: the same places in each run."""
    return random.Random(place).random() < share


def lines(body: Any) -> bytes:
    """A body of lines: a question gets an item, an item a question before it; what is text is one already."""
    if isinstance(body, str | bytes):
        return body if isinstance(body, bytes) else body.encode()
    asked = [QUESTION, body] if isinstance(body, dict) and "prediction" in body else [body, ITEM]
    return b"".join(json.dumps(line, default=str).encode() + b"\n" for line in asked)


def line_of(body: bytes) -> Any:
    """One of the lines of an answer; which one differs from answer to answer."""
    told = body.splitlines()
    return json.loads(told[sum(body) % len(told)])


def with_plain_parts(document: dict[str, Any]) -> None:
    """Let the message of a body in parts be one of the examples that there are in JSON."""
    for path in document["paths"].values():
        content = path.get("post", {}).get("requestBody", {}).get("content", {})
        examples = [one["value"] for one in content.get("application/json", {}).get("examples", {}).values()]
        if examples:
            parts = content["multipart/form-data"]
            parts["schema"] = {**parts["schema"], "properties": {"request": {"enum": examples}}}


class Sample:
    """Keeps a share of the cases of coverage that have a body, and all others."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.places = dict[str, int]()

    def keeps(self, case: Case[Any]) -> bool:
        """Whether this one, which is the next of its operation, is tried."""
        if case.meta is None or case.meta.phase.name != "coverage" or case.method != "POST":
            return True
        place = self.places[case.operation.label] = self.places.get(case.operation.label, 0) + 1
        return drawn(place, self.share)


def patient(case: Case[Any]) -> Case[Any]:
    """A case whose deadline is the least that may be asked for waits: else each is told that it has passed, and nothing more."""
    if case.headers.get(DEADLINE) == LEAST:
        case.headers[DEADLINE] = LONG
    return case


def register(share: float) -> None:
    """Tell schemathesis all of this."""
    sample = Sample(share)

    @schemathesis.hook
    def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
        with_plain_parts(raw_schema)

    @schemathesis.hook
    def filter_case(context: HookContext, case: Case[Any]) -> bool:
        return sample.keeps(case)

    @schemathesis.hook
    def map_case(context: HookContext, case: Case[Any]) -> Case[Any]:
        return patient(case)

    @schemathesis.serializer(NDJSON)
    def sent(context: SerializationContext, value: Any) -> bytes:
        return lines(value)

    @schemathesis.deserializer(NDJSON)
    def told(context: DeserializationContext, response: Response) -> Any:
        return line_of(response.content)


if SHARE in os.environ:
    register(float(os.environ[SHARE]))
