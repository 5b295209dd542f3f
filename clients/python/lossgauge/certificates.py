"""Whom clients trust over TLS."""

import os
import ssl
from functools import cache

import httpx


def tls() -> ssl.SSLContext:
    """What all clients of a process share: hundreds of certificates, which each would otherwise read and hold for itself.

    It is as httpx makes it: certifi's, or those of `SSL_CERT_FILE` or `SSL_CERT_DIR`.
    """
    return _context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _context(file: str | None, directory: str | None) -> ssl.SSLContext:
    """That of what the environment says now, which httpx reads."""
    return httpx.create_ssl_context()
