"""Every value that a workspace is run with, and where it comes from."""

from __future__ import annotations

import pytest

from casecart.commands.workspace import load_workspace, make_workspace
from casecart.workspace.effective import EffectiveValue, effective_values
from support.checkout import ROOT


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[EffectiveValue]:
    """Those of a new workspace."""
    root = tmp_path_factory.mktemp("values") / "ws"
    make_workspace(root)
    return [*effective_values(load_workspace(root))]


@pytest.mark.parametrize(
    ("name", "text", "file"),
    [
        ("engine: organisation", "MERCY", "config/engine.yaml"),
        ("engine: secrets.keys", "{file: var/secrets/keys}", "config/engine.yaml"),
        ("engine: listeners.or-mllp.kind", "mllp", "config/engine.yaml"),
        ("engine: listeners.or-mllp.peers.orsys.match.MSH-3", "ORSYS", "config/engine.yaml"),
        ("engine: listeners.or-mllp.interface", "127.0.0.1", None),  # nobody wrote it
        ("engine: retain.bodies.processed", "30d", None),
        ("channel or-usage: retain.bodies", "30d", "channels/or-usage.yaml"),
        ("channel or-usage: steps[5].route[1].post.to", "inventory", "channels/or-usage.yaml"),
        ("mapping dft-usage: fields.quantity.path", "FT1-10", "mappings/dft-usage.yaml"),
    ],
)
def test_a_value_is_told_with_the_file_that_it_is_from(
    found: list[EffectiveValue], name: str, text: str, file: str | None
) -> None:
    (value,) = [each for each in found if each.name == name]
    assert (value.text, None if value.place is None else value.place.file) == (text, file)


def test_each_written_value_stands_where_it_is_said_to(found: list[EffectiveValue]) -> None:
    looked_at = 0
    for value in found:
        if value.place is not None and not value.name.endswith(".kind"):  # which stands first in its block
            lines = (ROOT / value.place.file).read_text("utf-8").splitlines()
            line = lines[value.place.line - 1]
            if line[value.place.column - 1 :] == ">-":  # its words stand below
                line = " " * (value.place.column - 1) + lines[value.place.line].strip()
            first = value.text.replace("''", "'").split(", ")[0]
            there = line[value.place.column - 1 :].lstrip("[-\"' ").replace("''", "'")
            assert there.startswith(first[:40]), (value, there)
            looked_at += 1
    assert looked_at > 500


def test_no_name_is_told_twice(found: list[EffectiveValue]) -> None:
    names = [each.name for each in found]
    assert len(names) == len(set(names)) > 1_000
