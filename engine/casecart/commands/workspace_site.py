"""A workspace as pages for people: each channel from its YAML's own words, with its mappings, tables and tests.

The pages are text without scripts, and depend on the files alone: the same workspace gives the same bytes, so that they
can be kept, compared and printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2

from casecart.canonical import FIELDS
from casecart.commands.expected_fields import of_channels
from casecart.commands.workspace import load_workspace
from casecart.runtime.kinds import destination_specs, listener_specs
from casecart.workspace import WorkspaceError
from casecart.workspace.channel import HoldStep, OtherwiseStep, PostStep, RouteStep
from casecart.workspace.declaration import Declared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from casecart.workspace import Channel, Workspace
    from casecart.workspace.mapping import FieldMapping
    from casecart.workspace.mapping import Mapping as MappingFile
    from casecart.workspace.outgoing import OutgoingField

__all__ = ["pages"]


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a mapping, in words."""

    name: str
    about: str
    sources: tuple[str, ...]
    how: str
    table: str
    without: str


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of a channel: what it is, and what it says."""

    name: str
    about: str
    said: tuple[tuple[str, str], ...]
    route: tuple[tuple[str, str], ...]
    """Condition, and what is done."""


def pages(root: Path) -> dict[str, str]:
    """The pages of a workspace, by their path below the site's folder.

    Raises:
        NotAWorkspace: there is none.
        WorkspaceError: it, or a test beside a channel, has errors.
    """
    workspace = load_workspace(root)
    tests, findings = of_channels(root, workspace)
    if findings:
        raise WorkspaceError(findings)
    names = {each.channel: tuple(str(test.test) for test in each.tests) for each in tests}
    made = {"style.css": _text("style.css"), "index.html": _page("index", "", workspace=workspace, tests=names)}
    for name, channel in workspace.channels.items():
        made[f"channels/{name}.html"] = _page(
            "channel",
            "../",
            channel=channel,
            revision=workspace.revision(name),
            sources=[*_sources(workspace, channel)],
            steps=[_step(step) for step in channel.steps],
            mappings=[(workspace.mappings[each], _fields(workspace.mappings[each])) for each in channel.mappings],
            tests=names.get(str(name), ()),
        )
    used: dict[str, list[str]] = {}
    for name, mapping in workspace.mappings.items():
        made[f"mappings/{name}.html"] = _page("mapping", "../", mapping=mapping, fields=_fields(mapping), writes=None)
        for field in mapping.fields.values():
            used.setdefault(str(field.table), []).append(name)
    for name, outgoing in workspace.outgoing.items():
        fields = [_written(str(path), each) for path, each in outgoing.fields.items()]
        made[f"mappings/{name}.html"] = _page("mapping", "../", mapping=outgoing, fields=fields, writes=outgoing.writes)
        for written in outgoing.fields.values():
            used.setdefault(str(written.table), []).append(name)
    users = {name: tuple(dict.fromkeys(each)) for name, each in used.items()}
    made["tables.html"] = _page("tables", "", tables=workspace.tables, users=users)
    return made


def _sources(workspace: Workspace, channel: Channel) -> Iterator[tuple[str, str, str]]:
    """Name and kind of each listener, and whose messages are taken there."""
    kinds = listener_specs()
    for name in channel.sources:
        component = workspace.engine.listeners[name]
        peers = [str(peer) for peer in getattr(component.settings, "peers", {})]
        taken = [peer for peer in peers if not channel.peers or peer in channel.peers]
        yield str(name), f"{component.kind}: {kinds[component.kind].about}", ", ".join(taken)


def _step(step: Declared) -> _Step:
    said = step.__declaration__
    route = tuple(_entries(step)) if isinstance(step, RouteStep) else ()
    return _Step(said.name, said.about, () if route else tuple(_said(step)), route)


def _entries(step: RouteStep) -> Iterator[tuple[str, str]]:
    for entry in step.route:
        if isinstance(entry, OtherwiseStep):
            yield "otherwise", _done(entry.otherwise)
        else:
            yield str(entry.when or "always"), _done(entry)


def _done(entry: PostStep | HoldStep) -> str:
    return f"post to {entry.post.to} as {entry.post.kind}" if isinstance(entry, PostStep) else f"hold: {entry.hold}"


def _said(declared: Declared, before: str = "") -> Iterator[tuple[str, str]]:
    """Every key that was written, with its value, as `resolve.item.by`."""
    for key in declared.__keys__:
        value = getattr(declared, key.attribute)
        if declared.at(key.name) == declared.place and isinstance(value, str | int | tuple):
            continue  # nobody wrote it: it is the default
        name = f"{before}{key.name}"
        if isinstance(value, Declared):
            yield from _said(value, f"{name}.")
        elif value is not None and value != () and value is not False:
            yield name, _shown(value)


def _shown(value: Any) -> str:  # noqa: ANN401 - of whatever shape a key has
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value))
    if isinstance(value, Declared):
        return "; ".join(f"{name}: {text}" for name, text in _said(value))
    return str(value)


def _fields(mapping: MappingFile) -> list[_Field]:
    return [_mapped(str(name), each) for name, each in mapping.fields.items()]


def _mapped(name: str, field: FieldMapping) -> _Field:
    ways: Mapping[str, tuple[str, ...]] = {
        "the first that has a value": tuple(map(str, field.path)),
        "all that have a value must agree": tuple(map(str, field.agree)),
        "put together": tuple(map(str, field.join)),
    }
    how, sources = next(((how, each) for how, each in ways.items() if each), ("", ()))
    if len(sources) == 1:
        how = ""
    if field.value is not None:
        how, sources = "always the same", (str(field.value),)
    more = [field.type if field.type != "text" else "", how]
    more += ["as a token" if field.token is not None else "", f"sign {field.sign}" if field.sign else ""]
    without = "" if field.value is not None else _without(field)
    about = FIELDS[name].about if name in FIELDS else ""
    return _Field(name, about, sources, ", ".join(filter(None, more)), str(field.table or ""), without)


def _written(name: str, field: OutgoingField) -> _Field:
    source = str(field.field or field.disclose or field.value or "")
    how = "always the same" if field.value is not None else "the value of its token" if field.disclose else ""
    return _Field(
        str(name), "", (source,), how, str(field.table or ""), "" if field.value is not None else _without(field)
    )


def _without(field: FieldMapping | OutgoingField) -> str:
    """What holds where there is no value."""
    if field.default is not None:
        return f"{field.default}"
    return "an exception" if field.required else "nothing"


def _page(template: str, up: str, **values: object) -> str:
    return _environment().get_template(f"{template}.html").render(up=up, **values) + "\n"


def _text(name: str) -> str:
    return (files("casecart.commands") / "site_pages" / name).read_text("utf-8")


@cache
def _environment() -> jinja2.Environment:
    """Values are an analyst's words, and are escaped wherever they stand."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["kinds"] = _kinds
    return made


def _kinds(components: Iterable[tuple[str, Any]]) -> list[tuple[str, str, str]]:
    """Name, kind and what that is, of destinations."""
    known = destination_specs()
    return [(str(name), each.kind, known[each.kind].about) for name, each in components]
