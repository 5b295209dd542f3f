"""From what a caller holds to what can be sent: a NumPy array, or a PNG file or an encoded array as it is.

Nothing of the caller's libraries is imported here: tensors and images are known by what they can do.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossgauge.encoded import MOST_AXES, EncodedArray, encoded
from lossgauge.encodings import png
from lossgauge.encodings.base import ArrayRejected, Caps, Encoded
from lossgauge.encodings.dtypes import NAMES
from lossgauge.errors import InvalidArgumentError

ArrayLike = Any
"""NumPy arrays, torch, JAX and TensorFlow tensors, PIL images, anything with `__array__` or DLPack, nested lists, paths
of .npy and .png files, and what `lossgauge.encoded.EncodedLike` names: polygons, run lengths and other encoded arrays, or a
list of these, all of one size, which is their stack."""

ARRAY_PROTOCOLS = ("__array__", "__array_interface__")
CONVERSION_FAILURES = (TypeError, ValueError, RuntimeError, BufferError, OverflowError)
WHAT_TO_GIVE = "give an array, nested lists, the path of a .npy or .png file, or an encoded array"


@dataclass(frozen=True)
class PngFile:
    """The bytes of a PNG file, which need no decoding where they can be sent as they are."""

    content: bytes


Sendable = NDArray[Any] | PngFile | EncodedArray


def sendable(value: ArrayLike, pointer: str) -> Sendable:
    """The array of an argument, little-endian and in C order; `InvalidArgumentError` names the argument by `pointer`.

    >>> sendable([[0, 1]], "/target").dtype
    dtype('int64')
    """
    if isinstance(value, Encoded | Mapping):
        return encoded(value, pointer)
    if _holds_encoded(value):
        return _stacked(value, pointer)
    try:
        found = _from_path(Path(value)) if isinstance(value, str | os.PathLike) else _from_object(value)
    except CONVERSION_FAILURES as error:
        raise InvalidArgumentError(f"{_named(value)} cannot be made an array: {error}", pointer=pointer) from error
    except OSError as error:
        raise InvalidArgumentError(f"cannot be read: {error}", pointer=pointer) from error
    return found if isinstance(found, PngFile) else _checked(found, pointer)


def array_of(value: ArrayLike, pointer: str) -> NDArray[Any]:
    """As `sendable`, with PNG files and encoded arrays decoded.

    >>> array_of([True, False], "/target").shape
    (2,)
    """
    found = sendable(value, pointer)
    if isinstance(found, EncodedArray):
        return found.decoded(pointer)
    return decoded(found, pointer) if isinstance(found, PngFile) else found


def decoded(file: PngFile, pointer: str) -> NDArray[Any]:
    """The pixels of a PNG file, read as the service reads them; needs Pillow."""
    try:
        return png.read(file.content, Caps())
    except ImportError:
        raise InvalidArgumentError(
            "a PNG file is read with Pillow (pip install pillow); Client(encoding='multipart') sends it as it is",
            pointer=pointer,
        ) from None
    except ArrayRejected as error:
        raise InvalidArgumentError(error.detail, pointer=pointer) from error


def _holds_encoded(value: ArrayLike) -> bool:
    """Whether a list, or a list of lists, begins with an array that is encoded already."""
    for _ in range(MOST_AXES):
        if not isinstance(value, list | tuple) or not value:
            break
        value = value[0]
    return isinstance(value, Encoded | Mapping)


def _stacked(values: Sequence[ArrayLike], pointer: str) -> NDArray[Any]:
    """The arrays of a list, one after the other along a new first axis."""
    arrays = [array_of(value, f"{pointer}/{place}") for place, value in enumerate(values)]
    for place, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            found = f"{list(array.shape)}, and {list(arrays[0].shape)} of the first"
            raise InvalidArgumentError(f"a stack has arrays of one size; found {found}", pointer=f"{pointer}/{place}")
    return _checked(np.stack(arrays), pointer)


def _from_path(path: Path) -> NDArray[Any] | PngFile:
    suffix = path.suffix.lower()
    if suffix == ".png":
        return PngFile(path.read_bytes())
    if suffix != ".npy":
        raise ValueError(f"a path ends in .npy or .png, not {suffix!r}")
    with path.open("rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)  # type: ignore[no-any-return,unused-ignore]


def _from_object(value: Any) -> NDArray[Any]:
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError("its mask would be lost; give weight=, 0 where masked")
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        return np.asarray(_host_tensor(value))
    if isinstance(value, list | tuple) or any(hasattr(value, protocol) for protocol in ARRAY_PROTOCOLS):
        return np.asarray(value)
    if hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)
    raise TypeError(WHAT_TO_GIVE)


def _host_tensor(tensor: Any) -> Any:
    """A tensor out of its graph and off its device; bfloat16, which NumPy lacks, as float32 of the same value."""
    here = tensor.detach().cpu()
    return here.float() if str(here.dtype) == "torch.bfloat16" else here


def _checked(array: NDArray[Any], pointer: str) -> NDArray[Any]:
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    if array.dtype.name not in NAMES:
        raise InvalidArgumentError(f"dtype {array.dtype} cannot be sent; {', '.join(NAMES)} can", pointer=pointer)
    if array.dtype.kind == "b":
        array = _of_zeros_and_ones(array)
    return array.astype(array.dtype.newbyteorder("<"), order="C", copy=False, subok=False)


def _of_zeros_and_ones(mask: NDArray[Any]) -> NDArray[Any]:
    """The mask with 1 for true: a 1-bit PIL image lends its own bytes, in which true is 255."""
    stored = mask.view(np.uint8)
    return mask if mask.size == 0 or stored.max() <= 1 else stored != 0


def _named(value: Any) -> str:
    if isinstance(value, str | os.PathLike):
        return repr(str(value))
    return f"a {type(value).__module__}.{type(value).__qualname__}"
