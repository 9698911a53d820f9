"""The simulated world: it starts engines, lets things happen to them, and brings them to rest."""

from __future__ import annotations

import gc
import logging
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import msgspec
from twisted.internet.task import Clock

from casecart.runtime.dispatcher import Limits
from casecart.runtime.engine import Engine
from casecart.runtime.made import decode_postings
from casecart.runtime.states import OPEN
from casecart.store import Identity, StoreBroken, StoreUnavailable
from casecart.store.change import Change
from casecart.store.memory import MemoryStore
from casecart.store.records import Switch
from support.plugin import installed
from support.simulation.erp import Erp
from support.simulation.life import Life
from support.simulation.oracle import faults
from support.simulation.plan import make_plan
from support.simulation.sender import Sender
from support.simulation.weather import draw
from support.simulation.workspace import CLASSES, workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twisted.python.failure import Failure

    from casecart.runtime.destination import Posting
    from casecart.runtime.listener import Arrival, Receipt
    from support.simulation.door import Door
    from support.simulation.plan import Message

__all__ = ["Ended", "Stored", "World", "fair_world", "simulate"]

STORM = 40.0  # seconds of it at most
REST_LIMIT = 900.0  # seconds in which all must have come to rest afterwards
QUIET = 3.0  # seconds in which nothing may happen any more
STOP_LIMIT = 30.0  # seconds that a clean stop may take
BEGAN = 1_790_000_000_000_000  # the wall clock at the start, µs since 1970

_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a run.

    Attributes:
        seed: it follows from.
        violations: what must not have been, in the order in which it was seen; empty when all is well.
        trace: a digest of everything that happened.
        counts: what there was, and how much of it.
        story: what happened, line by line, if it was asked for.
    """

    seed: int
    violations: list[str]
    trace: str
    counts: Counter[str]
    story: list[str]


@dataclass(slots=True)
class Stored:
    """A posting as the store has it, with its place in the ledger."""

    row: tuple[str, bytes]
    """Destination and order key: what is of one goes out one after the other."""
    place: tuple[int, int]
    posting: Posting


@dataclass(slots=True)
class _Story:
    """What happened: a digest of it, and if asked for the words."""

    kept: list[str] | None
    digest: Any = field(default_factory=lambda: blake2b(digest_size=16))

    def add(self, at: float, words: str) -> None:
        line = f"{at:.6f} {words}"
        self.digest.update(line.encode())
        if self.kept is not None:
            self.kept.append(line)


class World:
    """Everything that outlives an engine.

    Args:
        seed: all follows from it.
        tell: keep what happens in words.
    """

    def __init__(self, seed: int, *, tell: bool = False) -> None:
        self.chance = Random(seed)
        self.weather = draw(self.chance)
        self.plan = make_plan(self.chance)
        self.clock = Clock()
        self.store = MemoryStore()
        self.erps = {name: Erp(name, self) for name in CLASSES}
        self.senders = [Sender(number, messages, self) for number, messages in enumerate(self.plan.senders)]
        self.storm = True
        self.store_back_at = 0.0
        self.door: Door | None = None
        self.ledger: dict[str, Stored] = {}
        """Key → the posting, as it is durable."""
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.unanswered = 0
        """Arrivals that the engine of today has not answered."""
        self._rows: dict[tuple[str, bytes], list[Stored]] = {}
        self._keys: dict[int, list[str]] = {}
        self._story = _Story([] if tell else None)
        self._skew = 0
        self.life = Life(self)
        self.engine: Engine | None = None
        self._stopping = False
        self._workspace = workspace(self.weather.batch, self.weather.concurrency)

    # --- what the parts of the world use
    def now(self) -> int:
        """The wall clock, which somebody may set."""
        return BEGAN + int(self.clock.seconds() * 1e6) + self._skew

    def note(self, words: str) -> None:
        """Something happened."""
        self._story.add(self.clock.seconds(), words)

    def violated(self, words: str) -> None:
        """Something happened that must not."""
        self.note(f"VIOLATION {words}")
        self.violations.append(words)

    def happens(self, rate: float) -> bool:
        """Whether a fault of that chance strikes now."""
        return self.storm and rate > 0 and self.chance.random() < rate

    def latency(self) -> float:
        """Seconds on the network."""
        return self.chance.uniform(0.0005, 0.02)

    def later(self, delay: float, call: Callable[..., object], *arguments: object) -> None:
        """Have something happen in the world, whoever is alive then."""
        self.clock.callLater(delay, call, *arguments)

    # --- senders
    def take(self, arrival: Arrival) -> None:
        """Hand a message to the engine; it is answered once, or its engine dies."""
        life, reply, answers = self.life, arrival.reply, 0
        self.unanswered += 1

        def answered(receipt: Receipt) -> None:
            nonlocal answers
            if life.over:
                return
            answers += 1
            self.unanswered -= 1
            if answers > 1:
                self.violated(f"{arrival.control_id} is answered twice")
            self.note(f"{arrival.control_id} {receipt.value}")
            reply(receipt)

        arrival.reply = answered
        if self.door is not None:
            life.run(self.door.intake.take, arrival)

    def must_be_durable(self, message: Message, digest: bytes) -> None:
        """It is acknowledged now."""
        known = self.store.identities([Identity("NORTH", "ORSYS|NORTH", message.control_id)])
        stored = [self.store.message(row.position) for row in known if row.digest == digest]
        if not stored:
            self.violated(f"{message.control_id} is acknowledged and not in the store")
        elif message.within is not None and any(row is not None and row.outcome == "waiting" for row in stored):
            self.violated(f"{message.control_id} is acknowledged as complete, and waits in the store")

    # --- the store
    def commit(self, change: Change) -> None:
        """A transaction of the engine. What is known of the ledger from here on is what is durable."""
        self._story.digest.update(_encode(change))
        self.store.write(change)
        self.note("commit")
        for entry in change.entries:
            row = (entry.destination, entry.order_key)
            stored = [
                Stored(row, (entry.sequence, index), posting)
                for index, posting in enumerate(decode_postings(entry.postings))
            ]
            for each in stored:
                if each.posting.key in self.ledger:
                    self.violated(f"{each.posting.key} is in the ledger twice")
                self.ledger[each.posting.key] = each
            self._keys[entry.sequence] = [each.posting.key for each in stored]
            self._rows.setdefault(row, []).extend(stored)
        for settlement in change.settlements:
            postings = decode_postings(settlement.postings)
            if [posting.key for posting in postings] != self._keys[settlement.sequence]:
                self.violated(f"row {settlement.sequence} has other postings than before")
                continue
            if settlement.open != sum(posting.state in OPEN for posting in postings):
                self.violated(f"row {settlement.sequence} is said to have {settlement.open} postings on their way")
            for posting in postings:
                self._became(self.ledger[posting.key], posting)

    def _became(self, stored: Stored, posting: Posting) -> None:
        before = stored.posting
        if before.state not in OPEN and posting.state != before.state:
            self.violated(f"{posting.key} was {before.state} and is {posting.state} now")
        stored.posting = posting

    def before(self, stored: Stored) -> Iterator[Stored]:
        """What comes before it under its key."""
        return (each for each in self._rows[stored.row] if each.place < stored.place)

    # --- the engine
    def boot(self) -> None:
        """Start an engine on what the last one left."""
        self.life, self.unanswered = Life(self), 0
        self.note("start")
        self.counts["starts"] += 1
        try:
            self.engine = Engine(
                workspace=self._workspace,
                store=self.life.as_store,
                reactor=self.life,
                environment={},
                now=self.now,
                chance=Random(self.chance.getrandbits(64)),
                failed=self._failed,
            )
            self.engine.start().addErrback(self._not_started)
        except BaseException as fault:  # noqa: BLE001 - it may also have crashed
            self._fell(fault)

    def _not_started(self, failure: Failure) -> None:
        self._fell(failure.value)

    def _failed(self, fault: Exception) -> None:
        """The engine says that it can't go on."""
        self._fell(fault)

    def _fell(self, fault: BaseException | None) -> None:
        if self.life.over:
            return
        if not isinstance(fault, StoreBroken | StoreUnavailable):
            self.violated(f"the engine ended with {type(fault).__name__}: {fault}")
        self.crash(f"by {type(fault).__name__}")

    def crash(self, when: str) -> None:
        """The process is gone, at whatever instruction it was; a supervisor starts another one."""
        self.note(f"crash {when}")
        self.counts["crashes"] += 1
        self._gone()

    def _gone(self) -> None:
        self.life.end()
        self.door, self.engine, self._stopping = None, None, False
        for erp in self.erps.values():
            erp.forsaken()
        for sender in self.senders:
            sender.hung_up()
        self.later(self.chance.uniform(0.05, 2.0), self.boot)

    def stop(self) -> None:
        """Stop the engine as an operator does."""
        if self.engine is None or self._stopping:
            return
        self.note("stop")
        self.counts["stops"] += 1
        self._stopping, life = True, self.life
        self.later(STOP_LIMIT, self._still_there, life)
        try:
            self.engine.stop().addCallbacks(self._stopped, self._not_started, callbackArgs=(life,))
        except BaseException as fault:  # noqa: BLE001 - it may also have crashed
            self._fell(fault)

    def _still_there(self, life: Life) -> None:
        if not life.over:
            self.violated("the engine does not stop")

    def _stopped(self, _: object, life: Life) -> None:
        if life.over:
            return
        self.note("stopped")
        self._gone()

    # --- strokes
    def _stroke(self) -> None:
        if not self.storm:
            return
        self.later(self.chance.expovariate(1 / self.weather.strokes), self._stroke)
        seconds = self.chance.uniform(0.1, 4.0)
        match self.chance.choice(["kill", "stop", "outage", "down", "down", "switch", "clock"]):
            case "kill" if self.engine is not None:
                self.crash("between two calls")
            case "stop":
                self.stop()
            case "outage":
                self.note("outage")
                self.store_back_at = self.clock.seconds() + seconds
            case "down":
                self.chance.choice(list(self.erps.values())).back_at = self.clock.seconds() + seconds
            case "switch":
                self._switch(self.chance.choice(CLASSES), self.chance.choice(["paused", "draining", "running"]))
            case "clock":
                # Not far back: a wait for a destination that a dead engine left behind would become as much longer.
                self._skew += self.chance.choice([1, -1, -30, 3600]) * 1_000_000
            case _:
                pass

    def _switch(self, name: str, state: Any) -> None:  # noqa: ANN401 - a literal of the store's
        self.store.write(Change(switches=[Switch(name, state, "somebody", "", self.now())]))

    # --- a run
    def run(self) -> None:
        """Storm, healing, rest; then a stop and another start, after which nothing happens any more."""
        self.boot()
        for sender in self.senders:
            self.later(self.chance.uniform(0.0, 0.5), sender.send)
        if self.weather.strokes:
            self.later(self.chance.expovariate(1 / self.weather.strokes), self._stroke)
        last = self.clock.seconds() + STORM
        self._go_on(lambda: self.clock.seconds() >= last or self._at_rest())
        self._heal()
        self._come_to_rest()
        if self.violations:
            return
        self.violations += faults(self)
        self.stop()
        calls = dict(self.counts)
        self._come_to_rest()
        if self.counts["calls"] != calls.get("calls", 0):
            self.violated("a destination was called after everything had come to rest")
        self.violations += faults(self)

    def _heal(self) -> None:
        self.note("heal")
        self.storm = False
        for name in CLASSES:
            self._switch(name, "running")

    def _come_to_rest(self) -> None:
        limit = self.clock.seconds() + REST_LIMIT
        quiet = 0.0

        def rests() -> bool:
            nonlocal quiet
            if not self._at_rest():
                quiet = self.clock.seconds()
            return self.clock.seconds() > limit or self.clock.seconds() >= quiet + QUIET

        quiet = self.clock.seconds()
        self._go_on(rests)
        if not self.violations and not self._at_rest():
            self.violated(f"nothing comes to rest: {self._unrest()}")

    def _go_on(self, enough: Callable[[], bool]) -> None:
        """Let time go by. It is looked whether it is enough four times a second."""
        clock, look_at = self.clock, self.clock.seconds()
        while not self.violations:
            if clock.seconds() >= look_at:
                if enough():
                    return
                look_at = clock.seconds() + 0.25
            until = min(clock.calls[0].getTime(), look_at) if clock.calls else look_at
            clock.advance(max(0.0, until - clock.seconds()))

    def _at_rest(self) -> bool:
        return self.engine is not None and not self._stopping and not self._unrest()

    def _unrest(self) -> str:
        if not all(sender.done for sender in self.senders):
            return "a sender has something to send"
        if self.store.waiting(0, 1):
            return "a message waits"
        if self.store.open_counts():
            return "a posting is on its way"
        return "a line waits to be looked at again" if self.store.replays(1) else ""

    def ended(self, seed: int) -> Ended:
        """What came of it."""
        for name, erp in self.erps.items():
            self.counts["postings"] += len(erp.effects)
            self.counts[f"{name} done twice"] += sum(times - 1 for times in erp.effects.values())
        self.counts["drafts left"] = self.erps["two-step"].leftovers
        self.counts["messages"] += sum(map(len, self.plan.senders))
        return Ended(seed, self.violations, self._story.digest.hexdigest(), self.counts, self._story.kept or [])


class _Errors(logging.Handler):
    """What the engine logs as an error is one, unless the world made it."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage()
        if not self._world.life.over and "The connector failed (RuntimeError" not in words:
            self._world.violated(f"logged: {words}")


@contextmanager
def _smaller(world: World) -> Iterator[None]:
    """Bounds that are far away in real life come into reach; and the first five minutes of a life are one second."""
    weather, log = world.weather, logging.getLogger("casecart")
    errors = _Errors(world)
    kept = log.level, log.propagate
    with ExitStack() as stack:
        for name, value in {
            "backlog.CAREFUL": 1.0,
            "backlog.WAIT": 0.02,
            "journal.MOST_BEHIND": weather.behind,
            "parts.Limits": partial(Limits, window=weather.window),
        }.items():
            stack.enter_context(patch(f"casecart.runtime.{name}", value))
        log.setLevel(logging.ERROR)
        log.propagate = False
        log.addHandler(errors)
        try:
            yield
        finally:
            log.removeHandler(errors)
            log.level, log.propagate = kept
            gc.unfreeze()  # a catalogue is there to stay, so an engine thinks


@contextmanager
def fair_world() -> Iterator[World]:
    """One with an engine, in which nothing fails unless a test makes it."""
    with installed():
        world = World(0)
        world.storm = False
        with _smaller(world):
            world.boot()
            yield world


def simulate(seed: int, *, tell: bool = False) -> Ended:
    """One run.

    Args:
        seed: all follows from it.
        tell: keep what happens in words.
    """
    with installed():
        world = World(seed, tell=tell)
        with _smaller(world):
            world.run()
    return world.ended(seed)
