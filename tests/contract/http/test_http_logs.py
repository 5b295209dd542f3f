"""The log: a line a request, findable by its id, with sizes, times and codes, and never with what was in the request."""

import asyncio
import base64
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from lossgauge_service import logs
from lossgauge_service.engine import Engine
from lossgauge_service.request_id import RequestId

from tests.contract.http.scrape import scraped, until
from tests.contract.http.test_http_lifecycle import Broken, Faulty

pytestmark = pytest.mark.anyio
Document = dict[str, Any]
STEPS = ("receive", "decode", "queue", "compute", "encode")
SECRET = "a-key-of-somebody"


class Log:
    """What is logged, as it is written."""

    def __init__(self, format: logs.Format) -> None:
        self._text = io.StringIO()
        self.handler = logging.StreamHandler(self._text)
        self.handler.setFormatter(logs.formatter(format))

    @property
    def text(self) -> str:
        """All of it."""
        return self._text.getvalue()

    @property
    def lines(self) -> list[Document]:
        """Each line, as the document that it is."""
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def requests(self) -> list[Document]:
        """The lines of requests."""
        return [line for line in self.lines if line["event"] == "request"]


@pytest.fixture(params=["json"])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    """The service's log, in the format that the test names."""
    log, logger = Log(request.param), logging.getLogger("lossgauge")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(log.handler)
    yield log
    logger.removeHandler(log.handler)
    logger.setLevel(level)


async def test_a_line_a_request(log: Log, client: httpx.AsyncClient, score_request: Document) -> None:
    """A request that is scored has one line: what was asked where, how it ended, its bytes and pairs, and each step's time."""
    request = client.build_request("POST", "/v1/score?a=b", json=score_request, headers={"X-Request-Id": "it-7"})
    await client.send(request)
    [line] = log.lines
    told = ("event", "request_id", "method", "route", "status", "outcome", "bytes_in", "pairs", "failed_pairs")
    expected = ("request", "it-7", "POST", "/v1/score", 200, "success", len(request.content), 1, 0)
    assert tuple(line[name] for name in told) == expected
    assert (line["level"], line["logger"], line["timestamp"][-1]) == ("info", "lossgauge.requests", "Z")
    times = [line[f"{step}_ms"] for step in STEPS]
    assert all(ms > 0 for ms in times)
    assert sum(times) <= line["total_ms"] + 0.01


PROBES = ("/health/live", "/health/ready", "/metrics")


async def test_who_watches_is_told_to_who_looks_closely(log: Log, serving: Any, engine: Engine) -> None:
    """Probes and scrapes have lines at `debug` alone, with the outcome, are not counted, and fail nothing."""
    logging.getLogger("lossgauge").setLevel(logging.DEBUG)
    async with serving(Broken(engine.device, engine.kernels, engine.info), warm=False) as client:
        await until(lambda: any("cannot be warmed up" in line["event"] for line in log.lines))
        for path in PROBES:
            await client.get(path)
        found = await scraped(client)
    lines = [line for line in log.requests if line["route"] in PROBES]
    assert [(line["status"], line["outcome"]) for line in lines[:3]] == [
        (200, "success"),
        (503, "unavailable"),
        (200, "success"),
    ]
    assert {line["level"] for line in lines} == {"debug"}
    assert "lossgauge_requests_total" not in found.names
    assert found("rejected_total", reason="unavailable") == 0


async def test_a_probe_that_goes_wrong_is_told(log: Log, client: httpx.AsyncClient) -> None:
    """What a probe should not be answered has a line as any request has."""
    await client.post("/metrics")
    [line] = log.requests
    assert (line["level"], line["outcome"]) == ("info", "method_not_allowed")


async def test_a_batch_tells_how_many_failed(
    log: Log, client: httpx.AsyncClient, question: Document, pair: Document
) -> None:
    """The pairs of a batch are counted, and those that have a problem."""
    await client.post("/v1/score/batch", json={**question, "items": [pair, {}, pair]})
    assert [(line["status"], line["pairs"], line["failed_pairs"]) for line in log.requests] == [(200, 3, 1)]


@pytest.mark.parametrize("path", ["/v1/score/batch", "/v1/score/stream"])
async def test_an_answer_of_lines_has_a_line(
    log: Log, client: httpx.AsyncClient, question: Document, pair: Document, path: str
) -> None:
    """The pairs that were told, and those that failed, are counted where they are told one by one too; so is each step's time."""
    batch = json.dumps({**question, "items": [pair, {}, pair]})
    stream = "\n".join(map(json.dumps, (question, pair, {}, pair)))
    body, kind = (batch, "application/json") if path.endswith("batch") else (stream, "application/x-ndjson")
    answer = await client.post(
        path, content=body, headers={"Content-Type": kind, "Accept": "application/x-ndjson", "X-Request-Id": "lines-1"}
    )
    *_, last = map(json.loads, answer.text.splitlines())
    [line] = log.requests
    told = ("request_id", "route", "status", "outcome", "bytes_in", "pairs", "failed_pairs")
    assert tuple(line[name] for name in told) == ("lines-1", path, 200, "success", len(body), 3, 1)
    assert all(line[f"{step}_ms"] == last["timing_ms"][step] > 0 for step in STEPS)


@pytest.mark.parametrize(
    ("rest", "pairs", "failed"), [("", 0, 0), ('{}\n{"a": 1}\n--', 3, 3)], ids=["no item", "garbage is no end"]
)
async def test_an_answer_that_ends_with_a_problem_says_so(
    log: Log, client: httpx.AsyncClient, question: Document, rest: str, pairs: int, failed: int
) -> None:
    """The outcome of an answer of lines is that of its last line, though its status was told long before."""
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await client.post("/v1/score/stream", content=f"{json.dumps(question)}\n{rest}", headers=headers)
    last = json.loads(answer.text.splitlines()[-1])
    [line] = log.requests
    outcome = last["problem"]["code"] if last["end"] == "problem" else "success"
    assert outcome == ("success" if rest else "malformed_body")
    assert (line["status"], line["outcome"], line["pairs"], line["failed_pairs"]) == (200, outcome, pairs, failed)


@pytest.mark.parametrize(
    ("method", "path", "route", "status", "outcome"),
    [
        ("GET", "/v1/metrics/dice", "/v1/metrics/{name}", 200, "success"),
        ("HEAD", "/v1/metrics/dice", "/v1/metrics/{name}", 200, "success"),
        ("GET", "/v1/metrics/dise", "/v1/metrics/{name}", 404, "not_found"),
        ("GET", "/a/path/of/ours", "unmatched", 404, "not_found"),
        ("PUT", "/v1/score", "/v1/score", 405, "method_not_allowed"),
        ("POST", "/v1/score", "/v1/score", 415, "unsupported_media_type"),
    ],
)
async def test_routes_and_outcomes(
    log: Log, client: httpx.AsyncClient, method: str, path: str, route: str, status: int, outcome: str
) -> None:
    """A line names the template of the route, never the path, and the code of the problem."""
    await client.request(method, path)
    [line] = log.requests
    assert tuple(line[name] for name in ("method", "route", "status", "outcome")) == (method, route, status, outcome)


async def test_a_caller_that_leaves_has_a_line(log: Log, client: httpx.AsyncClient, score_request: Document) -> None:
    """A request that ends without an answer is told of too."""
    asked_for_more = asyncio.Event()

    async def body() -> Any:
        yield b"{"
        asked_for_more.set()
        await asyncio.sleep(30)

    task = asyncio.create_task(
        client.post("/v1/score", content=body(), headers={"Content-Type": "application/json", "X-Request-Id": "left"})
    )
    await asked_for_more.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    [line] = log.requests
    assert (line["request_id"], line["status"], line["outcome"]) == ("left", 499, "cancelled")
    assert line["receive_ms"] > 0


async def test_a_fault_is_found_by_its_request(log: Log, serving: Any, engine: Engine, score_request: Document) -> None:
    """The line of a fault has the traceback and the id that the caller was given; the request's own line says that it failed."""
    async with serving(Faulty(engine.device, engine.kernels, engine.info)) as client:
        log_before = len(log.lines)
        answer = await client.post("/v1/score", json=score_request)
    mine = [line for line in log.lines[log_before:] if line.get("request_id") == answer.json()["request_id"]]
    fault, request = sorted(mine, key=lambda line: str(line["event"] == "request"))
    assert (fault["level"], "ZeroDivisionError: a secret of the house" in fault["exception"]) == ("error", True)
    assert (request["status"], request["outcome"], request["level"]) == (500, "internal_error", "warning")


async def test_a_warm_up_that_fails_is_told(log: Log, serving: Any, engine: Engine) -> None:
    """Why the engine cannot be warmed up stands in the log, with its traceback."""
    async with serving(Broken(engine.device, engine.kernels, engine.info), warm=False):
        await until(lambda: "cannot be warmed up" in log.text)
    [line] = [line for line in log.lines if line["event"] == "the engine cannot be warmed up"]
    assert (line["level"], "RuntimeError: no compiler" in line["exception"]) == ("error", True)


@pytest.mark.parametrize("log", ["json", "console"], indirect=True)
async def test_nothing_of_a_request_is_logged(log: Log, serving: Any, engine: Engine, question: Document) -> None:
    """Keys, queries, paths, ids of pairs and the bytes of arrays are in no line, not even in that of a fault."""
    values = np.linspace(0.12345678, 0.9, 256, dtype=np.float32)
    data = base64.b64encode(values.tobytes()).decode()
    array = {"encoding": "raw", "dtype": "float32", "shape": [256], "data": data}
    target = {"encoding": "list", "data": [1, 0] * 128}
    document = {**question, "id": SECRET, "prediction": array, "target": target}
    headers = {"Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET, "Cookie": SECRET}
    bad = {**document, "prediction": {**array, "data": data + "!"}}
    async with serving(Faulty(engine.device, engine.kernels, engine.info)) as client:
        for path in ("/v1/score", "/v1/score/batch", f"/v1/{SECRET}"):
            for sent in (document, bad):
                await client.post(f"{path}?key={SECRET}", json=sent, headers=headers)
    assert "ZeroDivisionError" in log.text
    assert log.text.count("request") > 6
    assert [hidden for hidden in (SECRET, data[:8], "0.1234", "1, 0, 1") if hidden in log.text] == []


async def test_a_console_line_can_be_read(client: httpx.AsyncClient) -> None:
    """For a terminal an event is a line of words, its fields name=value."""
    log = Log("console")
    record = logging.makeLogRecord({"msg": "found %s", "args": ("it",), "levelname": "INFO", "request_id": "it-7"})
    log.handler.handle(record)
    assert "found it" in log.text
    assert "request_id=it-7" in log.text


async def test_lines_within_a_request_have_its_id(log: Log, client: httpx.AsyncClient) -> None:
    """What any code logs while a request is served can be found by its id, and nothing has one afterwards."""
    logger = logging.getLogger("lossgauge.somewhere")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        logger.info("within")

    scope = {"type": "http", "headers": [(b"x-request-id", b"it-8")]}
    await RequestId(app)(scope, None, None)  # type: ignore[arg-type]
    logger.info("after")
    assert [line.get("request_id") for line in log.lines] == ["it-8", None]
