"""Maps as answers: one writer a media type."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson
from lossgauge.encodings import safetensors
from lossgauge.encodings.npy import NpyArray
from lossgauge.encodings.tensor import TensorArray
from lossgauge.mapping import ErrorMap, MapRequest
from lossgauge.wire import Asked, EngineInfo
from starlette.responses import Response

from lossgauge_service.answers import MEDIA_TYPE, Stopwatch, timed_answer, timing_headers
from lossgauge_service.errors import NotAcceptable
from lossgauge_service.maps import Mapped
from lossgauge_service.maps.pictures import picture
from lossgauge_service.samples import Sample

SAFETENSORS, NPY, PNG = "application/x-safetensors", "application/x-npy", "image/png"
ALONE = (NPY, PNG)
"""Those that hold one map."""
BINARY = (SAFETENSORS, *ALONE)

Writer = Callable[[MapRequest, list[Mapped], Sample, EngineInfo, Stopwatch], Response]


def _json(asked: MapRequest, found: list[Mapped], sample: Sample, engine: EngineInfo, watch: Stopwatch) -> Response:
    arrays = [None if one.array is None else NpyArray.of(one.array).model_dump() for one in found]
    return timed_answer(_document(asked, found, arrays, engine), watch)


def _safetensors(
    asked: MapRequest, found: list[Mapped], sample: Sample, engine: EngineInfo, watch: Stopwatch
) -> Response:
    tensors = {one.asked.answer_name: np.ascontiguousarray(one.array) for one in found if one.array is not None}
    names = [one.asked.answer_name for one in found]
    arrays = [TensorArray(name=name).model_dump() if name in tensors else None for name in names]
    watch.lap("encode")  # all that is known of it where the document is written; the tensors follow it
    times = watch.times()
    document = orjson.dumps({**_document(asked, found, arrays, engine), "timing_ms": times})
    body = safetensors.write(document, tensors, safetensors.ANSWER)
    return Response(body, headers=timing_headers(times), media_type=SAFETENSORS)


def _npy(asked: MapRequest, found: list[Mapped], sample: Sample, engine: EngineInfo, watch: Stopwatch) -> Response:
    [one] = found
    if one.array is None:
        raise NotAcceptable(f"the map has no array to send: {one.undefined}", pointer="/maps/0")
    file = io.BytesIO()
    np.save(file, one.array, allow_pickle=False)
    return _timed(file.getvalue(), NPY, watch)


def _png(asked: MapRequest, found: list[Mapped], sample: Sample, engine: EngineInfo, watch: Stopwatch) -> Response:
    [one] = found
    return _timed(picture(one, sample), PNG, watch)


def _timed(body: bytes, media_type: str, watch: Stopwatch) -> Response:
    watch.lap("encode")
    return Response(body, headers=timing_headers(watch.times()), media_type=media_type)


def _document(asked: MapRequest, found: list[Mapped], arrays: list[Any], engine: EngineInfo) -> dict[str, Any]:
    return {
        "id": asked.id,
        "maps": [{**_told(one), "array": array} for one, array in zip(found, arrays, strict=True)],
        "asked": {name: getattr(asked, name) for name in Asked.model_fields if hasattr(asked, name)},
        "engine": engine.model_dump(),
    }


def _told(one: Mapped) -> dict[str, Any]:
    named = {"name": one.asked.answer_name, "kind": one.asked.kind}
    if isinstance(one.asked, ErrorMap):
        return {**named, "threshold": one.asked.threshold}
    spec = None if one.spec is None else one.spec.model_dump(mode="json")
    return {**named, "metric": spec, "value": one.value, "undefined": one.undefined}


WRITERS: Mapping[str, Writer] = {MEDIA_TYPE: _json, SAFETENSORS: _safetensors, NPY: _npy, PNG: _png}
"""The first is what a caller gets who accepts anything."""
