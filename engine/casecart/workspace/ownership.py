"""config/ownership.yaml: which systems may say which groups of fields of the master data."""

from __future__ import annotations

import re
from collections import abc
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from casecart.workspace.declaration import NAME, Declared, declared, key
from casecart.workspace.findings import NOWHERE, Finding, Place, did_you_mean, listed, shown
from casecart.workspace.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from casecart.workspace.files import Files

__all__ = ["FILE", "GROUPS", "Ownership", "misnamed"]

FILE: Final = "ownership.yaml"

GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "item": (
            "description",
            "product",
            "tracking",
            "purchasing",
            "identifiers",
            "units",
            "stock",
            "substitutes",
        ),
        "supplier": ("description", "names"),
        "location": ("description", "names"),
        "department": ("description", "names", "assignments"),
        "dimension": ("description",),
        "lot": ("lot",),
        "recall": ("recall",),
    }
)
"""Kind of document → the groups of its fields."""

_ABOUT = "For each kind of document and group of its fields, the systems that may say it."


@declared(name="facility", about="What other systems may say for one facility.")
class FacilityOwnership(Declared):
    """What other systems may say for one facility."""

    owners: abc.Mapping[str, abc.Mapping[str, tuple[Text, ...]]] = key(
        about=_ABOUT, example="{item: {stock: [north-erp]}}", scalar=True
    )

    def check(self) -> Iterable[Finding]:
        """Kinds and groups exist."""
        return _unknown(self.owners)


@declared(name="ownership", about="Which systems may say which groups of fields of the master data.")
class Ownership(Declared):
    """The whole of config/ownership.yaml. A group that is not named may be said by every system."""

    owners: abc.Mapping[str, abc.Mapping[str, tuple[Text, ...]]] = key(
        about=_ABOUT + " What another system says becomes an exception, and changes nothing.",
        example="{item: {description: [erp], identifiers: [erp, gudid]}}",
        scalar=True,
    )
    facilities: abc.Mapping[str, FacilityOwnership] = key(
        about="Other owners for single facilities.",
        example="{NORTH: {owners: {item: {stock: [north-erp]}}}}",
        default="{}",
        entry_names="facility",
    )

    def check(self) -> Iterable[Finding]:
        """Kinds and groups exist."""
        return _unknown(self.owners)


def misnamed(files: Files) -> Iterable[Finding]:
    """A file that looks meant and would be overlooked: then every system could say everything."""
    try:
        names = files.names("config")
    except OSError:
        return
    for name in names:
        if name != FILE and name.lower() in {"ownership.yaml", "ownership.yml"}:
            words = f"the file would be overlooked; rename it to {FILE}"
            yield Finding(Place(f"config/{name}"), "error", "file-name", words)


def _unknown(owners: Mapping[str, Mapping[str, tuple[Text, ...]]]) -> Iterable[Finding]:
    for kind, groups in owners.items():
        if kind not in GROUPS:
            yield _finding(kind, "a kind of document of the master data", GROUPS)
            continue
        for group, systems in groups.items():
            if group not in GROUPS[kind]:
                yield _finding(group, f"a group of the fields of {kind}", GROUPS[kind])
            if not systems:
                words = f"{shown(group)} has no owner, so that nobody could say it; name one, or remove the line"
                yield Finding(_place(group), "error", "too-few", words)
            for system in systems:
                if re.fullmatch(NAME, system) is None:
                    words = f"{shown(system)} cannot be the name of a system; write letters, digits, '-', '_' and '.'"
                    yield Finding(system.place, "error", "bad-name", words)


def _finding(name: str, what: str, known: Iterable[str]) -> Finding:
    words = f"{shown(name)} is not {what}; there are {listed(known)}"
    return Finding(_place(name), "error", "unknown-value", words, did_you_mean(name, known))


def _place(name: str) -> Place:
    return name.place if isinstance(name, Text) else NOWHERE
