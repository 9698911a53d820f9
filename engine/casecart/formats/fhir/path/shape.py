"""What can be said of a path's parts before any resource is there: which ones `straight` can write, and how."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from casecart.formats.fhir.definitions import VERSIONS, definitions
from casecart.formats.fhir.path.names import CHOICES, RESOURCES
from casecart.formats.fhir.path.syntax import Binary, Call, Member, TypeTest, Variable
from casecart.formats.fhir.path.syntax import Literal as Constant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from casecart.formats.fhir.path.syntax import Node

__all__ = [
    "PICKS", "NotUsual", "always_list", "as_set", "hangs", "literals", "occurs", "operands", "quoted", "stays",
    "text_in",
]  # fmt: skip

PICKS: Final = frozenset({"first", "last", "single"})
"""Functions that give one of the items."""


class NotUsual(Exception):
    """A path has something that is not written straight."""


def occurs(name: str) -> Literal["one", "many", "either"]:
    """Whether what has a name in JSON is a list: in no type of any version, in all that have it, or in some."""
    known = _lists().get(name, frozenset((True, False)))
    return "either" if len(known) > 1 else "many" if True in known else "one"


@cache
def _lists() -> Mapping[str, frozenset[bool]]:
    found: dict[str, set[bool]] = {}
    for version in VERSIONS.values():
        defined = definitions(version)
        for type_name in defined:
            for name, member in defined[type_name].members.items():
                found.setdefault(name, set()).add(member.many)
    return {name: frozenset(several) for name, several in found.items()}


def always_list(node: Node | None) -> bool:
    """Whether an element is a list wherever there is one of its name."""
    return isinstance(node, Member) and node.name not in CHOICES and occurs(node.name) == "many"


def text_in(node: Node) -> str:
    """The text that stands there. Raises `NotUsual` where it is anything else."""
    if not isinstance(node, Constant) or not isinstance(node.value, str):
        raise NotUsual
    return node.value


def quoted(node: Node) -> str:
    """The same as Python, where it isn't empty."""
    value = text_in(node)
    if not value:
        raise NotUsual
    return repr(value)


def operands(node: Node) -> list[Node]:
    """Those of `a | b | c`, or the node itself."""
    if isinstance(node, Binary) and node.operator == "|":
        return [*operands(node.left), *operands(node.right)]
    return [node]


def literals(node: Binary) -> str:
    """The texts of `x = 'a'` and `x in ('a' | 'b')`, as a set."""
    return as_set([text_in(each) for each in ([node.right] if node.operator == "=" else operands(node.right))])


def as_set(texts: Iterable[str]) -> str:
    """Texts as Python's set, which a list or an object can't be looked for in: Python raises."""
    return "{" + ", ".join(map(repr, dict.fromkeys(texts))) + "}"


def hangs(node: Node | None) -> bool:
    """Whether a part gives nothing where the item that it is asked of is nothing."""
    while isinstance(node, Member) or (isinstance(node, Call) and node.name in {*PICKS, "decode"}):
        node = node.source
    return node is None


def stays(node: Node | None) -> bool:
    """Whether what a part gives stands in the resource that the path began in."""
    while node is not None:
        if isinstance(node, Variable):
            return node.name in ("resource", "$this", "context")
        if isinstance(node, Member) and node.name not in ("resource", "contained") and node.name not in RESOURCES:
            node = node.source
        elif isinstance(node, TypeTest):
            node = node.operand
        else:
            return False
    return True
