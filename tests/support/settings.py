"""The settings of a component, read from YAML as an analyst writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from casecart.workspace.reader import read
from casecart.workspace.reading import Reading
from casecart.workspace.yaml import parse

if TYPE_CHECKING:
    from casecart.workspace import Declared

__all__ = ["findings_of", "settings_of"]

D = TypeVar("D", bound="Declared")


def settings_of(declaration: type[D], text: str) -> D:
    """The settings that a block of YAML describes; it may be warned of."""
    made, findings = _read(declaration, text)
    assert made is not None, findings
    assert [finding for finding in findings if " warning " not in finding] == []
    return made


def findings_of(declaration: type[Declared], text: str) -> list[str]:
    """What is wrong with a block of YAML."""
    return _read(declaration, text)[1]


def _read(declaration: type[D], text: str) -> tuple[D | None, list[str]]:
    node, findings = parse(text.encode(), "engine.yaml")
    assert node is not None, findings
    reading = Reading(findings=findings)
    made = read(declaration, node, reading)
    return made, [str(finding) for finding in reading.findings]
