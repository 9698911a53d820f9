"""What is wrong in a workspace, where, and what to do about it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "CODES",
    "NOWHERE",
    "Finding",
    "Place",
    "Severity",
    "WorkspaceError",
    "did_you_mean",
    "listed",
    "shown",
]

Severity = Literal["error", "warning"]

_SHOWN = 40  # characters of an analyst's word that a finding repeats

CODES: Mapping[str, str] = MappingProxyType(
    {
        # The file itself.
        "missing-file": "A file that every workspace needs is not there.",
        "unreadable-file": "The file exists, but it could not be read.",
        "too-large": "The file is larger than a file of its kind may be.",
        "not-utf-8": "The file is not UTF-8 text; save it with that encoding.",
        "not-text": "The file contains a character that has no place in a text file, such as NUL.",
        "file-name": "The file would be overlooked because of its name.",
        "folder-not-empty": "A new workspace is only made in an empty folder.",
        "unwritable": "A file or folder could not be written.",
        "name-mismatch": "The name inside the file and the name of the file differ.",
        # YAML.
        "yaml-syntax": "The text is not YAML from this place on.",
        "yaml-tab": "A tab is used for indentation; YAML wants spaces.",
        "yaml-anchor": "Anchors (&name) and aliases (*name) are not used; write the value out.",
        "yaml-tag": "Tags (!name) are not used; the declared type of the key decides.",
        "yaml-merge": "Merge keys (<<) are not used; write the keys out.",
        "yaml-documents": "A file holds one document; `---` may only stand before it.",
        "yaml-depth": "The values are nested too deeply.",
        "yaml-key": "A key is plain text, not a list or a block of keys.",
        "duplicate-key": "The same key is written twice; only one of them can hold.",
        "quote-path": "A path with [ or , in it must be put in quotes.",
        # Keys and values.
        "unknown-key": "The key does not exist here.",
        "missing-key": "A required key is not there.",
        "no-token": "A field that identifies a patient's visit would leave the engine as the sender wrote it.",
        "not-disclosed": "A mapping writes a patient's identifier that its destination doesn't say it discloses.",
        "plain-text": "What identifies a patient would go over a network unencrypted.",
        "same-test": "Two tests of a file have the same name.",
        "missing-field": "A mapping leaves out a field that its channel needs.",
        "empty-value": "The key has no value; write one, or remove the key.",
        "expected-text": "One value was expected, and a list or a block of keys was found.",
        "expected-list": "A list was expected.",
        "expected-keys": "A block of keys and values was expected.",
        "bad-value": "The value cannot be read as the type that the key has.",
        "bad-format": "The text has not the form that the key asks for.",
        "bad-name": "A name has characters that names do not have.",
        "unknown-value": "The value is not one of those that the key knows.",
        "out-of-range": "The value is smaller or larger than the key allows.",
        "too-few": "The list or block needs more entries.",
        "secret-literal": "A secret stands in the file; refer to it by {env: NAME} or {file: PATH}.",
        "secret-missing": "A secret that the workspace refers to is not set, empty or unreadable.",
        "secret-short": "A secret has too few characters to be one.",
        "store-earlier": "A store was filled by a version whose keys were made in another way.",
        "secret-changed": "A secret that may never change is another than before.",
        "one-of": "Of several keys exactly one must be given.",
        "unhandled-empty": "A source may be empty; required, optional or default must say what then.",
        "unknown-step": "The step does not exist.",
        "unknown-kind": "No listener or destination of this kind is installed.",
        "step-order": "A step stands before the one that it needs.",
        "double-claim": "Two channels take the same messages and post the same kind of thing: it would be told twice.",
        "idle-policy": "An entry of a policy can never act.",
        "route-order": "An entry of a route can never be reached.",
        # Names across files.
        "unknown-name": "Nothing in the workspace has this name.",
        "name-clash": "Sources could mean either of two things that have this name.",
        "unknown-field": "The document has no such field.",
        # Code tables.
        "table-header": "The first line of a code table names its columns: code,value or code,value,about.",
        "table-row": "A row of a code table does not fit its header.",
        "duplicate-code": "A code stands twice in its table.",
        # What is written into a workspace for editors.
        "old-schema": "The schemas by which editors complete and check are another casecart's.",
        # Given by the rooms above that compile what the workspace holds.
        "bad-path": "The path does not follow the grammar, or leads nowhere in this version.",
        "interpreted-path": "A FHIRPath is not compiled, but evaluated by a library, which is slower.",
        "bad-expression": "The expression does not follow the grammar, or its types do not fit.",
        "bad-template": "The template cannot be read.",
        "bad-hook": "The hook's file is not Python, lacks its function, or cannot be loaded.",
        "bad-certificate": "A certificate, key or list of authorities can't be used.",
        "open-to-others": "Other machines can reach what only few should.",
    }
)
"""Every code a finding can have, with one line that explains it; docs are made from this."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a file: the path as shown to a person, line and column counted from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Place("-", 1, 1)
"""The place of what was not read from a file: made in Python, or a default."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, how bad, a stable code, and words that say what to do.

    The message is a sentence or two without the final full stop. It never carries a secret.
    """

    place: Place
    severity: Severity
    code: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        tail = f". Did you mean '{self.suggestion}'?" if self.suggestion is not None else ""
        return f"{self.place} {self.severity} {self.code} {self.message}{tail}"


class WorkspaceError(Exception):
    """The workspace cannot be used as it is; `findings` says why, in the order of the files."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings: tuple[Finding, ...] = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `word` was most likely meant to be, or None if none is near."""
    folded = {name.casefold(): name for name in sorted(known, reverse=True)}
    near = difflib.get_close_matches(word.casefold()[:100], list(folded), n=1, cutoff=0.6)
    return str(folded[near[0]]) if near else None


def listed(names: Sequence[str] | Iterable[str], *, most: int = 12) -> str:
    """Names as a person lists them: `a, b and c`; the rest is counted when there are very many."""
    known = list(names)
    if len(known) > most:
        return f"{', '.join(known[:most])} and {len(known) - most} more"
    return " and ".join(filter(None, [", ".join(known[:-1]), *known[-1:]]))


def shown(text: str) -> str:
    """An analyst's own word as a finding quotes it: in one line, in quotes, not too long."""
    line = " ".join(text.split())
    return f"'{line}'" if len(line) <= _SHOWN else f"'{line[:_SHOWN]}...'"
