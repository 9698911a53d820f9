"""Why Tryton forbids a step: its REST interface says only 403, and its other one (JSON-RPC) says why."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from casecart.destinations.tryton.client import Trouble, plain_words, understood
from casecart.runtime.destination import NotDelivered, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from casecart.runtime.exchange import Client, Response

__all__ = ["Reason", "Reasons"]

REST: Final = 600.0
"""Seconds for which a login that was refused is not tried again: Tryton makes those who guess wait."""

_NOT_LOGGED_IN: Final = frozenset({401, 403, 429})


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a step is refused.

    Attributes:
        words: Tryton's own.
        decision: whether Tryton asks for a decision, which a person could take there.
    """

    words: str
    decision: bool = False


class Reasons:
    """Presses a refused button once more, as a user whom Tryton tells why not.

    Args:
        client: sends requests to the database's address.
        user: the login.
        password: the user's.
        company: the company's number.
        seconds: monotonic.
    """

    def __init__(self, client: Client, user: str, password: str, *, company: int, seconds: Callable[[], float]) -> None:
        self._client, self._user, self._password, self._seconds = client, user, password, seconds
        self._context = {"company": company, "companies": [company]}
        self._session = ""
        self._not_before = 0.0

    async def press(self, model: str, identifier: int, action: str) -> Reason | None:
        """Why it is refused; None: nothing is told, or it was pressed: look at the record's state.

        Raises:
            Trouble: it may have been pressed.
        """
        method, arguments = f"model.{model}.{action}", [[identifier], self._context]
        for _ in range(2):  # a session ends after some minutes; the second try has a new one
            if not self._session and not await self._log_in():
                return None
            response = await self._send(method, arguments)
            if response.status not in _NOT_LOGGED_IN:
                return _reason(understood(response, done=True))
            self._session = ""
        return None

    async def _log_in(self) -> bool:
        if self._seconds() < self._not_before:
            return False
        self._not_before = self._seconds() + REST
        try:
            response = await self._send("common.db.login", [self._user, {"password": self._password}, "en"])
            answer = understood(response, done=False)
        except Trouble:
            return False
        result = answer.get("result") if isinstance(answer, dict) else None
        match result:
            case [int() as number, str() as token, *_]:
                self._session = base64.b64encode(f"{self._user}:{number}:{token}".encode()).decode("ascii")
                self._not_before = 0.0
        return bool(self._session)

    async def _send(self, method: str, parameters: Sequence[object]) -> Response:
        headers = {"User-Agent": "casecart", "Content-Type": "application/json"}
        if self._session:
            headers["Authorization"] = f"Session {self._session}"
        body = msgspec.json.encode({"id": 1, "method": method, "params": parameters})
        try:
            return await self._client.send("POST", headers, body, "/rpc/")
        except NotDelivered as trouble:
            raise Trouble(trouble.code, trouble.words, done=False) from trouble
        except OutcomeUnknown as trouble:
            raise Trouble(trouble.code, trouble.words, done=True) from trouble


def _reason(answer: Any) -> Reason | None:  # noqa: ANN401 - whatever JSON holds
    match answer.get("error") if isinstance(answer, dict) else None:
        case ["UserWarning", [_, str() as words, *_], *_]:
            return Reason(plain_words(words), decision=True)
        case ["UserError", [str() as words, *_], *_]:
            return Reason(plain_words(words))
    return None
