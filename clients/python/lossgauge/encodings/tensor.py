"""Tensors of a safetensors body, by name."""

from typing import Literal

from lossgauge.encodings.attachments import attached
from lossgauge.encodings.base import AnyArray, ArrayRejected, Attachments, Caps, Encoded, Tensor, check_shape


class TensorArray(Encoded):
    """A tensor of a safetensors body."""

    encoding: Literal["tensor"] = "tensor"
    name: str

    def decode(self, attachments: Attachments, caps: Caps) -> AnyArray:
        """The tensor of this name, as it lies in the body."""
        array = attached(attachments, self.name, Tensor).array
        if isinstance(array, ArrayRejected):
            raise array.with_traceback(None)
        check_shape(array.shape, array.dtype, caps, "/name")
        return array
