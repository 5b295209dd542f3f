"""The size of a pixel along each axis."""

from lossgauge.wire import Question
from lossgauge.words import counted

from lossgauge_service.errors import InvalidParameter

LEAST = 1e-9
"""Products of three sides are still far from what no float64 holds."""


def spacing_of(question: Question, axes: int) -> tuple[float, ...] | None:
    """The spacing of a sample's axes, None where the request gives none. Raises `InvalidParameter` where the numbers differ or are tiny."""
    if question.spacing is None:
        return None
    if len(question.spacing) != axes:
        given = counted(len(question.spacing), "entry", "entries")
        found = f"spacing has {given}; the pixels have {counted(axes, 'axis', 'axes')}"
        raise InvalidParameter(found, pointer="/spacing")
    for place, side in enumerate(question.spacing):
        if side < LEAST:
            raise InvalidParameter(
                f"a spacing is at least {LEAST:g}, or in another unit; found {side:g}", pointer=f"/spacing/{place}"
            )
    return tuple(question.spacing)
