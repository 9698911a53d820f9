"""The reference pages of a workspace's files, made of the declarations; `make docs-reference` writes them.

python -m support.reference_pages
"""

from __future__ import annotations

import inspect
import sys
from functools import cache
from typing import TYPE_CHECKING

from casecart.runtime.kinds import destination_specs, listener_specs
from casecart.workspace import Channel, Declared, Engine, Mapping, OutgoingMapping, Ownership, keys_of
from casecart.workspace.channel_tests import TestsFile
from casecart.workspace.shape import (
    AnyOf,
    Anything,
    Choice,
    Entries,
    Items,
    Kind,
    Record,
    Scalar,
    SecretReference,
    Shape,
)
from support import findings_page
from support.checkout import ROOT
from support.declarations import all_declarations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Mapping as MappingOf

    from casecart.runtime.destination import DestinationSpec
    from casecart.runtime.listener import ListenerSpec
    from casecart.workspace import Key

__all__ = ["FOLDER", "pages"]

FOLDER = ROOT / "docs" / "reference"

_MADE = (
    "<!-- Made from the declarations in the code by `make docs-reference`: change them, not this page. -->\n\n"
    "A key in **bold** is required. A default is what holds without the key. How texts, durations and lists are\n"
    "written stands in [How values are written](configuration.md#how-values-are-written).\n"
)
_OTHERS = """
Each has a name that the analyst gives, and a `kind`. These kinds come with casecart; others are found by the entry
points `casecart.{block}` of installed packages.

"""
_VALUES = """\
## How values are written

Files are YAML, read strictly: text stays as written (`0012` is a lot, `NO` is text), no key comes twice, and anchors,
tags and merge keys are not used. A path or text with `[`, `,`, `:` or `#` goes in quotes.

| type | written |
| --- | --- |
| text | `MERCY`, or in quotes |
| integer | `12` |
| decimal | `12.50` |
| boolean | `true` or `false` |
| flag | `true`, or the key is left out |
| duration | a number and its unit: `50ms`, `30s`, `5m`, `1h`, `400d` |
| rate | how many in which time: `10/s`, `600/m`, `1000/h` |
| size | a number and its unit: `512B`, `64KB`, `10MB`, `1GiB` |
| path | a place in a message: `PV1-19.1`, `"OBX[2]-5"`, or FHIRPath ([HL7 v2](hl7v2.md), [FHIR](fhir-mapping.md)) |
| expression | a condition: `"action == 'use'"` |
| secret | by reference: `{env: NAME}` for an environment variable, `{file: PATH}` for a file below the workspace |
| name | of something else in the workspace, which must be there; letters, digits, `-`, `_` and `.` |
| list | `[a, b]`, or a line `- …` for each |
| block | keys and their values, indented or in `{ }` |
"""


@cache
def pages() -> MappingOf[str, str]:
    """The pages, by the names of their files."""
    return {
        "configuration.md": _page(
            "The configuration: config/engine.yaml, config/ownership.yaml",
            "Editors complete and explain all of this: [Set your editor up](../how-to/set-up-an-editor.md).\n\n"
            + _VALUES,
            {"config/engine.yaml": Engine, "config/ownership.yaml": Ownership},
        ),
        "channels.md": _page(
            "Channels: channels/NAME.yaml",
            "A channel says which messages it takes, and the steps that they take "
            "([how to begin one](../how-to/begin-a-channel.md)).\n",
            {"A channel": Channel, "Its tests, channels/NAME.test.yaml": TestsFile},
        ),
        "mappings.md": _page(
            "Mappings: mappings/NAME.yaml",
            "A mapping reads messages, or writes them (`writes`). The columns that mappings of master data have stand\n"
            "in [Tables of master data](master-data.md), what is shipped in [Messages](messages.md).\n",
            {"A mapping that reads": Mapping, "A mapping that writes": OutgoingMapping},
        ),
        "listeners.md": _of_kinds("Listeners", "listeners", listener_specs()),
        "destinations.md": _of_kinds("Destinations", "destinations", destination_specs()),
        "findings.md": findings_page.made_anew(),
    }


def _page(title: str, before: str, parts: MappingOf[str, type[Declared]]) -> str:
    lines = [f"# {title}\n\n", _MADE, "\n", before]
    page = _Headings(parts)
    for heading, declaration in parts.items():
        lines += ["\n", *page.part(f"## {heading}", declaration)]
    lines += page.rest()
    return "".join(lines)


def _of_kinds(title: str, block: str, specs: MappingOf[str, ListenerSpec] | MappingOf[str, DestinationSpec]) -> str:
    lines = [
        f"# {title}: what stands under `{block}` of config/engine.yaml\n\n",
        _MADE,
        _OTHERS.format(block=block),
        "| kind | |\n| --- | --- |\n",
        *(f"| [{kind}](#kind-{kind}) | {specs[kind].about} |\n" for kind in sorted(specs)),
    ]
    page = _Headings({f"kind: {kind}": specs[kind].settings for kind in sorted(specs)})
    for kind in sorted(specs):
        part = page.part(f"## kind: {kind}", specs[kind].settings)
        lines += ["\n", next(part), *_delivery(specs[kind].make), *part]
    lines += page.rest()
    return "".join(lines)


def _delivery(make: object) -> Iterator[str]:
    """What the module of a kind promises."""
    module = inspect.getmodule(make)
    for paragraph in (inspect.getdoc(module) or "").split("\n\n"):
        if paragraph.startswith("Delivery:"):
            yield f"*{paragraph.replace('Delivery:', 'Delivery:*', 1)}\n\n".replace("``", "`")


class _Headings:
    """Of one page: each declaration has one, and links lead to it."""

    def __init__(self, parts: MappingOf[str, type[Declared]]) -> None:
        self._titles: dict[type[Declared], str] = {declaration: heading for heading, declaration in parts.items()}
        self._own = set(self._titles)
        for declaration in all_declarations(*parts.values()):
            if declaration not in self._titles:
                self._titles[declaration] = self._unused(declaration)

    def _unused(self, declaration: type[Declared]) -> str:
        name = declaration.__declaration__.name
        taken = {title.lower() for title in self._titles.values()}
        tries = (f"`{name}`", *(f"`{name}` ({number})" for number in range(2, 20)))
        return next(each for each in tries if each.lower() not in taken)

    def rest(self) -> Iterator[str]:
        """The blocks that stand in others."""
        rest = [declaration for declaration in self._titles if declaration not in self._own]
        if rest:
            yield "\n## Blocks within\n"
        for declaration in rest:
            yield "\n"
            yield from self.part(f"### {self._titles[declaration]}", declaration)

    def part(self, heading: str, declaration: type[Declared]) -> Iterator[str]:
        """A heading, and the table of a declaration's keys."""
        said = declaration.__declaration__
        yield f"{heading}\n\n{said.about}\n\n"
        if said.shorthand is not None:
            yield f"The value of `{said.shorthand}` alone may be written instead of the block.\n\n"
        for rule in said.rules:
            keys = ", ".join(f"`{key}`" for key in rule.keys)
            tail = f", unless `{rule.unless}` is" if rule.unless else ""
            yield f"Exactly one of {keys} is given{tail}.\n\n"
        yield "| key | what it is for | type | default | example |\n| --- | --- | --- | --- | --- |\n"
        for key in keys_of(declaration):
            name = f"**{key.name}**" if key.required else key.name
            default = "" if key.default is None else _code(key.default)
            cells = (name, key.about, self._type(key), default, _code(key.example))
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"

    def _type(self, key: Key) -> str:
        words = [self._shape(key.shape, key)]
        if key.minimum is not None or key.maximum is not None:
            ends = [f"from {key.minimum}" if key.minimum else "", f"to {key.maximum}" if key.maximum else ""]
            words.append(" ".join(filter(None, ends)))
        if key.at_least:
            words.append(f"at least {key.at_least}")
        if key.pattern is not None:
            words.append(key.form or f"as {_code(key.pattern)}")
        return "; ".join(words)

    def _shape(self, shape: Shape, key: Key) -> str:  # noqa: PLR0911 - one return a shape
        match shape:
            case Scalar(type):
                return type.name if key.names is None else f"the name of {_a(key.names)}"
            case Choice(words):
                return ", ".join(_code(word) for word in words)
            case SecretReference():
                return "secret"
            case Items(item):
                one = self._shape(item, key)
                return f"list, or one: {one}" if key.scalar else f"list: {one}"
            case Entries(value):
                names = (
                    f"the name of {_a(key.defines or key.entry_names or '')}"
                    if key.defines or key.entry_names
                    else "name"
                )
                return f"block: {key.entry_form or names} → {self._shape(value, key)}"
            case Record(declaration):
                return self._link(declaration)
            case AnyOf(declarations):
                return ", ".join(map(self._link, declarations))
            case Kind():
                return f"[by its `kind`]({key.defines}s.md)"
            case Anything():
                return "anything"

    def _link(self, declaration: type[Declared]) -> str:
        title = self._titles[declaration]
        anchor = "".join(sign for sign in title.lower().replace(" ", "-") if sign.isalnum() or sign in "-_")
        return f"[{title.removesuffix(')').split(' (')[0]}](#{anchor})"


def _a(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def _code(text: str) -> str:
    return f"`{text}`" if text else "empty"


def main(names: Iterable[str]) -> None:
    """Writes the pages; only those with the given names, if any are."""
    wanted = set(names)
    for name, page in pages().items():
        if not wanted or name in wanted:
            (FOLDER / name).write_text(page, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
