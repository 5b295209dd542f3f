"""Cutting samples into tiles."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lossgauge_service.engine.expressions import ROW_TILE
from lossgauge_service.engine.tiles import (
    CLASS_TILE,
    DIRECT_TILES,
    Row,
    Tiles,
    class_tiles,
    row_tiles,
)

from tests.examples import examples
from tests.reference.case import AnyArray

LONG = DIRECT_TILES * ROW_TILE
LENGTHS = st.one_of(
    st.integers(1, 10),
    st.sampled_from([ROW_TILE - 1, ROW_TILE, ROW_TILE + 1, 2 * ROW_TILE, LONG - 1, LONG, LONG + 1, LONG + ROW_TILE]),
)


def tiles_of(rows: Sequence[Row]) -> list[Tiles]:
    """All the tiles of the rows."""
    return list(row_tiles(rows))


def row(length: int, start: int, weighted: bool) -> Row:
    """A row whose every element is known: its prediction counts up from `start`."""
    prediction = np.arange(start, start + length, dtype=np.float64)
    return Row(prediction, (prediction % 2).astype(np.int8), prediction + 0.5 if weighted else None)


def rows_of(lengths: list[int], weighted: bool) -> list[Row]:
    """Rows that have no number in common."""
    starts = np.cumsum([1, *lengths])
    return [row(length, int(start), weighted) for length, start in zip(lengths, starts, strict=False)]


def gathered(tiles: list[Tiles], owner: int, classes: int | None = None) -> Row:
    """What the tiles hold of a row, put together again."""
    mine = [(part, part.owners == owner) for part in tiles]
    valid = np.concatenate([part.target.numpy()[own].ravel() >= 0 for part, own in mine])

    def flat(of: Any) -> AnyArray:
        return np.asarray(np.concatenate([of(part).numpy()[own].ravel() for part, own in mine])[valid])

    weights = all(part.weight is not None for part, _ in mine)
    if classes is not None:
        moved = [part.prediction.numpy()[own].swapaxes(0, 1).reshape(classes, -1) for part, own in mine]
        prediction = np.concatenate(moved, 1)[:, valid]
    else:
        prediction = flat(lambda part: part.prediction)
    return Row(prediction, flat(lambda part: part.target), flat(lambda part: part.weight) if weights else None)


def same(one: Row, two: Row) -> bool:
    """Whether two rows hold the same."""
    if (one.weight is None) != (two.weight is None):
        return False
    pairs = [(one.prediction, two.prediction), (one.target, two.target), (one.weight, two.weight)]
    return all(a is None or b is None or np.array_equal(a, b) for a, b in pairs)


# ------------------------------------------------------------------------------------------------------------------ rows


@settings(max_examples=examples(40))
@given(lengths=st.lists(LENGTHS, min_size=1, max_size=6), weighted=st.booleans())
def test_tiles_hold_every_element_once_and_in_order(lengths: list[int], weighted: bool) -> None:
    """What is put together from the tiles is the rows; the rest of a tile is not counted."""
    rows = rows_of(lengths, weighted)
    tiles = tiles_of(rows)
    assert [place for place, one in enumerate(rows) if not same(one, gathered(tiles, place))] == []
    assert {part.prediction.shape[1] for part in tiles} == {ROW_TILE}


@settings(max_examples=examples(20))
@given(lengths=st.lists(LENGTHS, min_size=1, max_size=6))
def test_filling_weighs_nothing(lengths: list[int]) -> None:
    """Beyond the rows the target is -1 and the weight 0."""
    for part in tiles_of(rows_of(lengths, weighted=True)):
        assert part.weight is not None
        assert float(part.weight[part.target < 0].sum()) == 0.0


@pytest.mark.parametrize(("length", "in_place"), [(LONG - 1, False), (LONG, True), (LONG + 1, True)])
def test_long_rows_are_read_where_they_lie(length: int, in_place: bool) -> None:
    """Whole tiles of a long row share its memory; a short row and a remainder are copied."""
    one = row(length, 1, weighted=False)
    tiles = tiles_of([one])
    assert [np.shares_memory(part.prediction.numpy(), one.prediction) for part in tiles] == [in_place] + [False] * (
        len(tiles) - 1
    )
    assert len(tiles) == 1 + (length > LONG)


def test_small_rows_share_one_launch() -> None:
    """Many short rows and remainders are one matrix of tiles."""
    assert len(tiles_of(rows_of([5] * 30 + [ROW_TILE + 1], weighted=False))) == 1


def test_a_stack_is_one_launch() -> None:
    """Rows that lie one behind the other in memory are read at once, and stay whose they are."""
    stack = np.arange(4 * LONG, dtype=np.float32).reshape(4, LONG)
    target = np.zeros((4, LONG), np.int8)
    [tiles] = tiles_of([Row(p, t, None) for p, t in zip(stack, target, strict=True)])
    assert np.shares_memory(tiles.prediction.numpy(), stack)
    assert tiles.owners.tolist() == np.repeat(range(4), DIRECT_TILES).tolist()
    assert np.array_equal(tiles.prediction.numpy().ravel(), stack.ravel())


@pytest.mark.parametrize("shuffled", ["prediction", "target", "weight"])
def test_rows_that_do_not_follow_each_other_are_read_apart(shuffled: str) -> None:
    """One array in another order is enough: no element is read from the wrong row."""
    arrays = {name: np.random.default_rng(1).random((3, LONG)) for name in ("prediction", "target", "weight")}
    order = {name: [2, 0, 1] if name == shuffled else [0, 1, 2] for name in arrays}
    rows = [Row(*(arrays[name][order[name][i]] for name in arrays)) for i in range(3)]
    assert [same(one, gathered(tiles_of(rows), place)) for place, one in enumerate(rows)] == [True] * 3


@pytest.mark.parametrize("step", [LONG + 1, LONG + ROW_TILE])
def test_rows_with_something_between_them_are_not_run_together(step: int) -> None:
    """A gap in memory, or a remainder, belongs to its own row."""
    memory = np.arange(3.0 * step)
    rows = [Row(memory[i * step : i * step + LONG], np.ones(LONG, np.int8), None) for i in range(3)]
    tiles = tiles_of(rows)
    assert len(tiles) == 3
    assert [same(one, gathered(tiles, place)) for place, one in enumerate(rows)] == [True] * 3


@pytest.mark.parametrize("count", [1, 3])
def test_read_only_rows_are_read(count: int) -> None:
    """Arrays decoded from a body may not be writable; that is no warning and no error."""
    stack = np.arange(float(count * LONG)).reshape(count, LONG)
    stack.setflags(write=False)
    rows = [Row(part, np.ones(LONG, np.int8), None) for part in stack]
    tiles = tiles_of(rows)
    assert [same(one, gathered(tiles, place)) for place, one in enumerate(rows)] == [True] * count


def test_unaligned_rows_are_read() -> None:
    """Arrays of a body may begin at any byte."""
    memory = np.zeros(8 * LONG + 1, np.uint8)
    prediction = memory[1:].view(np.float64)
    prediction[:] = np.arange(float(LONG))
    one = Row(prediction, np.ones(LONG, np.int8), None)
    assert not prediction.flags.aligned
    assert same(one, gathered(tiles_of([one]), 0))


def views_of(body: bytearray, lengths: list[int]) -> list[Row]:
    """Rows over a body, as tensors of a file: predictions behind each other, then targets."""
    targets = 8 * sum(lengths)
    starts = [sum(lengths[:place]) for place in range(len(lengths))]
    return [
        Row(
            np.frombuffer(memoryview(body)[8 * start : 8 * (start + length)], np.float64),
            np.frombuffer(memoryview(body)[targets + start : targets + start + length], np.int8),
            None,
        )
        for start, length in zip(starts, lengths, strict=True)
    ]


def test_short_rows_of_one_body_are_read_in_place() -> None:
    """Rows that lie behind each other and fill whole tiles are not copied; one that does not ends the run, and is."""
    lengths = [ROW_TILE] * DIRECT_TILES + [ROW_TILE + 8]
    body = bytearray(9 * sum(lengths))
    rows = views_of(body, lengths)
    direct, copied = tiles_of(rows)
    assert direct.owners.tolist() == list(range(DIRECT_TILES))
    assert direct.prediction.data_ptr() == rows[0].prediction.ctypes.data
    assert copied.owners.tolist() == [DIRECT_TILES] * 2
    assert all(same(one, gathered([direct, copied], place)) for place, one in enumerate(rows))


def test_few_short_rows_are_copied() -> None:
    """A launch of its own is not worth it for a few tiles, wherever they lie."""
    rows = views_of(bytearray(9 * 3 * ROW_TILE), [ROW_TILE] * 3)
    [copied] = tiles_of(rows)
    assert copied.owners.tolist() == [0, 1, 2]
    assert copied.prediction.data_ptr() != rows[0].prediction.ctypes.data


# --------------------------------------------------------------------------------------------------------------- classes


@settings(max_examples=examples(30))
@given(
    sizes=st.lists(
        st.tuples(st.integers(2, 4), st.sampled_from([1, 7, CLASS_TILE - 1, CLASS_TILE, CLASS_TILE + 1, 3000])),
        min_size=1,
        max_size=5,
    ),
    weighted=st.booleans(),
)
def test_class_tiles_hold_every_element_once(sizes: list[tuple[int, int]], weighted: bool) -> None:
    """Rows with the same number of classes share a matrix; every class keeps its pixels, in order."""
    rng = np.random.default_rng(2)
    rows = [
        Row(rng.random((c, n)), rng.integers(0, c, n).astype(np.int32), rng.random(n) if weighted else None)
        for c, n in sizes
    ]
    tiles = class_tiles(rows)
    assert sorted(part.prediction.shape[1] for part in tiles) == sorted({c for c, _ in sizes})
    for place, one in enumerate(rows):
        mine = [part for part in tiles if place in part.owners]
        assert same(one, gathered(mine, place, classes=sizes[place][0]))


def test_what_is_copied_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many short rows go in several lots, each row whole and in its place."""
    monkeypatch.setattr("lossgauge_service.engine.tiles.STAGED_TILES", 3)
    rows = rows_of([5, ROW_TILE + 1, 7, 4 * ROW_TILE, 1], weighted=True)
    tiles = tiles_of(rows)
    assert [part.owners.tolist() for part in tiles] == [[0, 1, 1], [2], [3, 3, 3, 3], [4]]
    assert all(
        same(one, gathered([part for part in tiles if place in part.owners], place)) for place, one in enumerate(rows)
    )
