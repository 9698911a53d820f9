"""What can be seen of a route before the first message: entries that no line reaches, and what they ask for in vain."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

from casecart.canonical import FIELDS, Usage
from casecart.canonical.case import TOLD
from casecart.mapping.expression import mistakes_in, record_of
from casecart.mapping.expression.syntax import Member, parse
from casecart.mapping.expression.types import Kind, Record
from casecart.master.tables import OWNERSHIPS
from casecart.workspace import FillStep, Finding, HookStep, MapStep, OtherwiseStep, ResolveStep, RouteStep, VerifyStep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from casecart.mapping.expression.types import Type
    from casecart.workspace import Channel, Expression, Table, Workspace
    from casecart.workspace import Mapping as MappingFile

__all__ = ["out_of_reach"]

_OF_THE_ENGINE = frozenset({"facility", "source"})
_OF_THE_ITEM = frozenset(
    {"item", "unit", "quantity", "supplier", "ownership", "found_by", "told_quantity", "told_unit"}
)


def out_of_reach(workspace: Workspace) -> Iterator[Finding]:
    """Warnings of the routes of a workspace that has no errors."""
    for channel in workspace.channels.values():
        step = next((each for each in channel.steps if isinstance(each, MapStep)), None)
        route = next((each for each in channel.steps if isinstance(each, RouteStep)), None)
        mapping = None if step is None else workspace.mappings.get(step.map)
        if route is None or mapping is None:
            continue
        if not [*channel.posts]:
            words = (
                "no entry of this route posts, so that every line is held: add one with post, or say who waits for it"
            )
            yield Finding(route.place, "warning", "nothing-posted", words)
        yield from _taken_before(route)
        known = _known(channel, mapping, workspace.tables)
        for entry in route.route:
            when = None if isinstance(entry, OtherwiseStep) else entry.when
            if when is not None and known is not None:
                yield from _in_vain(when, known, mapping)


def _taken_before(route: RouteStep) -> Iterator[Finding]:
    """An entry asks what an earlier one asked."""
    asked: dict[str, int] = {}
    for entry in route.route:
        if isinstance(entry, OtherwiseStep) or entry.when is None:
            continue
        line = asked.setdefault(" ".join(entry.when.split()), entry.place.line)
        if line != entry.place.line:
            words = f"this entry is never reached: the one in line {line} asks the same, and takes the line"
            yield Finding(entry.when.place, "warning", "never-reached", words)


def _known(channel: Channel, mapping: MappingFile, tables: Mapping[str, Table]) -> Record | None:
    """The type of the channel's lines as they come to its route; None: a hook may make of them what it likes."""
    whole = record_of(Usage).members
    steps = {type(step): step for step in channel.steps}
    if HookStep in steps:
        return None
    given, changed = {*_OF_THE_ENGINE, *mapping.fields}, set[str]()
    fill, resolve = steps.get(FillStep), steps.get(ResolveStep)
    if isinstance(fill, FillStep):
        changed |= {name for name in TOLD if getattr(fill.fill, name)}
    if isinstance(resolve, ResolveStep):
        changed |= {
            name for name in ("location", "supplier", "cost_center", "gl_account") if getattr(resolve.resolve, name)
        }
        changed |= _OF_THE_ITEM if resolve.resolve.item is not None else set()
    if VerifyStep in steps:
        given.add("flags")
    members: dict[str, Type] = {name: known for name, known in whole.items() if name in given | changed}
    if "ownership" in members:
        members["ownership"] = Kind("text", frozenset(OWNERSHIPS))
    quantity = mapping.fields.get("quantity")
    for name, field in mapping.fields.items():
        values = _values(field.value, field.default, tables.get(field.table or ""))
        by_sign = name == "action" and quantity is not None and quantity.sign == "by-quantity"
        kind = members.get(name)
        if (
            values is not None
            and name not in changed
            and isinstance(kind, Kind)
            and kind.word == "text"
            and not by_sign
        ):
            members[str(name)] = Kind("text", values if kind.values is None else values & kind.values)
    return Record(members)


def _values(constant: str | None, default: str | None, table: Table | None) -> frozenset[str] | None:
    """All that a field can be."""
    if constant is not None:
        return frozenset({str(constant)})
    if table is None:
        return None
    return frozenset({*(row.value for row in table.rows), *filter(None, (default,))})


def _in_vain(when: Expression, known: Record, mapping: MappingFile) -> Iterator[Finding]:
    for member in _members(parse(when)):
        if member.name in FIELDS and member.name not in known.members:
            words = (
                f"mapping '{mapping.mapping}' gives no {member.name}, and no step of this channel does: it is missing"
            )
            yield Finding(when.within(member.column), "warning", "missing-field", words)
    everything = Record({**record_of(Usage).members, **known.members})
    for each in mistakes_in(when, {"usage": everything}):
        if each.code == "never-equal":
            yield Finding(when.within(each.column), "warning", "never-true", each.message, each.suggestion)


def _members(node: object) -> Iterator[Member]:
    if isinstance(node, Member):
        yield node
    if isinstance(node, tuple):
        for each in node:
            yield from _members(each)
    elif is_dataclass(node):
        for each in fields(node):
            yield from _members(getattr(node, each.name))
