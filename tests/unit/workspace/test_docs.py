"""What the pages show as YAML is read as an analyst's file would be: each block is a whole file, or a part of one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from casecart.canonical import FIELDS
from casecart.mapping import compile_outgoing, look_at_mapping
from casecart.runtime.kinds import installed_kinds
from casecart.workspace import Channel, Declared, Engine, Loaded, Mapping, OutgoingMapping, Ownership, read_all
from casecart.workspace.reader import read
from casecart.workspace.reading import Reading
from casecart.workspace.yaml import parse
from support.checkout import ROOT
from support.findings_page import BOOK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK: Final = re.compile(r"^( *)```ya?ml\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
ENTRY: Final = re.compile(r"^(?=[A-Za-z\"-])", re.MULTILINE)
NAMED: Final = re.compile(r"^# ([\w./-]+\.ya?ml)")
OTHERS: Final = frozenset({"prometheus.yml", "alerts.yaml"})  # another program's

BASE: Final[dict[type[Declared], str]] = {
    Engine: BOOK["base"]["config/engine.yaml"],
    Channel: BOOK["base"]["channels/usage.yaml"],
    Mapping: BOOK["base"]["mappings/charges.yaml"],
}
# Where keys of a listener, of one of its senders and of a FHIR server stand.
LISTENER: Final = "listeners:\n  it:\n    kind: mllp\n    port: 2575\n"
PEERS: Final = "    peers:\n      it:\n        match: {MSH-3: IT}\n        facility: NORTH\n"
FHIR: Final = (
    "listeners:\n  it:\n    kind: fhir\n    facility: NORTH\n    searches: [Procedure]\n    every: 1m\n    server:\n"
)
ROUTE: Final = "  - route: [{post: inventory}]\n"


class Block(NamedTuple):
    """A block of YAML in a page."""

    page: str
    line: int
    text: str

    @property
    def file(self) -> str:
        """The file that its first line names; empty: it names none."""
        found = NAMED.match(self.text)
        return found[1] if found else ""


def blocks() -> Iterator[Block]:
    pages: list[Path] = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for page in pages:
        text = page.read_text("utf-8")
        for found in BLOCK.finditer(text):
            lines = [line.removeprefix(found[1]) for line in found[2].splitlines(keepends=True)]
            yield Block(str(page.relative_to(ROOT)), text.count("\n", 0, found.start(2)) + 1, "".join(lines))


# Tests of channels have a reader of their own.
TESTS: Final = re.compile(r"^( *#.*\n)*( *)(- (test|fixtures)|(input|inputs|expect|fixtures|master):)")
ALL = [block for block in blocks() if block.file not in OTHERS and not TESTS.match(block.text)]


def entries(text: str) -> dict[str, str]:
    """The keys at the left margin, each with all that is under it."""
    return {part.split(":", 1)[0].strip('"'): part for part in ENTRY.split(text) if ENTRY.match(part)}


def indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}" for line in text.splitlines(keepends=True))


def ways(block: Block) -> Iterator[tuple[type[Declared], str]]:
    """What the block may be: a whole file, or what takes the place of something in one."""
    text, keys = block.text, [*entries(block.text)]
    if keys and keys[0] == "channel":
        yield Channel, text
    elif keys and keys[0] == "mapping":
        yield (OutgoingMapping if "writes" in keys else Mapping), text
    elif keys and keys[0] == "owners":
        yield Ownership, text
    else:
        shown = text + ROUTE if keys and keys[-1] == "steps" and "route:" not in text else text
        for declaration, base in BASE.items():
            if {*keys} <= {key.name for key in declaration.__keys__}:
                yield declaration, "".join({**entries(base), **entries(shown)}.values())
        yield from parts(text)


def parts(text: str) -> Iterator[tuple[type[Declared], str]]:
    """A step, a listener or destination by its name, or keys of one."""
    engine, channel = entries(BASE[Engine]), entries(BASE[Channel])
    if text.lstrip().startswith("- "):
        steps = channel["steps"].replace("  - route:", f"{text}  - route:")
        yield Channel, "".join({**channel, "steps": steps}.values())
    if text.startswith("    "):
        tryton = "destinations:\n  it:\n    kind: tryton\n    url: http://127.0.0.1/it\n    key: {env: KEY}\n"
        yield Engine, "".join({**engine, "destinations": tryton + text}.values())
    for listeners in (
        f"listeners:\n{indented(text, 2)}",
        f"{LISTENER}{PEERS}{indented(text, 4)}",
        f"{LISTENER}{PEERS}{indented(text, 8)}",
        f"{FHIR}{indented(text, 6)}",
    ):
        yield Engine, "".join({**engine, "listeners": listeners}.values())
    yield Engine, "".join({**engine, "destinations": f"destinations:\n{indented(text, 2)}"}.values())


def mistakes(declaration: type[Declared], text: str) -> list[str]:
    node, findings = parse(text.encode(), "block.yaml")
    reading = Reading(installed_kinds())
    if node is not None:
        read(declaration, node, reading)
    return [str(finding) for finding in (*findings, *reading.findings) if finding.severity == "error"]


def test_the_pages_have_blocks_of_yaml() -> None:
    assert len(ALL) > 35


@pytest.mark.parametrize("block", ALL, ids=[f"{block.page}:{block.line}" for block in ALL])
def test_what_a_page_shows_is_read_without_a_mistake(block: Block) -> None:
    tried = [mistakes(declaration, text) for declaration, text in ways(block)]
    assert min(tried, key=len) == []


@pytest.mark.parametrize(
    "block",
    [block for block in ALL if block.text.startswith("mapping:")],
    ids=lambda block: f"{block.page}:{block.line}",
)
def test_a_mapping_that_a_page_shows_can_be_compiled(block: Block, shipped: Loaded) -> None:
    node, _ = parse(block.text.encode(), "block.yaml")
    assert node is not None
    if "writes" in entries(block.text):
        written = read(OutgoingMapping, node, Reading())
        assert written is not None
        compile_outgoing(written, shipped.tables)
    else:
        mapping = read(Mapping, node, Reading())
        assert mapping is not None
        assert mapping.makes == "Usage"
        look_at_mapping(mapping, shipped.tables)


@pytest.fixture(scope="module")
def shipped() -> Loaded:
    """The reference workspace, whose tables the pages name."""
    return read_all(ROOT, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
