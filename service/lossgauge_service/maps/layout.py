"""From rows of pixels back to the caller's axes and precision."""

import numpy as np

from lossgauge_service.samples import AnyArray, Sample
from lossgauge_service.statistics import Values


def as_sent(rows: AnyArray, sample: Sample) -> AnyArray:
    """(classes, pixels), or (boxes, 4), in the prediction's shape as it was sent."""
    if sample.case.task == "boxes":
        return rows
    whole = rows.reshape(-1, *sample.shape)
    return (
        whole[0] if sample.case.task == "binary" else np.ascontiguousarray(np.moveaxis(whole, 0, sample.channel_axis))
    )


def of_pixels(row: AnyArray, sample: Sample) -> AnyArray:
    """(pixels,) in the pixels' shape; what there is of each box stays in its row."""
    return row.reshape(sample.shape)


def rounded(values: Values, sample: Sample) -> AnyArray:
    """The values in the precision that the request asks for."""
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(sample.case.precision)
