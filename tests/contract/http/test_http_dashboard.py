"""What is watched is what is exported: the dashboard, the scrape and the page of the documentation."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import yaml
from lossgauge_service.app import create_app
from lossgauge_service.engine import Engine
from lossgauge_service.keys import minted
from lossgauge_service.settings import Settings

from docs.tables import ROOT
from tests.contract.http.scrape import Scrape, scraped
from tests.contract.http.test_http_logs import Log, log
from tests.contract.http.test_http_traces import Spans

__all__ = ["log"]

pytestmark = pytest.mark.anyio
Document = dict[str, Any]
PAGE = (ROOT / "docs/observability.md").read_text()
DASHBOARD: Document = json.loads((ROOT / "observability/grafana/dashboards/lossgauge.json").read_text())
COMPOSE: Document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
FUNCTIONS = {"sum", "rate", "histogram_quantile"}
SUFFIX = re.compile(r"_(bucket|sum|count|total|info)$")


def expressions() -> list[str]:
    """Every PromQL expression of the dashboard."""
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def stripped(expression: str) -> str:
    """An expression without its labels, strings and durations."""
    return re.sub(r"\{.*?\}|\[.*?\]|by \(.*?\)", "", expression)


def metrics_of(expression: str) -> list[str]:
    """The metrics that an expression names."""
    return [name for name in re.findall(r"[a-zA-Z_:][\w:]*", stripped(expression)) if name not in FUNCTIONS]


def labels_of(expression: str) -> Iterator[str]:
    """The labels that an expression groups or selects by."""
    for group in re.findall(r"by \((.*?)\)", expression):
        yield from re.findall(r"\w+", group)
    for selector in re.findall(r"\{(.*?)\}", expression):
        yield from re.findall(r"(\w+)\s*[=!]", selector)


@pytest.fixture(scope="module")
async def exported(serving: Any, score_request: Document, anyio_backend: str) -> AsyncIterator[Scrape]:
    """What a service exports that has served some of everything."""
    async with serving() as client:
        await client.post("/v1/score", json=score_request)
        await client.post("/v1/score", json={})
        await client.post("/v1/maps", json={**without_metrics(score_request), "maps": [{"kind": "errors"}]})
        yield await scraped(client)


def without_metrics(request: Document) -> Document:
    """A request without what is asked of it."""
    return {name: value for name, value in request.items() if name != "metrics"}


def test_the_dashboard_has_expressions() -> None:
    """The other tests look at something, and can tell a metric from what is none."""
    assert len(expressions()) > 20
    assert metrics_of('sum by (le, a) (rate(x_total{kind="y"}[5m])) / z') == ["x_total", "z"]
    assert list(labels_of('sum by (le, a) (rate(x_total{kind="y"}[5m])) / z')) == ["le", "a", "kind"]


async def test_every_expression_names_metrics_that_are_exported(exported: Scrape) -> None:
    """No panel is empty because its metric has another name."""
    assert [one for one in expressions() if not metrics_of(one)] == []
    assert {name for one in expressions() for name in metrics_of(one)} - exported.names == set()


async def test_every_label_is_one_of_its_metrics(exported: Scrape) -> None:
    """What is grouped by is a label of all that an expression names."""
    labels: dict[str, set[str]] = {}
    for name, pairs in exported.values:
        labels.setdefault(name, set()).update(key for key, _ in pairs)
    wrong = [
        (one, label)
        for one in expressions()
        for label in labels_of(one)
        if not any(label in labels[name] for name in metrics_of(one))
    ]
    assert wrong == []


async def test_every_metric_of_ours_is_on_the_dashboard(exported: Scrape) -> None:
    """None is exported that nobody would look at."""
    shown = {SUFFIX.sub("", name) for one in expressions() for name in metrics_of(one)}
    ours = {SUFFIX.sub("", name) for name in exported.names if name.startswith("lossgauge_")}
    assert ours - shown == set()


async def test_every_metric_is_documented(exported: Scrape) -> None:
    """Each metric, without what its kind adds, has a line on the page, with its labels."""
    rows = {name: line for line in PAGE.splitlines() for name in re.findall(r"^\| `(\w+)` \|", line)}
    families = {name if name.endswith(("_total", "_info")) else SUFFIX.sub("", name) for name in exported.names}
    assert families - set(rows) == set()
    assert {name for name in rows if name.startswith(("lossgauge_", "process_"))} - families == set()
    for name, pairs in exported.values:
        row = rows[name if name.endswith(("_total", "_info")) else SUFFIX.sub("", name)]
        assert [key for key, _ in pairs if key != "le" and f"`{key}`" not in row] == []


async def test_every_field_of_a_line_is_documented(
    log: Log, client: httpx.AsyncClient, score_request: Document
) -> None:
    """Each member of a request's line in the log is on the page."""
    await client.post("/v1/score", json=score_request)
    [line] = log.requests
    assert [name for name in (*line, "trace_id", "exception") if f"`{name}`" not in PAGE] == []


async def test_every_span_and_attribute_is_documented(engine: Any, score_request: Document) -> None:
    """Each span, and each attribute of one, is on the page."""
    spans = Spans()
    async with spans.serving(engine) as client:
        await client.post("/v1/score", json=score_request)
    found = spans.named("POST /v1/score", "batch", "receive", "decode", "queue", "compute", "encode")
    assert len(found) == 7
    names = {span.name for span in found if span.name != "POST /v1/score"}
    attributes = {name for span in found for name in span.attributes or ()}
    assert {name for name in names | attributes if f"`{name}`" not in PAGE} == set()


async def test_the_scrape_shows_the_key_that_is_mounted() -> None:
    """Prometheus reads its key where compose mounts it. A key that may read gets the metrics, and the empty one where none is asked for."""
    [job] = yaml.safe_load((ROOT / "observability/prometheus.yml").read_text())["scrape_configs"]
    [secret] = COMPOSE["services"]["prometheus"]["secrets"]
    assert job["authorization"] == {"credentials_file": f"/run/secrets/{secret}"}
    variable, default = re.fullmatch(r"\$\{(\w+):-(.*)\}", COMPOSE["secrets"][secret]["file"]).groups()  # type: ignore[union-attr]
    assert f"`{variable}`" in PAGE
    none = (ROOT / default).read_text()
    shown, kept = minted("prometheus", "read")
    assert [await scrape_status(keys, key) for keys, key in (("", none), (kept.line, shown), (kept.line, none))] == [
        200,
        200,
        401,
    ]


async def scrape_status(keys: str, key: str) -> int:
    """What a scrape with a key is answered by a service with these keys."""
    app = create_app(Settings.model_validate({"api_keys": keys}), Engine.build("cpu", "eager"))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lossgauge.test") as client,
    ):
        return (await client.get("/metrics", headers={"Authorization": f"Bearer {key}"})).status_code


def test_the_scrape_is_of_the_services_that_are_composed() -> None:
    """Prometheus looks for a service of the compose file, at the port where it listens, and Grafana for Prometheus."""
    scrape = yaml.safe_load((ROOT / "observability/prometheus.yml").read_text())
    [job] = scrape["scrape_configs"]
    [source] = yaml.safe_load((ROOT / "observability/grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    services = COMPOSE["services"]
    hosts = [target.split(":") for target in job["static_configs"][0]["targets"]]
    assert hosts == [["lossgauge", "8000"]]
    assert services["lossgauge"]["ports"] == ["127.0.0.1:8000:8000"]
    assert services["gpu"]["networks"]["default"]["aliases"] == ["lossgauge"]
    assert source["url"] == "http://prometheus:9090"
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}


def test_what_is_mounted_is_there() -> None:
    """The profile's files are in the repository, its volumes declared, its ports on loopback alone."""
    services = {name: one for name, one in COMPOSE["services"].items() if one.get("profiles") == ["observability"]}
    assert set(services) == {"prometheus", "grafana"}
    sources = [volume.split(":")[0] for one in services.values() for volume in one["volumes"]]
    files, volumes = ([s for s in sources if s.startswith(".") is there] for there in (True, False))
    assert [name for name in files if not (ROOT / name).exists()] == []
    assert set(volumes) <= set(COMPOSE["volumes"])
    assert all(port.startswith("127.0.0.1:") for one in services.values() for port in one["ports"])
    [provider] = yaml.safe_load((ROOT / "observability/grafana/provisioning/dashboards/lossgauge.yml").read_text())[
        "providers"
    ]
    assert f"./observability/grafana/dashboards:{provider['options']['path']}:ro" in services["grafana"]["volumes"]
