"""When a FHIR server is searched: at intervals, and when somebody wants to know what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from twisted.internet.defer import CancelledError, Deferred, fail

from casecart.listeners.fhir_answer import of_the_server
from casecart.listeners.fhir_handover import NotStored
from casecart.listeners.fhir_patience import Patience
from casecart.runtime.fhir_server import FhirTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from casecart.listeners.fhir_search import Searches

__all__ = ["NO_SEARCHES", "Polling"]

NO_SEARCHES: Final = "no-searches"
"""Code of the trouble that there are none."""
_NO_SEARCHES: Final = "Nothing says what to search for: add `searches` to the listener."


class _Wish(NamedTuple):
    since: int | None
    done: Deferred[None]


class Polling:
    """Has the searches put, one sweep after the other.

    Args:
        name: the listener's.
        searches: all of them.
        every: seconds from one to the next; None: only when somebody wants it.
        seconds: a clock that is never set.
        server: the patience with the server as a whole.
        spawn: runs something beside all else.
    """

    def __init__(
        self,
        name: str,
        searches: Searches,
        every: float | None,
        *,
        seconds: Callable[[], float],
        server: Patience,
        spawn: Callable[[Coroutine[Deferred[Any], Any, None]], None],
    ) -> None:
        self._searches, self._every, self._seconds, self._spawn = searches, every, seconds, spawn
        self._server, self.patience = server, Patience(f"{name}: a search", seconds)
        self._due = seconds()
        self._wishes: list[_Wish] = []
        self._running = False

    def wanted(self, since: int | None) -> Deferred[None]:
        """Fires when a sweep that began after this is through; fails as it does, or for want of searches."""
        if not self._searches:
            return fail(FhirTrouble(NO_SEARCHES, _NO_SEARCHES))
        wish = _Wish(since, Deferred())
        self._wishes.append(wish)
        return wish.done

    def look(self) -> None:
        """Begin a sweep, if one is due or wanted."""
        due = self._every is not None and self._seconds() >= self._due
        if (due or self._wishes) and not self._running and self.patience.over and self._searches:
            self._running = True
            self._spawn(self._sweep())

    async def _sweep(self) -> None:
        wishes, self._wishes = self._wishes, []
        begun = self._seconds()
        told = [wish.since for wish in wishes if wish.since is not None]
        # One that is regular, or of somebody who knows no time, begins where the last sweep ended.
        since = min(told) if wishes and len(told) == len(wishes) else None
        failure: Exception | None = None
        try:
            await self._searches.sweep(since)
        except Exception as trouble:  # noqa: BLE001 - all who wait are told, and what is none of these is raised below
            failure = trouble
        self._running = False
        self._learn(failure, begun)
        for wish in wishes:
            if wish.done.called:  # who wished it is gone
                continue
            if failure is None:
                wish.done.callback(None)
            else:
                wish.done.errback(failure)
        if failure is not None and not isinstance(failure, (FhirTrouble, NotStored, CancelledError)):
            raise failure

    def _learn(self, failure: Exception | None, begun: float) -> None:
        """When to search again."""
        if failure is None:
            self._server.well()
            self.patience.well()
            if self._every is not None:
                self._due = begun + self._every
        elif isinstance(failure, FhirTrouble):
            (self._server if of_the_server(failure) else self.patience).failed(failure)
        elif not isinstance(failure, (NotStored, CancelledError)):
            self.patience.failed(FhirTrouble("engine-fault", "The engine failed at what was found.", status=200))
