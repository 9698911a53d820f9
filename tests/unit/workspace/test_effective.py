"""Every value that a workspace is run with, and where it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from casecart.commands.workspace import load_workspace, make_workspace
from casecart.workspace.effective import EffectiveValue, effective_values


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
    root = Path(__file__).parents[3]
    for value in found:
        if value.place is not None:
            line = (root / value.place.file).read_text("utf-8").splitlines()[value.place.line - 1]
            assert line[value.place.column - 1 :].strip(), value


def test_no_name_is_told_twice(found: list[EffectiveValue]) -> None:
    names = [each.name for each in found]
    assert len(names) == len(set(names)) > 1_000
