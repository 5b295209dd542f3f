"""A safetensors body: the JSON under the key `request` of its metadata, the arrays as tensors over the body itself."""

from lossgauge.encodings import safetensors
from lossgauge.encodings.base import ArrayRejected, Caps, Tensor
from lossgauge.wire import Limits

from lossgauge_service.bodies.envelope import Envelope, Parameters
from lossgauge_service.bodies.json import small_document_of
from lossgauge_service.errors import LimitExceeded, LossgaugeError, Malformed


def read(body: bytearray, parameters: Parameters, limits: Limits) -> Envelope:
    """The document and the tensors; a bad tensor is left to the array that uses it."""
    caps = Caps(array_elements=limits.array_elements, dimensions=limits.dimensions)
    try:
        metadata, tensors = safetensors.read_each(body, caps, limits.parts, limits.document_bytes)
    except ArrayRejected as rejected:
        raise _error_of(rejected) from None
    if safetensors.REQUEST not in metadata:
        raise Malformed(f"the metadata has no key {safetensors.REQUEST!r}, which holds the JSON")
    document = small_document_of(metadata[safetensors.REQUEST], limits, f"{safetensors.REQUEST!r} of the metadata")
    return Envelope(document, {name: Tensor(array) for name, array in tensors.items()})


def _error_of(rejected: ArrayRejected) -> LossgaugeError:
    if rejected.limit is None:
        return Malformed(rejected.detail)
    limit = "document_bytes" if rejected.limit == "header_bytes" else rejected.limit
    return LimitExceeded(rejected.detail, limit=limit)
