"""Which of the media types that an answer can have a caller accepts (RFC 9110, 12.5.1)."""

import re
from collections.abc import Sequence

from lossgauge_service.errors import NotAcceptable

QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


def accepted(header: str | None, offered: Sequence[str]) -> str:
    """The offered media type that is liked best: of equals the one named most exactly, then the first. Raises `NotAcceptable`."""
    ranges = [_range(part) for part in (header or "*/*").split(",") if part.strip()]
    liked = [max((_liking(media_type, one) for one in ranges), default=(0, 0.0)) for media_type in offered]
    exactness, quality = max(liked, key=lambda one: (one[1], one[0]))
    if quality == 0:
        raise NotAcceptable(f"Accept names {(header or '')[:100]!r}; the answer can be {', '.join(offered)}")
    return offered[liked.index((exactness, quality))]


def _range(part: str) -> tuple[str, float]:
    """A media range and its quality; a quality that is none is 1."""
    name, *parameters = (word.strip() for word in part.split(";"))
    given = [word[2:] for word in parameters if word.lower().startswith("q=")]
    return name.lower(), float(given[0]) if given and QUALITY.fullmatch(given[0]) else 1.0


def _liking(media_type: str, one: tuple[str, float]) -> tuple[int, float]:
    """How exactly a range names a media type, and its quality; the most exact range decides."""
    name, quality = one
    names = ("*/*", f"{media_type.partition('/')[0]}/*", media_type)
    return (names.index(name) + 1, quality) if name in names else (0, 0.0)
