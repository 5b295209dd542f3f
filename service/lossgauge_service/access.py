"""What a request needs: nothing, a key that may read, or one that may score."""

import re

from lossgauge_service.keys import Scope

OPEN = re.compile(r"/|/health/[a-z]+")
"""Paths that are answered to everybody, as they are written: nothing is made simpler before it is compared."""

ONLY_TOLD = ("GET", "HEAD", "OPTIONS")


def needed(method: str, path: str) -> Scope | None:
    """What a key must allow; None where no key is needed. Whatever is not known needs most."""
    if OPEN.fullmatch(path):
        return None
    return "read" if method in ONLY_TOLD else "score"
