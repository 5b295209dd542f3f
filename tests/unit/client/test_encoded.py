"""Arrays that their caller holds encoded travel as they are, and are refused before they travel where they are wrong."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_args

import httpx
import numpy as np
import pytest
from lossgauge import AsyncClient, Client, InvalidArgumentError
from lossgauge import encodings as e
from lossgauge.arrays import array_of
from lossgauge.bodies import Encoding, body_kind
from lossgauge.encoded import MOST_AXES, EncodedLike, Extent, encoded
from lossgauge.splitting import Part, pieces
from lossgauge.wire import ScoreRequest
from pycocotools import mask as pycocotools

from tests.unit.client.fake_service import LIMITS, FakeService, array_in, batch_answer, read

Document = dict[str, Any]
MASK = np.zeros((6, 7), bool)
MASK[1:5, 2:6] = True
SQUARE = [[2, 1, 6, 1, 6, 5, 2, 5]]
KNOWN = pycocotools.encode(np.asfortranarray(MASK.astype(np.uint8)))
FULL = pycocotools.encode(np.asfortranarray(np.ones((6, 7), np.uint8)))
TEXT = KNOWN["counts"].decode()
RUNS = [13, 4, 2, 4, 2, 4, 2, 4, 7]
ROWS = [9, 4, 3, 4, 3, 4, 3, 4, 8]
BRUSH = np.packbits(
    [bit == "1" for bit in f"{42:032b}" + "0" * 21 + "".join(f"1000{int(x)}" for x in MASK.reshape(-1))]
)
POLYGONS = {"encoding": "coco_polygons", "size": [6, 7], "polygons": SQUARE}
RLE = {"encoding": "coco_rle", "size": [6, 7], "counts": TEXT}
LIST = {**RLE, "counts": RUNS}
CVAT = {"encoding": "cvat_rle", "size": [6, 7], "points": [*ROWS, 0, 0, 6, 5]}
LABEL_STUDIO = {
    "encoding": "label_studio_rle",
    "format": "rle",
    "rle": BRUSH.tolist(),
    "original_width": 7,
    "original_height": 6,
}
FLOATS = [[2.0, 1.0, 6.0, 1.0, 6.0, 5.0, 2.0, 5.0]]

HELD: dict[str, tuple[EncodedLike, Document]] = {
    "polygons": (POLYGONS, POLYGONS),
    "polygons of arrays": ({**POLYGONS, "polygons": [np.array(SQUARE[0], float)]}, {**POLYGONS, "polygons": FLOATS}),
    "polygons as an object": (e.CocoPolygonsArray(size=[6, 7], polygons=FLOATS), {**POLYGONS, "polygons": FLOATS}),
    "RLE": (RLE, RLE),
    "RLE of a list": (LIST, LIST),
    "RLE of an array": ({**RLE, "counts": np.array(RUNS)}, LIST),
    "RLE as an object": (e.CocoRleArray.of(MASK), RLE),
    "pycocotools' own": (KNOWN, RLE),
    "pycocotools' as text": ({"size": [6, 7], "counts": TEXT}, RLE),
    "pycocotools' as a list": ({"size": [6, 7], "counts": RUNS}, LIST),
    "a shape for a size": ({"size": MASK.shape, "counts": bytearray(KNOWN["counts"])}, RLE),
    "sizes of NumPy": ({"size": [np.int64(6), np.uint8(7)], "counts": TEXT}, RLE),
    "CVAT": (CVAT, CVAT),
    "CVAT as an object": (e.CvatRleArray(size=[6, 7], points=[*ROWS, 0, 0, 6, 5]), CVAT),
    "Label Studio": (LABEL_STUDIO, LABEL_STUDIO),
    "Label Studio as an object": (
        e.LabelStudioRleArray(rle=BRUSH.tolist(), original_width=7, original_height=6),
        LABEL_STUDIO,
    ),
    **{
        f"{name} as an object": (encoding.of(MASK), dict(encoding.of(MASK)))
        for name, encoding in e.BY_NAME.items()
        if "of" in vars(encoding)
    },
}
"""What a caller may hold of one mask, and the document that it travels as."""

held = pytest.mark.parametrize(("given", "document"), HELD.values(), ids=HELD)
bodies = pytest.mark.parametrize("encoding", get_args(Encoding))


def asked(given: Any, **more: Any) -> dict[str, Any]:
    """A call's arguments."""
    return {"prediction": given, "target": MASK, "metrics": "dice", "prediction_kind": "labels", **more}


# ----------------------------------------------------------------------------------------------------------- what travels


@held
def test_whatever_holds_a_mask_is_its_document(given: EncodedLike, document: Document) -> None:
    """Mappings, objects and pycocotools' dicts become the contract's document, which is of this mask."""
    found = encoded(given, "/target")
    assert found.document == document
    assert np.array_equal(array_in(found.document, {}), MASK)
    assert np.array_equal(array_of(given, "/target"), MASK)
    assert found.extent == Extent(42, array_of(given, "").dtype)


def test_every_encoding_that_the_client_may_send_is_held_here() -> None:
    """A new encoding needs a line above, or refers to what travels beside the document."""
    assert {document["encoding"] for _, document in HELD.values()} == e.BY_NAME.keys() - {"part", "tensor"}


@bodies
def test_it_stands_in_the_document_of_every_kind_of_body(encoding: Encoding) -> None:
    """As it is, beside an array that travels as the client's arrays do; a body may have no array beside it at all."""
    service = FakeService()
    with Client(transport=service.transport, encoding=encoding) as client:
        client.score(**asked(POLYGONS, target=KNOWN, weight=1 - MASK.astype(np.uint8)))
        client.score(**asked(POLYGONS, target=KNOWN))
    for request in service.posts:
        document, attachments = read(request)
        assert (document["prediction"], document["target"]) == (POLYGONS, RLE)
        assert attachments.keys() <= {"weight"}
        assert ScoreRequest.model_validate(document).prediction.encoding == "coco_polygons"


def test_a_stack_is_decoded_so_that_it_can_be_cut() -> None:
    """Samples along the first axis of an encoded array are sent as those of any other array."""
    service = FakeService(LIMITS.model_copy(update={"items": 2}))
    stacked = np.stack([MASK, MASK, ~MASK])
    with Client(transport=service.transport) as client:
        batch = {"prediction": e.PackbitsArray.of(stacked), "target": e.NpyArray.of(stacked)}
        found = client.score_batch(batch, metrics="dice", prediction_kind="labels")
    assert found.column("dice") == pytest.approx([16 / 42, 16 / 42, 26 / 42])
    assert len(service.posts) == 2


STACKS: dict[str, Any] = {
    "pycocotools' dicts": [KNOWN, FULL],
    "a tuple": (KNOWN, FULL),
    "an encoding each": [POLYGONS, e.PackbitsArray.of(np.ones_like(MASK))],
    "an array beside": [KNOWN, np.ones_like(MASK)],
    "what frPyObjects gives": pycocotools.frPyObjects([SQUARE[0], [0, 0, 7, 0, 7, 6, 0, 6]], 6, 7),
}


@pytest.mark.parametrize("held", STACKS)
def test_a_list_of_encoded_masks_is_their_stack(held: str) -> None:
    """Masks of one size stand one after the other along the first axis, in a pair, in a batch, and as lists of lists."""
    stacked = np.stack([MASK, np.ones_like(MASK)])
    assert np.array_equal(array_of(STACKS[held], "/target"), stacked)
    assert np.array_equal(array_of([STACKS[held]] * 3, "/target"), np.stack([stacked] * 3))
    service = FakeService()
    with Client(transport=service.transport) as client:
        client.score(STACKS[held], stacked, metrics="dice", prediction_kind="labels", task="multilabel")
        client.score_batch({"prediction": STACKS[held], "target": stacked}, metrics="dice", prediction_kind="labels")
    assert len(service.posts) == 2
    for document, attachments in map(read, service.posts):
        assert np.array_equal(array_in(document["prediction"], attachments), stacked)


@pytest.mark.parametrize(
    ("given", "pointer", "found"),
    [
        (
            [KNOWN, {**KNOWN, "size": [7, 6]}, np.ones((6, 6))],
            "/target/1",
            r"found \[7, 6\], and \[6, 7\] of the first",
        ),
        ([KNOWN, {**KNOWN, "size": [7, 7]}], "/target/1/counts", "42 pixels; 49 are needed"),
        ([[KNOWN], [KNOWN, KNOWN]], "/target/1", r"found \[2, 6, 7\]"),
        ([KNOWN, "mask.txt"], "/target/1", "ends in .npy or .png"),
    ],
)
def test_a_stack_that_is_wrong_is_refused_at_its_place(given: Any, pointer: str, found: str) -> None:
    """The error points to the mask of the list that does not go with the first, or that is none."""
    with pytest.raises(InvalidArgumentError, match=found) as raised:
        array_of(given, "/target")
    assert raised.value.pointer == pointer


# ---------------------------------------------------------------------------------------------------------- what does not


def within(levels: int) -> list[Any]:
    """A number in so many lists."""
    nested: Any = 1
    for _ in range(levels):
        nested = [nested]
    return list(nested)


LOOP: list[Any] = []
LOOP.append(LOOP)
WRONG: dict[str, tuple[Any, str, str]] = {
    "nothing in it": ({}, "", "found no key"),
    "no encoding": ({"data": [1]}, "", "with 'encoding', as in the contract, or with pycocotools'.*found 'data'"),
    "no name": ({1: 2}, "", "found '1'"),
    "no encoding's name": ({"encoding": None}, "/encoding", "'None' is not known; allowed: npy, "),
    "a list for a name": ({"encoding": []}, "/encoding", "is not known"),
    "an unknown name": ({**RLE, "encoding": "coco_rel"}, "/encoding", "'coco_rel' is not known.*coco_rle"),
    "a name without end": ({"encoding": "x" * 10**6}, "/encoding", "x{60}.. is not known|x{60}\\.\\.' is not known"),
    "a part": ({"encoding": "part", "name": "a"}, "/encoding", "what the client itself sends"),
    "a tensor": (e.TensorArray(name="a"), "/encoding", "what the client itself sends"),
    "an extra member": ({**RLE, "area": 3}, "/area", "not a member of this encoding, which has encoding, size, counts"),
    "pycocotools' with more": ({**KNOWN, "image_id": 1}, "/image_id", "not a member"),
    "an odd member": ({**RLE, "a/~b": 3}, "/a~1~0b", "not a member"),
    "a member without a name": ({**RLE, 1: 3}, "/1", "Keys should be strings"),
    "no size": ({"counts": b"04"}, "/size", "'size' is required"),
    "no counts": ({"encoding": "coco_rle", "size": [6, 7]}, "/counts", "'counts' is required"),
    "a size of three": ({**KNOWN, "size": [6, 7, 1]}, "/size", "found 3 numbers"),
    "a size of a million": ({**KNOWN, "size": [1] * 10**6}, "/size", "a list of 1000000"),
    "a size of text": ({**KNOWN, "size": ["6", 7]}, "/size/0", "found str"),
    "a size of booleans": ({**KNOWN, "size": [True, 42]}, "/size/0", "found bool"),
    "a size of nothing": ({**KNOWN, "size": None}, "/size", "found NoneType"),
    "a size below 0": ({**KNOWN, "size": [-6, 7]}, "/size", "positive; found -6 and 7"),
    "a huge size": ({"size": [10**9, 10**9], "counts": [10**18]}, "/size", "more than the"),
    "a size of many digits": ({"size": [10**400, 10**400], "counts": [1]}, "/size", "more than the"),
    "counts of another image": ({**KNOWN, "size": [7, 7]}, "/counts", "42 pixels; 49 are needed"),
    "counts that do not add up": ({**LIST, "counts": [1, 2]}, "/counts", "3 pixels; 42 are needed"),
    "counts of nothing": ({**LIST, "counts": None}, "/counts", "found null"),
    "counts of bytes": ({**LIST, "counts": [b"1"]}, "/counts", "found bytes"),
    "counts of objects": ({**LIST, "counts": np.array([None, {}], object)}, "/counts", "found an object, null"),
    "counts to come": ({**LIST, "counts": iter([42])}, "/counts", "found list_iterator"),
    "counts of counts": ({**LIST, "counts": e.CocoRleArray.of(MASK)}, "/counts", "found CocoRleArray"),
    "bytes that are not ASCII": ({**KNOWN, "counts": b"0\xff"}, "/counts", "byte 1 is 0xff"),
    "a text that is not ASCII": ({**KNOWN, "counts": "0\ud800"}, "/counts", "character 1"),
    "bytes elsewhere": ({"encoding": "npy", "data": b"k05V"}, "/data", "found bytes"),
    "no polygons": ({**POLYGONS, "polygons": None}, "/polygons", "found null"),
    "two points": ({**POLYGONS, "polygons": [*SQUARE, [1, 1, 2, 2]]}, "/polygons/1", "found 4 numbers"),
    "a polygon of polygons": ({**POLYGONS, "polygons": [SQUARE]}, "/polygons/0", "found 1 number"),
    "a polygon too few lists deep": ({**POLYGONS, "polygons": SQUARE[0]}, "/polygons/0", "found a number"),
    "NaN in a polygon": (
        {**POLYGONS, "polygons": [[0, 0, 1, 1, 2, float("nan")]]},
        "/polygons/0",
        "coordinate 5 is nan",
    ),
    "polygons by name": ({**POLYGONS, "polygons": {"a": SQUARE[0]}}, "/polygons", "found an object"),
    "NaN in a list": ({"encoding": "list", "data": [[float("nan")]]}, "/data", "NaN and infinity cannot travel"),
    "a mapping in a list": ({"encoding": "list", "data": [1, KNOWN]}, "/data/1", "an object among numbers"),
    "a list in itself": ({"encoding": "list", "data": LOOP}, "/data", f"more than {MOST_AXES} nested lists"),
    "a deep list": ({"encoding": "list", "data": within(100_000)}, "/data", f"more than {MOST_AXES} nested lists"),
    "a list of many axes": ({"encoding": "list", "data": within(MOST_AXES + 1)}, "/data", "nested lists"),
    "bytes of a brush": ({**LABEL_STUDIO, "rle": BRUSH.tolist()[:-1]}, "/rle", "end before its last value"),
    "a brush of another image": ({**LABEL_STUDIO, "original_width": 8}, "/rle", "it holds 42 values; 48 pixels"),
    "a box out of the image": ({**CVAT, "points": [*ROWS, 1, 0, 7, 5]}, "/points", "not within the image"),
    "an object that is broken": (e.CocoRleArray(size=[6, 7], counts=[3]), "/counts", "3 pixels; 42 are needed"),
    "base64 that is none": ({"encoding": "npy", "data": "?"}, "/data", "not base64"),
}


@pytest.mark.parametrize(("given", "pointer", "found"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_refused_at_its_place(given: Any, pointer: str, found: str) -> None:
    """The error points into the argument, and is short whatever was given."""
    with pytest.raises(InvalidArgumentError, match=found) as raised:
        encoded(given, "/items/3/target")
    assert raised.value.pointer == f"/items/3/target{pointer}"
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("role", ["prediction", "target", "weight"])
@pytest.mark.parametrize("method", ["score", "sweep", "maps"])
def test_nothing_is_sent_of_what_is_wrong(method: str, role: str) -> None:
    """Every call of both clients refuses a wrong array before it speaks to the service."""
    service = FakeService()
    arguments = {"prediction": MASK, "target": MASK, "prediction_kind": "labels", role: {**KNOWN, "size": [6, 7, 1]}}
    more = {"score": {"metrics": "dice"}, "sweep": {}, "maps": {"maps": "errors"}}[method]

    async def awaited() -> None:
        async with AsyncClient(transport=service.transport) as client:
            await getattr(client, method)(**arguments, **more)

    with Client(transport=service.transport) as client:
        for call in (lambda: getattr(client, method)(**arguments, **more), lambda: asyncio.run(awaited())):
            with pytest.raises(InvalidArgumentError, match="found 3 numbers") as raised:
                call()
            assert raised.value.pointer == f"/{role}/size"
    assert service.requests == []


def test_what_is_merely_large_is_the_service_s_to_refuse() -> None:
    """Its caps are settings: more runs, or polygons, than this client's default are sent as they are."""
    many = {**POLYGONS, "polygons": [[0, 0, 1, 0, 1, 1]] * 200_000}
    image = {"size": [2**15, 2**15], "counts": [2**30]}
    for given in (many, image):
        assert encoded(given, "").extent.elements is None
    with pytest.raises(InvalidArgumentError, match="at most 1048576 are allowed") as raised:
        array_of(many, "/target")
    assert raised.value.pointer == "/target/polygons"


WITHOUT_PILLOW = """
import sys
sys.modules["PIL"] = None
from lossgauge.encoded import encoded
found = encoded({"encoding": "png", "data": sys.argv[1]}, "/target")
print(found.extent.elements, found.extent.dtype)
found.decoded("/target")
"""


def test_a_png_is_sent_without_pillow_too() -> None:
    """Its header says how large it is; where its pixels are needed, Pillow is asked for."""
    document = e.PngArray.of(MASK)
    command = [sys.executable, "-c", WITHOUT_PILLOW, document.data]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout == "42 uint8\n"
    assert "InvalidArgumentError: /target: Pillow is needed" in ran.stderr.splitlines()[-1]


# ---------------------------------------------------------------------------------------------------------------- batches


def item(prediction: Any, **more: Any) -> Document:
    """One pair of a batch."""
    return {"prediction": prediction, "target": MASK, **more}


def sizes(service: FakeService) -> list[int]:
    """How many items each request held."""
    return [len(batch_answer(*read(request))["items"]) for request in service.posts]


def run(service: FakeService, items: list[Any], encoding: Encoding, **more: Any) -> Any:
    """One batch by the client."""
    with Client(transport=service.transport, encoding=encoding, retries=0) as client:
        return client.score_batch(items, metrics="dice", **{"prediction_kind": "labels", **more})


@bodies
def test_a_wrong_one_fails_alone(encoding: Encoding) -> None:
    """Its neighbours are scored; the error points into the batch."""
    bad = [item({**KNOWN, "size": [6, 7, 1]}), item(POLYGONS, weight={"encoding": "list", "data": LOOP})]
    service = FakeService()
    found = run(service, [item(KNOWN), *bad, item(POLYGONS), item(MASK)], encoding)
    assert [value is None for value in found.column("dice")] == [False, True, True, False, False]
    assert {at: error.pointer for at, error in found.problems.items()} == {
        1: "/items/1/prediction/size",
        2: "/items/2/weight/data",
    }
    assert sizes(service) == [3]


LINE: Document = {"encoding": "list", "data": [[1] * 40] * 5}
CAPPED: dict[str, tuple[list[Encoding], int]] = {
    "document_bytes": (["safetensors", "multipart"], 2_000),
    "body_bytes": (["safetensors", "multipart", "npy"], 3_000),
    "json_values": (["safetensors", "multipart", "npy"], 900),
}


@pytest.mark.parametrize(
    ("encoding", "cap", "most"),
    [(encoding, cap, most) for cap, (encodings, most) in CAPPED.items() for encoding in encodings],
)
def test_batches_are_cut_by_what_is_encoded_in_them(encoding: Encoding, cap: str, most: int) -> None:
    """Documents that hold arrays count by their bytes and values, in every kind of body; one over the cap fails alone."""
    service = FakeService(LIMITS.model_copy(update={cap: most}))
    over = {"encoding": "list", "data": [[1] * 2000]}
    found = run(service, [item(LINE)] * 4 + [item(over)] + [item(LINE)] * 4, encoding)
    assert [value is None for value in found.column("dice")] == [False] * 4 + [True] + [False] * 4
    error = found.problems[4]
    assert isinstance(error, InvalidArgumentError)
    assert f"({cap})" in error.detail
    assert 1 < len(sizes(service)) < 8
    for request in service.posts:
        assert _taken(request)[cap] <= most


def _taken(request: httpx.Request) -> dict[str, int]:
    content, document = request.content, 0
    if request.headers["content-type"] == "application/x-safetensors":
        document = int.from_bytes(content[:8], "little")
    elif request.headers["content-type"].startswith("multipart"):
        document = len(content.partition(b"\r\n\r\n")[2].partition(b"\r\n--")[0])
    return {"document_bytes": document, "body_bytes": len(content), "json_values": content.count(b",")}


def png_file(mask: np.ndarray[Any, Any], folder: Any) -> str:
    """The path of a mask's PNG file."""
    path = folder / "mask.png"
    path.write_bytes(e.png.write(mask))
    return str(path)


ROOMY: dict[str, Callable[[Any], Any]] = {
    "runs": lambda folder: {"size": [100, 100], "counts": [10_000]},
    "polygons": lambda folder: {"encoding": "coco_polygons", "size": [100, 100], "polygons": []},
    "packed": lambda folder: e.PackbitsArray.of(np.zeros((100, 100), bool)),
    "a PNG file": lambda folder: png_file(np.zeros((100, 100), bool), folder),
    "an array": lambda folder: np.zeros((100, 100), bool),
}


@pytest.mark.parametrize("kind", ROOMY)
def test_batches_are_cut_by_what_they_decode_to(kind: str, tmp_path: Any) -> None:
    """The service holds so many bytes of decoded arrays and no more: a pair of masks is two bytes a pixel."""
    service = FakeService(LIMITS.model_copy(update={"inflated_bytes": 7_500}))
    mask = ROOMY[kind](tmp_path)
    run(service, [{"prediction": mask, "target": mask}] * 7, "multipart", task="binary")
    assert sizes(service) == [3, 3, 1]


def test_what_only_the_service_can_tell_travels_alone() -> None:
    """An array that is over this client's caps may be as large as anything."""
    large = e.CocoRleArray(size=[2**15, 2**15], counts=[2**30])
    items = [item(KNOWN), item(KNOWN), item(large), item(KNOWN)]
    question = {"task": "binary", "prediction_kind": "labels", "metrics": ["dice"]}
    parts = pieces(items, question, body_kind("npy"), LIMITS)
    assert [[*part.indexes] for part in parts if isinstance(part, Part)] == [[0, 1], [2], [3]]
