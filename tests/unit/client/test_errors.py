"""Problems become exceptions."""

from collections import deque

import httpx
import lossgauge_service.errors as service
import pytest
from lossgauge import APIConnectionError, APITimeoutError, Client, ProblemError, UnreadableAnswer, errors
from lossgauge.wire import Problem

from tests.unit.client.fake_service import FakeService, refusal


def score(client: Client) -> float:
    """One call."""
    return client.score([0.5], [1], metrics="dice", prediction_kind="probabilities")["dice"]


def kinds(error: type[service.LossgaugeError]) -> list[type[service.LossgaugeError]]:
    """An error of the service and all below it."""
    return [error, *(kind for child in error.__subclasses__() for kind in kinds(child))]


def test_the_code_table_is_the_service_s() -> None:
    """Every code of the service's errors has its row in the client's table, and no row is left over."""
    assert set(errors.BY_CODE) == {kind.code for kind in kinds(service.LossgaugeError)} - {"error"}


def test_the_table_s_classes_are_all_there_are() -> None:
    """Every exception for a problem is reached by a code or by a status."""
    reached = {
        *errors.BY_CODE.values(),
        *errors.BY_STATUS.values(),
        errors.error_class("", 500),
        errors.error_class("", 418),
    }
    defined = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ProblemError)}
    assert reached == defined


def test_the_tree_is_drawn_as_it_is() -> None:
    """The drawing at the top of the module is the tree of the classes."""
    drawn = [line for line in (errors.__doc__ or "").splitlines() if line.strip().partition(" ")[0] in vars(errors)]
    depths = {line.split()[0]: (len(line) - len(line.lstrip())) // 2 for line in drawn}
    tree = {n: k for n, k in vars(errors).items() if isinstance(k, type) and issubclass(k, errors.LossgaugeError)}
    assert depths == {name: kind.__mro__.index(errors.LossgaugeError) for name, kind in tree.items()}


@pytest.mark.parametrize(("code", "kind"), errors.BY_CODE.items())
def test_a_code_becomes_its_exception(code: str, kind: type[ProblemError]) -> None:
    """A problem's code decides the exception, which holds what the problem says."""
    answer = refusal(422, code, pointer="/metrics/0", request_id="r-1")
    client = Client(transport=FakeService(script=_only(answer)).transport, retries=0)
    with pytest.raises(kind) as raised:
        score(client)
    assert type(raised.value) is kind
    found = (raised.value.status, raised.value.code, raised.value.pointer, raised.value.request_id, raised.value.detail)
    assert found == (422, code, "/metrics/0", "r-1", "so it is")


@pytest.mark.parametrize(
    ("status", "kind"), [*errors.BY_STATUS.items(), (500, errors.ServerError), (405, ProblemError)]
)
def test_an_unknown_code_becomes_its_status_s_exception(status: int, kind: type[ProblemError]) -> None:
    """A code of a later version is still an error of its status."""
    client = Client(transport=FakeService(script=_only(refusal(status, "of_tomorrow"))).transport, retries=0)
    with pytest.raises(ProblemError) as raised:
        score(client)
    assert type(raised.value) is kind


def test_extras_of_a_problem_stay() -> None:
    """What a problem says beyond the standard, such as the cap, can be read."""
    answer = refusal(422, "limit_exceeded", limit="items")
    with pytest.raises(errors.LimitExceededError) as raised:
        score(Client(transport=FakeService(script=_only(answer)).transport))
    assert raised.value.problem.limit == "items"


def test_a_proxy_s_answer_is_an_error_too() -> None:
    """An error that is no problem document keeps its status, its text and its request id."""
    answer = httpx.Response(502, text="<h1>Bad gateway</h1>", headers={"x-request-id": "r-2"})
    with pytest.raises(errors.ServerError) as raised:
        score(Client(transport=FakeService(script=_only(answer)).transport, retries=0))
    found = (raised.value.status, raised.value.code, raised.value.detail, raised.value.request_id)
    assert found == (502, "http_502", "<h1>Bad gateway</h1>", "r-2")


def test_retry_after_stands_in_the_error() -> None:
    """Who is told to come back later can read when."""
    answer = refusal(429, "rate_limited", headers={"Retry-After": "7"})
    with pytest.raises(errors.RateLimitedError) as raised:
        score(Client(transport=FakeService(script=_only(answer)).transport, retries=0))
    assert raised.value.retry_after == 7.0


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx.ConnectError("refused"), APIConnectionError),
        (httpx.ReadTimeout("late"), APITimeoutError),
        (httpx.UnsupportedProtocol("ftp"), APIConnectionError),
    ],
    ids=["refused", "late", "unsupported"],
)
def test_a_failure_on_the_way_has_its_own_error(failure: Exception, kind: type[APIConnectionError]) -> None:
    """No exception of the HTTP library reaches the caller; it is the cause."""
    with pytest.raises(APIConnectionError) as raised:
        score(Client(transport=FakeService(script=_only(failure)).transport, retries=0))
    assert type(raised.value) is kind
    assert raised.value.__cause__ is failure


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"scores": 1}'])
def test_an_answer_outside_the_contract_is_named(body: bytes) -> None:
    """A 200 from something else is not taken for scores."""
    with pytest.raises(UnreadableAnswer):
        score(Client(transport=FakeService(script=_only(httpx.Response(200, content=body))).transport))


def test_the_message_says_where_and_which_request() -> None:
    """The text of an error has pointer, detail, status, code and request id."""
    problem = Problem(
        type="t", title="t", status=422, detail="no", code="invalid_values", pointer="/target", request_id="r"
    )
    assert str(errors.error_of(problem)) == "/target: no [422 invalid_values, request r]"


def _only(outcome: httpx.Response | Exception) -> deque[httpx.Response | Exception]:
    return deque([outcome])
