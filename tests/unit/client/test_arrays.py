"""Whatever a caller holds becomes the array that it is, or is refused."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lossgauge import InvalidArgumentError
from lossgauge.arrays import PngFile, array_of, sendable
from lossgauge.encodings import png
from PIL import Image

MASK = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
FLOATS = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)


class OnlyDlpack:
    """An array of some other library."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class ElsewhereOnly:
    """A tensor on a device that NumPy cannot reach."""

    def __dlpack__(self, **options: Any) -> Any:
        raise BufferError("on another device")

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)


SAME = {
    "numpy": FLOATS,
    "fortran order": np.asfortranarray(FLOATS),
    "big endian": FLOATS.astype(">f4"),
    "a view": np.repeat(FLOATS, 2, axis=1)[:, ::2],
    "torch": torch.from_numpy(FLOATS),
    "torch with a gradient": torch.from_numpy(FLOATS.copy()).requires_grad_(),
    "torch in a graph": torch.from_numpy(FLOATS.copy()).requires_grad_() * 1,
    "a parameter": torch.nn.Parameter(torch.from_numpy(FLOATS.copy())),
    "dlpack": OnlyDlpack(FLOATS.copy()),
    "PIL": Image.fromarray(FLOATS),
    "a memory-mapped subclass": FLOATS.view(np.memmap),
}


@pytest.mark.parametrize("value", SAME.values(), ids=SAME)
def test_the_same_values_arrive(value: Any) -> None:
    """Dtype, shape and every bit stay; the array is plain, little-endian and in C order."""
    array = array_of(value, "/prediction")
    assert (type(array), array.dtype.str, array.shape, array.tobytes()) == (np.ndarray, "<f4", (2, 3), FLOATS.tobytes())


def test_bfloat16_is_converted_exactly() -> None:
    """NumPy has no bfloat16; every finite value of it, and infinity, is the same number in float32."""
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int16)
    every = bits.view(torch.bfloat16)
    array = array_of(every.requires_grad_(), "/prediction")
    assert array.dtype == np.float32
    assert (array.view(np.uint32) >> 16 == (bits.numpy().view(np.uint16)))[~np.isnan(array)].all()


def test_float16_stays() -> None:
    """A half is sent as a half."""
    assert array_of(torch.zeros(2, dtype=torch.float16), "").dtype == np.float16


@pytest.mark.parametrize(
    ("nested", "dtype"), [([[0, 1]], "int64"), ([[0.5, 1]], "float64"), ([[True, False]], "bool"), (((1, 0),), "int64")]
)
def test_nested_lists_are_arrays(nested: Any, dtype: str) -> None:
    """Integers become int64, decimals float64, booleans bool."""
    array = array_of(nested, "/target")
    assert (array.dtype.name, array.shape) == (dtype, (1, 2))


def test_a_bilevel_image_is_a_mask() -> None:
    """A PIL image of mode 1 is boolean."""
    assert array_of(Image.fromarray(MASK.astype(bool)), "").dtype == np.bool_


@pytest.mark.parametrize("as_text", [True, False])
def test_npy_files_are_read(tmp_path: Path, as_text: bool) -> None:
    """The path of a .npy file stands for its array, as a string or as a path."""
    path = tmp_path / "Prediction.NPY"
    with path.open("wb") as file:
        np.save(file, FLOATS)
    assert array_of(str(path) if as_text else path, "").tobytes() == FLOATS.tobytes()


def test_png_files_are_left_as_they_are_where_they_can_be(tmp_path: Path) -> None:
    """`sendable` keeps a PNG file's bytes, `array_of` decodes them as the service does."""
    path = tmp_path / "mask.png"
    path.write_bytes(png.write(MASK))
    assert sendable(path, "") == PngFile(path.read_bytes())
    assert np.array_equal(array_of(path, ""), MASK)


WITHOUT_PILLOW = """
import sys
sys.modules["PIL"] = None
from lossgauge.arrays import array_of
array_of(sys.argv[1], "/target")
"""


def test_a_png_file_without_pillow_is_a_clear_error(tmp_path: Path) -> None:
    """Who has no Pillow is told what to install, or how to do without."""
    path = tmp_path / "mask.png"
    path.write_bytes(png.write(MASK))
    ran = subprocess.run([sys.executable, "-c", WITHOUT_PILLOW, str(path)], capture_output=True, text=True, check=False)
    told = (
        "/target: a PNG file is read with Pillow (pip install pillow); Client(encoding='multipart') sends it as it is"
    )
    assert ran.stderr.splitlines()[-1] == f"lossgauge.errors.InvalidArgumentError: {told}"


REFUSED: dict[str, tuple[Any, str]] = {
    "objects": (np.array([None, 1]), "dtype object cannot be sent"),
    "objects in a list": ([None, 1.0], "dtype object cannot be sent"),
    "strings": (np.array(["a"]), "dtype <U1 cannot be sent"),
    "strings in a list": (["a", "b"], "dtype <U1 cannot be sent"),
    "bytes in a list": ([b"a"], "cannot be sent"),
    "complex numbers": (np.zeros(2, complex), "dtype complex128 cannot be sent"),
    "long doubles": (np.zeros(2, np.longdouble), "cannot be sent"),
    "dates": (np.zeros(2, "datetime64[s]"), "cannot be sent"),
    "records": (np.zeros(2, [("a", "f4")]), "cannot be sent"),
    "ragged lists": ([[1, 2], [3]], "cannot be made an array"),
    "bytes": (b"\x93NUMPY", "give an array"),
    "a number": (0.5, "give an array"),
    "nothing": (None, "give an array"),
    "a mapping": ({"data": [1]}, "a mapping is an array with .encoding."),
    "a masked array": (np.ma.masked_array([1, 2], [True, False]), "its mask would be lost"),
    "a sparse tensor": (torch.eye(2).to_sparse(), "cannot be made an array"),
    "a tensor without data": (torch.empty(2, device="meta"), "cannot be made an array"),
    "another device": (ElsewhereOnly(), "on another device"),
    "another file": ("mask.tiff", "ends in .npy or .png"),
    "a file that is not there": ("nowhere.npy", "cannot be read"),
}


@pytest.mark.parametrize(("value", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_array_is_refused_by_name(value: Any, message: str) -> None:
    """The error says which argument and what was found, and is a ValueError too."""
    with pytest.raises(InvalidArgumentError, match=message) as raised:
        array_of(value, "/items/3/target")
    assert raised.value.pointer == "/items/3/target"
    assert isinstance(raised.value, ValueError)


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    """A .npy file with objects in it is refused, not unpickled."""
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InvalidArgumentError, match="allow_pickle=False"):
        array_of(path, "/prediction")


def test_archives_are_not_arrays(tmp_path: Path) -> None:
    """A .npz archive under the name of a .npy file is refused."""
    path = tmp_path / "archive.npy"
    with path.open("wb") as file:
        np.savez(file, a=MASK)
    with pytest.raises(InvalidArgumentError, match="cannot be made an array"):
        array_of(path, "/prediction")


@pytest.mark.parametrize("content", [b"GIF89a", b""], ids=["another format", "empty"])
def test_a_broken_png_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """What is no PNG file does not become an array."""
    path = tmp_path / "mask.png"
    path.write_bytes(content)
    with pytest.raises(InvalidArgumentError, match="not a PNG file"):
        array_of(path, "/target")
