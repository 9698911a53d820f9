"""What a test of a channel expects, made of YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.workspace.reader import as_tree
from casecart.workspace.reading import Failed
from casecart.workspace.yaml import parse

if TYPE_CHECKING:
    from casecart.workspace.shape import Tree

__all__ = ["tree_of"]


def tree_of(text: str) -> Tree:
    """As a file of tests has it."""
    node, findings = parse(text.encode(), "x.test.yaml")
    assert node is not None, findings
    tree = as_tree(node)
    assert not isinstance(tree, Failed), findings
    return tree
