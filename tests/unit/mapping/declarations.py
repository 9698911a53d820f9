"""Mapping files and code tables from text, as the workspace reads them."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

from casecart.mapping import MappingContext
from casecart.workspace.mapping import Mapping
from casecart.workspace.reader import read
from casecart.workspace.reading import Reading
from casecart.workspace.table import Table, read_table
from casecart.workspace.yaml import parse

__all__ = ["Tokens", "context", "mapping", "table"]


def mapping(text: str) -> Mapping:
    """The mapping in this text, which stands in `mappings/m.yaml`."""
    node, findings = parse(text.encode(), "mappings/m.yaml")
    assert node is not None, findings
    assert not findings
    reading = Reading()
    declaration = read(Mapping, node, reading)
    assert declaration is not None, [str(finding) for finding in reading.findings]
    return declaration


def table(name: str, text: str) -> Table:
    """The code table in this text, which stands in `mappings/tables/NAME.csv`."""
    found, findings = read_table(text.encode(), f"mappings/tables/{name}.csv", name)
    assert found is not None, findings
    return found


class Tokens:
    """Gives tokens, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def __call__(self, kind: str, value: str) -> str:
        self.asked.append((kind, value))
        return f"{kind}:{value}"


def context(tokens: Tokens | None = None) -> MappingContext:
    """A sender in Chicago."""
    zone = ZoneInfo("America/Chicago")
    return MappingContext(
        facility="NORTH", time_zone=zone, today=date(2026, 11, 3), token=tokens or Tokens(), source="M1"
    )
