"""What the client raises.

LossgaugeError
  InvalidArgumentError          an argument refused before anything was sent (a ValueError too)
  APIConnectionError            no answer came
    APITimeoutError               not in time
  ProblemError                  the service answered with a problem: status, code, pointer, request_id, detail
    BadRequestError               400  the body is not what its media type says
    AuthenticationError           401  no key, or one that is not known
    PermissionDeniedError         403  a key that may read, not score
    NotFoundError                 404  no such thing
    NotAcceptableError            406  no media type of those that are accepted can hold the answer
    StalledError                  408  a body, or an item of a stream, did not come in time
    RequestTooLargeError          413  the body is larger than the service reads
    UnsupportedMediaTypeError     415  a body type or content coding that is not taken
    InvalidInputError             422  what was asked or sent cannot be scored
      InvalidParameterError         a field or parameter is missing, unknown or out of bounds
      UnknownMetricError            no metric has this name
      MetricDoesNotFitError         not for this task, kind of prediction or weighting
      UndecodableArrayError         the bytes are not what the encoding says
      ShapeMismatchError            prediction, target or weight do not go together
      InvalidDtypeError             a dtype that the role does not allow
      InvalidValuesError            NaN, infinity, a label out of range, a target that is neither 0 nor 1
      LimitExceededError            a cap, named by `limit`
    RateLimitedError              429  too much at once
    ServerError                   5xx  the service failed
      ServiceUnavailableError       503  not now
        WarmingUpError                the kernels are being compiled
      DeadlineExceededError         504  the deadline passed before the work was done
  UndefinedScore                a score without a value was read as a number
  UnreadableAnswer              an answer that is not in the contract
"""

from lossgauge.wire import Problem


class LossgaugeError(Exception):
    """Any error of this client.

    >>> issubclass(APITimeoutError, LossgaugeError)
    True
    """


class InvalidArgumentError(LossgaugeError, ValueError):
    """An argument that was refused before anything was sent; `pointer` says which, as in a problem.

    >>> InvalidArgumentError("dtype object cannot be sent", pointer="/prediction").pointer
    '/prediction'
    """

    def __init__(self, detail: str, *, pointer: str | None = None) -> None:
        super().__init__(f"{pointer}: {detail}" if pointer else detail)
        self.detail = detail
        self.pointer = pointer


class APIConnectionError(LossgaugeError):
    """No answer came: the service could not be reached, or the connection broke.

    >>> str(APIConnectionError("connection refused"))
    'connection refused'
    """


class APITimeoutError(APIConnectionError):
    """No answer came in time (`Client(timeout=..)`).

    >>> issubclass(APITimeoutError, APIConnectionError)
    True
    """


class ProblemError(LossgaugeError):
    """The service answered with a problem (RFC 9457).

    `status` and `code` say what kind, `pointer` which part of the request (a JSON pointer), `request_id` which line of
    the service's log; `problem` holds the rest; `retry_after` is in seconds.

    >>> problem = Problem(type="urn:x", title="Unknown metric", status=422, detail="no 'dise'", code="unknown_metric")
    >>> ProblemError(problem).code
    'unknown_metric'
    """

    def __init__(self, problem: Problem, *, retry_after: float | None = None) -> None:
        super().__init__(_told(problem))
        self.problem = problem
        self.status = problem.status
        self.code = problem.code
        self.detail = problem.detail
        self.pointer = problem.pointer
        self.request_id = problem.request_id
        self.retry_after = retry_after


class BadRequestError(ProblemError):
    """400: the body is not what its media type says.

    >>> BY_STATUS[400].__name__
    'BadRequestError'
    """


class AuthenticationError(ProblemError):
    """401: the service asks for a key, and got none, or one that it does not know (`Client(api_key=..)`).

    >>> BY_CODE["unauthorized"].__name__
    'AuthenticationError'
    """


class PermissionDeniedError(ProblemError):
    """403: the key may read, not score.

    >>> BY_CODE["forbidden"].__name__
    'PermissionDeniedError'
    """


class NotFoundError(ProblemError):
    """404: no such thing, for instance a metric's page in the catalogue.

    >>> BY_STATUS[404].__name__
    'NotFoundError'
    """


class NotAcceptableError(ProblemError):
    """406: no media type of those that are accepted can hold the answer.

    >>> BY_STATUS[406].__name__
    'NotAcceptableError'
    """


class StalledError(ProblemError):
    """408: a body of which nothing comes any more; a stream that stands still, or an item of it that does not come in time.

    >>> BY_STATUS[408].__name__
    'StalledError'
    """


class RequestTooLargeError(ProblemError):
    """413: the body is larger than the service reads; `Client.limits().body_bytes` is what it reads.

    >>> BY_STATUS[413].__name__
    'RequestTooLargeError'
    """


class UnsupportedMediaTypeError(ProblemError):
    """415: a body type or a content coding that the service does not take.

    >>> BY_STATUS[415].__name__
    'UnsupportedMediaTypeError'
    """


class InvalidInputError(ProblemError):
    """422: what was asked or sent cannot be scored; its children say why.

    >>> issubclass(ShapeMismatchError, InvalidInputError)
    True
    """


class InvalidParameterError(InvalidInputError):
    """A field or a parameter is missing, unknown or out of bounds.

    >>> BY_CODE["invalid_parameter"].__name__
    'InvalidParameterError'
    """


class UnknownMetricError(InvalidInputError):
    """No metric has this name; `Client.metrics()` lists those there are.

    >>> BY_CODE["unknown_metric"].__name__
    'UnknownMetricError'
    """


class MetricDoesNotFitError(InvalidInputError):
    """The metric cannot be computed for this task, kind of prediction or weighting.

    >>> BY_CODE["metric_does_not_fit"].__name__
    'MetricDoesNotFitError'
    """


class UndecodableArrayError(InvalidInputError):
    """The bytes of an array are not what its encoding says.

    >>> BY_CODE["undecodable_array"].__name__
    'UndecodableArrayError'
    """


class ShapeMismatchError(InvalidInputError):
    """Prediction, target or weight do not go together.

    >>> BY_CODE["shape_mismatch"].__name__
    'ShapeMismatchError'
    """


class InvalidDtypeError(InvalidInputError):
    """A dtype that the role does not allow.

    >>> BY_CODE["invalid_dtype"].__name__
    'InvalidDtypeError'
    """


class InvalidValuesError(InvalidInputError):
    """NaN, infinity, a label out of range, a target that is neither 0 nor 1.

    >>> BY_CODE["invalid_values"].__name__
    'InvalidValuesError'
    """


class LimitExceededError(InvalidInputError):
    """A cap was exceeded; the problem's `limit` is its name in `Client.limits()`.

    >>> BY_CODE["limit_exceeded"].__name__
    'LimitExceededError'
    """


class RateLimitedError(ProblemError):
    """429: too much at once; `retry_after` says when to come back.

    >>> BY_STATUS[429].__name__
    'RateLimitedError'
    """


class ServerError(ProblemError):
    """5xx: the service failed.

    >>> error_class("internal_error", 500).__name__
    'ServerError'
    """


class ServiceUnavailableError(ServerError):
    """503: not now; `retry_after` says when to come back.

    >>> BY_STATUS[503].__name__
    'ServiceUnavailableError'
    """


class WarmingUpError(ServiceUnavailableError):
    """The kernels are being compiled.

    >>> BY_CODE["warming_up"].__name__
    'WarmingUpError'
    """


class DeadlineExceededError(ServerError):
    """504: the deadline passed before the work was done.

    >>> BY_CODE["deadline_exceeded"].__name__
    'DeadlineExceededError'
    """


class UndefinedScore(LossgaugeError):
    """A score without a value was read as a number; `reason` says why it has none.

    >>> UndefinedScore("dice", "both_empty").reason
    'both_empty'
    """

    def __init__(self, key: str, reason: str | None) -> None:
        super().__init__(f"{key} is undefined: {reason or 'no reason was given'}")
        self.key = key
        self.reason = reason


class UnreadableAnswer(LossgaugeError):
    """An answer that is not in the contract: something else answers at this address, or another version.

    >>> str(UnreadableAnswer("200 with text/html"))
    '200 with text/html'
    """


BY_CODE: dict[str, type[ProblemError]] = {
    "invalid_request": InvalidInputError,
    "malformed_body": BadRequestError,
    "invalid_parameter": InvalidParameterError,
    "unknown_metric": UnknownMetricError,
    "metric_does_not_fit": MetricDoesNotFitError,
    "invalid_array": InvalidInputError,
    "undecodable_array": UndecodableArrayError,
    "shape_mismatch": ShapeMismatchError,
    "invalid_dtype": InvalidDtypeError,
    "invalid_values": InvalidValuesError,
    "limit_exceeded": LimitExceededError,
    "body_too_large": RequestTooLargeError,
    "unsupported_media_type": UnsupportedMediaTypeError,
    "not_acceptable": NotAcceptableError,
    "unavailable": ServiceUnavailableError,
    "warming_up": WarmingUpError,
    "draining": ServiceUnavailableError,
    "overloaded": RateLimitedError,
    "deadline_exceeded": DeadlineExceededError,
    "unauthorized": AuthenticationError,
    "forbidden": PermissionDeniedError,
    "stalled": StalledError,
    "not_found": NotFoundError,
}

BY_STATUS: dict[int, type[ProblemError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    406: NotAcceptableError,
    408: StalledError,
    413: RequestTooLargeError,
    415: UnsupportedMediaTypeError,
    422: InvalidInputError,
    429: RateLimitedError,
    503: ServiceUnavailableError,
}


def error_class(code: str, status: int) -> type[ProblemError]:
    """The class of a problem: by its code, else by its status.

    >>> error_class("shape_mismatch", 422).__name__
    'ShapeMismatchError'
    """
    unlisted = ServerError if status >= 500 else ProblemError
    return BY_CODE.get(code) or BY_STATUS.get(status, unlisted)


def error_of(problem: Problem, *, retry_after: float | None = None) -> ProblemError:
    """The exception that a problem becomes.

    >>> error_of(Problem(type="urn:x", title="Not found", status=404, detail="no", code="not_found")).status
    404
    """
    return error_class(problem.code, problem.status)(problem, retry_after=retry_after)


def _told(problem: Problem) -> str:
    place = f"{problem.pointer}: " if problem.pointer else ""
    request = f", request {problem.request_id}" if problem.request_id else ""
    return f"{place}{problem.detail} [{problem.status} {problem.code}{request}]"
