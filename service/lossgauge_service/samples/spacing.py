"""The size of a pixel along each axis."""

from lossgauge.wire import Question

from lossgauge_service.errors import InvalidParameter


def spacing_of(question: Question, axes: int) -> tuple[float, ...] | None:
    """The spacing of a sample's axes, None where the request gives none. Raises `InvalidParameter` where the numbers differ."""
    if question.spacing is None:
        return None
    if len(question.spacing) != axes:
        found = f"spacing has {len(question.spacing)} entries; the pixels have {axes} axes"
        raise InvalidParameter(found, pointer="/spacing")
    return tuple(question.spacing)
