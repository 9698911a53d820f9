"""When a FHIR server may be asked: so many at once, in their order, and not while it is to be left alone."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred

from casecart.listeners.fhir_answer import of_the_server
from casecart.runtime.backoff import Backoff
from casecart.runtime.fhir_server import FhirTrouble

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PATIENCE", "FhirGate"]

PATIENCE: Final = 5.0
"""Seconds that a call waits for the gate to open; it fails at once when it takes longer."""


class FhirGate:
    """Lets calls through.

    After a trouble of the server itself it is shut: for what the server asked for, or for a back-off that grows with
    the troubles in a row. A call that would wait for long fails at once instead, with the trouble that shut the gate.

    Args:
        reactor: Twisted's.
        most: calls at once.
        random: gives a number in [0, 1).
    """

    def __init__(self, reactor: Any, most: int, random: Callable[[], float]) -> None:  # noqa: ANN401 - it has no type
        self._reactor = reactor
        self._free = most
        self._backoff = Backoff(random)
        self._waiting: deque[Deferred[None]] = deque()
        self._until = 0.0
        self._why: FhirTrouble | None = None
        self._opening: Any = None
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether nobody comes through any more."""
        return self._stopped

    async def enter(self) -> int:
        """Wait for one's turn. Whoever came in must `leave`.

        Returns:
            The round in which the call begins, for `failed`.

        Raises:
            FhirTrouble: the server can't be asked for a while.
        """
        turn: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(turn)
        self._let_in()
        await turn
        return self._backoff.round

    def leave(self) -> None:
        """A call is over."""
        self._free += 1
        self._let_in()

    def succeeded(self) -> None:
        """The server answered, whatever it said."""
        self._backoff.succeeded()

    def failed(self, trouble: FhirTrouble, began: int) -> None:
        """A call came to a trouble; one that is about the call alone shuts nothing."""
        if not of_the_server(trouble):
            self._backoff.succeeded()
            return
        wait = self._backoff.failed(began, retry_after=trouble.retry_after, permanent=not trouble.passing)
        until = self._reactor.seconds() + wait
        if until > self._until:
            self._until, self._why = until, trouble

    def stop(self) -> None:
        """Let nobody in any more; who waits is told so."""
        self._stopped = True
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting:
            left = self._until - self._reactor.seconds()
            refusal = self._refusal(left)
            if refusal is not None:
                self._waiting.popleft().errback(refusal)
            elif left > 0:
                self._open_in(left)
                return
            elif self._free:
                self._free -= 1
                self._waiting.popleft().callback(None)
            else:
                return
        self._open_in(None)

    def _refusal(self, left: float) -> FhirTrouble | None:
        if self._stopped:
            return FhirTrouble("stopped", "casecart stops, and asks the FHIR server nothing more.", passing=True)
        if self._why is None or left <= PATIENCE:
            return None
        why = self._why
        return FhirTrouble(why.code, why.words, status=why.status, passing=why.passing, retry_after=left, asked=False)

    def _open_in(self, seconds: float | None) -> None:
        if self._opening is not None and self._opening.active():
            self._opening.cancel()
        self._opening = None if seconds is None else self._reactor.callLater(seconds, self._let_in)
