"""Questions that are asked again and again, of one pair after the other: each is checked and planned once."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from lossgauge.wire import Limits, ScoreRequest

from lossgauge_service.bodies import Envelope
from lossgauge_service.decoding import ARRAYS, MOST_ID_CHARACTERS, score_request
from lossgauge_service.plan import Plan, plan_for

MOST = 128
"""Questions that are known; the one that was asked longest ago is forgotten first."""
LONG = 2**12
"""Bytes of a document that is not kept."""
ELSEWHERE = ("part", "tensor")
"""Encodings of arrays that stand beside the document, of whose values nothing is kept then."""

Planned = tuple[ScoreRequest, Plan]


def planned(envelope: Envelope, limits: Limits) -> Planned:
    """The request of one pair, and its plan. Raises what is wrong with it."""
    text = _question_of(envelope.document)
    if text is None:
        request = score_request(envelope, limits)
        return request, plan_for(request)
    request, plan = _planned(text, limits)
    return request.model_copy(update={"id": envelope.document.get("id")}), plan


@lru_cache(maxsize=MOST)
def _planned(text: bytes, limits: Limits) -> Planned:
    request = score_request(Envelope(orjson.loads(text)), limits)
    return request, plan_for(request)


def _question_of(document: Mapping[str, Any]) -> bytes | None:
    """What two requests have in common that ask the same of other arrays; None where it would not be the same, or is too long."""
    if not all(map(_is_elsewhere, (document[role] for role in ARRAYS & document.keys()))) or not _has_an_id(document):
        return None
    try:
        text = orjson.dumps({**document, "id": None})
    except TypeError:
        return None
    return text if len(text) <= LONG else None


def _is_elsewhere(array: Any) -> bool:
    return array is None or (isinstance(array, dict) and array.get("encoding") in ELSEWHERE)


def _has_an_id(document: Mapping[str, Any]) -> bool:
    """Whether its id is one, or there is none: it is told back unseen."""
    found = document.get("id")
    return found is None or (isinstance(found, str) and len(found) <= MOST_ID_CHARACTERS)
