"""Reads at a FHIR server: what notifications are about, what was missed of them, and what searches find changed.

Delivery: each resource is a message of this listener, a bundle with what it refers to. It is stored before the
notification is done, and before how far the listener is moves on; a crash between the two has it fetched and handed in
again, and the same version is known by its identity and bytes. So nothing is lost that the server still has, and what
comes by two ways is stored once. While nothing can be stored, nothing is asked. Of several engines one reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from twisted.internet.defer import CancelledError, Deferred, DeferredList, succeed
from twisted.logger import Logger

from casecart.listeners.fhir_client import client_of
from casecart.listeners.fhir_follow import Follow
from casecart.listeners.fhir_handover import Handover
from casecart.listeners.fhir_patience import Patience
from casecart.listeners.fhir_polling import Polling
from casecart.listeners.fhir_probe import probe
from casecart.listeners.fhir_received import read
from casecart.listeners.fhir_recovery import Recovery
from casecart.listeners.fhir_search import Reach, Searches
from casecart.listeners.fhir_settings import FhirSettings
from casecart.listeners.fhir_whole import Wholes
from casecart.runtime.fault import told
from casecart.runtime.fhir_reading import FhirReading
from casecart.runtime.listener import ListenerSpec
from casecart.runtime.marks import FHIR, FHIR_LOOKED, FHIR_TROUBLE, SUBSCRIPTION
from casecart.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from casecart.runtime.fhir_server import FhirServer
    from casecart.runtime.listener import Listener, ListenerContext, Received
    from casecart.store import Cursor

__all__ = ["SPEC", "FhirListener"]

_EVERY: Final = 1.0  # seconds between looks
_SOON: Final = 0.02
"""Seconds to the next look when something was done: there may be more of it."""
_MICROSECONDS: Final = 1_000_000


def _make(context: ListenerContext) -> Listener:
    settings = cast("FhirSettings", context.settings)
    return FhirListener(
        context, client_of(settings.server, reactor=context.reactor, now=context.now, root=context.root)
    )


def _heard(settings: Any) -> tuple[str, str] | None:  # noqa: ANN401 - as the spec has it
    return cast("FhirSettings", settings).heard


def _read(settings: Any) -> FhirReading:  # noqa: ANN401 - as the spec has it
    of = cast("FhirSettings", settings)
    return FhirReading(
        lambda reactor, now, root: client_of(of.server, reactor=reactor, now=now, root=root), tuple(of.searches)
    )


def _receive(context: ListenerContext, body: bytes, _peer: str) -> Received:
    return read(context, body)


SPEC: Final = ListenerSpec(
    kind="fhir",
    about="Reads at a FHIR server what changed there: told by notifications, or searched.",
    settings=FhirSettings,
    make=_make,
    hears=_heard,
    reads=_read,
    receive=_receive,
    probe=probe,
)


class FhirListener:
    """Reads at one server.

    Args:
        context: the listener's.
        server: is asked.
    """

    log = Logger()

    def __init__(self, context: ListenerContext, server: FhirServer) -> None:
        assert context.notices is not None  # noqa: S101 - the engine gives it to a kind that hears
        self._context, self._notices, self._server = context, context.notices, server
        self._settings = cast("FhirSettings", context.settings)
        self._tasks: set[Deferred[None]] = set()
        self._work: _Work | None = None
        self._call: Any = None
        self._handover = Handover(context, str(self._settings.facility), server.base, server.version)

    @property
    def port(self) -> int:
        """It has none."""
        return 0

    @property
    def where(self) -> str:
        """At which server it reads."""
        return f"at {self._server.base} ({SPEC.kind})"

    def start(self) -> Deferred[None]:
        """Read from now on."""
        self._soon(0)
        return succeed(None)

    def stop(self) -> Deferred[None]:
        """Ask no more; fires when what was handed in is answered."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._give_up()
        return DeferredList([self._server.stop(), self._handover.idle()]).addCallback(lambda _: None)

    def _give_up(self) -> None:
        """What is under way is left; it is begun again from what is durable."""
        self._work = None
        for task in list(self._tasks):
            task.cancel()

    def _soon(self, seconds: float) -> None:
        self._call = self._context.reactor.callLater(seconds, self._look)

    def _look(self) -> None:
        try:
            if not self._notices.mine():
                self._give_up()  # another engine goes on, from what is durable
            elif self._context.intake.open:
                self._step()
        except StoreUnavailable:
            self._give_up()
        except Exception as fault:  # noqa: BLE001 - its text may quote the store
            self._give_up()
            words = "{name} failed, and tries again: {fault}"
            self.log.error(words, name=self._context.name, fault=told(fault))  # noqa: TRY400 - as above
        self._soon(_EVERY)

    def _step(self) -> None:
        marks = self._notices.marks()
        if self._work is None:
            self._work = self._begun(marks)
        self._work.look(marks)

    def _begun(self, marks: Mapping[str, Cursor]) -> _Work:
        settings, context, server = self._settings, self._context, self._server
        name, seconds, spawn, notices = context.name, context.reactor.seconds, self._spawn, self._notices
        patience = Patience(f"{name}: {server.base}", seconds)
        wholes = Wholes(server, settings.include, seconds)
        reach = Reach(
            overlap=int(settings.overlap * _MICROSECONDS), start=settings.begins, regular=settings.every is not None
        )
        searches = Searches(
            name, settings.searches, reach,
            server=server, wholes=wholes, handover=self._handover, notices=notices, now=context.now,
        )  # fmt: skip
        polling = Polling(name, searches, settings.every, seconds=seconds, server=patience, spawn=spawn)
        follow = Follow(
            name,
            server=server, wholes=wholes, handover=self._handover, notices=notices, patience=patience,
            seconds=seconds, spawn=spawn,
        )  # fmt: skip
        recovery = Recovery(
            name, settings.heard, int(settings.grace * _MICROSECONDS),
            server=server, polling=polling, follow=follow.follow, notices=notices, patience=patience,
            now=context.now, spawn=spawn,
        )  # fmt: skip
        searches.begin(marks)
        recovery.begin(marks)
        return _Work(
            context, settings, follow=follow, recovery=recovery, polling=polling, patience=patience, spawn=spawn
        )

    def _spawn(self, coroutine: Coroutine[Deferred[Any], Any, None]) -> None:
        """Run something beside all else; when it is over there may be more to do."""
        task = Deferred.fromCoroutine(coroutine)
        self._tasks.add(task)
        task.addErrback(self._failed)
        task.addBoth(lambda _: self._over(task))

    def _failed(self, failure: Any) -> None:  # noqa: ANN401 - Twisted's
        if failure.check(CancelledError) is None:
            self.log.error("{name} failed: {fault}", name=self._context.name, fault=told(failure.value))

    def _over(self, task: Deferred[None]) -> None:
        self._tasks.discard(task)
        if self._call.active() and self._call.getTime() > self._context.reactor.seconds() + _SOON:
            self._call.reset(_SOON)


class _Work:
    """What is done while this engine is the one that reads: all of it forgotten when another is."""

    def __init__(
        self,
        context: ListenerContext,
        settings: FhirSettings,
        *,
        follow: Follow,
        recovery: Recovery,
        polling: Polling,
        patience: Patience,
        spawn: Any,  # noqa: ANN401 - as elsewhere
    ) -> None:
        assert context.notices is not None  # noqa: S101 - see above
        self._notices, self._now, self._spawn = context.notices, context.now, spawn
        self._follow, self._recovery, self._polling, self._patience = follow, recovery, polling, patience
        self._prefix = f"{FHIR}{context.name}:"
        heard = settings.heard
        self._signs = "" if heard is None else f"{SUBSCRIPTION}{heard[0]}:{heard[1]}"
        self._looking = False
        self._troubled: tuple[bool, int] | None = None

    def look(self, marks: Mapping[str, Cursor]) -> None:
        """Do what is to be done now."""
        self._tell(marks)
        if not self._patience.over:
            return
        self._see_to_wish(marks)
        self._follow.look(self._recovery, marks)
        self._recovery.look(marks)
        self._polling.look()

    def _see_to_wish(self, marks: Mapping[str, Cursor]) -> None:
        """An empty body of a classic subscription is no message: it says to look, and its mark says when."""
        wish, seen = marks.get(self._signs), marks.get(f"{self._prefix}{FHIR_LOOKED}")
        if wish is not None and not self._looking and (seen is None or seen.position < wish.position):
            self._looking = True
            self._spawn(self._looked(wish.position))

    async def _looked(self, wish: int) -> None:
        try:
            await self._polling.wanted(None)
        except Exception:  # noqa: BLE001 - who searches has told it; the wish is still there
            return
        finally:
            self._looking = False
        self._notices.note(f"{self._prefix}{FHIR_LOOKED}", wish, 0, _nothing)

    def _tell(self, marks: Mapping[str, Cursor]) -> None:
        """Note since when the server gives no answer that helps, for people's commands."""
        patience = self._patience if self._patience.code else self._polling.patience
        now = (bool(patience.code), patience.status)
        if self._troubled is None:
            mark = marks.get(f"{self._prefix}{FHIR_TROUBLE}")
            self._troubled = (mark is not None and mark.position > 0, mark.epoch if mark is not None else 0)
        if now != self._troubled:
            since = self._now() if now[0] else 0
            self._troubled = now
            self._notices.note(f"{self._prefix}{FHIR_TROUBLE}", since, now[1], _nothing)


def _nothing() -> None:
    """Wanted by nobody."""
