"""The events of subscriptions by their numbers at work: what is missing is asked for, and what is here is kept in mind.

`casecart.formats.fhir.series` says when what is asked. The number up to which nothing is missing is kept after the
resources of these events are stored, and not before. After a restart the server is asked how far it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from casecart.formats.fhir import read_reference
from casecart.formats.fhir.notification import BadNotification, Notification, notification_of
from casecart.formats.fhir.series import AskChanges, AskEvents, Series
from casecart.listeners.fhir_answer import at_this, of_the_server
from casecart.listeners.fhir_handover import NotStored
from casecart.listeners.fhir_polling import NO_SEARCHES
from casecart.runtime.fhir_server import FhirTrouble
from casecart.runtime.marks import FHIR, FHIR_EVENTS, FHIR_WHOLE, subscription_mark

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from twisted.internet.defer import Deferred

    from casecart.formats.fhir.series import Ask
    from casecart.listeners.fhir_patience import Patience
    from casecart.listeners.fhir_polling import Polling
    from casecart.runtime.fhir_server import FhirServer
    from casecart.runtime.notices import Notices
    from casecart.store import Cursor, Message

__all__ = ["Recovery"]

_MOST: Final = 1000
"""Subscriptions of one peer whose events are counted."""
_KEEP: Final = 60_000_000
"""µs from one note of when nothing was missing to the next, while nothing is."""
_FAILURES: Final = 3
"""So often in a row the server may fail at an operation before it is taken for one that it does not offer."""
_HEARTBEAT: Final = "/StructureDefinition/backport-heartbeat-period"
_LONGEST: Final = 30 * 86_400  # seconds of a heartbeat's period


@dataclass
class _Subscription:
    """One of them.

    Attributes:
        name: `Subscription/1`; it is asked for below the server's address only.
        series: of its events.
        begun: by position of the notification, the lowest number of those that are being followed up.
        kept: what is durable, or on the way: known, number, whole.
        signs: positions of the marks that were heard already.
        asking: whether something is being asked.
        asked: for which events the server was asked last.
        failures: how often in a row the server failed at a question about its events.
        stored: names of what of these is stored; a later event of the same resource is in a later question.
        alive: whether anything was heard of it in this run.
        status: as the server said last.
        trouble: code of what was wrong when something was asked last; empty: nothing.
    """

    name: str
    series: Series
    begun: dict[int, int] = field(default_factory=dict)
    kept: tuple[int, int, int] = (-1, 0, 0)
    signs: dict[str, int] = field(default_factory=dict)
    asking: bool = False
    asked: AskEvents | None = None
    stored: set[str] = field(default_factory=set)
    failures: int = 0
    alive: bool = False
    status: str = ""
    trouble: str = ""


class Recovery:
    """The subscriptions of the heard peer.

    Args:
        name: the listener's.
        heard: the listener and the peer there that notify; None: nobody does.
        grace: µs that a gap may last.
        server: is asked.
        polling: searches for what changed.
        follow: has the events of an answer followed up until all is stored, but for what of it is stored already; gives
            whether it told of all of them.
        notices: keeps the numbers.
        patience: with the server as a whole.
        now: µs since 1970.
        spawn: runs something beside all else.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        heard: tuple[str, str] | None,
        grace: int,
        *,
        server: FhirServer,
        polling: Polling,
        follow: Callable[[Notification, set[str]], Awaitable[bool]],
        notices: Notices,
        patience: Patience,
        now: Callable[[], int],
        spawn: Callable[[Coroutine[Deferred[Any], Any, None]], None],
    ) -> None:
        self._name, self._heard, self._grace = name, heard, grace
        self._server, self._polling, self._follow = server, polling, follow
        self._notices, self._patience, self._now, self._spawn = notices, patience, now, spawn
        self._all: dict[str, _Subscription] = {}
        self._prefix = f"{FHIR}{name}:"

    @property
    def missing(self) -> bool:
        """Whether an event is known to be missing."""
        return any(each.series.missing is not None for each in self._all.values())

    def begin(self, marks: Mapping[str, Cursor]) -> None:
        """Take up the subscriptions that are known, and ask how far each is."""
        events = f"{self._prefix}{FHIR_EVENTS}"
        for mark in marks.values():
            name = mark.name.removeprefix(events)
            if not mark.name.startswith(events) or mark.position < 0 or len(self._all) >= _MOST:
                continue
            whole = marks.get(f"{self._prefix}{FHIR_WHOLE}{name}")
            since = None if whole is None else whole.position
            series = Series(self._now(), known=mark.position, number=mark.epoch, whole=since, grace=self._grace)
            series.doubt()
            one = _Subscription(name, series, kept=(mark.position, mark.epoch, since or 0))
            one.signs = self._signs(name, marks)
            self._all[name] = one
            self._spawn(self._learn(one))

    def heard(self, notification: Notification, message: Message, marks: Mapping[str, Cursor]) -> None:
        """A notification begins to be followed up; `followed` says that it is.

        Args:
            notification: of the peer.
            message: that it is.
            marks: as they are now: a handshake before it tells where the numbers begin.
        """
        one = self._of(notification, marks)
        if one is not None:
            self._hear_signs(one, marks)  # a handshake that came before it; one that came after it costs a question
            one.alive = True
            one.series.heard(notification, self._now(), message.recorded_at)
            if notification.numbers:
                one.begun[message.position] = notification.numbers[0]

    async def searched(self, notification: Notification) -> None:
        """All that changed is here, after a notification that does not say what did."""
        one = self._all.get(_name_of(notification.subscription))
        if one is None:
            await self._polling.wanted(None)
            return
        through = max(one.series.known or 0, notification.counted or 0, *notification.numbers[-1:])
        one.asking = True  # the series wants the same
        try:
            await self._changes(one, one.series.whole, through)
        finally:
            one.asking = False

    def followed(self, notification: Notification, position: int) -> None:
        """All of its resources are stored, or a person knows of it."""
        one = self._all.get(_name_of(notification.subscription))
        if one is not None:
            one.begun.pop(position, None)
            self._keep(one)

    def look(self, marks: Mapping[str, Cursor]) -> None:
        """Hear signs of life, and ask what is to be asked."""
        for one in list(self._all.values()):
            self._hear_signs(one, marks)
            if not one.asking and self._patience.over and (ask := one.series.next(self._now())) is not None:
                one.asking = True
                self._spawn(self._ask(one, ask))

    # --- which they are
    def _of(self, notification: Notification, marks: Mapping[str, Cursor]) -> _Subscription | None:
        name = _name_of(notification.subscription)
        if not name or (name not in self._all and len(self._all) >= _MOST):
            return None
        one = self._all.get(name)
        if one is None:
            one = self._all[name] = _Subscription(name, Series(self._now(), grace=self._grace))
            one.signs = self._signs(name, marks)
            for mark in one.signs:
                self._sign(one, marks[mark])
            self._spawn(self._learn(one))
        return one

    def _signs(self, name: str, marks: Mapping[str, Cursor]) -> dict[str, int]:
        """The marks of a subscription's signs of life; the handshake first, since what is counted comes after it."""
        if self._heard is None:
            return {}
        names = [subscription_mark(*self._heard, name, handshake=handshake) for handshake in (True, False)]
        return {mark: marks[mark].position for mark in names if mark in marks}

    def _hear_signs(self, one: _Subscription, marks: Mapping[str, Cursor]) -> None:
        for mark, position in self._signs(one.name, marks).items():
            if one.signs.get(mark) != position:
                one.signs[mark], one.alive = position, True
                self._sign(one, marks[mark])

    def _sign(self, one: _Subscription, mark: Cursor) -> None:
        handshake = mark.name.endswith(":handshake")
        kind = "handshake" if handshake else "heartbeat"
        told = Notification("backport", "", "handshake" if handshake else "heartbeat", one.name, counted=mark.epoch)
        if one.series.heard(told, self._now(), mark.position).anew:
            self.log.info("{name}: a subscription began anew ({kind})", name=self._name, kind=kind)
        self._keep(one)

    def _keep(self, one: _Subscription) -> None:
        """Note up to where all is stored; what is being followed up is not."""
        series = one.series
        if series.known is None:
            return
        known = min([series.known, *(first - 1 for first in one.begun.values())])
        before, number, since = one.kept
        whole = series.whole or 0
        if (known, series.number) == (before, number) and whole < since + _KEEP:
            return
        one.kept = known, series.number, whole
        if whole:
            self._notices.note(f"{self._prefix}{FHIR_WHOLE}{one.name}", whole, 0, _nothing)
        self._notices.note(f"{self._prefix}{FHIR_EVENTS}{one.name}", max(known, 0), series.number, _nothing)

    async def _learn(self, one: _Subscription) -> None:
        """The period of its heartbeat is the subscription's own to say; what can't be read promises none."""
        try:
            fetched = await self._server.read(read_reference(one.name))
        except FhirTrouble:
            return
        one.series.promised(_heartbeat(fetched.resource), self._now())

    # --- what is asked
    async def _ask(self, one: _Subscription, ask: Ask) -> None:
        try:
            if isinstance(ask, AskChanges):
                await self._changes(one, ask.since, ask.through)
            elif isinstance(ask, AskEvents):
                await self._events(one, ask)
            else:
                await self._status(one)
            self._patience.well()
            one.trouble = ""
        except FhirTrouble as trouble:
            if of_the_server(trouble):
                self._patience.failed(trouble)
            elif trouble.code != one.trouble:
                one.trouble = trouble.code
                words = "{name}: what {subscription} missed can't be asked for: {words} It is tried again."
                self.log.error(words, name=self._name, subscription=one.name, words=str(trouble))  # noqa: TRY400 - told in full
        except NotStored:
            pass  # it is asked again
        finally:
            one.asking = False
        self._keep(one)

    async def _status(self, one: _Subscription) -> None:
        """Ask how far the server is; of one that does not say it, for all that changed."""
        try:
            told = await self._answer(one, "$status")
        except FhirTrouble as trouble:
            if not _lacks(one, trouble):
                raise
            if not one.alive and not await self._is_there(one):
                await self._searched_last(one)
                self._forget(one)
                return
            told = None
        if told is None:
            await self._changes(one, one.series.whole, one.series.known or 0)
            one.series.not_told(self._now())
            return
        # Events that are told of here were not followed up: only how many there are counts.
        if one.series.heard(replace(told, kind="query-status", events=()), self._now()).anew:
            self.log.warn("{name}: the server counts a subscription's events anew", name=self._name)  # noqa: G010 - see below
        if told.status != one.status and told.status in {"error", "off"}:
            words = "{name}: {subscription} is '{status}' at the server: it sends no more until it is made active again"
            self.log.warn(words, name=self._name, subscription=one.name, status=told.status)  # noqa: G010 - the logger is Twisted's
        one.status = told.status

    async def _searched_last(self, one: _Subscription) -> None:
        """What it did not tell any more, before it was deleted, nobody else tells."""
        try:
            await self._changes(one, one.series.whole, one.series.known or 0)
        except FhirTrouble as trouble:
            if trouble.code != NO_SEARCHES:
                raise

    async def _is_there(self, one: _Subscription) -> bool:
        try:
            await self._server.read(read_reference(one.name))
        except FhirTrouble as trouble:
            if trouble.code in {"gone", "not-found"}:
                return False
            if trouble.passing:
                raise
        return True

    def _forget(self, one: _Subscription) -> None:
        """It was deleted at the server."""
        self.log.info("{name}: {subscription} is no more at the server", name=self._name, subscription=one.name)
        self._all.pop(one.name, None)
        self._notices.note(f"{self._prefix}{FHIR_EVENTS}{one.name}", -1, one.series.number, _nothing)

    async def _events(self, one: _Subscription, ask: AskEvents) -> None:
        query = f"$events?eventsSinceNumber={ask.first}&eventsUntilNumber={ask.last}"
        try:
            told = await self._answer(one, query)
        except FhirTrouble as trouble:
            if not _lacks(one, trouble):
                raise
            told = None
        if ask != one.asked:
            one.asked, one.stored = ask, set()
        if told is not None and await self._followed(one, told):
            one.series.heard(replace(told, kind="query-event"), self._now())
        missing = one.series.missing
        if missing is not None and missing[0] <= ask.last:
            words = "{name}: {subscription}: the server gave not all of events {first} to {last}: it is searched"
            self.log.info(
                words, name=self._name, subscription=one.name, first=missing[0], last=min(missing[1], ask.last)
            )
            one.series.not_given(self._now())

    async def _followed(self, one: _Subscription, told: Notification) -> bool:
        """Whether all that an answer tells of is here, but for what is not there any more."""
        try:
            return await self._follow(told, one.stored)
        except FhirTrouble as trouble:
            if trouble.passing or of_the_server(trouble):
                raise
            words = "{name}: {subscription}: an event that was missed is about something that can't be had: {words}"
            self.log.error(words, name=self._name, subscription=one.name, words=str(trouble))  # noqa: TRY400 - told in full
            return trouble.code in {"gone", "not-found", "not-ours"}

    async def _changes(self, one: _Subscription, since: int | None, through: int) -> None:
        began = self._now()
        try:
            await self._polling.wanted(since)
        except FhirTrouble as trouble:
            if trouble.code == NO_SEARCHES:
                one.series.not_searched()
            raise
        one.series.recovered(through, began)

    async def _answer(self, one: _Subscription, operation: str) -> Notification | None:
        """What the server says; None: nothing that could be read as an answer, or about another subscription."""
        fetched = await self._server.ask("GET", f"{one.name}/{operation}")
        one.failures = 0
        try:
            told = None if fetched is None else notification_of(fetched.resource)
        except BadNotification:
            told = None
        if told is None or (told.subscription and _name_of(told.subscription) != one.name):
            return None
        return told


def _lacks(one: _Subscription, trouble: FhirTrouble) -> bool:
    """Whether the server does not offer an operation: it says so, or fails each time. A search tells the same."""
    if at_this(trouble):
        one.failures += 1
        return one.failures >= _FAILURES
    return not trouble.passing and not of_the_server(trouble)


def _name_of(subscription: str) -> str:
    """`Subscription/1` of a reference in any of its forms, safe to be asked for; empty: it has none."""
    own = read_reference("/".join(subscription.partition("/_history/")[0].rsplit("/", 2)[-2:]))
    return own.text if own.kind == "relative" and own.type == "Subscription" else ""


def _heartbeat(resource: Mapping[str, Any]) -> int | None:
    """µs between signs of life, as a subscription of R5 says, or one of the Backport."""
    channel = resource.get("channel")
    extensions = channel.get("extension") if isinstance(channel, dict) else None
    said = [resource.get("heartbeatPeriod")]
    said += [
        each.get("valueUnsignedInt")
        for each in (extensions if isinstance(extensions, list) else ())
        if isinstance(each, dict) and str(each.get("url", "")).endswith(_HEARTBEAT)
    ]
    periods = [each for each in said if isinstance(each, int) and 0 < each <= _LONGEST]
    return periods[0] * 1_000_000 if periods else None


def _nothing() -> None:
    """Wanted by nobody."""
