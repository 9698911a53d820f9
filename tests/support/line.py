"""An engine without sockets: real store and channels, a clock that the test moves, a destination that does as told."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from casecart.master.catalogue import Catalogue
from casecart.rules import Keys, Tokens
from casecart.runtime.backlog import WAIT, Backlog
from casecart.runtime.compiled import compile_workspace, whole_works
from casecart.runtime.destination import Answer, Delivery, Posting
from casecart.runtime.dispatcher import Dispatcher, Limits
from casecart.runtime.follower import Follower
from casecart.runtime.heard import heard_in
from casecart.runtime.identifier import Identifiers
from casecart.runtime.journal import COMPANY, Journal
from casecart.runtime.listener import Arrival, Receipt
from casecart.runtime.made import decode_postings
from casecart.runtime.marks import DISPATCH, FOLLOW, REPLAY, WORK
from casecart.runtime.membership import Membership
from casecart.runtime.pipeline import Pipeline
from casecart.runtime.replay import By, Replayer
from casecart.runtime.retention import Retention
from casecart.runtime.shared_backlog import SharedBacklog
from casecart.runtime.sharing import LeasedJournal, Sharing
from casecart.runtime.waiting import tries_of
from casecart.store import Due, Member, MessageFilter, Store, StoreBroken, StoreUnavailable, open_store
from support.loaded import loaded
from support.store import new_store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from casecart.runtime.destination import Destination
    from casecart.runtime.window import Work
    from casecart.store import Fence, SharedStore

ENGINE = """\
organisation: MERCY
facilities:
  NORTH: {time_zone: America/Chicago}
listeners:
  or-mllp:
    kind: mllp
    port: 0
    peers:
      orsys: {match: {MSH-3: ORSYS, MSH-4: NORTH}, facility: NORTH}
destinations:
  erp: {kind: file, folder: var/erp}
secrets: {keys: {file: keys}, tokens: {file: tokens}}
"""
CHANNEL = """\
channel: usage
about: What the tests send becomes postings.
from: [or-mllp]
accept: [DFT^P03]
steps:
  - map: usage
  - route:
      - {when: "usage.department == 'HOLD'", hold: Somebody must look at it}
      - {post: {to: erp, as: consumption}}
"""
MAPPING = """\
mapping: usage
reads: {format: hl7v2}
makes: Usage
says: transactions
each: FT1
where: "action in ['use', 'reverse']"
fields:
  case: {path: PV1-19.1, required: true, token: case}
  line: {path: FT1-2, optional: true}
  action: {path: FT1-6.1, table: action, required: true}
  quantity: {path: FT1-10, type: decimal, required: true, sign: by-action}
  item: {path: FT1-7.1, optional: true}
  department: {path: FT1-13.1, optional: true}
"""
TABLE = "code,value\nCG,use\nCD,reverse\nPY,none\n"

SECRET = "a secret of a test, of no value to anybody"


def write_workspace(root: Path, *, channel: str = CHANNEL, mapping: str = MAPPING) -> None:
    """The smallest workspace with a whole line through the house."""
    for name, text in {
        "config/engine.yaml": ENGINE,
        "channels/usage.yaml": channel,
        "mappings/usage.yaml": mapping,
        "mappings/tables/action.csv": TABLE,
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def dft(control_id: str, case: str = "V1", *, lines: Sequence[str] = ("1|CG|SCREW|1|OR",)) -> bytes:
    """A made-up DFT^P03; a line is ``id|type|code|quantity|department``."""
    segments = [
        f"MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|20261103101500||DFT^P03|{control_id}|P|2.5.1",
        "PID|1||MRN0001",
        f"PV1|1|I|||||||||||||||||{case}",
    ]
    for number, line in enumerate(lines, start=1):
        identifier, kind, code, quantity, department = line.split("|")
        segments.append(f"FT1|{number}|{identifier}||20261103||{kind}|{code}|||{quantity}|||{department}")
    return "".join(segment + "\r" for segment in segments).encode()


class Script:
    """A destination that keeps what it is sent and answers as the test says; by default it takes everything."""

    def __init__(self, delivery: Delivery = Delivery.KEYED) -> None:
        self.delivery = delivery
        self.calls: list[tuple[str, list[str]]] = []
        """("post" or "look up", keys)."""
        self.effects: Counter[str] = Counter()
        """How often each key has had its effect."""
        self.answers: list[Callable[[Sequence[Posting]], Sequence[Answer] | Exception]] = []
        """For the next calls of `post`; then everything is taken."""
        self.look_ups: list[Callable[[Sequence[Posting]], Sequence[Answer] | Exception]] = []
        self.seen: Callable[[Sequence[Posting]], None] = lambda _: None
        self.settling = 0.0
        """Of a searchable one."""

    def post(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Does what `answers` says."""
        self.seen(postings)
        return self._do("post", postings, self.answers)

    def look_up(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Does what `look_ups` says; by default it tells what has had its effect."""
        return self._do("look up", postings, self.look_ups)

    def _do(
        self,
        name: str,
        postings: Sequence[Posting],
        script: list[Callable[[Sequence[Posting]], Sequence[Answer] | Exception]],
    ) -> Deferred[Sequence[Answer]]:
        self.calls.append((name, [posting.key for posting in postings]))
        if script:
            said = script.pop(0)(postings)
            if isinstance(said, Exception):
                failed: Deferred[Sequence[Answer]] = Deferred()
                failed.errback(said)
                return failed
            return succeed(said)
        if name == "look up":
            return succeed(
                [
                    Answer("posted", "read back") if self.effects[posting.key] else Answer("retry")
                    for posting in postings
                ]
            )
        return succeed(self.take(postings))

    def take(self, postings: Sequence[Posting]) -> list[Answer]:
        """The postings have their effect; a keyed destination has it once."""
        for posting in postings:
            if self.delivery is not Delivery.KEYED or not self.effects[posting.key]:
                self.effects[posting.key] += 1
        return [Answer("posted", "acknowledged") for _ in postings]

    def groups(self, postings: Sequence[Posting]) -> list[str]:
        """Each in a draft of its own, and another one each time."""
        return [f"{posting.key}-{posting.attempts}" for posting in postings]

    def stop(self) -> Deferred[None]:
        """Nothing to let go of."""
        return succeed(None)


@dataclass
class Line:
    """Store, journal, backlog and one dispatcher on one clock."""

    root: Path
    url: str
    script: Script = field(default_factory=Script)
    limits: Limits = field(default_factory=Limits)
    budget: float = 1.0
    pipeline_class: type[Pipeline] = Pipeline
    follows: str = "item-changes"
    """The listener whose lease it wants, where engines share the store."""
    before: Callable[[Line], Destination] | None = None
    """Makes what stands before the script as the dispatcher's destination."""

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.store: Store = open_store(self.url, role="engine")
        self.replies: list[tuple[str, Receipt]] = []
        self.at_reply: dict[str, str] = {}
        """Control id → outcome when it was answered."""
        self.broken: list[Exception] = []
        workspace = loaded(self.root)
        self.identifiers = identifiers = Identifiers(self.now, os.urandom)
        compiled = replace(compile_workspace(workspace), heard=heard_in(workspace))
        self.catalogue = Catalogue()
        keys = Keys(SECRET.encode())
        self.pipeline = self.pipeline_class(
            store=self.store,
            catalogue=self.catalogue,
            keys=keys,
            tokens=Tokens(SECRET.encode()),
            identifier=identifiers.mint,
            clock=self.clock.seconds,
            by=compiled,
        )
        self.journal = Journal(
            store=self.store,
            pipeline=self.pipeline,
            reactor=self.clock,
            now=self.now,
            identifiers=identifiers,
            budget=self.budget,
            planned=self._planned,
            broken=self.broken.append,
            recovered=self._recovered,
            lost=self._lost,
        )
        self.follower = Follower(
            store=self.store,
            catalogue=self.catalogue,
            reactor=self.clock,
            defer=self.journal.defer,
            broken=self.broken.append,
        )
        wholes = whole_works(
            compiled,
            store=self.store,
            catalogue=self.catalogue,
            keys=keys,
            identifier=identifiers.mint,
            now=self.now,
        )
        self.replayer = Replayer(
            store=self.store,
            pipeline=self.pipeline,
            reactor=self.clock,
            identifier=identifiers.mint,
            now=self.now,
            by=By(compiled.revisions, wholes),
            settled=lambda: self.dispatcher.settled,
            ready=self._ready,
            defer=self.journal.defer,
            planned=self._planned,
            recovered=self._recovered,
            broken=self.broken.append,
        )
        self.leased = LeasedJournal(self.journal)
        self.dispatcher = Dispatcher(
            name="erp",
            destination=self.script if self.before is None else self.before(self),
            store=self.store,
            journal=self.writes,
            reactor=self.clock,
            now=self.now,
            random=lambda: 0.5,
            identifier=identifiers.mint,
            organisation="MERCY",
            limits=self.limits,
        )
        self.sharing: Sharing | None = None
        self.membership: Membership | None = None
        parts: dict[str, Any] = {
            "store": self.store,
            "journal": self.journal,
            "pipeline": self.pipeline,
            "reactor": self.clock,
            "identifier": identifiers.mint,
            "now": self.now,
            "planned": self._planned,
            "broken": self.broken.append,
            "recovered": self._recovered,
            "ready": self._ready,
        }
        self.backlog = self._share(parts) if self.store.shared else Backlog(**parts)

    @property
    def retention(self) -> Retention:
        """Started by nobody: a line keeps everything."""
        due = Due(now=0, bodies={}, channels={}, documents=0, events=0, exceptions=0)
        return Retention(
            store=self.store, due=lambda _: due, reactor=self.clock, now=self.now, broken=self.broken.append
        )

    def _share(self, parts: dict[str, Any]) -> Backlog:
        store = cast("SharedStore", self.store)
        self.sharing = Sharing(
            store=store,
            reactor=self.clock,
            dispatchers={"erp": self.dispatcher},
            journals={"erp": self.leased},
            retention=self.retention,
            died=self._beware,
        )
        member = Member(os.urandom(16), f"{WORK} {REPLAY} {DISPATCH}erp {FOLLOW}{self.follows}", "here:1", self.now())
        self.membership = Membership(store, member, self.clock, self.sharing, self.broken.append)
        self.sharing.backlog = SharedBacklog(
            member=member.id, partitions=self.sharing.partitions, lost=self._lost, maps=True, **parts
        )
        return self.sharing.backlog

    def _beware(self) -> None:
        self.backlog.beware()
        self.journal.defer()

    def _lost(self, fences: Collection[Fence]) -> None:
        assert self.membership is not None
        self.membership.over(fences)

    @property
    def writes(self) -> Journal | LeasedJournal:
        """What the dispatcher writes through."""
        return self.leased if self.store.shared else self.journal

    def _ready(self) -> bool:
        return self.follower.ready

    def _recovered(self) -> None:
        self.dispatcher.resync()

    def _planned(self, works: list[Work]) -> None:
        self.dispatcher.feed(works)

    def now(self) -> int:
        """The wall clock goes with the reactor's."""
        return 1_790_000_000_000_000 + int(self.clock.seconds() * 1e6)

    def start(self) -> Line:
        """As the engine starts."""
        if self.membership is not None and self.sharing is not None:
            self.membership.start()
            self.sharing.start()
        else:
            self.dispatcher.start(*tries_of(self.store).get("erp", ()))
        self.backlog.begin()
        self.follower.start()
        self.settle()
        self.clock.advance(WAIT)
        self.settle()
        return self

    def look(self) -> None:
        """As the engine looks at what people wish, each second."""
        wishes = self.replayer.wishes()
        self.follower.look()
        self.replayer.work(wishes)
        self.settle()

    def settle(self, turns: int = 30) -> None:
        """Let everything happen that needs no waiting, but for the company of a commit."""
        for _ in range(turns):
            self.clock.advance(0)
            self.clock.advance(COMPANY)

    def wait(self, seconds: float) -> None:
        """Let time go by in small steps."""
        for _ in range(int(seconds * 20)):
            self.clock.advance(0.05)

    def take(self, body: bytes, *, refused: bool = False, complete_within: float | None = None) -> None:
        """A message arrives; nothing has happened to it yet."""
        self.journal.take(self.arrival(body, refused=refused, complete_within=complete_within))

    def arrival(self, body: bytes, *, refused: bool = False, complete_within: float | None = None) -> Arrival:
        """A message as the listener hands it over."""
        control_id = body.split(b"|")[9].decode()
        return Arrival(
            listener="or-mllp", facility="NORTH", organisation="MERCY", peer="orsys", schema="hl7v2/2.5.1",
            message_type="DFT^P03", sender="ORSYS|NORTH", control_id=control_id, occurred_at=None, partition=0,
            notes=None, source="127.0.0.1:1", charset=None, body=body,
            reply=lambda receipt: self._replied(control_id, receipt),
            refused=refused, complete_within=complete_within,
        )  # fmt: skip

    def _replied(self, control_id: str, receipt: Receipt) -> None:
        self.replies.append((control_id, receipt))
        self.at_reply[control_id] = self.outcomes().get(control_id, "")

    def send(self, *bodies: bytes) -> None:
        """Messages arrive one by one, each in a turn of its own."""
        for body in bodies:
            self.take(body)
            self.settle()

    def outcomes(self) -> dict[str, str]:
        """Control id → outcome, of every message in the store; the first of its control id."""
        rows = self.store.messages(MessageFilter(), None, 1000)
        return {row.control_id: row.outcome for row in rows}

    def postings(self) -> list[Posting]:
        """Every posting of the ledger, as the store has it."""
        rows = self.store.messages(MessageFilter(), None, 1000)
        return [
            posting
            for row in reversed(rows)
            for entry in self.store.entries(row.position)
            for posting in decode_postings(entry.postings)
        ]

    def counts(self) -> Counter[str]:
        """Every counter by its name, whatever its scope."""
        totals: Counter[str] = Counter()
        for count in self.store.counts():
            totals[count.name] += count.amount
        return totals

    def balance(self) -> tuple[int, int]:
        """How far each of the two balances is from being exact."""
        counts = self.counts()
        waiting = sum(self.store.waiting_counts().values())
        in_flight = sum(row.postings for row in self.store.open_counts())
        messages = counts["received"] + counts["copied"] + counts["assembled"] - waiting
        for name in ("processed", "duplicate", "unrouted", "refused", "quarantined", "part", "joined"):
            messages -= counts[name]
        lines = counts["produced"] - in_flight
        for name in ("posted", "no_change", "filtered", "held", "rejected", "waiting"):
            lines -= counts[name]
        return messages, lines

    def stop(self) -> None:
        """A clean stop."""
        self.journal.flush()
        self.dispatcher.stop(1.0)
        self.backlog.end()
        if self.membership is not None and self.sharing is not None:
            self.sharing.stop()
            self.membership.stop()
        self._end()

    def crash(self) -> None:
        """The process is gone; only the store remains."""
        self._end()

    def _end(self) -> None:
        """Both balances are exact between any two commits, so also now."""
        with suppress(StoreUnavailable, StoreBroken):  # what the test broke tells nothing
            assert self.balance() == (0, 0)
        self.store.close()


def new_line(root: Path, url: str, *, channel: str = CHANNEL, mapping: str = MAPPING, **options: object) -> Line:
    """A line with an empty, migrated store."""
    write_workspace(root, channel=channel, mapping=mapping)
    new_store(url)
    return Line(root, url, **options).start()  # type: ignore[arg-type]  # the options of Line, by name
