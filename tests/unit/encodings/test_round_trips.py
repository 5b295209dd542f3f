"""Every encoding gives back what it was made from, as the reference libraries do."""

import binascii
import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from lossgauge.encodings import BY_NAME, Array, encode, npy, packbits, png, raw
from lossgauge.encodings.base import AnyArray, ArrayRejected, Attachments, Caps, Encoded, Part, Tensor
from lossgauge.encodings.dtypes import NAMES
from lossgauge.encodings.part import PartArray
from lossgauge.encodings.tensor import TensorArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import TypeAdapter

CAPS = Caps()
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
DTYPES = st.sampled_from(NAMES).flatmap(
    lambda name: st.sampled_from([np.dtype(name), np.dtype(name).newbyteorder(">")])
)
ARRAYS = arrays.arrays(DTYPES, SHAPES)
LISTABLE = arrays.arrays(
    st.sampled_from([name for name in NAMES if name != "uint64"]),
    arrays.array_shapes(min_dims=1, max_dims=4, max_side=5),
    elements={"allow_nan": False, "allow_infinity": False},
)
IMAGE_DTYPES = st.sampled_from([np.dtype(name) for name in ("bool", "u1", "<u2", ">u2")])
IMAGES: st.SearchStrategy[AnyArray] = arrays.arrays(
    IMAGE_DTYPES, arrays.array_shapes(min_dims=2, max_dims=2, max_side=20)
)
MASKS = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9))


def npy_file(array: AnyArray) -> bytes:
    """What NumPy writes."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def assert_same(expected: AnyArray, actual: AnyArray) -> None:
    """The same shape and bits, in the machine's byte order, aligned."""
    assert actual.dtype == expected.dtype.newbyteorder("=")
    assert actual.shape == expected.shape
    assert actual.flags.aligned
    assert actual.tobytes() == expected.astype(actual.dtype).tobytes()


@pytest.mark.parametrize("encoding", ["npy", "raw"])
@given(array=ARRAYS)
def test_every_dtype_and_shape_comes_back(encoding: str, array: AnyArray) -> None:
    """npy and raw hold every allowed dtype, shape and byte order, the bits unchanged."""
    assert_same(array, encode(array, encoding).decode({}, CAPS))


@given(array=ARRAYS, version=st.sampled_from([(1, 0), (2, 0), (3, 0)]))
def test_npy_reads_what_numpy_writes(array: AnyArray, version: tuple[int, int]) -> None:
    """Files of each version, of C and Fortran order, are read as NumPy reads them."""
    for laid_out in (array, np.asfortranarray(array)):
        file = io.BytesIO()
        np.lib.format.write_array(file, laid_out, version, allow_pickle=False)
        assert_same(laid_out, npy.read(file.getvalue(), CAPS))


@given(array=ARRAYS)
def test_numpy_reads_what_npy_writes(array: AnyArray) -> None:
    """The bytes of an npy document are a file that NumPy loads."""
    data = encode(array, "npy").model_dump()["data"]
    loaded = np.load(io.BytesIO(binascii.a2b_base64(data)), allow_pickle=False)
    assert loaded.dtype == array.dtype
    assert loaded.shape == array.shape
    assert loaded.tobytes() == array.tobytes()


@given(array=LISTABLE)
def test_lists_keep_the_values(array: AnyArray) -> None:
    """A list gives back equal values: bool, int64 or float64."""
    actual = encode(array, "list").decode({}, CAPS)
    expected: AnyArray = array.astype({"b": np.bool_, "i": np.int64, "u": np.int64, "f": np.float64}[array.dtype.kind])
    assert_same(expected, actual)


@given(image=IMAGES)
def test_images_come_back(image: AnyArray) -> None:
    """A PNG holds bool, uint8 and uint16 images, and a bool is the byte 0 or 1."""
    actual = encode(image, "png").decode({}, CAPS)
    assert_same(image, actual)
    assert actual.dtype != np.bool_ or actual.view(np.uint8).max() <= 1


@given(image=IMAGES)
def test_pillow_reads_what_png_writes(image: AnyArray) -> None:
    """The writer needs no Pillow, and Pillow reads its files: white is a 1 of one bit."""
    opened = Image.open(io.BytesIO(png.write(image)))
    expected = image * np.uint8(255) if image.dtype == np.bool_ else image
    assert np.array_equal(np.asarray(opened.convert("L") if opened.mode == "1" else opened), expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_image_gives_its_indices(bits: int) -> None:
    """The values are the indices, whatever their colours are, at each bit depth."""
    indices = (np.arange(35) % 2**bits).astype(np.uint8).reshape(5, 7)
    image = Image.fromarray(indices).convert("L")
    image.putpalette([255 - value for value in range(256) for _ in range(3)])
    file = io.BytesIO()
    image.save(file, "png", bits=bits)
    assert_same(indices, png.read(file.getvalue(), CAPS))


def test_texts_and_profiles_of_an_image_are_left_out() -> None:
    """Ancillary chunks, transparency among them, do not change the values."""
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    notes = PngInfo()
    notes.add_text("comment", "x" * 10_000, zip=True)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", pnginfo=notes, transparency=3, icc_profile=b"p" * 500, dpi=(72, 72))
    assert_same(pixels, png.read(file.getvalue(), CAPS))


@given(mask=MASKS)
def test_packed_masks_come_back(mask: AnyArray) -> None:
    """Packed bits give back the mask, whatever the number of pixels."""
    assert_same(mask, encode(mask, "packbits").decode({}, CAPS))


@pytest.mark.parametrize("encoding", ["npy", "raw", "list", "png", "packbits", "coco_rle"])
@given(mask=arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_encodings_of_a_mask_agree(encoding: str, mask: AnyArray) -> None:
    """One mask is the same bits in every encoding, as bool and as 0 and 1."""
    assert_same(mask, encode(mask, encoding).decode({}, CAPS))
    assert np.array_equal(encode(mask.astype(np.uint8), encoding).decode({}, CAPS), mask)


PARTS: dict[str, Callable[[AnyArray], Part]] = {
    "npy": lambda a: Part("application/x-npy", npy_file(a)),
    "png": lambda a: Part("image/png", png.write(a)),
    "raw": lambda a: Part(f'application/octet-stream; dtype={a.dtype}; shape="{a.shape[0]},{a.shape[1]}"', a.tobytes()),
    "raw, unquoted": lambda a: Part(
        f"Application/Octet-Stream;Shape={a.shape[0]},{a.shape[1]};dtype=bool", a.tobytes()
    ),
    "packbits": lambda a: Part(f"application/x-packbits;shape={a.shape[0]},{a.shape[1]}", np.packbits(a).tobytes()),
    "json": lambda a: Part("application/json; charset=UTF-8", str(a.tolist()).lower().encode()),
}


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview])
def test_parts_agree_with_the_mask(kind: str, buffer: Callable[[bytes], bytes]) -> None:
    """A part of each media type, in each kind of buffer, decodes to the same mask."""
    mask = np.random.default_rng(1).random((13, 7)) > 0.5
    part = PARTS[kind](mask)
    attachments: Attachments = {"m": Part(part.media_type, buffer(bytes(part.content)))}
    assert_same(mask, PartArray(name="m").decode(attachments, CAPS))


def test_a_tensor_is_handed_over() -> None:
    """The tensor of the name, not a copy."""
    array = np.ones((2, 3), np.float32)
    assert TensorArray(name="a").decode({"a": Tensor(array)}, CAPS) is array


@given(values=arrays.arrays(np.uint16, 8))
def test_bfloat16_is_the_upper_half_of_a_float32(values: AnyArray) -> None:
    """Raw bfloat16 widens exactly, NaN and infinity included."""
    actual = raw.read(values.astype("<u2").tobytes(), "bfloat16", (8,), CAPS)
    assert actual.dtype == np.float32
    assert actual.tobytes() == (values.astype(np.uint32) << 16).tobytes()


def test_decoded_arrays_lie_in_place_and_are_writable() -> None:
    """npy and raw are views of the bytes that base64 decoded to, so that torch can view them too."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    for encoding in ("npy", "raw"):
        actual = encode(array, encoding).decode({}, CAPS)
        assert actual.flags.writeable
        assert not actual.flags.owndata


def test_unaligned_elements_are_copied() -> None:
    """A buffer whose elements are not aligned gives an aligned array of the same values."""
    array = np.arange(5, dtype=np.float64)
    body = memoryview(b"x" + array.tobytes())[1:]
    assert_same(array, raw.read(body, "float64", (5,), CAPS))


def test_packbits_is_numpy_packbits() -> None:
    """The first pixel is the highest bit of the first byte."""
    assert packbits.read(b"\x80\x40", (10,), CAPS).unpacked().tolist() == [True, *[False] * 8, True]


def test_a_document_finds_its_encoding() -> None:
    """JSON of each encoding is read back as the model that wrote it."""
    adapter: TypeAdapter[Encoded] = TypeAdapter(Array)
    mask = np.ones((2, 2), bool)
    for name in ("npy", "raw", "list", "png", "packbits", "coco_rle"):
        written = encode(mask, name)
        assert adapter.validate_json(written.model_dump_json()) == written


def test_every_encoding_is_known_by_its_name() -> None:
    """The names of the contract."""
    of_masks = ["packbits", "coco_rle", "coco_polygons", "label_studio_rle", "cvat_rle"]
    assert list(BY_NAME) == ["npy", "raw", "list", "png", *of_masks, "part", "tensor"]


def test_an_unknown_encoding_is_named() -> None:
    """The error lists those that there are."""
    with pytest.raises(ValueError, match="no encoding is named 'zip'; there are npy, raw"):
        encode(np.ones(1), "zip")


def test_some_encodings_are_only_read() -> None:
    """A part or a tensor is named, not encoded; annotations are exported by their tools."""
    for name in ("part", "tensor", "coco_polygons", "label_studio_rle", "cvat_rle"):
        with pytest.raises(TypeError, match="not made from an array alone"):
            encode(np.ones(1), name)


UNFIT: list[tuple[str, AnyArray]] = [
    ("npy", np.array([None])),
    ("npy", np.array(["a"])),
    ("raw", np.zeros(2, np.complex64)),
    ("list", np.array([np.nan])),
    ("list", np.array(1.0)),
    ("list", np.zeros((0, 3))),
    ("list", np.array([2**63], np.uint64)),
    ("png", np.zeros((2, 2), np.float32)),
    ("png", np.zeros((2, 2, 3), np.uint8)),
    ("png", np.zeros((0, 2), np.uint8)),
    ("packbits", np.array([2])),
    ("packbits", np.array([-1])),
    ("packbits", np.array([0.5])),
]


@pytest.mark.parametrize(("encoding", "array"), UNFIT)
def test_what_an_encoding_cannot_hold_is_refused(encoding: str, array: AnyArray) -> None:
    """No value, dtype or shape changes silently on its way out."""
    with pytest.raises(ArrayRejected):
        encode(array, encoding)
