"""Attachments: what an array document refers to by name."""

from typing import TypeVar

from lossgauge.encodings.base import ArrayRejected, Attachments, Part, Tensor

Attachment = TypeVar("Attachment", Part, Tensor)
NOUNS: dict[type, str] = {Part: "part", Tensor: "tensor"}
LISTED = 20


def attached(attachments: Attachments, name: str, kind: type[Attachment]) -> Attachment:
    """The part or the tensor of a name; the error lists those that are there."""
    found = attachments.get(name)
    if not isinstance(found, kind):
        raise ArrayRejected(f"no {NOUNS[kind]} has this name; {_there_are(attachments, kind)}", pointer="/name")
    return found


def _there_are(attachments: Attachments, kind: type[Attachment]) -> str:
    names = sorted(name for name, attachment in attachments.items() if isinstance(attachment, kind))
    if not names:
        return f"the body has no {NOUNS[kind]}s"
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"the body has {', '.join(repr(name[:100]) for name in names[:LISTED])}{more}"
