"""All that a workspace's messages are worked by, ready: made in one go, and exchanged in one go."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from casecart.mapping import compile_mapping
from casecart.master.ownership import rule_of
from casecart.runtime.bringing import Bringing
from casecart.runtime.case_channel import compile_case_channels
from casecart.runtime.channel import compile_channels
from casecart.runtime.hooks import Hooks
from casecart.runtime.item_channel import compile_item_channels
from casecart.runtime.item_sending import ItemSending
from casecart.runtime.master_channel import compile_master_channels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from casecart.mapping import Compiler
    from casecart.master.catalogue import Catalogue
    from casecart.rules import Keys
    from casecart.runtime.case_channel import CaseChannel
    from casecart.runtime.channel import Channel
    from casecart.runtime.item_channel import ItemChannel
    from casecart.runtime.master_channel import MasterChannel
    from casecart.runtime.whole import WholeWork
    from casecart.store import Store
    from casecart.workspace import Workspace

__all__ = ["Compiled", "compile_workspace", "whole_works"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A workspace, as the way of a message has it. Nothing in it changes; its hooks' processes must be started."""

    workspace: Workspace
    channels: Mapping[str, Channel]
    masters: Mapping[str, MasterChannel]
    cases: Mapping[str, CaseChannel]
    items: Mapping[str, ItemChannel]
    time_zones: Mapping[str, ZoneInfo]
    """By facility."""
    time_limit: float
    """Seconds that a message may take in all."""
    hooks: Hooks
    heard: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=lambda: MappingProxyType({}))
    """(listener, peer) → listeners that follow its notifications up: each gets a wish, whoever else takes them."""

    @property
    def revisions(self) -> Mapping[str, str]:
        """Channel → its revision, of the channels whose lines can be fixed."""
        return {each.name: each.revision for known in (self.channels, self.cases) for each in known.values()}


def compile_workspace(
    workspace: Workspace, clock: Callable[[], float] = lambda: 0.0, compiler: Compiler = compile_mapping
) -> Compiled:
    """Compiles it.

    Args:
        workspace: loaded without findings.
        clock: monotonic seconds, for the limits of hooks.
        compiler: makes functions of mappings.

    Raises:
        WorkspaceError: something does not compile.
    """
    facilities = workspace.engine.facilities
    return Compiled(
        workspace=workspace,
        channels=compile_channels(workspace, compiler),
        masters=compile_master_channels(workspace, compiler),
        cases=compile_case_channels(workspace, compiler),
        items=compile_item_channels(workspace),
        time_zones={str(name): ZoneInfo(facility.time_zone) for name, facility in facilities.items()},
        time_limit=workspace.engine.intake.time_limit,
        hooks=Hooks(workspace.channels, workspace.hooks, clock),
    )


def whole_works(
    compiled: Compiled,
    *,
    store: Store,
    catalogue: Catalogue,
    keys: Keys,
    identifier: Callable[[], bytes],
    now: Callable[[], int],
) -> Sequence[WholeWork]:
    """What works the wishes of channels whose messages are one line each, such as master data.

    Args:
        compiled: has the channels.
        store: of the engine.
        catalogue: the master data.
        keys: derives the keys of postings.
        identifier: mints ids of exceptions.
        now: wall clock, µs since 1970.
    """
    workspace = compiled.workspace
    return (
        Bringing(
            store=store,
            channels=compiled.masters,
            catalogue=catalogue,
            owners=rule_of(workspace.ownership),
            time_zones=compiled.time_zones,
            organisation=str(workspace.engine.organisation),
            identifier=identifier,
            now=now,
        ),
        ItemSending(store=store, channels=compiled.items, keys=keys, identifier=identifier, now=now),
    )
