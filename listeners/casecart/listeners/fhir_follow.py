"""Follows notifications up: fetches what they are about, and hands it in.

What a notification brings is not fetched. An id-only one names what to fetch; after an empty one all is searched that
changed. It is followed up when all of that is stored. Trouble that passes leaves it where it is; with other trouble a
person gets it, and so where the server has deleted what it is about: whether something of that was posted and has to be
taken back, no server says (FHIR's way of taking back is the status `entered-in-error`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from casecart.formats.fhir import read_reference
from casecart.formats.fhir.envelope import changed_at
from casecart.formats.fhir.notification import BadNotification, classic, notification_of
from casecart.listeners.fhir_answer import at_this, of_the_server
from casecart.listeners.fhir_handover import NotStored
from casecart.listeners.fhir_patience import Patience
from casecart.listeners.fhir_polling import NO_SEARCHES
from casecart.listeners.fhir_whole import name_of
from casecart.rules import Trouble
from casecart.runtime.fault import NotWorkable, told
from casecart.runtime.fhir_body import resource_of
from casecart.runtime.fhir_server import FhirTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from twisted.internet.defer import Deferred

    from casecart.formats.fhir import Resource
    from casecart.formats.fhir.notification import Notification
    from casecart.listeners.fhir_handover import Handover
    from casecart.listeners.fhir_recovery import Recovery
    from casecart.listeners.fhir_whole import Wholes
    from casecart.runtime.fhir_server import FhirServer
    from casecart.runtime.notices import Notices
    from casecart.store import Cursor, Message

__all__ = ["Follow"]

_AT_ONCE: Final = 4
"""Notifications that are followed up beside each other; more waits at the server's connections."""
_SLICE: Final = 8
_MOST: Final = 1000
"""Notifications that are looked at, those included that wait for better times."""
_NOT_YET: Final = 3
"""So often what is not found is looked for again: a server may tell of what its next copy does not have yet."""
_ABSENT: Final = frozenset({"gone", "not-found", "not-ours"})
_LONGEST_TRIED: Final = 3600.0
"""Seconds that the server may fail at one notification, while it answers others, before a person gets it."""
_ENVELOPES: Final = frozenset({"Bundle", "OperationOutcome", "Parameters", "Subscription", "SubscriptionStatus"})


class _Tried:
    """A notification that is to be tried again."""

    def __init__(self, patience: Patience, since: float, done: int) -> None:
        self.patience, self.since, self.done = patience, since, done
        self.tries = 0


class Follow:
    """Works what waits.

    Args:
        name: the listener's.
        server: is asked.
        wholes: makes messages of what is fetched.
        handover: hands them in.
        notices: what waits.
        patience: with the server as a whole.
        seconds: a clock that is never set.
        spawn: runs something beside all else.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        *,
        server: FhirServer,
        wholes: Wholes,
        handover: Handover,
        notices: Notices,
        patience: Patience,
        seconds: Callable[[], float],
        spawn: Callable[[Coroutine[Deferred[Any], Any, None]], None],
    ) -> None:
        self._name, self._server, self._wholes, self._handover = name, server, wholes, handover
        self._notices, self._patience = notices, patience
        self._seconds, self._spawn = seconds, spawn
        self._busy: set[int] = set()
        self._working = 0  # of these, that ask the server: the others wait for a search
        self._again: dict[int, _Tried] = {}
        self._heard: set[int] = set()  # those whose numbers are counted
        self._stored: dict[int, set[str]] = {}  # by position: what of it is stored already
        self._done = 0

    def look(self, recovery: Recovery, marks: Mapping[str, Cursor]) -> None:
        """Take up what waits, as much as may be worked at once."""
        if self._working >= _AT_ONCE or not self._patience.over:
            return
        waiting = self._notices.waiting(min(_SLICE + len(self._again) + len(self._busy), _MOST))
        there = {message.position for message in waiting} | self._busy
        self._again = {position: tried for position, tried in self._again.items() if position in there}
        for message in waiting:
            position = message.position
            if self._working >= _AT_ONCE:
                return
            if position in self._busy or (position in self._again and not self._again[position].patience.over):
                continue
            self._busy.add(position)
            self._spawn(self._work(message, recovery, marks))

    async def _work(self, message: Message, recovery: Recovery, marks: Mapping[str, Cursor]) -> None:
        position, notification = message.position, None
        try:
            notification = _read(message)
            if position not in self._heard:
                self._heard.add(position)
                recovery.heard(notification, message, marks)
            self._working += 1
            try:
                stored = self._stored.setdefault(position, set())
                all_told = await self.follow(notification, stored, f"-{position}")
            finally:
                self._working -= 1
            if not all_told and not await self._searched(notification, recovery):
                self._busy.discard(position)
                return
        except FhirTrouble as trouble:
            held = self._failed(message, trouble)
        except NotWorkable as bad:
            held = bad.trouble
        except (NotStored, CancelledError):
            held = None
        except Exception as fault:  # noqa: BLE001 - one notification must not hold the others up
            self.log.error("{name} failed at a notification: {fault}", name=self._name, fault=told(fault))  # noqa: TRY400 - its text may quote the message
            words = f"The engine failed when it followed this notification up ({told(fault)})."
            held = Trouble("engine-fault", "", words, "")
        else:
            self._patience.well()
            self._done += 1
            self._notices.done(message)
            self._over(position, notification, recovery)
            return
        self._busy.discard(position)
        if held is not None:
            self._notices.held(message, held)
            self._over(position, notification, recovery)

    async def _searched(self, notification: Notification, recovery: Recovery) -> bool:
        """Whether all that changed is here. What is wrong with a search is no fault of the notification: it waits."""
        try:
            await recovery.searched(notification)
        except FhirTrouble as trouble:
            if trouble.code == NO_SEARCHES:
                raise
            return False
        return True

    def _over(self, position: int, notification: Notification | None, recovery: Recovery) -> None:
        self._busy.discard(position)
        self._again.pop(position, None)
        self._heard.discard(position)
        self._stored.pop(position, None)
        if notification is not None:
            recovery.followed(notification, position)

    async def follow(self, notification: Notification, stored: set[str], again: str = "") -> bool:
        """Hand in what a notification is about, and wait until it is stored; whether it tells that of all its events.

        Args:
            notification: also the answer to `$events`.
            stored: names of what was stored before, at another try, and need not be again; what is stored now is added.
            again: tells this from another notification, where a resource does not say its version.

        Fails with `FhirTrouble`, `NotStored`; with one that doesn't pass, and is not the server's, after all the rest.
        """
        brought = dict(_newest_last(notification.resources))
        named = [self._own(event.focus) for event in notification.events if event.focus]
        unnamed = len(notification.events) - len(named)
        focuses = dict.fromkeys(named)
        if unnamed or not named:
            focuses |= dict.fromkeys(name for name, each in brought.items() if each["resourceType"] not in _ENVELOPES)
        removed = {self._own(url) for url in notification.removed}
        bad: FhirTrouble | None = FhirTrouble("gone", _GONE, status=410) if removed - set(focuses) else None
        for name in [each for each in focuses if each not in stored]:
            try:
                if name in removed:
                    raise FhirTrouble("gone", _GONE, status=410)
                focus = brought.get(name) or await self._fetched(name)
            except FhirTrouble as trouble:
                if trouble.passing or of_the_server(trouble):
                    raise
                if bad is None or bad.code in _ABSENT:
                    bad = trouble
                continue
            await self._handover.give([await self._wholes.of(focus, brought, again)])
            stored.add(name)
        if bad is not None:
            raise bad
        told = len(focuses) - len(set(named)) + len(removed)
        return told >= unnamed and not notification.asks_to_look

    async def _fetched(self, name: str) -> Resource:
        fetched = await self._server.read(read_reference(name))
        if name_of(fetched.resource) != name.partition("/_history/")[0]:
            words = "The server gave another resource than the one that was asked for."
            raise FhirTrouble("other-resource", words, status=200)
        return fetched.resource

    def _own(self, reference: str) -> str:
        """What is asked for: below the server's address as its name alone, of no version, since the newest counts."""
        text = reference.removeprefix(f"{self._server.base}/")
        read = read_reference(text)
        return f"{read.type}/{read.id}" if read.kind == "relative" else text

    def _failed(self, message: Message, trouble: FhirTrouble) -> Trouble | None:
        """What a person is told; None: it is tried again later."""
        fails = at_this(trouble)
        if of_the_server(trouble):
            self._patience.failed(trouble)
            if not fails:
                return None
        else:
            self._patience.well()
        now = self._seconds()
        tried = self._again.get(message.position)
        if tried is None:
            what = f"{self._name}: the notification at position {message.position}"
            tried = self._again[message.position] = _Tried(Patience(what, self._seconds), now, self._done)
        tried.tries += 1
        if fails:
            again = now < tried.since + _LONGEST_TRIED or self._done == tried.done
        else:
            again = trouble.passing or (trouble.code == "not-found" and tried.tries < _NOT_YET)
        if again:
            tried.patience.failed(trouble)
            return None
        return Trouble(trouble.code, "", _GONE if trouble.code in {"gone", "not-found"} else str(trouble), "")


_GONE: Final = (
    "The server does not have what this notification is about, or not any more. See whether something of it was posted "
    "that has to be taken back, and reject this."
)


def _newest_last(resources: Sequence[Resource]) -> list[tuple[str, Resource]]:
    """By their names, those that have one; several versions of one may come together, in any order."""
    named = [(name, each) for each in resources if (name := name_of(each))]
    return sorted(named, key=lambda one: changed_at(one[1]) or 0)


def _read(message: Message) -> Notification:
    """Raises `NotWorkable`."""
    resource = resource_of(message.body)
    if resource["resourceType"] not in _ENVELOPES:
        return classic(resource)
    try:
        notification = notification_of(resource)
    except BadNotification as bad:
        raise NotWorkable(Trouble("bad-notification", "", f"{bad}: ask its sender for a right one.", "")) from None
    if notification is None:
        words = "It is no notification: nothing says what to fetch. Reject it."
        raise NotWorkable(Trouble("no-notification", "", words, ""))
    return notification
