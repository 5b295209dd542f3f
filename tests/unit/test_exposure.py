"""Beyond this machine only with keys, or where that is meant."""

import pytest
from lossgauge_service.exposure import Exposed, check, is_loopback

LOOPBACK = ["127.0.0.1", "127.8.8.8", "127.1", "::1", "localhost"]
BEYOND = [
    "0.0.0.0",
    "::",
    "0",
    "",
    "10.0.0.1",
    "192.168.1.5",
    "::ffff:10.0.0.1",
    "no-such-name.invalid",
    "127.0.0.1 ",
    "*",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_this_machine_alone_needs_no_key(host: str) -> None:
    """An address of the loopback is served without keys."""
    assert is_loopback(host)
    check(host, keys=0, insecure=False)


@pytest.mark.parametrize("host", BEYOND)
def test_beyond_it_a_key_is_needed(host: str) -> None:
    """Any other address, every address, and what stands for none is refused without keys, in one line that says what to do."""
    with pytest.raises(Exposed) as refused:
        check(host, keys=0, insecure=False)
    assert "--insecure" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("host", BEYOND)
def test_with_keys_or_where_it_is_meant(host: str) -> None:
    """A key, or saying so, is enough for any address."""
    check(host, keys=1, insecure=False)
    check(host, keys=0, insecure=True)
