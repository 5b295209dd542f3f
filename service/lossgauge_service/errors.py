"""Domain errors, each with a code. Nothing here knows HTTP; one table in `statuses.py` maps kind to status.

LossgaugeError
  InvalidRequest            what was asked cannot be
    Malformed                 the body is not what its media type says
    InvalidParameter          a field or parameter is missing, unknown or out of bounds
    UnknownMetric             no metric has this name
    MetricDoesNotFit          the metric cannot be computed for this task, kind or weighting
  InvalidArray              what was sent cannot be scored
    UndecodableArray          the bytes are not what the encoding says
    ShapeMismatch             prediction, target or weight do not go together
    InvalidDtype              a dtype that the role does not allow
    InvalidValues             NaN, infinity, a label out of range, a target that is neither 0 nor 1
  LimitExceeded             a cap, which it names
    BodyTooLarge              the body's own caps
  UnsupportedMediaType      a body type or content coding that is not taken
  NotAcceptable             no media type of those that are accepted can hold the answer
  Unavailable               not now
    WarmingUp                 the kernels are being compiled
    Draining                  the service is being stopped
    Overloaded                as much waits as may
  DeadlineExceeded          the result came too late for whoever asked
  Unauthorized              no key, or one that is not known
  Forbidden                 a key that may not
  Stalled                   the caller sends nothing, or of a stream takes nothing
  NotFound                  no such thing
"""

from collections.abc import Sequence
from typing import Any, ClassVar


def pointer_to(path: Sequence[str | int]) -> str:
    """The JSON pointer (RFC 6901) of a path."""
    return "".join(f"/{str(token).replace('~', '~0').replace('/', '~1')}" for token in path)


class LossgaugeError(Exception):
    """Any error that a caller is told about: a code, what was found, what is allowed, and where."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Error"

    def __init__(self, detail: str, *, pointer: str | None = None, **extras: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.extras = extras


class InvalidRequest(LossgaugeError):
    """What was asked cannot be."""

    code, title = "invalid_request", "Invalid request"


class Malformed(InvalidRequest):
    """The body is not what its media type says."""

    code, title = "malformed_body", "Malformed body"


class InvalidParameter(InvalidRequest):
    """A field or a parameter is missing, unknown or out of bounds."""

    code, title = "invalid_parameter", "Invalid parameter"


class UnknownMetric(InvalidRequest):
    """No metric has this name."""

    code, title = "unknown_metric", "Unknown metric"


class MetricDoesNotFit(InvalidRequest):
    """The metric cannot be computed for this task, kind of prediction or weighting."""

    code, title = "metric_does_not_fit", "Metric does not fit the request"


class InvalidArray(LossgaugeError):
    """What was sent cannot be scored."""

    code, title = "invalid_array", "Invalid array"


class UndecodableArray(InvalidArray):
    """The bytes are not what the encoding says."""

    code, title = "undecodable_array", "Array cannot be decoded"


class ShapeMismatch(InvalidArray):
    """Prediction, target or weight do not go together."""

    code, title = "shape_mismatch", "Shapes do not match"


class InvalidDtype(InvalidArray):
    """A dtype that the role does not allow."""

    code, title = "invalid_dtype", "Dtype is not allowed"


class InvalidValues(InvalidArray):
    """NaN, infinity, a label out of range, a target that is neither 0 nor 1."""

    code, title = "invalid_values", "Values are not allowed"


class LimitExceeded(LossgaugeError):
    """A cap was exceeded; `limit` is its name in `GET /v1/limits`."""

    code, title = "limit_exceeded", "Limit exceeded"


class BodyTooLarge(LimitExceeded):
    """The body is larger than the service reads."""

    code, title = "body_too_large", "Body too large"


class UnsupportedMediaType(LossgaugeError):
    """A body type or a content coding that is not taken."""

    code, title = "unsupported_media_type", "Unsupported media type"


class NotAcceptable(LossgaugeError):
    """No media type of those that `Accept` names can hold the answer."""

    code, title = "not_acceptable", "Not acceptable"


class Unavailable(LossgaugeError):
    """Not now; `retry_after` seconds later perhaps."""

    code, title = "unavailable", "Service unavailable"


class WarmingUp(Unavailable):
    """The kernels are being compiled."""

    code, title = "warming_up", "Service is warming up"


class Draining(Unavailable):
    """The service is being stopped; what it has accepted it finishes."""

    code, title = "draining", "Service is stopping"


class Overloaded(Unavailable):
    """As much waits as may; `retry_after` says when there should be room."""

    code, title = "overloaded", "Service is overloaded"


class DeadlineExceeded(LossgaugeError):
    """The deadline of the request, or the service's own, passed before the work was done."""

    code, title = "deadline_exceeded", "Deadline exceeded"


class Unauthorized(LossgaugeError):
    """A key is needed, and none was sent, or one that is not known, or several."""

    code, title = "unauthorized", "A key is needed"


class Forbidden(LossgaugeError):
    """The key that was sent may read, not score."""

    code, title = "forbidden", "The key may not"


class Stalled(LossgaugeError):
    """Nothing of a body came for `idle_s`; of a stream, nothing was sent or taken, or an item took longer than a request may."""

    code, title = "stalled", "Request stalled"


class NotFound(LossgaugeError):
    """No such thing."""

    code, title = "not_found", "Not found"
