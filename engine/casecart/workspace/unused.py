"""What stands in a workspace and is named by nothing: mostly a slip of the hand, or left over."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from casecart.workspace.files import Folder, listing
from casecart.workspace.findings import Finding, Place
from casecart.workspace.text import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from casecart.workspace.load import Workspace
    from casecart.workspace.mapping import Mapping

__all__ = ["unused"]


def unused(workspace: Workspace, heard: Collection[str]) -> Iterator[Finding]:
    """Warnings of a workspace that has no errors.

    Args:
        workspace: loaded.
        heard: listeners that another one follows up, so that no channel need take from them.
    """
    channels = workspace.channels.values()
    sources = {str(each) for channel in channels for each in channel.sources}
    for name in workspace.engine.listeners:
        if name not in sources and name not in heard:
            words = f"no channel takes from '{name}': name it under from, or remove it"
            yield _warning(name, "unused-listener", words)
    told = {str(post.to) for channel in channels for post in channel.posts}
    told |= {str(channel.send.send.to) for channel in channels if channel.send is not None}
    for name in workspace.engine.destinations:
        if name not in told:
            yield _warning(
                name, "unused-destination", f"nothing is posted to '{name}': name it in a route, or remove it"
            )
    yield from _mappings(workspace)
    yield from _tables(workspace)
    yield from _hooks(workspace)
    for mapping in workspace.mappings.values():
        yield from _aliases(mapping)


def _mappings(workspace: Workspace) -> Iterator[Finding]:
    read = {str(each) for channel in workspace.channels.values() for each in channel.mappings}
    settings = [component.settings for component in workspace.engine.destinations.values()]
    written = {str(getattr(each, "mapping", None)) for each in settings}
    for name, mapping in workspace.mappings.items():
        if name not in read and not mapping.spare:
            words = (
                f"no channel names mapping '{name}': name it in a step, write spare: true if it is kept, or remove it"
            )
            yield Finding(mapping.at("mapping"), "warning", "unused-mapping", words)
    for name, outgoing in workspace.outgoing.items():
        if name not in written and not outgoing.spare:
            words = (
                f"no destination names mapping '{name}': name it there, write spare: true if it is kept, or remove it"
            )
            yield Finding(outgoing.at("mapping"), "warning", "unused-mapping", words)


def _tables(workspace: Workspace) -> Iterator[Finding]:
    named = {str(field.table) for mapping in workspace.mappings.values() for field in mapping.fields.values()}
    named |= {str(field.table) for mapping in workspace.outgoing.values() for field in mapping.fields.values()}
    for name in workspace.tables:
        if name not in named:
            words = f"no mapping names the table '{name}': name it in a field, or remove it"
            yield Finding(Place(f"mappings/tables/{name}.csv"), "warning", "unused-table", words)


def _hooks(workspace: Workspace) -> Iterator[Finding]:
    for _, file in listing(Folder(workspace.root), "hooks", ".py", []):
        if file not in workspace.hooks:
            words = f"no channel names {file}, so that it is never run: name it in a step hook, or remove it"
            yield Finding(Place(file), "warning", "unused-hook", words)


def _aliases(mapping: Mapping) -> Iterator[Finding]:
    """An alias stands before the hyphen of an HL7 path, and behind the % of a FHIRPath."""
    fields = mapping.fields.values()
    texts = [text for field in fields for text in (*field.path, *field.agree, *field.join)]
    fhir = mapping.reads.format == "fhir"
    texts += [*mapping.bind.values(), *filter(None, (mapping.grouped_by, mapping.takes_back))] if fhir else []
    for alias in mapping.bind:
        named = re.compile(rf"%`?{re.escape(alias)}\b" if fhir else rf"{re.escape(alias)}-")
        if not any(named.search(text) if fhir else named.match(text) for text in texts):
            words = f"no path takes anything from '{alias}': remove it, or name it in one"
            yield _warning(alias, "unused-bind", words)


def _warning(name: str, code: str, words: str) -> Finding:
    return Finding(name.place if isinstance(name, Text) else Place("-"), "warning", code, words)
