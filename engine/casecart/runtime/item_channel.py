"""A channel that tells a destination of items: which messages it takes, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.canonical.item_change import ItemChange
from casecart.mapping.expression import ExpressionError, compile_expression, record_of
from casecart.runtime.claim import Claim
from casecart.runtime.kinds import listener_specs
from casecart.workspace import Finding, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from casecart.workspace import Expression, SendStep, Workspace
    from casecart.workspace.channel import Channel

__all__ = ["ITEM", "ItemChannel", "compile_item_channels"]

ITEM = "item"
"""The kind of its postings."""


class ItemChannel:
    """One channel for changes of items, compiled.

    Attributes:
        name: of the channel.
        to: the destination that is told.
        accepts: whether a message of this listener, peer and type is its own.
        wants: whether an item is to be told that was never told before.
        revision: hash of the files it was made from.
    """

    def __init__(
        self, declaration: Channel, step: SendStep, wants: Callable[[ItemChange], bool], revision: str
    ) -> None:
        self.name, self.to = str(declaration.channel), str(step.send.to)
        self.accepts = Claim(declaration).accepts
        self.wants, self.revision = wants, revision


def compile_item_channels(workspace: Workspace) -> Mapping[str, ItemChannel]:
    """Every channel for changes of items, by name.

    Raises:
        WorkspaceError: one takes other messages than changes of items, or another takes those; or a condition is wrong.
    """
    findings = [finding for each in workspace.channels.values() for finding in _not_items(each, workspace)]
    channels: dict[str, ItemChannel] = {}
    for name, declaration in workspace.channels.items():
        step = declaration.send
        if step is not None:
            wants = _wants(step.send.when, findings)
            channels[name] = ItemChannel(declaration, step, wants, workspace.revision(name))
    if findings:
        raise WorkspaceError(findings)
    return channels


def _wants(when: Expression | None, findings: list[Finding]) -> Callable[[ItemChange], bool]:
    if when is None:
        return lambda _: True
    try:
        return compile_expression(when, {"item": record_of(ItemChange)}).function
    except ExpressionError as error:
        for each in error.mistakes:
            place = when.within(each.column)
            findings.append(Finding(place, "error", "bad-expression", each.message, each.suggestion))
        return lambda _: False


def _not_items(channel: Channel, workspace: Workspace) -> Iterator[Finding]:
    """A change of an item is no HL7 message, and is sent; nothing else is."""
    specs = listener_specs()
    for source in channel.sources:
        kind = workspace.engine.listeners[source].kind
        follows = kind in specs and specs[kind].follows
        if channel.send is not None and not follows:
            words = f"listener '{source}' is a {kind}: what a step send tells comes from one of kind item-changes"
            yield Finding(source.place, "error", "bad-value", words)
        if channel.send is None and follows:
            words = f"listener '{source}' has changes of items, which are sent as they are, by a step send: NAME"
            yield Finding(source.place, "error", "bad-value", words)
