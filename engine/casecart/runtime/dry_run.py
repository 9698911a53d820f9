"""A dry run: messages worked as an engine works them, by one channel, in memory; nothing is sent or stored.

The rooms are the engine's own, put together on a store that is lost when the process ends. What goes out counts as
taken at once, so that a message behind it (a credit, a correction, one sent again) finds it posted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from twisted.internet.task import Clock

from casecart.canonical import Usage
from casecart.canonical.master import decode_document
from casecart.mapping import compile_mapping
from casecart.master.catalogue import Catalogue
from casecart.rules import Keys, Tokens
from casecart.runtime.compiled import compile_workspace, whole_works
from casecart.runtime.destination import DestinationContext, Preview
from casecart.runtime.group import Group, Grouping
from casecart.runtime.identifier import Identifiers
from casecart.runtime.kinds import destination_specs
from casecart.runtime.listener import Receipt
from casecart.runtime.pipeline import Pipeline
from casecart.runtime.replay import By, Replayer
from casecart.runtime.secret_keys import keys_of, tokens_of
from casecart.runtime.settlement import Settling
from casecart.runtime.states import after
from casecart.runtime.trace import Trace, WatchedChannel
from casecart.runtime.window import Batch
from casecart.runtime.writer import MappingWriter, compile_writers
from casecart.store import Change, StoreBroken
from casecart.store.memory import MemoryStore
from casecart.workspace import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import msgspec
    from twisted.internet.defer import Deferred

    from casecart.mapping import CompiledMapping
    from casecart.runtime.destination import Posting
    from casecart.runtime.listener import Arrival
    from casecart.runtime.reach import Reach
    from casecart.runtime.window import Work
    from casecart.store import KnownCase, Message, Store
    from casecart.workspace import Mapping as MappingDeclaration
    from casecart.workspace import Table, Workspace

__all__ = ["Compiled", "DryRun", "Out", "Worked"]

_MOST_LOOKS = 100
"""Times that it is looked what is due after something was posted: a line has so many statements in no message."""

_SLICE = 5_000  # master data that are read at once

_UNTOLD = "a destination of kind {kind} does not tell what goes out; here is what it is given"


@dataclass(frozen=True, slots=True)
class Out:
    """What would go out to one destination."""

    destination: str
    preview: Preview
    words: str = ""
    """What else is to be said of it."""


@dataclass(slots=True)
class Worked:
    """What became of one message.

    Attributes:
        message: as it would be stored; None: it would not be, for the same came before.
        repeats: the position of that one.
        postings: each with its destination, in the order in which they were planned.
        out: in the order in which it would go.
    """

    message: Message | None
    repeats: int | None = None
    postings: list[tuple[str, Posting]] = field(default_factory=list)
    out: list[Out] = field(default_factory=list)


class _DryStore(MemoryStore):
    """Holds what the run makes; what is known of cases is looked up in the workspace's own store as well."""

    def __init__(self, known: Store | None) -> None:
        super().__init__()
        self._elsewhere = known

    def known_cases(self, case_keys: Collection[bytes]) -> list[KnownCase]:
        """What the run noted stands beside what the store has; the newest counts."""
        found = super().known_cases(case_keys)
        return found if self._elsewhere is None else [*self._elsewhere.known_cases(case_keys), *found]


class Compiled:
    """A channel with all that its messages go through, for one run after the other.

    Args:
        workspace: loaded without findings.
        name: of the channel.
        clock: monotonic seconds.
        reach: notes which parts of mappings and routes are reached; None: nobody wants to know.

    Attributes:
        trace: what the steps of the channel made of the message in hand.

    Raises:
        WorkspaceError: something in it does not compile, or a hook can't be started.
    """

    def __init__(
        self, workspace: Workspace, name: str, *, clock: Callable[[], float], reach: Reach | None = None
    ) -> None:
        self.workspace, self.name, self.trace, self._reach = workspace, name, Trace(clock), reach
        by = compile_workspace(_only(workspace, name), clock, self._compile)
        watched = {each: WatchedChannel(channel, self.trace, reach) for each, channel in by.channels.items()}
        self.by = replace(by, channels=watched)
        self.writers = compile_writers(workspace)
        self.by.hooks.start()

    def close(self) -> None:
        """Let go of the hook's process."""
        self.by.hooks.stop()

    def _compile(
        self, declaration: MappingDeclaration, tables: Mapping[str, Table], *, document: type[msgspec.Struct] = Usage
    ) -> CompiledMapping:
        own = self.trace.probe if document is Usage else None
        if self._reach is None:
            return compile_mapping(declaration, tables, document=document, probe=own)
        probe = self._reach.probe(str(declaration.mapping), own)
        return self._reach.watched(compile_mapping(declaration, tables, document=document, probe=probe))


class DryRun:
    """Works messages by one channel.

    Args:
        compiled: the channel.
        known: the workspace's store, to read master data and what is known of cases from; None: there is none.
        environment: where secrets that name a variable are found; None: they are made up, and the same each time.
        now: wall clock, µs since 1970.
        clock: monotonic seconds.
        chance: makes identifiers.

    Attributes:
        store: what the run made.
        trace: of the channel.
        catalogue: the master data.
        made_up: why keys and tokens are not those of an engine; empty where they are.
    """

    def __init__(
        self,
        compiled: Compiled,
        *,
        known: Store | None,
        environment: Mapping[str, str] | None,
        now: Callable[[], int],
        clock: Callable[[], float],
        chance: Callable[[int], bytes],
    ) -> None:
        workspace, name = compiled.workspace, compiled.name
        self._workspace, self._name, self._now, self._clock = workspace, name, now, clock
        self.store, self.catalogue, self.trace = _DryStore(known), Catalogue(), compiled.trace
        self.made_up = ""
        keys, tokens = self._secrets(environment)
        self._identifiers = Identifiers(now, chance)
        self._pipeline = Pipeline(
            store=self.store,
            catalogue=self.catalogue,
            keys=keys,
            tokens=tokens,
            identifier=self._identifiers.mint,
            clock=clock,
            by=compiled.by,
        )
        self._grouping = Grouping(
            store=self.store,
            pipeline=self._pipeline,
            identifiers=self._identifiers,
            now=now,
            seconds=clock,
            budget=float("inf"),
        )
        self._turns, self._answered = Clock(), 0
        self._works: list[Work] = []
        wholes = whole_works(
            compiled.by,
            store=self.store,
            catalogue=self.catalogue,
            keys=keys,
            identifier=self._identifiers.mint,
            now=now,
        )
        self._replayer = Replayer(
            store=self.store,
            pipeline=self._pipeline,
            reactor=self._turns,
            identifier=self._identifiers.mint,
            now=now,
            by=By({}, wholes),
            settled=lambda: self._answered,
            ready=lambda: True,
            defer=_nothing,
            planned=self._planned,
            recovered=_nothing,
            broken=_broken,
        )
        self._writers = compiled.writers
        if known is not None:
            self._read_master(known)

    def _secrets(self, environment: Mapping[str, str] | None) -> tuple[Keys, Tokens]:
        """The engine's; where they are not at hand, some that are the same each time, so that output is as well."""
        try:
            if environment is not None:
                return keys_of(self._workspace, environment, self.store), tokens_of(self._workspace, environment)
        except WorkspaceError as error:
            self.made_up = str(error.findings[0].message)
        made_up = hashlib.blake2b(b"casecart: no secret is at hand").digest()
        return Keys(made_up), Tokens(made_up)

    def _read_master(self, known: Store) -> None:
        """All that was published, into the catalogue, and into the store for what is brought in."""
        position, last = 0, known.published_master()
        while position < last:
            versions = known.master(position, _SLICE, current=True)
            if not versions:
                break
            position = versions[-1].position
            copied = self.store.append_master(versions)
            for each in versions:
                self.catalogue.put(each.kind, each.facility, each.key, decode_document(each.kind, each.data))
            change = Change()
            change.publish(copied)
            self.store.write(change)
            self.catalogue.position = copied

    def _planned(self, works: list[Work]) -> None:
        self._works += works

    # --- one message
    def take(self, arrival: Arrival) -> Worked:
        """What would become of an arrival, behind those that were taken before."""
        self.trace.begin()
        group, change = Group([], [arrival]), Change()
        group.find_duplicates(self.store)
        began = self._clock()
        self._grouping.build(group, change, store_first=False)
        self.store.write(change)
        if group.left:  # a hook may take its time: what has one is worked when it is stored
            group, change, positions = Group(group.left, []), Change(), group.positions
            self._grouping.build(group, change, store_first=False)
            self.store.write(change)
            group.positions, group.receipts = positions, [Receipt.STORED]
        spent = self._clock() - began
        position = group.positions[0]
        if group.receipts[0] is Receipt.DUPLICATE:
            return Worked(None, repeats=position)
        self.trace.spent["ledger"] = max(0.0, spent - sum(self.trace.spent.values()))
        self._works = list(group.works)
        return self._went_out(position)

    def _went_out(self, position: int) -> Worked:
        """Post what is due, and what is due after that."""
        works: list[Work] = []
        for _ in range(_MOST_LOOKS):
            new, self._works = self._works, []
            works += new
            self._posted(new)
            self._replayer.work(self._replayer.wishes())
            self._turns.advance(0)
            if not self._works and not new:
                break
        message = self.store.message(position)
        out = self.trace.timed("render", self._out, works)
        postings = [(work.entry.destination, posting) for work in works for posting in work.postings]
        return Worked(message, postings=postings, out=out)

    def _posted(self, works: Sequence[Work]) -> None:
        """The destination took all of it."""
        for work in works:
            batch, change = Batch([(work, posting) for posting in work.postings]), Change()
            for posting in work.postings:
                posting.state = after(after(posting.state, "send"), "taken")
            settling = Settling(
                destination=work.entry.destination,
                organisation=str(self._workspace.engine.organisation),
                now=self._now,
                identifier=self._identifiers.mint,
            )
            settling.record(batch, change)
            self.store.write(change)
            self._answered += 1

    # --- what goes out
    def _out(self, works: Sequence[Work]) -> list[Out]:
        by_destination: dict[str, list[Posting]] = {}
        for work in works:
            by_destination.setdefault(work.entry.destination, []).extend(work.postings)
        return [out for name, postings in by_destination.items() for out in self._previews(name, postings)]

    def _previews(self, name: str, postings: list[Posting]) -> list[Out]:
        component = self._workspace.engine.destinations[name]
        preview = destination_specs()[component.kind].preview
        if preview is None:
            words = _UNTOLD.format(kind=component.kind)
            return [Out(name, Preview([posting.key], name, posting.payload), words) for posting in postings]
        mapping = self._writers.get(name)
        writer = None
        if mapping is not None:
            writer = MappingWriter(name, mapping, store=self.store, write=self._write, now=self._now)
        context = DestinationContext(
            name, component.settings, self._turns, self._workspace.root, writer, self._workspace.texts
        )
        return [Out(name, each) for each in _result(preview(context, postings))]

    def _write(self, add: Callable[[Change], None], done: Callable[[], None]) -> None:
        """As `Journal.write`, at once."""
        change = Change()
        add(change)
        self.store.write(change)
        done()


def _only(workspace: Workspace, name: str) -> Workspace:
    """The channel, those that note cases for it, and their mappings: what else there is needs no compiling."""
    channels = {each: declared for each, declared in workspace.channels.items() if each == name or declared.note}
    named = {str(mapping) for declared in channels.values() for mapping in declared.mappings}
    mappings = {each: declared for each, declared in workspace.mappings.items() if str(each) in named}
    return replace(workspace, channels=channels, mappings=mappings)


def _result(deferred: Deferred[Sequence[Preview]]) -> Sequence[Preview]:
    """Nothing is waited for in a dry run: it has fired. Raises as it failed."""
    found: list[Sequence[Preview]] = []
    failed: list[BaseException] = []
    deferred.addCallbacks(found.append, lambda failure: failed.append(failure.value))
    if failed:
        raise failed[0]
    return found[0]


def _nothing() -> None:
    """Nobody need be told."""


def _broken(fault: Exception) -> None:
    raise StoreBroken(str(type(fault).__name__)) from fault
