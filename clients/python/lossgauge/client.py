"""The client.

>>> import numpy as np
>>> from lossgauge import Client, UndefinedScore, metrics as m
>>> def example(client: Client) -> None:
...     prediction, target = np.random.rand(512, 512), np.random.rand(512, 512) > 0.5
...     metrics = ["dice", m.FocalLoss(gamma=2)]
...     result = client.score(prediction, target, metrics=metrics, prediction_kind="probabilities")
...     print(result["dice"], result["focal_loss"])
...
...     items = [{"id": "a", "prediction": prediction, "target": target}, {"prediction": "b.npy", "target": "b.png"}]
...     batch = client.score_batch(items, metrics="dice", prediction_kind="probabilities")
...     print(batch.column("dice"), batch.summary["dice"].mean, batch.problems)

Then `with Client("http://127.0.0.1:8000") as client: example(client)`. `AsyncClient` has the same methods, awaited.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Self

import httpx

from lossgauge.arrays import ArrayLike
from lossgauge.batches import BatchJob
from lossgauge.bodies import Encoding, body_kind
from lossgauge.calls import (
    Call,
    Maps,
    Metrics,
    get,
    headers_of_client,
    let_go,
    maps_call,
    question,
    read,
    score_call,
    settled,
    subject,
    sweep_call,
)
from lossgauge.certificates import tls
from lossgauge.errors import APIConnectionError, ServiceUnavailableError
from lossgauge.mapped import MapSet
from lossgauge.metrics.spec import PredictionKind
from lossgauge.packets import Packets
from lossgauge.presets import Preset, PresetName
from lossgauge.results import BatchResult, MetricList, ScoreResult
from lossgauge.retry import Outcome, RetryPolicy
from lossgauge.streams import Lots, ScoreStream
from lossgauge.sweep_results import FocalGridLike, SweepResult
from lossgauge.sweeps import CellNumber, MaskMetric, SweepResponse, SweptAverage
from lossgauge.tasks import Task
from lossgauge.wire import Catalogue, Limits, Precision, Presets, ScoreResponse, TargetKind

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
Timeout = httpx.Timeout | float | None


class Client:
    """Scores predictions against targets over HTTP.

    `api_key` is for a service that asks for one; `LOSSGAUGE_API_KEY` is taken where it is not given, and "" stands for none.
    `encoding` is how arrays travel: "safetensors" (the fast way) or "multipart", or inside a JSON document as "npy",
    "raw", "list", "png", "packbits" or "coco_rle". `timeout` is in seconds, for each attempt. A call that fails on the way, or is
    answered with 408, 429 or 5xx, is sent again `retries` times (see `lossgauge.retry`). `transport` is httpx's;
    `sleep` waits. One client may be used for many calls: it keeps its connections.

    >>> with Client("http://127.0.0.1:8000", timeout=10, retries=0) as client:
    ...     client
    Client('http://127.0.0.1:8000')
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        api_key: str | None = None,
        *,
        encoding: Encoding = "safetensors",
        timeout: Timeout = DEFAULT_TIMEOUT,
        retries: int = 2,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._kind = body_kind(encoding)
        self._retry = RetryPolicy(retries)
        self._sleep = sleep
        self._limits: Limits | None = None
        headers = headers_of_client(api_key)
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport, verify=tls())

    def score(
        self,
        prediction: ArrayLike,
        target: ArrayLike,
        *,
        metrics: Metrics,
        task: Task = "binary",
        prediction_kind: PredictionKind,
        weight: ArrayLike | None = None,
        ignore_index: int | None = None,
        target_kind: TargetKind = "labels",
        channel_axis: int = 0,
        num_classes: int | None = None,
        threshold: float = 0.5,
        spacing: Sequence[float] | None = None,
        regions: Sequence[Sequence[int]] | None = None,
        precision: Precision | None = None,
        preset: PresetName | None = None,
        id: str | None = None,
    ) -> ScoreResult:
        """Score one prediction against its target.

        Arrays are whatever `lossgauge.arrays.ArrayLike` names; metrics are names, mappings or typed specs, one or
        several. The other arguments are those of `lossgauge.wire.Question`. Raises what `lossgauge.errors` draws.

        >>> def example(client: Client) -> float:
        ...     result = client.score([[0.9, 0.2]], [[1, 0]], metrics="dice", prediction_kind="probabilities")
        ...     return result["dice"]
        """
        asked = question(
            metrics,
            task=task,
            prediction_kind=prediction_kind,
            ignore_index=ignore_index,
            target_kind=target_kind,
            channel_axis=channel_axis,
            num_classes=num_classes,
            threshold=threshold,
            spacing=spacing,
            regions=regions,
            precision=precision,
            preset=preset,
        )
        item = {"prediction": prediction, "target": target, "weight": weight, "id": id}
        return ScoreResult.of(read(self._send(score_call(self._kind, asked, item)), ScoreResponse))

    def score_batch(
        self,
        items: Iterable[Mapping[str, Any]] | Mapping[str, Any],
        *,
        metrics: Metrics,
        task: Task = "binary",
        prediction_kind: PredictionKind,
        ignore_index: int | None = None,
        target_kind: TargetKind = "labels",
        channel_axis: int = 0,
        num_classes: int | None = None,
        threshold: float = 0.5,
        spacing: Sequence[float] | None = None,
        regions: Sequence[Sequence[int]] | None = None,
        precision: Precision | None = None,
        preset: PresetName | None = None,
    ) -> BatchResult:
        """Score many pairs, each a mapping with `prediction`, `target`, `weight` and `id`.

        One mapping with stacked `prediction`, `target`, `weight` (first axis the sample) and `ids` will do too. A batch
        may have any length: it is sent in as many requests as the service's limits need, its items read one by one. An
        item that cannot be scored, or not be sent, is a `FailedItem` in its place; where not one can be sent, the first
        one's error is raised.

        >>> def example(client: Client) -> list[float | None]:
        ...     items = [{"prediction": [[0.9, 0.2]], "target": [[1, 0]], "id": "a"}]
        ...     return client.score_batch(items, metrics="dice", prediction_kind="probabilities").column("dice")
        """
        asked = question(
            metrics,
            task=task,
            prediction_kind=prediction_kind,
            ignore_index=ignore_index,
            target_kind=target_kind,
            channel_axis=channel_axis,
            num_classes=num_classes,
            threshold=threshold,
            spacing=spacing,
            regions=regions,
            precision=precision,
            preset=preset,
        )
        job = BatchJob(items, asked, self._kind, self.limits())
        for part in job.parts():
            job.take(part, self._send(part.call))
        return job.result()

    def score_stream(
        self,
        items: Iterable[Mapping[str, Any]],
        *,
        metrics: Metrics,
        task: Task = "binary",
        prediction_kind: PredictionKind,
        ignore_index: int | None = None,
        target_kind: TargetKind = "labels",
        channel_axis: int = 0,
        num_classes: int | None = None,
        threshold: float = 0.5,
        spacing: Sequence[float] | None = None,
        regions: Sequence[Sequence[int]] | None = None,
        precision: Precision | None = None,
        preset: PresetName | None = None,
    ) -> ScoreStream:
        """Score pairs of any number, given one by one, and read one by one in their order.

        Items and arguments are those of `score_batch`. They are sent as batches of up to 64 items and 16 MiB, two of them in
        flight: that, the one that is being made, and their answers are all that is kept. So an item is told when its batch
        is; `items` is read ahead by as much. Each batch is sent again as any call is. The stream's `summary` is that of the
        items that were read.

        >>> def example(client: Client, items: Iterable[Mapping[str, Any]]) -> float | None:
        ...     stream = client.score_stream(items, metrics="dice", prediction_kind="probabilities")
        ...     for item in stream:
        ...         print(item.index, item.get("dice") if item.ok else item.error)
        ...     return stream.summary["dice"].mean
        """
        asked = question(
            metrics,
            task=task,
            prediction_kind=prediction_kind,
            ignore_index=ignore_index,
            target_kind=target_kind,
            channel_axis=channel_axis,
            num_classes=num_classes,
            threshold=threshold,
            spacing=spacing,
            regions=regions,
            precision=precision,
            preset=preset,
        )
        return ScoreStream(items, lambda: Lots(asked, self._kind, self.limits()), self._send)

    def sweep(
        self,
        prediction: ArrayLike,
        target: ArrayLike,
        *,
        thresholds: Sequence[float] | None = None,
        focal: FocalGridLike | None = None,
        threshold_side: Literal["greater", "greater_equal"] = "greater",
        average: SweptAverage = "micro",
        auc: bool = True,
        beta: float = 1.0,
        best_by: MaskMetric = "dice",
        best_cell_by: CellNumber = "value",
        task: Task = "binary",
        prediction_kind: PredictionKind,
        weight: ArrayLike | None = None,
        ignore_index: int | None = None,
        target_kind: TargetKind = "labels",
        channel_axis: int = 0,
        num_classes: int | None = None,
        threshold: float = 0.5,
        spacing: Sequence[float] | None = None,
        precision: Precision | None = None,
        id: str | None = None,
    ) -> SweepResult:
        """Score one pair at many thresholds, and the focal loss at many alphas and gammas.

        `focal` is a mapping with `alpha` and `gamma`, lists, and other parameters of `focal_loss`; what is not given is not
        swept, and with neither `thresholds` nor `focal` both are, by default. The rest is as in `lossgauge.sweeps.Sweep`,
        and in `score`.

        >>> def example(client: Client) -> float:
        ...     result = client.sweep([[0.9, 0.2]], [[1, 0]], thresholds=[0.5, 0.95], prediction_kind="probabilities")
        ...     return result.best.threshold.threshold
        """
        said = subject(
            task=task,
            prediction_kind=prediction_kind,
            ignore_index=ignore_index,
            target_kind=target_kind,
            channel_axis=channel_axis,
            num_classes=num_classes,
            threshold=threshold,
            spacing=spacing,
            precision=precision,
        )
        swept = subject(
            thresholds=thresholds,
            focal=focal,
            threshold_side=threshold_side,
            average=average,
            auc=auc,
            beta=beta,
            best_by=best_by,
            best_cell_by=best_cell_by,
        )
        item = {"prediction": prediction, "target": target, "weight": weight, "id": id}
        return SweepResult(read(self._send(sweep_call(self._kind, said, swept, item)), SweepResponse))

    def maps(
        self,
        prediction: ArrayLike,
        target: ArrayLike,
        *,
        maps: Maps,
        task: Task = "binary",
        prediction_kind: PredictionKind,
        weight: ArrayLike | None = None,
        ignore_index: int | None = None,
        target_kind: TargetKind = "labels",
        channel_axis: int = 0,
        num_classes: int | None = None,
        threshold: float = 0.5,
        spacing: Sequence[float] | None = None,
        precision: Precision | None = None,
        preset: PresetName | None = None,
        id: str | None = None,
    ) -> MapSet:
        """Map one pair: the loss of each pixel, the gradient of a score, what is right and wrong.

        Maps are those of `lossgauge.mapping`, typed or as mappings, one or several; the other arguments are those of
        `score`. The answer's arrays are read by name.

        >>> def example(client: Client) -> object:
        ...     asked = [{"kind": "gradient", "metric": "bce_dice"}, "errors"]
        ...     found = client.maps([[2.0, -1.0]], [[1, 0]], maps=asked, prediction_kind="logits")
        ...     return found["bce_dice.gradient"], found["errors"]
        """
        said = subject(
            task=task,
            prediction_kind=prediction_kind,
            ignore_index=ignore_index,
            target_kind=target_kind,
            channel_axis=channel_axis,
            num_classes=num_classes,
            threshold=threshold,
            spacing=spacing,
            precision=precision,
            preset=preset,
        )
        item = {"prediction": prediction, "target": target, "weight": weight, "id": id}
        return MapSet.of(self._send(maps_call(self._kind, maps, said, item)))

    def metrics(self) -> MetricList:
        """The metrics that the service computes, with their parameters.

        >>> def example(client: Client) -> str:
        ...     return client.metrics()["dice"].formula
        """
        return MetricList(read(self._send(get("/v1/metrics")), Catalogue).metrics)

    def presets(self) -> dict[str, Preset]:
        """The libraries whose choices can be taken, each with what it says of every metric.

        >>> def example(client: Client) -> str:
        ...     return client.presets()["monai"].recipes[0].function
        """
        listed = read(self._send(get("/v1/presets")), Presets).presets
        return {preset.name: preset for preset in listed}

    def limits(self) -> Limits:
        """The service's caps, asked for once.

        >>> def example(client: Client) -> int:
        ...     return client.limits().body_bytes
        """
        if self._limits is None:
            self._limits = read(self._send(get("/v1/limits")), Limits)
        return self._limits

    def ready(self) -> bool:
        """Whether the service takes requests now; False too while nothing answers at its address.

        >>> Client("http://127.0.0.1:1", transport=httpx.MockTransport(lambda request: httpx.Response(200))).ready()
        True
        """
        try:
            settled(self._attempt(get("/health/ready")))
        except (APIConnectionError, ServiceUnavailableError):
            return False
        return True

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._http.base_url)!r})"

    def _send(self, call: Call) -> httpx.Response:
        attempt, outcome = 0, self._attempt(call)
        while (pause := self._retry.pause(outcome, attempt)) is not None:
            self._sleep(pause)
            attempt, outcome = attempt + 1, self._attempt(call)
        return settled(outcome)

    def _attempt(self, call: Call) -> Outcome:
        try:
            content = None if call.pieces is None else Packets(call.pieces)
            return let_go(self._http.request(call.method, call.path, content=content, headers=call.headers))
        except httpx.RequestError as error:
            return error
