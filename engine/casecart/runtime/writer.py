"""Writes postings as messages, as a destination's mapping says, and tells the audit trail what that discloses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
from twisted.internet.defer import Deferred, fail, succeed

from casecart.mapping import NotWritable, compile_outgoing
from casecart.runtime.destination import NotWritten, Written
from casecart.runtime.item_channel import ITEM
from casecart.runtime.kinds import destination_specs
from casecart.store import AuditRecord, Damaged
from casecart.workspace import Finding, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from casecart.formats.hl7v2 import Delimiters
    from casecart.mapping import CompiledOutgoing, Document
    from casecart.runtime.destination import Posting
    from casecart.store import Change, Store
    from casecart.workspace import Component, Place, Text, Workspace

    Write = Callable[[Callable[[Change], None], Callable[[], None]], None]

__all__ = ["DISCLOSE", "MappingWriter", "compile_writers"]

DISCLOSE = "disclose"
"""The command of an audit record."""


class MappingWriter:
    """Writes the postings of one destination.

    Args:
        destination: its name.
        mapping: compiled.
        store: knows what tokens stand for.
        write: makes additions to a change durable (`Journal.write`).
        now: wall clock, µs since 1970.
    """

    def __init__(
        self, destination: str, mapping: CompiledOutgoing, *, store: Store, write: Write, now: Callable[[], int]
    ) -> None:
        self._destination = destination
        self._store, self._write, self._now = store, write, now
        self.write_by(mapping)

    def write_by(self, mapping: CompiledOutgoing) -> None:
        """From the next posting on by this mapping."""
        self._mapping = mapping
        self._document = msgspec.json.Decoder(mapping.document).decode

    def write(self, posting: Posting, delimiters: Delimiters) -> Deferred[Written]:
        """The posting as a message; fires when what it discloses stands in the audit trail.

        Fails with `NotWritten`: it can't be written, and a person must act.
        """
        mapping = self._mapping
        if (posting.kind == ITEM) != (mapping.source == "Item"):  # planned when the destination had another mapping
            words = f"Mapping '{mapping.name}' writes {mapping.source}, and this is a posting of another kind."
            return fail(NotWritten("other-mapping", words))
        document = self._document(posting.payload)
        try:
            disclosed = {field: self._value(field, document) for field in mapping.discloses}
            segments = mapping.write(document, disclosed, posting.history[0][0], delimiters)
        except NotWritable as why:
            return fail(NotWritten(why.code, f"{why.words} It is mapping '{mapping.name}' that asks for it."))
        except NotWritten as why:
            return fail(why)
        written = Written(mapping.message_type, mapping.version, segments)
        if not disclosed:
            return succeed(written)
        audited: Deferred[Written] = Deferred()
        detail = json.dumps({"posting": posting.key, "fields": sorted(disclosed)})
        record = AuditRecord(self._now(), "engine", DISCLOSE, self._destination, detail)
        self._write(lambda change: change.audit.append(record), lambda: audited.callback(written))
        return audited

    def _value(self, field: str, document: Document) -> str:
        """What a token stands for. Raises `NotWritten`."""
        token = getattr(document, field)
        try:
            known = self._store.token(token) if token else None
        except Damaged as damage:
            raise NotWritten(
                "identifier-damaged", f"What the token of {field} stands for is damaged: {damage}."
            ) from None
        if known is None:
            words = (
                f"What the token of {field} stands for is not kept any more, or was never a token: the documents of "
                "the message are deleted, or the mapping that reads it gives none."
            )
            raise NotWritten("identifier-gone", words)
        return known.value


def compile_writers(workspace: Workspace) -> Mapping[str, CompiledOutgoing]:
    """The compiled mapping of every destination that has one, by the destination's name.

    Raises:
        WorkspaceError: with all that is wrong in mappings that write, in what destinations say of them, and in what is
            posted to which.
    """
    findings: list[Finding] = []
    mappings: dict[str, CompiledOutgoing] = {}
    for name, declared in workspace.outgoing.items():
        try:
            mappings[name] = compile_outgoing(declared, workspace.tables)
        except WorkspaceError as error:
            findings += error.findings
    writers: dict[str, CompiledOutgoing] = {}
    for name, component in workspace.engine.destinations.items():
        mapping = mappings.get(getattr(component.settings, "mapping", None) or "")
        if mapping is not None:
            writers[str(name)] = mapping
            findings += _not_disclosed(component, mapping)
    findings += _not_taken(workspace, writers)
    if findings:
        raise WorkspaceError(findings)
    return writers


def _not_taken(workspace: Workspace, writers: Mapping[str, CompiledOutgoing]) -> Iterator[Finding]:
    """What is posted to a destination must be something that it knows: a charge is no movement of stock."""
    specs = destination_specs()
    for to, what, place in _posted(workspace):
        kind = workspace.engine.destinations[to].kind
        takes = specs[kind].takes if kind in specs else (what,)
        mapping = writers.get(to)
        if what not in takes:
            words = f"'{to}' is a {kind}, which takes {' and '.join(takes)} and no {what}"
            yield Finding(place, "error", "bad-value", words)
        elif mapping is not None and (what == ITEM) != (mapping.source == "Item"):
            words = f"'{to}' has mapping '{mapping.name}', which writes {mapping.source} and no {what}"
            yield Finding(place, "error", "bad-value", words)


def _posted(workspace: Workspace) -> Iterator[tuple[Text, str, Place]]:
    """What channels post: the destination, what it is, and where that stands."""
    for channel in workspace.channels.values():
        for post in channel.posts:
            yield post.to, post.kind, post.at("as")
        if channel.send is not None:
            send = channel.send.send
            yield send.to, ITEM, send.at("to")


def _not_disclosed(component: Component, mapping: CompiledOutgoing) -> list[Finding]:
    settings = component.settings
    missing = sorted(mapping.discloses - set(getattr(settings, "discloses", ())))
    if not missing:
        return []
    words = (
        f"mapping '{mapping.name}' writes a patient's identifier for {', '.join(missing)}; if this receiver may know "
        f"it, write discloses: [{', '.join(sorted(mapping.discloses))}]"
    )
    return [Finding(settings.at("mapping"), "error", "not-disclosed", words)]
