"""The parts of an engine that a workspace declares: its listeners, the dispatchers of its destinations, its disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casecart.runtime.ask_first import after_restore
from casecart.runtime.destination import Destination, DestinationContext
from casecart.runtime.dispatcher import Dispatcher, Limits
from casecart.runtime.kinds import destination_specs, listener_specs
from casecart.runtime.listener import Listener, ListenerContext
from casecart.runtime.watermark import Watermark, disk_of
from casecart.runtime.writer import MappingWriter, compile_writers
from casecart.store import SqliteFile, Store, locate

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from casecart.runtime.identifier import Identifiers
    from casecart.runtime.item_changes import Followed
    from casecart.runtime.journal import Journal
    from casecart.runtime.listener import Intake
    from casecart.runtime.notices import Notices
    from casecart.runtime.sharing import LeasedJournal
    from casecart.runtime.unfinished import Unfinished
    from casecart.workspace import Workspace

__all__ = ["Parts"]


class Parts:
    """Makes them.

    Args:
        workspace: loaded without findings.
        store: the engine's.
        reactor: likewise.
        now: wall clock, µs since 1970.
        chance: for the jitter of what is tried again.
        identifiers: of events and exceptions.

    Attributes:
        workspace: as given.
        writers: destination → the mapping that it writes by, compiled.

    Raises:
        WorkspaceError: a mapping that writes does not compile.
    """

    def __init__(
        self,
        *,
        workspace: Workspace,
        store: Store,
        reactor: Any,  # noqa: ANN401 - zope interfaces say nothing to mypy
        now: Callable[[], int],
        chance: random.Random,
        identifiers: Identifiers,
    ) -> None:
        self.workspace, self._store, self._reactor, self._now = workspace, store, reactor, now
        self._chance, self._identifiers = chance, identifiers
        self._organisation = str(workspace.engine.organisation)
        self.writers = compile_writers(workspace)

    def dispatcher(self, name: str, journal: Journal | LeasedJournal) -> tuple[Dispatcher, MappingWriter | None]:
        """Of a destination, with what writes for it; what becomes of its postings goes into the journal."""
        component = self.workspace.engine.destinations[name]
        spec = destination_specs()[component.kind]
        settings = component.settings
        mapping, writer = self.writers.get(name), None
        if mapping is not None:
            writer = MappingWriter(name, mapping, store=self._store, write=journal.write, now=self._now)
        context = DestinationContext(name, settings, self._reactor, self.workspace.root, writer, self.workspace.texts)
        destination: Destination = after_restore(spec, context, self._store, journal.write, self._now)
        dispatcher = Dispatcher(
            name=name,
            destination=destination,
            store=self._store,
            journal=journal,
            reactor=self._reactor,
            now=self._now,
            random=self._chance.random,
            identifier=self._identifiers.mint,
            organisation=self._organisation,
            limits=Limits(
                batch=getattr(settings, "batch", 100),
                concurrency=getattr(settings, "concurrency", 1),
                tries=getattr(settings, "tries", 10),
                rate=getattr(settings, "rate", None),
            ),
        )
        return dispatcher, writer

    def listener(
        self,
        name: str,
        *,
        intake: Intake,
        unfinished: Unfinished,
        ports: Mapping[str, int],
        followed: Followed,
        note: Callable[[str, int, int, Callable[[], None]], None],
        notices: Notices,
    ) -> Listener:
        """A listener.

        Args:
            name: as the workspace has it.
            intake: takes what it hears.
            unfinished: messages of all listeners that are not whole yet.
            ports: in place of the configured ones.
            followed: the master data, for a listener that follows them.
            note: keeps how far it is.
            notices: what it is to follow up, for a listener that hears.
        """
        component = self.workspace.engine.listeners[name]
        spec = listener_specs()[component.kind]
        facilities = self.workspace.engine.facilities
        return spec.make(
            ListenerContext(
                name=name,
                settings=component.settings,
                reactor=self._reactor,
                intake=intake,
                now=self._now,
                organisation=self._organisation,
                time_zones={facility: str(about.time_zone) for facility, about in facilities.items()},
                root=self.workspace.root,
                port=ports.get(name),
                unfinished=unfinished,
                followed=followed if spec.follows else None,
                notices=notices if spec.hears is not None else None,
                note=note,
            )
        )

    def watermark(self) -> Watermark:
        """Of the disk that the store's file is on; a database's server looks after its own."""
        location, reserve = locate(str(self.workspace.engine.store.url)), self.workspace.engine.intake.disk_reserve
        if not isinstance(location, SqliteFile):
            return Watermark(None, reserve)
        folder = (self.workspace.root / location.path).parent
        return Watermark(lambda: disk_of(folder), reserve)
