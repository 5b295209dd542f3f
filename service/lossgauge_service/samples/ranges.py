"""What the values of a prediction may be, once its extremes are known."""

import numpy as np
from numpy.typing import NDArray

from lossgauge_service.samples.checks import bad_values
from lossgauge_service.samples.sample import AnyArray, Sample


def check_extremes(sample: Sample) -> None:
    """Refuse NaN, infinity, and probabilities outside of [0, 1]. Raises `InvalidValues`."""
    check_range(sample, float(sample.prediction.min()), float(sample.prediction.max()))


def check_range(sample: Sample, low: float, high: float) -> None:
    """Refuse what the pass found: NaN, infinity, and probabilities outside of [0, 1]. Raises `InvalidValues`."""
    if sample.case.kind == "labels":
        return
    if not (np.isfinite(low) and np.isfinite(high)):
        infinite = ~np.isfinite(sample.prediction)
        raise bad_values(
            "/prediction", "prediction", *_as_sent(sample, infinite), f"finite {sample.case.precision} values"
        )
    if sample.case.kind == "probabilities" and not (low >= 0 and high <= 1):
        outside = (sample.prediction < 0) | (sample.prediction > 1)
        raise bad_values("/prediction", "prediction", *_as_sent(sample, outside), "probabilities in [0, 1]")


def _as_sent(sample: Sample, bad: NDArray[np.bool_]) -> tuple[AnyArray, NDArray[np.bool_]]:
    """The prediction and its bad places, in the caller's axes."""
    if sample.case.task == "binary":
        return sample.prediction.reshape(sample.shape), bad.reshape(sample.shape)
    whole = (sample.case.classes, *sample.shape)
    return (
        np.moveaxis(sample.prediction.reshape(whole), 0, sample.channel_axis),
        np.moveaxis(bad.reshape(whole), 0, sample.channel_axis),
    )
