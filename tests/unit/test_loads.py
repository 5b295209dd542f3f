"""What a pass sums, shared out over kernels of fixed shapes."""

import math
from collections import Counter
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lossgauge_service.engine.expressions import KernelShape, Variant, row_columns
from lossgauge_service.engine.kernels import COMPILED_CLASSES, COMPILED_ROWS, MOST
from lossgauge_service.engine.loads import Clip, Load, clip_of, shared_out
from lossgauge_service.statistics import Entropy

from tests.examples import examples

NUMBERS = st.integers(0, 20).map(float)
CLIPS = st.integers(0, 20).map(lambda gamma: Clip(gamma=float(gamma)))
SHAPES = st.builds(
    KernelShape,
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
)
LOADS = st.builds(
    Load,
    st.booleans(),
    st.booleans(),
    st.lists(NUMBERS, unique=True, max_size=7).map(tuple),
    st.lists(CLIPS, unique=True, max_size=7).map(tuple),
    st.lists(NUMBERS, unique=True, max_size=7).map(tuple),
    st.booleans(),
    st.booleans(),
)
FLAGS = ("moments", "entropy", "squares", "quadratic")
FIELDS = (*FLAGS, "gammas", "clips", "cuts")
ONE_OF_EACH = KernelShape(True, True, 1, 1, 1, True, True)
SHAPE_LISTS = st.lists(SHAPES, max_size=5).map(lambda shapes: [*shapes, ONE_OF_EACH])
"""Kernels that can hold any load between them."""
MANY = settings(max_examples=examples(400))


def parts_of(load: Load) -> Iterator[object]:
    """Everything that a load asks for."""
    yield from (flag for flag in FLAGS if getattr(load, flag))
    for group in ("gammas", "clips", "cuts"):
        yield from ((group, value) for value in getattr(load, group))


def can_hold(shapes: list[KernelShape], load: Load) -> bool:
    """Whether each part of a load finds some shape with room for it."""
    asked = load.shape
    return all(not getattr(asked, name) or any(getattr(shape, name) for shape in shapes) for name in FIELDS)


@MANY
@given(load=LOADS, shapes=SHAPE_LISTS)
def test_each_part_is_computed_once(load: Load, shapes: list[KernelShape]) -> None:
    """Over any kernels that can hold it at all, a load is computed wholly, and nothing of it twice."""
    launches = list(shared_out(load, shapes))
    assert Counter(part for _, launch in launches for part in parts_of(launch)) == Counter(parts_of(load))


@MANY
@given(load=LOADS, shapes=SHAPE_LISTS)
def test_each_launch_fits_its_kernel(load: Load, shapes: list[KernelShape]) -> None:
    """A kernel is one of the list, and never asked for more than it computes."""
    for shape, launch in shared_out(load, shapes):
        assert shape in shapes
        assert all(getattr(launch.shape, name) <= getattr(shape, name) for name in FIELDS)


@pytest.mark.parametrize("shapes", [[], [KernelShape()], [KernelShape(True, True, 1, 1)]], ids=str)
def test_a_load_for_which_there_is_no_kernel(shapes: list[KernelShape]) -> None:
    """It is an error, not an endless search."""
    with pytest.raises(ValueError, match="no kernel computes"):
        list(shared_out(Load(moments=True, cuts=(0.5,)), shapes))


@given(load=LOADS)
def test_a_load_that_fits_one_kernel_is_one_launch(load: Load) -> None:
    """The first kernel that holds all of it takes it, an empty load too."""
    small, exact = KernelShape(), load.shape
    assert len(list(shared_out(load, [small, exact, MOST]))) == 1
    assert [next(shared_out(load, [exact, MOST]))] == [(exact, load)]


@pytest.mark.parametrize("variant", COMPILED_ROWS, ids=str)
def test_compiled_kernels_hold_whatever_can_be_asked(variant: Variant) -> None:
    """Nothing that a mask's metrics need is left over, for which there would be no kernel."""
    shapes = list(COMPILED_ROWS[variant])
    floats = variant.kind != "labels"
    load = Load(
        moments=floats,
        entropy=floats and not variant.soft,
        gammas=(1.0, 2.0) if floats and not variant.soft else (),
        clips=(Clip(),) if floats else (),
        cuts=(0.5,),
        squares=floats,
        quadratic=floats and not variant.soft,
    )
    assert can_hold(shapes, load)


@pytest.mark.parametrize("variant", COMPILED_CLASSES, ids=str)
def test_compiled_class_kernels_hold_whatever_can_be_asked(variant: Variant) -> None:
    """The same for classes, which have no thresholds."""
    assert can_hold(list(COMPILED_CLASSES[variant]), Load(True, True, (3.0,), (Clip(),), squares=True, quadratic=True))


@pytest.mark.parametrize("variant", [Variant(), Variant(soft=True), Variant(weighted=True)], ids=str)
@given(load=LOADS)
def test_columns_keep_their_parameters(variant: Variant, load: Load) -> None:
    """In a kernel with room to spare, the columns of what was asked are found, each once, and no others."""
    exact = load.places(row_columns(load.shape, variant))
    more = len(load.gammas) + 3, len(load.clips) + 1, len(load.cuts) + 2
    roomy = KernelShape(load.moments, load.entropy, *more, load.squares, load.quadratic)
    names = row_columns(roomy, variant)
    assert sorted(map(repr, load.places(names))) == sorted(map(repr, exact))
    assert len(exact) == len(row_columns(load.shape, variant))


@given(load=LOADS)
def test_parameters_are_filled_up(load: Load) -> None:
    """A kernel is given as many numbers as it reads: the load's first."""
    roomy = KernelShape(True, True, len(load.gammas) + 2, len(load.clips) + 1, len(load.cuts) + 3)
    gammas, clips, cuts = load.tensors(roomy, torch.float64, torch.device("cpu"))
    assert gammas.tolist() == [*load.gammas, 0.0, 0.0]
    assert clips.tolist() == [list(clip) for clip in (*load.clips, Clip())]
    assert cuts.tolist() == [*load.cuts, 0.0, 0.0, 0.0]


def test_a_clip_bounds_both_logarithms() -> None:
    """p in [low, high] bounds -log p and -log(1 - p), and a floor caps what the log gives."""
    clip = clip_of(Entropy(2.0, clip=(0.01, 0.9), log_floor=1e-6))
    found = (clip.gamma, clip.a_low, clip.a_high, clip.b_low, clip.b_high, clip.cap)
    expected = (2.0, -math.log(0.9), -math.log(0.01), -math.log(0.99), -math.log(0.1), -math.log(1e-6))
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_reduced_focus_is_a_limit_and_a_shift() -> None:
    """pt < 0.3 is -log(1 - pt) < -log 0.7; from there on the focus is (1 - pt) / 0.3, whose log is shifted by log 0.3."""
    clip = clip_of(Entropy(2.0, reduced=0.3, bare=True))
    assert (clip.limit, clip.shift, clip.bare) == pytest.approx((-math.log(0.7), math.log(0.3), 1.0), rel=1e-12)


def test_no_clip_bounds_nothing() -> None:
    """From 0 to infinity, and no negative zero."""
    assert clip_of(Entropy()) == Clip()
    assert math.copysign(1, clip_of(Entropy()).a_low) == 1.0
