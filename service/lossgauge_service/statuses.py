"""Which status each error has: the one table, for answers, for the OpenAPI document and for the documentation."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus

from lossgauge_service import errors

Kind = type[errors.LossgaugeError]
Statuses = Mapping[Kind, HTTPStatus]

STATUS: Statuses = {
    errors.InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.InvalidArray: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.LimitExceeded: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    errors.Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    errors.DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    errors.Stalled: HTTPStatus.REQUEST_TIMEOUT,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.LossgaugeError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""A kind that does not stand here has the status of its parent."""


def status_of(kind: Kind, statuses: Statuses = STATUS) -> HTTPStatus:
    """The status of a kind of errors."""
    return next(statuses[parent] for parent in kind.__mro__ if parent in statuses)


def every_kind(kind: Kind = errors.LossgaugeError) -> Iterator[Kind]:
    """Every kind of errors, each after its parent."""
    yield kind
    for child in kind.__subclasses__():
        yield from every_kind(child)
