"""Tokens by SMART Backend Services: got for a signed assertion, kept for as long as they are good, and never shown.

A server has one set of scopes, so that there is one token at a time; callers that need it together wait for one
request. The token endpoint is the configured one, or one that the server names at its own origin: an address anywhere
else is not taken from an answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec
from twisted.internet.defer import Deferred

from casecart.listeners.fhir_answer import sent, trouble_of, whole
from casecart.listeners.fhir_base import FhirBase, NotAnAddress
from casecart.runtime.exchange import Client
from casecart.runtime.fhir_server import FhirTrouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from casecart.listeners.fhir_assertion import Signer
    from casecart.listeners.fhir_server_settings import SmartBackend
    from casecart.runtime.exchange import Response

__all__ = ["Smart"]

_WELL_KNOWN: Final = "/.well-known/smart-configuration"
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST: Final = 64 * 1024  # bytes of an answer
_USUAL: Final = 300.0  # seconds that a token is good for, where it isn't said
_EARLY: Final = 60.0  # seconds before its end at which a token is renewed
_SHORT: Final = 0.2  # of its time, where that is short
_LONGEST_TIME: Final = 86_400.0
_SHORTEST: Final = 1.0  # second
_FORM: Final = "application/x-www-form-urlencoded"
_REFUSALS: Final = frozenset({400, 401, 403})
_TOKEN: Final = re.compile(r"[!-~]{1,16384}")
_WHO: Final = "The authorization of the FHIR server"

# RFC 6749 §5.2; of what a server writes nothing else is repeated.
_REASONS: Final = {
    "invalid_client": "it does not know the client, or its key: look at client, key and key_id, and at both clocks",
    "invalid_grant": "it does not take the assertion: look at client, key and key_id, and at both clocks",
    "invalid_request": "it wants the request in another form than SMART's",
    "invalid_scope": "it does not give these scopes",
    "unauthorized_client": "the client may not ask for tokens in this way",
    "unsupported_grant_type": "it gives no tokens in this way",
}


@dataclass(frozen=True, slots=True)
class _Token:
    headers: Mapping[str, str] = field(repr=False)
    until: float


class Smart:
    """Gets tokens.

    Args:
        settings: of the client.
        signer: signs with its key.
        base: of the server.
        ask: sends a GET to a path behind the base, without a token.
        reactor: Twisted's.
        timeout: seconds for a request.
    """

    def __init__(
        self,
        settings: SmartBackend,
        signer: Signer,
        base: FhirBase,
        *,
        ask: Callable[[str, Mapping[str, str]], Awaitable[Response]],
        reactor: Any,  # noqa: ANN401 - it has no type
        timeout: float,
    ) -> None:
        self._signer, self._base, self._ask, self._reactor, self._timeout = signer, base, ask, reactor, timeout
        self._scopes = " ".join(settings.scopes)
        self._configured = None if settings.token_url is None else str(settings.token_url)
        self._endpoint: str | None = None
        self._client: Client | None = None
        self._token: _Token | None = None
        self._asking: Deferred[None] | None = None
        self._waiting: list[Deferred[None]] = []

    async def headers(self) -> Mapping[str, str]:
        """With a token that is good for a while."""
        while self._token is None or self._reactor.seconds() >= self._token.until:
            waiting: Deferred[None] = Deferred(self._waiting.remove)
            self._waiting.append(waiting)
            if self._asking is None:
                self._asking = Deferred.fromCoroutine(self._renew())
                self._asking.addBoth(self._renewed)
            await waiting
        return self._token.headers

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Not to be used any more; another one can be had."""
        if self._token is not None and self._token.headers == headers:
            self._token = None
        return True

    def stop(self) -> Deferred[None] | None:
        """Give up a request that is under way, and forget the token."""
        self._token = None
        if self._asking is not None:
            self._asking.cancel()
        return None if self._client is None else self._client.close()

    def _renewed(self, result: object) -> None:
        self._asking = None
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None) if result is None else each.errback(result)  # type: ignore[arg-type]  # a Failure

    async def _renew(self) -> None:
        """Get a token. What isn't passing is told as `no-token`: what is not found here is not what was asked for."""
        try:
            await self._got()
        except FhirTrouble as trouble:
            self._endpoint = None  # the server may name another one by now
            if trouble.passing or trouble.code == "tls-failed":
                raise
            raise _no_token(trouble.words, trouble.status) from trouble

    async def _got(self) -> None:
        endpoint = self._endpoint or self._configured or await self._discovered()
        if self._client is None or endpoint != self._endpoint:
            if self._client is not None:
                await self._client.close()
            self._client = Client(self._reactor, endpoint, connections=1, timeout=self._timeout, longest=_LONGEST)
            self._endpoint = endpoint
        form = {
            "grant_type": "client_credentials",
            "scope": self._scopes,
            "client_assertion_type": _ASSERTION,
            "client_assertion": self._signer.sign(endpoint),
        }
        headers = {"User-Agent": "casecart", "Accept": "application/json", "Content-Type": _FORM}
        began = self._reactor.seconds()
        response = await sent(self._client.send("POST", headers, urlencode(form).encode("ascii")), _WHO)
        self._token = _token(response, began)

    async def _discovered(self) -> str:
        response = await self._ask(_WELL_KNOWN, {"Accept": "application/json"})
        if response.status != HTTPStatus.OK:
            raise trouble_of(response.status, response.headers, "Asked where it gives tokens, the FHIR server")
        whole(response, _LONGEST)
        endpoint = _object(response).get("token_endpoint")
        try:
            origin = FhirBase(endpoint if isinstance(endpoint, str) else "").origin
        except NotAnAddress:
            raise _no_token("The FHIR server doesn't say where it gives tokens: write its 'token_url'.") from None
        if origin != self._base.origin:
            words = (
                "The FHIR server says that it gives tokens at another host or port, which is not taken from an "
                f"answer: see its {_WELL_KNOWN[1:]}, and if it is right, write it as 'token_url'."
            )
            raise _no_token(words)
        return str(endpoint)


def _token(response: Response, began: float) -> _Token:
    status, said = response.status, _object(response)
    if status in _REFUSALS:
        reason = _REASONS.get(str(said.get("error")), "it doesn't say why as OAuth does")
        raise _no_token(f"{_WHO} gives no token ({status}): {reason}.", status)
    if status != HTTPStatus.OK:
        raise trouble_of(status, response.headers, _WHO)
    whole(response, _LONGEST)
    token, lasts = said.get("access_token"), said.get("expires_in", _USUAL)
    if not isinstance(token, str) or not _TOKEN.fullmatch(token) or str(said.get("token_type")).lower() != "bearer":
        raise _no_token(f"{_WHO} answered with something that is no bearer token.", status)
    # Some write a number as a text.
    seconds = float(lasts) if isinstance(lasts, int | float) or str(lasts).isdecimal() else _USUAL
    seconds = min(max(seconds, _SHORTEST), _LONGEST_TIME)
    return _Token({"Authorization": f"Bearer {token}"}, began + seconds - min(_EARLY, seconds * _SHORT))


def _object(response: Response) -> Mapping[str, Any]:
    try:
        read = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _no_token(words: str, status: int = 0) -> FhirTrouble:
    return FhirTrouble("no-token", words, status=status)
