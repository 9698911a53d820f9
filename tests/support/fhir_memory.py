"""A listener that reads at a FHIR server, without network and store: both are in memory; the test moves the clock."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from casecart.listeners.fhir import FhirListener
from casecart.listeners.fhir_settings import FhirSettings
from casecart.runtime.fhir_server import Fetched, FhirTrouble
from casecart.runtime.listener import ListenerContext
from casecart.store import Cursor
from support.fhir_reading import told
from support.listening import NOW, Intake
from support.log_row import message
from support.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from casecart.formats.fhir.reference import Reference
    from casecart.rules import Trouble
    from casecart.store import Message

__all__ = ["AWAY", "BASE", "FAILS", "NOT_FOUND", "MemoryServer", "Notes", "Reader"]

BASE = "https://ehr.example/fhir/r4"
AWAY = FhirTrouble("connection-refused", "It is away.", passing=True)
FAILS = FhirTrouble("server-error", "It failed.", status=500, passing=True)
NOT_FOUND = FhirTrouble("not-found", "It does not have it.", status=404)


class MemoryServer:
    """Answers from memory, at once.

    Attributes:
        resources: by name.
        troubles: by what is asked for; of "" for all.
        asked: what was asked for, as often as it was.
        searched: the searches that were put, in their order.
        pages: of every search, one page each.
        most: resources of a page that is not too large; None: none is.
        held_up: answers of reads that wait until the test fires them; None: none wait.
    """

    base, version = BASE, "4.0.1"

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.troubles: dict[str, FhirTrouble] = {}
        self.asked: Counter[str] = Counter()
        self.searched: list[str] = []
        self.pages: list[list[dict[str, Any]]] = [[]]
        self.answers: dict[str, Callable[[], dict[str, Any]]] = {}
        self.held_up: list[Deferred[None]] | None = None
        self.most: int | None = None
        self.stopped = False

    def put(self, *resources: Mapping[str, Any]) -> None:
        """Keep them, each as its first version."""
        for each in resources:
            meta = {"versionId": "1", "lastUpdated": "2026-09-21T00:00:00Z"}
            self.resources[f"{each['resourceType']}/{each['id']}"] = {**each, "meta": meta}

    def _met(self, what: str) -> None:
        self.asked[what] += 1
        trouble = self.troubles.get(what) or self.troubles.get("")
        if trouble is not None:
            raise trouble

    async def read(self, reference: Reference) -> Fetched:
        """As `FhirServer`."""
        self._met(reference.text)
        if self.held_up is not None:
            waits: Deferred[None] = Deferred()
            self.held_up.append(waits)
            await waits
        if reference.text not in self.resources:
            raise NOT_FOUND
        return _fetched(self.resources[reference.text])

    async def search(self, query: str) -> AsyncIterator[Fetched]:
        """As `FhirServer`."""
        self.searched.append(query)
        self._met(query.partition("?")[0])
        if self.most is not None and int(query.rpartition("_count=")[2]) > self.most:
            raise FhirTrouble("too-large", "It has more than is read.", status=200)
        for page in self.pages:
            yield _fetched({"resourceType": "Bundle", "entry": [{"resource": each} for each in page]})

    async def ask(
        self, method: str, path: str, resource: Mapping[str, Any] | None = None, **headers: str
    ) -> Fetched | None:
        """As `FhirServer`."""
        assert (method, resource, headers) == ("GET", None, {})
        operation = path.partition("?")[0]
        self._met(operation)
        if operation not in self.answers:
            raise NOT_FOUND
        return _fetched(self.answers[operation]())

    def stop(self) -> Deferred[None]:
        """As `FhirServer`."""
        self.stopped = True
        return succeed(None)


def _fetched(resource: dict[str, Any]) -> Fetched:
    return Fetched(resource, json.dumps(resource).encode())


class Notes:
    """What waits, and the listener's notes."""

    def __init__(self) -> None:
        self.left: dict[int, Message] = {}
        self.troubles: dict[int, Trouble] = {}
        self.kept: dict[str, Cursor] = {}
        self.ours = True

    def waiting(self, limit: int) -> Sequence[Message]:
        """As `Notices`."""
        return [self.left[position] for position in sorted(self.left)][:limit] if self.ours else []

    def done(self, message: Message, then: Callable[[], None] = lambda: None) -> None:
        """As `Notices`."""
        del self.left[message.position]
        then()

    def held(self, message: Message, trouble: Trouble) -> None:
        """As `Notices`."""
        self.troubles[message.position] = trouble
        del self.left[message.position]

    def mine(self) -> bool:
        """As `Notices`."""
        return self.ours

    def marks(self) -> Mapping[str, Cursor]:
        """As `Notices`."""
        return dict(self.kept)

    def note(self, name: str, position: int, epoch: int, done: Callable[[], None]) -> None:
        """As `Notices`."""
        self.kept[name] = Cursor(name, 0, position, epoch)
        done()


class Reader:
    """The listener, and what is around it."""

    def __init__(
        self, settings: str = "hears: ehr-http/ehr\nsearches: Procedure", *, notes: Notes | None = None
    ) -> None:
        self.clock, self.intake = Clock(), Intake()
        self.server, self.notes = MemoryServer(), notes or Notes()
        context = ListenerContext(
            name="ehr",
            settings=settings_of(FhirSettings, f"facility: NORTH\nserver: {{url: '{BASE}'}}\n{settings}\n"),
            reactor=self.clock,
            intake=self.intake,
            now=self.now,
            organisation="MERCY",
            time_zones={"NORTH": "America/Chicago"},
            root=Path(),
            notices=self.notes,
        )
        self.listener = FhirListener(context, self.server)
        self.listener.start()

    def now(self) -> int:
        """The wall clock goes with the reactor's."""
        return NOW + int(self.clock.seconds() * 1e6)

    def tell(self, *notifications: dict[str, Any]) -> None:
        """They wait, as if they had been stored."""
        for each in notifications:
            position = len(self.notes.left) + len(self.notes.troubles) + 1000 + self.now() % 10**9
            row = message(position, schema="fhir/4.3.0", message_type="Bundle", body=json.dumps(each).encode())
            row = row._replace(recorded_at=self.now())
            self.notes.left[position] = row

    def event(self, *numbers: int) -> None:
        """One id-only notification for each event."""
        self.tell(*(told(number) for number in numbers))

    def wait(self, seconds: float = 1.0, step: float = 0.5) -> None:
        """Time goes by."""
        for _ in range(int(seconds / step)):
            self.clock.advance(step)

    def known(self, subscription: str = "Subscription/s1") -> int | None:
        """Up to which number all of its events are here, durably."""
        mark = self.notes.kept.get(f"fhir:ehr:events:{subscription}")
        return None if mark is None else mark.position

    @property
    def codes(self) -> list[str]:
        """Of what a person has to look at."""
        return [trouble.code for trouble in self.notes.troubles.values()]
