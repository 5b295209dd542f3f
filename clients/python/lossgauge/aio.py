"""The client for `async` code.

>>> from lossgauge import AsyncClient
>>> async def example() -> float:
...     async with AsyncClient("http://127.0.0.1:8000") as client:
...         result = await client.score("prediction.npy", "target.png", metrics="dice", prediction_kind="probabilities")
...     return result["dice"]
"""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
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
from lossgauge.client import DEFAULT_TIMEOUT, DEFAULT_URL, Timeout
from lossgauge.errors import APIConnectionError, ServiceUnavailableError
from lossgauge.mapped import MapSet
from lossgauge.metrics.spec import PredictionKind
from lossgauge.packets import AsyncPackets
from lossgauge.presets import Preset, PresetName
from lossgauge.results import BatchResult, MetricList, ScoreResult
from lossgauge.retry import Outcome, RetryPolicy
from lossgauge.streams import AsyncScoreStream, Lots
from lossgauge.sweep_results import FocalGridLike, SweepResult
from lossgauge.sweeps import CellNumber, MaskMetric, SweepResponse, SweptAverage
from lossgauge.tasks import Task
from lossgauge.wire import Catalogue, Limits, Precision, Presets, ScoreResponse, TargetKind


class AsyncClient:
    """`Client` for `async` code: the same methods, awaited.

    The arguments are those of `Client`; `transport` is httpx's asynchronous one, and `sleep` is awaited.

    >>> AsyncClient("http://127.0.0.1:8000", timeout=10, retries=0)
    AsyncClient('http://127.0.0.1:8000')
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        api_key: str | None = None,
        *,
        encoding: Encoding = "safetensors",
        timeout: Timeout = DEFAULT_TIMEOUT,
        retries: int = 2,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._kind = body_kind(encoding)
        self._retry = RetryPolicy(retries)
        self._sleep = sleep
        self._limits: Limits | None = None
        headers = headers_of_client(api_key)
        self._http = httpx.AsyncClient(
            base_url=url, headers=headers, timeout=timeout, transport=transport, verify=tls()
        )

    async def score(
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
        """As `Client.score`.

        >>> async def example(client: AsyncClient) -> float:
        ...     result = await client.score([[0.9, 0.2]], [[1, 0]], metrics="dice", prediction_kind="probabilities")
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
        return ScoreResult.of(read(await self._send(score_call(self._kind, asked, item)), ScoreResponse))

    async def score_batch(
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
        """As `Client.score_batch`.

        >>> async def example(client: AsyncClient) -> list[float | None]:
        ...     items = [{"prediction": [[0.9, 0.2]], "target": [[1, 0]], "id": "a"}]
        ...     return (await client.score_batch(items, metrics="dice", prediction_kind="probabilities")).column("dice")
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
        job = BatchJob(items, asked, self._kind, await self.limits())
        for part in job.parts():
            job.take(part, await self._send(part.call))
        return job.result()

    def score_stream(
        self,
        items: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]],
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
    ) -> AsyncScoreStream:
        """As `Client.score_stream`; not awaited, but read by `async for`. The items may come asynchronously too.

        >>> async def example(client: AsyncClient, items: AsyncIterable[Mapping[str, Any]]) -> float | None:
        ...     stream = client.score_stream(items, metrics="dice", prediction_kind="probabilities")
        ...     async for item in stream:
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

        async def lots() -> Lots:
            return Lots(asked, self._kind, await self.limits())

        return AsyncScoreStream(items, lots, self._send)

    async def sweep(
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
        """As `Client.sweep`.

        >>> async def example(client: AsyncClient) -> str:
        ...     focal = {"alpha": [0.25, 0.5], "gamma": [1, 2]}
        ...     return (await client.sweep([[0.9]], [[1]], focal=focal, prediction_kind="probabilities")).to_csv()
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
        return SweepResult(read(await self._send(sweep_call(self._kind, said, swept, item)), SweepResponse))

    async def maps(
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
        """As `Client.maps`.

        >>> async def example(client: AsyncClient) -> object:
        ...     return (await client.maps([[2.0]], [[1]], maps="errors", prediction_kind="logits"))["errors"]
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
        return MapSet.of(await self._send(maps_call(self._kind, maps, said, item)))

    async def metrics(self) -> MetricList:
        """As `Client.metrics`.

        >>> async def example(client: AsyncClient) -> str:
        ...     return (await client.metrics())["dice"].formula
        """
        return MetricList(read(await self._send(get("/v1/metrics")), Catalogue).metrics)

    async def presets(self) -> dict[str, Preset]:
        """As `Client.presets`.

        >>> async def example(client: AsyncClient) -> str:
        ...     return (await client.presets())["monai"].recipes[0].function
        """
        listed = read(await self._send(get("/v1/presets")), Presets).presets
        return {preset.name: preset for preset in listed}

    async def limits(self) -> Limits:
        """As `Client.limits`.

        >>> async def example(client: AsyncClient) -> int:
        ...     return (await client.limits()).body_bytes
        """
        if self._limits is None:
            self._limits = read(await self._send(get("/v1/limits")), Limits)
        return self._limits

    async def ready(self) -> bool:
        """As `Client.ready`.

        >>> client = AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(503)))
        >>> asyncio.run(client.ready())
        False
        """
        try:
            settled(await self._attempt(get("/health/ready")))
        except (APIConnectionError, ServiceUnavailableError):
            return False
        return True

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._http.base_url)!r})"

    async def _send(self, call: Call) -> httpx.Response:
        call = call.kept()  # while it waits, others may change the arrays
        attempt, outcome = 0, await self._attempt(call)
        while (pause := self._retry.pause(outcome, attempt)) is not None:
            await self._sleep(pause)
            attempt, outcome = attempt + 1, await self._attempt(call)
        return settled(outcome)

    async def _attempt(self, call: Call) -> Outcome:
        try:
            content = None if call.pieces is None else AsyncPackets(call.pieces)
            return let_go(await self._http.request(call.method, call.path, content=content, headers=call.headers))
        except httpx.RequestError as error:
            return error
