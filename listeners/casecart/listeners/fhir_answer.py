"""What an answer of a FHIR server comes to: a resource, or a trouble told by its status, never by its words."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectingCancelledError

from casecart.formats.fhir import Limits, Refused, read_resource
from casecart.runtime.destination import NotDelivered, OutcomeUnknown
from casecart.runtime.fhir_server import Fetched, FhirTrouble
from casecart.runtime.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.defer import Deferred

    from casecart.runtime.exchange import Response

__all__ = ["at_this", "fetched", "of_the_server", "sent", "trouble_of", "whole"]

_FHIR: Final = frozenset({"application/fhir+json", "application/json+fhir", "application/json"})
_NOT_NOW: Final = frozenset({408, 425, 429, 503})
_SHUTS: Final = frozenset({"server-error", "throttled", "timeout", "tls-failed", "no-token"})
_FAILS: Final = frozenset({"server-error", "timeout", "connection-lost"})
_DEPTH: Final = Limits().depth


async def sent(request: Deferred[Response], who: str = "The FHIR server") -> Response:
    """The answer to a request, in time or not at all.

    Args:
        request: that is under way.
        who: answers.

    Raises:
        FhirTrouble: no status came back.
        CancelledError: the caller didn't want to wait any more.
    """
    try:
        return await request
    except (NotDelivered, OutcomeUnknown) as trouble:
        if _given_up(trouble):
            raise CancelledError from trouble
        words = trouble.words.replace("The service", who).replace("the service", who[:1].lower() + who[1:])
        permanent = isinstance(trouble, NotDelivered) and trouble.permanent
        raise FhirTrouble(trouble.code, words, passing=not permanent) from trouble


def _given_up(trouble: NotDelivered | OutcomeUnknown) -> bool:
    """Whether the caller ended it: the exchange itself does the same when the time is over."""
    cause = trouble.__cause__
    causes = [cause, *[reason.value for reason in getattr(cause, "reasons", ())]]
    cancelled = any(isinstance(each, CancelledError | ConnectingCancelledError) for each in causes)
    return cancelled and "timeout" not in trouble.code


def fetched(response: Response, longest: int) -> Fetched | None:
    """The resource that an answer brings; None: it went well, and is empty.

    Args:
        response: whole, or not.
        longest: bytes of an answer that are read.

    Raises:
        FhirTrouble: it brings none.
    """
    status, headers = response.status, response.headers
    if not 200 <= status < 300:  # noqa: PLR2004 - all of HTTP's for success
        raise trouble_of(status, headers)  # whatever its body is, and how much of it came
    whole(response, longest)
    if not response.body:
        return None
    if headers.get("content-encoding", "identity") != "identity":
        raise _not_fhir(status, "It is packed, which was not asked for.")
    if headers.get("content-type", "").partition(";")[0].strip().lower() not in _FHIR:
        raise _not_fhir(status, "It is not said to be FHIR's JSON.")
    try:
        return Fetched(read_resource(response.body, Limits(size=longest, depth=_DEPTH)), response.body)
    except Refused as refused:
        raise _not_fhir(status, refused.problem.words) from None


def whole(response: Response, longest: int) -> None:
    """See to it that the end of an answer was read.

    Raises:
        FhirTrouble: `too-large`, or `connection-lost`.
    """
    if response.whole:
        return
    if len(response.body) >= longest:
        words = f"The answer has more than the {longest} bytes that are read; of resources, see maximum_answer."
        raise FhirTrouble("too-large", words, status=response.status)
    words = "The answer broke off, or did not come to its end in time."
    raise FhirTrouble("connection-lost", words, status=response.status, passing=True)


def trouble_of(status: int, headers: Mapping[str, str], who: str = "The FHIR server") -> FhirTrouble:
    """What a status other than one of success comes to.

    Args:
        status: of HTTP.
        headers: of the answer, by name in lower case.
        who: answered.
    """
    said = f"{who} answered {_named(status)}"
    if status in _NOT_NOW:
        words, after = f"{said}: it wants to be left alone for a while.", retry_after(headers)
        return FhirTrouble("throttled", words, status=status, passing=True, retry_after=after)
    if status >= 500:  # noqa: PLR2004 - the server's fault, so HTTP says
        words = f"{said}: it failed; its log says why."
        return FhirTrouble("server-error", words, status=status, passing=True)
    if 300 <= status < 400:  # noqa: PLR2004 - as above
        words = f"{said}: it is at another address, and redirects are not followed; configure that one."
        return FhirTrouble("redirected", words, status=status)
    code, words = _BY_STATUS.get(status, ("refused", "it will not do what it was asked."))
    return FhirTrouble(code, f"{said}: {words}", status=status)


def at_this(trouble: FhirTrouble) -> bool:
    """Whether the server was asked and failed; where it answers others meanwhile, it is at this one that it fails."""
    return trouble.asked and trouble.code in _FAILS


def of_the_server(trouble: FhirTrouble) -> bool:
    """Whether it speaks of the server or the way to it, so that other requests would fare the same."""
    if trouble.code == "unauthorised":
        return trouble.status != HTTPStatus.FORBIDDEN  # which may be about the one resource
    return trouble.code in _SHUTS or trouble.code.startswith(("connect", "host-"))


_BY_STATUS: Final = {
    401: ("unauthorised", "what casecart authenticates with is not good for this server."),
    403: ("unauthorised", "what casecart authenticates with may not do this; look at its scopes."),
    404: ("not-found", "it does not have it."),
    410: ("gone", "it was deleted."),
}


def _not_fhir(status: int, why: str) -> FhirTrouble:
    return FhirTrouble("not-fhir", f"The FHIR server's answer can't be read as FHIR. {why}", status=status)


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
