"""What clients of a process share."""

import ssl

import certifi
import pytest
from lossgauge import Client
from lossgauge.certificates import tls


def test_clients_share_their_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many clients there are, the certificates are read once."""
    tls()
    monkeypatch.setattr(ssl, "create_default_context", lambda *_, **__: pytest.fail("read again"))
    for _ in range(3):
        with Client("https://127.0.0.1:1"):
            pass


def test_the_environment_names_the_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another file is named, its certificates are those of the clients that are made from then on."""
    before = tls()
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    assert tls() is not before
    assert tls() is tls()


def test_a_service_is_not_trusted_without_a_certificate() -> None:
    """Names and certificates are checked."""
    assert tls().check_hostname
    assert tls().verify_mode is ssl.CERT_REQUIRED
