"""What a REST service's response says of each posting that the request carried."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec

from casecart.runtime.destination import Answer, NotDelivered, OutcomeUnknown
from casecart.runtime.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.runtime.destination import Posting
    from casecart.runtime.exchange import Response

__all__ = ["answers", "found"]

# A request that the service understood and will not take: it may be one posting of many that it dislikes.
_REFUSALS: Final = frozenset({400, 404, 409, 410, 413, 415, 422})
_NOT_NOW: Final = frozenset({408, 425, 429, 503})
_NOT_AUTHORISED: Final = frozenset({401, 403, 407})
_GONE: Final = frozenset({404, 410})
_ELSEWHERE: Final = frozenset({301, 307, 308})


def answers(response: Response, postings: Sequence[Posting], accept: frozenset[int]) -> Sequence[Answer] | None:
    """What a response says of each posting; None if it refuses some and doesn't say which.

    Raises:
        NotDelivered, OutcomeUnknown: what it says of all of them.
    """
    status = response.status
    if status in accept or status in _REFUSALS:
        told = _told(response, postings)
        if told is not None:
            return told
    if status in accept:
        return [Answer("posted", proof="acknowledged")] * len(postings)
    code, words = f"http-{status}", f"The service answered {_named(status)}"
    if status in _REFUSALS:
        return None if len(postings) > 1 else [Answer("rejected", code=code, words=f"{words} and will not take it.")]
    if status in _NOT_AUTHORISED:
        words = f"{words}: what the destination authenticates with is not good for this."
        raise NotDelivered("not-authorised", words, permanent=True)
    if status in _NOT_NOW:
        raise NotDelivered(code, f"{words}.", retry_after(response.headers))
    if status in _ELSEWHERE:
        words = f"{words}: it is at another address, and redirects are not followed."
        raise NotDelivered(code, words, permanent=True)
    if 400 <= status < 500:  # noqa: PLR2004 - the client's fault, so HTTP says, and nothing was done
        raise NotDelivered(code, f"{words}: look at the destination's settings.", permanent=True)
    raise OutcomeUnknown(code, f"{words}; what it did with the request isn't known.")


def found(response: Response) -> Answer:
    """What a response to a look-up says of the posting that was asked for.

    Raises:
        NotDelivered: it says nothing of it.
    """
    status = response.status
    missing = Answer("retry", code="not-found", words="The service doesn't have it.")
    if status in _GONE:
        return missing
    if 200 <= status < 300 and status != HTTPStatus.NO_CONTENT:  # noqa: PLR2004 - all of HTTP's for success
        return missing if response.body.split() == [b"[]"] else Answer("posted", proof="read back")
    try:
        answers(response, (), frozenset())
    except OutcomeUnknown as trouble:
        raise NotDelivered(trouble.code, f"The service answered {_named(status)} to the look-up.") from trouble
    words = f"The service answered {_named(status)} to the look-up: look at its url."
    raise NotDelivered(f"http-{status}", words, permanent=True)


def _told(response: Response, postings: Sequence[Posting]) -> Sequence[Answer] | None:
    """The answers of a service that answers for each posting; None if it doesn't."""
    if response.body.lstrip()[:1] != b"[":
        return None
    try:
        entries = msgspec.json.decode(response.body) if response.whole else None
    except (msgspec.DecodeError, RecursionError):
        entries = None
    if entries is None:
        words = "The service's answer for each posting could not be read to its end."
        return [Answer("unknown", code="answer-unreadable", words=words)] * len(postings)
    said: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("key"), str) and isinstance(entry.get("status"), str):
            said[entry["key"]] = entry
    if not any(posting.key in said and said[posting.key]["status"] in _STATES for posting in postings):
        return None  # an array of something else, such as what it made
    return [_answer(said.get(posting.key)) for posting in postings]


_STATES: Final = frozenset({"posted", "rejected", "held", "retry", "unknown"})


def _answer(entry: dict[str, Any] | None) -> Answer:
    if entry is None:
        return Answer("unknown", code="no-answer", words="The service answered for other postings and not for this.")
    state = entry["status"]
    if state not in _STATES:
        return Answer("unknown", code="answer-unknown", words="The service gave this posting a status that is none.")
    if state == "posted":
        return Answer("posted", proof="acknowledged", reference=_plain(entry.get("reference"), 200))
    message = _plain(entry.get("message"), 200)
    return Answer(
        state,
        reference=_plain(entry.get("reference"), 200),
        code=f"service-{state}",
        words=f"The service says: {message}" if message else f"The service answered '{state}' without a reason.",
    )


def _plain(value: object, longest: int) -> str:
    """A service's text in one line, without control characters."""
    text = "" if value is None or isinstance(value, dict | list) else str(value)
    return "".join(filter(str.isprintable, " ".join(text[: longest * 4].split())))[:longest]


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
