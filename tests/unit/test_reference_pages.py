"""The reference pages are what the code says: of every key, every finding, every command and option."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

import click
import pytest

from casecart.cli.main import COMMANDS
from support import reference_pages
from support.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS_PAGE = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")


@pytest.mark.parametrize("name", reference_pages.pages())
def test_a_page_made_of_the_declarations_is_of_today(name: str) -> None:
    page = reference_pages.FOLDER / name
    assert page.exists(), "make it: make docs-reference"
    assert page.read_text("utf-8") == reference_pages.pages()[name], "make it anew: make docs-reference"


def test_every_link_within_a_page_leads_to_a_heading_of_it() -> None:
    for name, page in reference_pages.pages().items():
        headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
        anchors = {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}
        assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= anchors, name
        assert len(anchors) == len(headings), f"{name} has a heading twice"


def typed() -> Iterator[tuple[str, click.Command]]:
    """Every command, by what is typed."""
    for name, listed in COMMANDS.items():
        command = importlib.import_module(f"casecart.cli.{listed.module}").command
        yield name, command
        yield from _below(name, command)


def _below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    for sub, below in command.commands.items() if isinstance(command, click.Group) else ():
        yield f"{name} {sub}", below
        yield from _below(f"{name} {sub}", below)


ALL = dict(typed())
EVERYWHERE = {"--help", "--json", "--workspace"}  # said of all commands together


@pytest.mark.parametrize("name", ALL)
def test_every_command_and_every_option_of_it_stands_in_its_row_of_the_page(name: str) -> None:
    words = name.split()
    rows = [row for row in COMMANDS_PAGE.splitlines() if row.startswith("| `") and _is_of(row, words)]
    assert rows, f"commands.md has no row for {name}"
    shown = " ".join(rows)
    options = {
        option
        for parameter in ALL[name].params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for option in parameter.opts
        if option.startswith("--")
    }
    missing = {option for option in options - EVERYWHERE if not re.search(rf"{option}(?![a-z-])", shown)}
    assert missing == set()


def _is_of(row: str, words: list[str]) -> bool:
    """A row begins with what is typed; of a group's commands the first is typed whole."""
    first = row.split(" | ", 1)[0]
    begins = {typed.split()[0] for typed in first.split("`")[1::2]}
    return words[0] in begins and all(re.search(rf"\b{word}\b", first) for word in words)
