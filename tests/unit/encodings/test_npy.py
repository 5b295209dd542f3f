"""Broken and hostile .npy files: only `ArrayRejected` comes out, and no memory is taken for what a header claims."""

import io
import pickle
import tracemalloc

import numpy as np
import pytest
from lossgauge.encodings import npy
from lossgauge.encodings.base import ArrayRejected, Caps
from lossgauge.encodings.npy import NpyArray

CAPS = Caps()


def file_of(header: str | bytes, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """A file of any header."""
    text = header.encode("latin-1") if isinstance(header, str) else header
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version[0] == 1 else 4, "little") + text + data


def header_of(descr: str = "'<f4'", shape: str = "(2,)", order: str = "False") -> str:
    """A header with one thing changed."""
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def test_a_plain_file_is_read() -> None:
    """The helper above writes valid files, so what the other tests change is what is refused."""
    assert npy.read(file_of(header_of(), bytes(8)), CAPS).tolist() == [0.0, 0.0]


LENIENT = [
    "{'descr':'<f4','fortran_order':False,'shape':(2,)}",
    '{"shape": (2L,), "fortran_order": False, "descr": "<f4"}   \n',
    "{ 'descr' : '<f4' ,\n'fortran_order' : False , 'shape' : ( 2 , ) , }",
]


@pytest.mark.parametrize("header", LENIENT)
def test_other_writers_headers_are_read(header: str) -> None:
    """Order of keys, quotes and blanks are free, as in the files of other languages."""
    assert npy.read(file_of(header, bytes(8)), CAPS).shape == (2,)


@pytest.mark.parametrize("descr", ["|u1", "<u1", ">u1", "|b1", "<i1"])
def test_one_byte_has_no_order(descr: str) -> None:
    """Dtypes of one byte are read under every order mark."""
    assert npy.read(file_of(header_of(f"'{descr}'"), b"\x00\x01"), CAPS).tolist() == [0, 1]


MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it starts with"),
    "zip": (b"PK\x03\x04" + bytes(60), "it starts with"),
    "pickle": (pickle.dumps(np.ones(3)), "it starts with"),
    "version 0": (file_of(header_of(), bytes(8), b"\x00\x00"), "version is 0.0"),
    "version 4": (file_of(header_of(), bytes(8), b"\x04\x00"), "version is 4.0"),
    "version 1.1": (file_of(header_of(), bytes(8), b"\x01\x01"), "version is 1.1"),
    "no header": (file_of(""), "not a dictionary"),
    "a list": (file_of("[]"), "not a dictionary"),
    "no key": (file_of("{}"), "has the keys"),
    "missing key": (file_of("{'descr': '<f4', 'shape': (2,)}", bytes(8)), "has the keys"),
    "extra key": (file_of("{'a': True, " + header_of()[1:], bytes(8)), "has the keys"),
    "key twice": (file_of("{'descr': '<f4', " + header_of()[1:], bytes(8)), "cannot be read"),
    "a call": (file_of(header_of(shape="(print(1),)"), bytes(8)), "cannot be read"),
    "an expression": (file_of(header_of(shape="(1+1,)"), bytes(8)), "its shape"),
    "a name": (file_of("{descr: '<f4'}"), "cannot be read"),
    "an escape": (file_of(header_of(r"'\x3cf4'"), bytes(8)), "cannot be read"),
    "nested dictionaries": (file_of("{'descr': " * 3000 + "}" * 3000), "cannot be read"),
    "nested tuples": (file_of(header_of(shape="(" * 20_000 + ")" * 20_000)), "cannot be read"),
    "order a number": (file_of(header_of(order="1"), bytes(8)), "cannot be read"),
    "order a string": (file_of(header_of(order="'False'"), bytes(8)), "neither True nor False"),
    "order a tuple": (file_of(header_of(order="()"), bytes(8)), "neither True nor False"),
    "shape a number": (file_of(header_of(shape="2"), bytes(8)), "cannot be read"),
    "shape no tuple": (file_of(header_of(shape="(2)"), bytes(8)), "its shape"),
    "shape a string": (file_of(header_of(shape="'(2,)'"), bytes(8)), "its shape"),
    "shape a list": (file_of(header_of(shape="[2]"), bytes(8)), "its shape"),
    "float axis": (file_of(header_of(shape="(2.0,)"), bytes(8)), "its shape"),
    "bool axis": (file_of(header_of(shape="(True, 2)"), bytes(8)), "its shape"),
    "hexadecimal axis": (file_of(header_of(shape="(0x2,)"), bytes(8)), "its shape"),
    "digits of a script": (file_of(header_of(shape="(٢,)").encode(), bytes(8), b"\x03\x00"), "its shape"),
    "endless axis": (file_of(header_of(shape=f"({'9' * 5000},)")), "its shape"),
    "negative axis": (file_of(header_of(shape="(-2,)"), bytes(8)), "negative"),
    "negative axes": (file_of(header_of(shape="(-2, -1)"), bytes(8)), "negative"),
    "not utf-8": (file_of(b"\xff{}", b"", b"\x03\x00"), "not utf-8"),
    "too few bytes": (file_of(header_of(), bytes(7)), "need 8 bytes; found 7"),
    "trailing bytes": (file_of(header_of(), bytes(9)), "need 8 bytes; found 9"),
    "a second array": (file_of(header_of(), bytes(8)) * 2, "need 8 bytes"),
    "bytes of an empty one": (file_of(header_of(shape="(0, 3)"), bytes(1)), "need 0 bytes; found 1"),
    "bool of 2": (file_of(header_of("'|b1'"), b"\x00\x02"), "byte 0 or 1; found 2"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_files_are_refused(case: str) -> None:
    """What is wrong is said."""
    body, detail = MALFORMED[case]
    with pytest.raises(ArrayRejected, match=detail) as found:
        npy.read(body, CAPS)
    assert (found.value.code, found.value.pointer) == ("undecodable_array", "/data")


REFUSED_DTYPES = ["'|O'", "'<U4'", "'|S1'", "'<c8'", "'<M8[s]'", "'|V8'", "'<f2,<f2'", "'object'", "''", "True", "()"]
STRUCTURED = ["[('a', '<f4')]", "[('a', [('b', '|O')])]", "[" * 9000]


@pytest.mark.parametrize("descr", REFUSED_DTYPES + STRUCTURED)
def test_other_dtypes_are_refused(descr: str) -> None:
    """Objects, strings, complex numbers, dates and structures are refused, and the allowed ones listed."""
    with pytest.raises(ArrayRejected, match="allowed are bool, int8") as found:
        npy.read(file_of(header_of(descr), bytes(8)), CAPS)
    assert (found.value.code, found.value.pointer) == ("invalid_dtype", "/data")


def test_an_object_array_runs_nothing() -> None:
    """A pickle inside a file is never opened."""
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ArrayRejected, match=r"dtype '\|O' is not allowed"):
        npy.read(file.getvalue(), CAPS)


OVER: dict[str, tuple[str, str]] = {
    "terabytes": ("(1000000, 1000000)", "array_elements"),
    "overflow to 0": ("(4294967296, 4294967296)", "array_elements"),
    "nothing of too much": ("(0, 4611686018427387904, 4611686018427387904)", "array_elements"),
    "axes": (f"({'1, ' * 9})", "dimensions"),
    "thousands of axes": (f"({'2, ' * 10_000})", "dimensions"),
}


@pytest.mark.parametrize("case", OVER)
def test_claims_over_the_caps_take_no_memory(case: str) -> None:
    """A small file that declares terabytes is refused by the name of the cap, before memory is taken."""
    shape, limit = OVER[case]
    body = file_of(header_of(shape=shape))
    tracemalloc.start()
    with pytest.raises(ArrayRejected) as found:
        npy.read(body, CAPS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.value.code, found.value.limit) == ("limit_exceeded", limit)
    assert peak < 5_000_000


@pytest.mark.parametrize("version", [b"\x02\x00", b"\x03\x00"])
def test_the_header_has_a_cap(version: bytes) -> None:
    """A header at the cap is read; one byte over is refused, and so is one that claims 4 GiB."""
    text = header_of().ljust(200)
    assert npy.read(file_of(text, bytes(8), version), Caps(header_bytes=200)).shape == (2,)
    for body in (file_of(text + " ", bytes(8), version), b"\x93NUMPY" + version + b"\xff\xff\xff\xff"):
        with pytest.raises(ArrayRejected) as found:
            npy.read(body, Caps(header_bytes=200))
        assert found.value.limit == "header_bytes"


def test_elements_have_a_cap() -> None:
    """An array at the cap is read, one element over is refused."""
    assert npy.read(file_of(header_of(), bytes(8)), Caps(array_elements=2)).size == 2
    with pytest.raises(ArrayRejected) as found:
        npy.read(file_of(header_of(), bytes(8)), Caps(array_elements=1))
    assert (found.value.limit, found.value.pointer) == ("array_elements", "/data")


def test_a_long_text_is_refused_before_it_is_decoded() -> None:
    """Base64 over what any allowed array needs is refused by its length."""
    document = NpyArray(data="A" * 4_000_000)
    tracemalloc.start()
    with pytest.raises(ArrayRejected) as found:
        document.decode({}, Caps(array_elements=1000, header_bytes=1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.value.limit == "array_elements"
    assert peak < 100_000


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_truncation_is_refused(version: tuple[int, int]) -> None:
    """A file cut at any byte is refused."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.arange(6, dtype=np.int16).reshape(2, 3), version)
    for length in range(len(file.getvalue())):
        with pytest.raises(ArrayRejected):
            npy.read(file.getvalue()[:length], CAPS)
