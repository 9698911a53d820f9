"""The fields that a test of a channel may name, and the names that it may use: what a misspelt one is known by."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Final

import msgspec

from casecart.canonical import FIELDS, Case
from casecart.canonical.consumption import Consumption
from casecart.canonical.item_change import ItemChange
from casecart.canonical.master import KINDS
from casecart.mapping.udi import PIECES
from casecart.master.tables import TABLES
from casecart.workspace.channel_tests import COUNTED
from casecart.workspace.files import Folder, listing
from casecart.workspace.tests_reader import Fields, load_tests

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from casecart.workspace import Finding, Workspace
    from casecart.workspace.channel_tests import ChannelTests

__all__ = ["EXPECTED", "NAMES", "of_channels"]


def _fields(struct: type[msgspec.Struct]) -> Fields:
    """The fields of a document, and of what it is made of."""
    found: Fields = {}
    for name, annotation in typing.get_type_hints(struct).items():
        inner = [each for each in typing.get_args(annotation) if isinstance(each, type)]
        of = next((each for each in inner if issubclass(each, msgspec.Struct)), None)
        found[name] = None if of is None else _fields(of)
    return found


_UDI: Final[Fields] = {"udi": dict.fromkeys(PIECES)}
_MASTER: Final[Fields] = {"facility": None, "change": None}
"""Which facility it is for; and whether it is put or removed."""

EXPECTED: Final[Mapping[str, Fields]] = {
    "document": {
        "Usage": {**dict.fromkeys(FIELDS), **_UDI},
        "Case": _fields(Case),
        **{struct.__name__: {**_fields(struct), **_MASTER} for struct in KINDS.values()},
    },
    "posting": {
        **_fields(ItemChange),
        **_fields(Consumption),
        **_UDI,
        **dict.fromkeys(("to", "as", "place", "body")),
    },
    "filtered": dict.fromkeys(("place", "reason")),
    "exception": dict.fromkeys(("code", "place", "line", "field", "kind", "words")),
}
"""Sort of what is expected → its fields."""


NAMES: Final[Mapping[str, Collection[str]]] = {"master table": TABLES, "counted": COUNTED}
"""Sort of name → those that there are in every workspace."""


def of_channels(root: Path, workspace: Workspace | None) -> tuple[list[ChannelTests], list[Finding]]:
    """The tests beside the channels, and what is wrong with them.

    Args:
        root: of the workspace.
        workspace: None where it can't be read; then names in it are not looked at.
    """
    known: dict[str, Collection[str]] = {**NAMES}
    if workspace is not None:
        engine = workspace.engine
        known |= {"listener": set(map(str, engine.listeners)), "destination": set(map(str, engine.destinations))}
        settings = [component.settings for component in engine.listeners.values()]
        known["peer"] = {str(peer) for each in settings for peer in getattr(each, "peers", {})}
    channels = [name for name, _ in listing(Folder(root), "channels", ".yaml", [])]
    return load_tests(root, channels=channels, known=known, fields=EXPECTED)
