"""API keys: what a key is, the line that keeps it, and whose a key is that somebody shows.

A key is 256 random bits. Its SHA-256 is kept in its place: nobody finds the key from it. A slow hash (bcrypt, argon2) is for what
people choose and others can guess; there is nothing to guess here, and a slow hash of every key that is shown, the wrong ones too,
would let anybody keep the service busy.
"""

import hmac
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, cast, get_args

Scope = Literal["read", "score"]
"""What a key may: `read` the catalogue and all else that is only told, or `score` as well."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
BITS = 256
MARK = "lg_"
SHAPE = re.compile(MARK + r"[A-Za-z0-9_-]{43}")
"""How a key is written: a mark by which scanners of secrets find it, and 32 bytes in base64 for URLs."""

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
ENTRY = re.compile(rf"(?P<name>{NAME.pattern}):(?P<scope>{'|'.join(SCOPES)}):sha256:(?P<digest>[0-9a-f]{{64}})")
COMMENT = re.compile(r"#.*")
SEPARATORS = re.compile(r"[\s,]+")


class InvalidKeys(ValueError):
    """Keys that cannot be read; it never says what stands there, which may be a key."""


@dataclass(frozen=True)
class Key:
    """A key as it is kept: whose it is, what it may, and the SHA-256 of it."""

    name: str
    scope: Scope
    digest: bytes

    @property
    def line(self) -> str:
        """As it stands in a file or a setting."""
        return f"{self.name}:{self.scope}:sha256:{self.digest.hex()}"

    def allows(self, needed: Scope) -> bool:
        """Whether it may what is needed."""
        return SCOPES.index(self.scope) >= SCOPES.index(needed)


def minted(name: str, scope: Scope) -> tuple[str, Key]:
    """A new key, and what is kept of it. Raises `InvalidKeys` for a name that is none."""
    if not NAME.fullmatch(name):
        raise InvalidKeys("the name of a key is 1 to 64 letters, digits, dots, dashes and underscores")
    shown = MARK + secrets.token_urlsafe(BITS // 8)
    return shown, Key(name, scope, digest_of(shown.encode()))


def digest_of(shown: bytes) -> bytes:
    """What is kept of a key."""
    return sha256(shown).digest()


def parsed(text: str, source: str) -> tuple[Key, ...]:
    """The keys of a text: `name:scope:sha256:digest`, between white space or commas; what follows a # is not read."""
    return tuple(_key(entry, f"{source}, entry {number}") for number, entry in enumerate(_entries(text), start=1))


def _entries(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from (entry for entry in SEPARATORS.split(COMMENT.sub("", line)) if entry)


def _key(entry: str, place: str) -> Key:
    found = ENTRY.fullmatch(entry)
    if found is None:
        raise InvalidKeys(f"{place}: must be name:scope:sha256:digest as `lossgauge key` prints it (not shown here)")
    return Key(found["name"], cast(Scope, found["scope"]), bytes.fromhex(found["digest"]))


def check_distinct(keys: Sequence[Key]) -> None:
    """Raise `InvalidKeys` where two have the same name, or are the same key."""
    names = [key.name for key in keys]
    for name in names:
        if names.count(name) > 1:
            raise InvalidKeys(f"two keys have the name {name!r}")
    if len({key.digest for key in keys}) < len(keys):
        raise InvalidKeys("one key stands under two names")


def holder(keys: Sequence[Key], shown: bytes, same: Callable[[bytes, bytes], bool] = hmac.compare_digest) -> Key | None:
    """Whose key this is. Each one is compared, in constant time: how long it takes does not tell how near it was."""
    digest, found = digest_of(shown), None
    for key in keys:
        if same(key.digest, digest):
            found = key
    return found
