"""What a request is answered with: a status and, where something is wrong, words for the person at the sender.

An answer never repeats anything of the request: it ends up in the sender's logs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec

from casecart.formats.fhir import Issue, operation_outcome, write_resource

if TYPE_CHECKING:
    from casecart.formats.fhir import Problem

__all__ = ["TAKEN", "Answer", "Rejected", "rejected", "rejected_for", "written"]

_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer.

    Attributes:
        status: of HTTP.
        code: our own, stable; empty where all is well.
        issue: of FHIR's issue types.
        words: for a person.
        place: of what is wrong, as a FHIRPath; empty: it has none.
        headers: more of them, each a whole line.
    """

    status: int
    code: str = ""
    issue: str = ""
    words: str = ""
    place: str = ""
    headers: tuple[str, ...] = ()


TAKEN: Final = Answer(200)

_ANSWERS: Final = {
    "bad-request": Answer(400, "", "structure", "This is no HTTP request as it should be."),
    "bad-encoding": Answer(400, "", "structure", "The body can't be unpacked: its content coding is broken."),
    "cut": Answer(400, "", "incomplete", "The request ended before its body did."),
    "empty": Answer(400, "", "required", "The request has no body."),
    "json-broken": Answer(400, "", "structure", "The body is no JSON."),
    "json-too-deep": Answer(400, "", "too-costly", "The JSON is nested too deep."),
    "xml-broken": Answer(400, "", "structure", "The body is no well-formed XML."),
    "xml-dtd": Answer(400, "", "security", "XML with a document type or entities is not taken."),
    "xml-too-deep": Answer(400, "", "too-costly", "The XML is nested too deep."),
    "xml-too-large": Answer(413, "", "too-costly", "The XML has too many elements."),
    "no-credentials": Answer(
        401, "", "login", "The secret of this sender is missing or wrong.",
        headers=('WWW-Authenticate: Bearer realm="casecart"',),
    ),
    "not-allowed": Answer(403, "", "forbidden", "Nobody may post here on this connection."),
    "not-found": Answer(404, "", "not-found", "Nobody posts to this address."),
    "method": Answer(405, "", "not-supported", "Only POST and PUT are taken here.", headers=("Allow: POST, PUT",)),
    "timeout": Answer(408, "", "timeout", "The request did not come to its end in time."),
    "no-length": Answer(411, "", "required", "A body needs a Content-Length, or comes in chunks."),
    "too-large": Answer(413, "", "too-long", "The body is larger than is taken here."),
    "media-type": Answer(415, "", "not-supported", "This media type is not taken here."),
    "content-encoding": Answer(
        415, "", "not-supported", "This content coding is not taken here.", headers=("Accept-Encoding: gzip, deflate",)
    ),
    "expectation": Answer(417, "", "not-supported", "This expectation can't be met."),
    "other-resource": Answer(422, "", "invariant", "The address names another resource than the body has."),
    "bad-notification": Answer(422, "", "invalid", "The notification can't be read."),
    "headers-too-large": Answer(431, "", "too-long", "The request's header is larger than is taken here."),
    "not-stored": Answer(
        503, "", "transient", "Nothing can be stored now: send it again later.", headers=("Retry-After: 30",)
    ),
    "crowded": Answer(
        503, "", "throttled", "Too much is on its way: send it again later.", headers=("Retry-After: 5",)
    ),
    "stopping": Answer(
        503, "", "transient", "This is being stopped: send it again later.", headers=("Retry-After: 30",)
    ),
    "failed": Answer(500, "", "exception", "This failed by a fault of casecart's."),
}  # fmt: skip


class Rejected(Exception):
    """A request can't be taken.

    Attributes:
        answer: what its sender is told.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.words)
        self.answer = answer


def rejected(code: str, words: str = "", place: str = "") -> Rejected:
    """A request can't be taken, for one of the known reasons; `words` and `place` where they can say more."""
    known = _ANSWERS[code]
    return Rejected(replace(known, code=code, words=words or known.words, place=place or known.place))


_STATUSES: Final = {"too-large": 413, "no-resource-type": 422, "not-an-object": 422}
"""Of problems that are not of the syntax."""


def rejected_for(problem: Problem) -> Rejected:
    """A request can't be taken, since its body is no FHIR resource."""
    status = _STATUSES.get(problem.code, 400)
    return Rejected(Answer(status, problem.code, problem.issue_type, problem.words, problem.place))


def written(answer: Answer, *, fhir: bool, date: bytes, close: bool) -> bytes:
    """The answer as it is sent.

    Args:
        answer: says what.
        fhir: whether to tell it as an OperationOutcome.
        date: now, as HTTP writes it.
        close: whether the connection ends with it.
    """
    body = b""
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Error')}", *answer.headers]
    if answer.code:
        body = _outcome(answer) if fhir else msgspec.json.encode({"error": answer.code, "message": answer.words})
        lines.append(f"Content-Type: application/{'fhir+json' if fhir else 'json'}")
    if close:
        lines.append("Connection: close")
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", ""]).encode("ascii")
    return b"%bDate: %b\r\n\r\n%b" % (head, date, body)


def _outcome(answer: Answer) -> bytes:
    issue = Issue("error", answer.issue, answer.words, answer.place, answer.code)
    return write_resource(operation_outcome([issue]))
