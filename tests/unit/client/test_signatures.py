"""The two clients, the contract and the documentation say the same."""

import inspect

import lossgauge
import pytest
from lossgauge import AsyncClient, Client, errors, results, retry
from lossgauge.wire import BatchItem, Question, ScoreRequest

METHODS = [name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")]
WITHOUT_EXAMPLE = {"close"}
DIFFERENT = {"transport", "sleep"}
STREAMS = {"score_stream"}
"""Not awaited but read by `async for`; what goes in may come asynchronously too."""


def parameters(function: object) -> dict[str, inspect.Parameter]:
    """A callable's parameters by name, without self."""
    assert callable(function)
    return {name: about for name, about in inspect.signature(function).parameters.items() if name != "self"}


@pytest.mark.parametrize("name", [name for name in METHODS if name not in STREAMS])
def test_sync_and_async_have_the_same_signature(name: str) -> None:
    """A method of the one client is a method of the other, with the same names, order, defaults and types."""
    one, other = inspect.signature(getattr(Client, name)), inspect.signature(getattr(AsyncClient, name))
    assert one == other
    assert inspect.iscoroutinefunction(getattr(AsyncClient, name))


@pytest.mark.parametrize("name", STREAMS)
def test_streams_have_the_same_signature(name: str) -> None:
    """A stream takes the same, in the same order, with the same defaults; but for the types of what goes in and comes out."""
    one, other = parameters(getattr(Client, name)), parameters(getattr(AsyncClient, name))
    assert [*one] == [*other]
    assert {name for name in one if one[name] != other[name]} == {"items"}


def test_neither_client_has_more_methods() -> None:
    """The public names are the same."""
    assert {name for name in dir(Client) if name[0] != "_"} == {name for name in dir(AsyncClient) if name[0] != "_"}


def test_constructors_differ_in_transport_and_sleep_only() -> None:
    """A client is made with the same arguments, but for what must be asynchronous."""
    one, other = parameters(Client), parameters(AsyncClient)
    assert [*one] == [*other]
    assert {name for name in one if one[name] != other[name]} == DIFFERENT


def test_score_has_the_contract_s_fields_and_defaults() -> None:
    """`score` takes what a ScoreRequest holds, and a default is the contract's wherever that has one."""
    given, fields = parameters(Client.score), ScoreRequest.model_fields
    assert set(given) == set(fields)
    with_default = {name: fields[name].default for name in fields if not fields[name].is_required()}
    assert {name: given[name].default for name in with_default} == with_default


@pytest.mark.parametrize("method", [Client.score_batch, Client.score_stream])
def test_score_batch_has_the_options_of_score(method: object) -> None:
    """What can be asked of a pair can be asked of a batch and of a stream, with the same defaults."""
    pair, batch = parameters(Client.score), parameters(method)
    options = {
        name: about
        for name, about in pair.items()
        if name in Question.model_fields or name not in BatchItem.model_fields
    }
    assert {name: about for name, about in batch.items() if name != "items"} == options
    assert set(options) == set(Question.model_fields)


PUBLIC = [
    *(getattr(lossgauge, name) for name in lossgauge.__all__ if inspect.isclass(getattr(lossgauge, name))),
    *(thing for module in (errors, results, retry) for _, thing in inspect.getmembers(module, inspect.isclass)),
    *(getattr(client, name) for client in (Client, AsyncClient) for name in METHODS if name not in WITHOUT_EXAMPLE),
]
OURS = sorted(
    {
        thing
        for thing in PUBLIC
        if thing.__module__
        in ("lossgauge.client", "lossgauge.aio", *(module.__name__ for module in (errors, results, retry)))
    },
    key=lambda thing: f"{thing.__module__}.{thing.__qualname__}",
)


@pytest.mark.parametrize("thing", OURS, ids=lambda thing: thing.__qualname__)
def test_every_public_name_shows_an_example(thing: object) -> None:
    """A docstring of a public name has an example, which the doctests run."""
    assert ">>>" in (inspect.getdoc(thing) or "")
