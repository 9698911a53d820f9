"""A FHIRPath that is ready to be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from casecart.formats.fhir.path.interpreted import Interpreted
from casecart.formats.fhir.path.mistake import FhirPathError
from casecart.formats.fhir.path.names import TYPES
from casecart.formats.fhir.path.operate import OPERATIONS, items
from casecart.formats.fhir.path.straight import STRAIGHT, Roots, straight
from casecart.formats.fhir.path.syntax import Binary, Call, Index, Literal, Member, Opaque, TypeTest, Variable, parse
from casecart.formats.fhir.path.writer import NotCompiled, Writer
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from casecart.formats.fhir.path.syntax import Node
    from casecart.formats.fhir.path.value import Json

__all__ = ["FhirPath", "Scope", "compile_path", "element_of", "leads_on"]

GIVEN: Final = ("resource", "context", "rootResource", "ucum")
"""The variables that FHIRPath and FHIR give by themselves."""


def _nowhere(_reference: str, _holders: Sequence[Json]) -> None:
    return None


class Scope(msgspec.Struct, gc=False):
    """What a path knows besides what it is asked of.

    Attributes:
        this: what it is asked of, `%context`.
        resource: the resource that this stands in, `%resource`.
        root: the resource that this one is contained in, or itself, `%rootResource`.
        bound: the variables that the caller gives, by name; as collections (see `operate`).
        find: what a reference leads to, given the resources in which it may be contained; None: nothing here.
        missed: gets the references, as References or texts, that lead to nothing here; None: nobody asks for them.
    """

    this: Any
    resource: Any
    root: Any = None
    bound: Mapping[str, Any] = msgspec.field(default_factory=dict)
    find: Callable[[str, Sequence[Any]], Any] = _nowhere
    missed: list[Any] | None = None


@dataclass(frozen=True, slots=True)
class FhirPath:
    """A path.

    Attributes:
        text: as it was written.
        function: takes what it is asked of and the `Scope`; gives a collection: None, an item, or a list that may hold
            None. Raises `PathFailed`. Nothing it is given is changed.
        interpreted: why it isn't compiled, for a person: what of it, and its column; None: it is.
        source: the Python that it was compiled to, for people; empty where it is interpreted.
        general: the same as the function, which tries a shorter way first (see `straight`).
        tree: of a path that is compiled.
    """

    text: str
    function: Callable[[Json, Scope], Json]
    interpreted: tuple[str, int] | None
    source: str
    general: Callable[[Json, Scope], Json]
    tree: Node | None = None

    def __str__(self) -> str:
        return self.text

    @property
    def compiled(self) -> bool:
        """Whether it is compiled, and not left to the library."""
        return self.interpreted is None

    def __call__(self, this: Json, scope: Scope | None = None) -> list[Json]:
        """The items that it gives for a resource, or for a part of one."""
        return list(items(self.function(this, scope or Scope(this, this, this))))


def compile_path(
    text: str,
    *,
    version: str = "R4",
    base: str | None = None,
    variables: Collection[str] = (),
    compiled: bool = True,
) -> FhirPath:
    """Makes a path ready.

    Args:
        text: as an analyst wrote it.
        version: of FHIR: R4, R4B or R5.
        base: the element that it will be asked of, from its resource on, as `Procedure.focalDevice`; None: a resource.
        variables: the names that the scope will bind.
        compiled: False leaves it to the library in any case.

    Raises:
        FhirPathError: the text can't be a path, or names what there isn't.
    """
    return _ready(str(text), version, base, frozenset(variables), compiled)


@lru_cache(maxsize=4096)  # mappings share their paths, and a workspace is looked at before its channels are made of it
def _ready(text: str, version: str, base: str | None, variables: frozenset[str], compiled: bool) -> FhirPath:  # noqa: FBT001 - as above
    tree = parse(text)
    used = _checked(tree, {*GIVEN, *variables})
    if not compiled:
        return _interpreted(text, Interpreted(text, version, base, used), ("by wish", 1))
    try:
        writer = Writer(tree)
    except NotCompiled as reason:
        return _interpreted(text, Interpreted(text, version, base, used), (reason.what, reason.column))
    lines = ["def general(this, scope):", *writer.lines, f"    return {writer.result}", ""]
    short = straight(tree, Roots("this", "scope.this", "scope.resource"))
    if short is None:
        lines.append("path = general")
    else:
        lines += ["def path(this, scope):", "    try:", *(f"        {line}" for line in short.lines)]
        lines += [f"        return {short.result}", "    except UNUSUAL:", "        return general(this, scope)"]
    source = "\n".join([*lines, ""])
    names: dict[str, Json] = {**OPERATIONS, **STRAIGHT, "Decimal": Decimal}
    exec(compile(source, "<FHIRPath>", "exec"), names)  # noqa: S102 - our words and `repr`s; never the analyst's text
    path, general = (cast("Callable[[Json, Scope], Json]", names[name]) for name in ("path", "general"))
    return FhirPath(text, path, None, source, general, tree)


def _interpreted(text: str, function: Interpreted, why: tuple[str, int]) -> FhirPath:
    return FhirPath(text, function, why, "", function)


def element_of(text: str) -> tuple[str, ...] | None:
    """The names of the element that a path leads to: of `Procedure.focalDevice.where(action.exists())` the first two.

    None: it isn't told by names alone. The first name is the resource's type where the path begins with one.

    Raises:
        FhirPathError: the text is no path.
    """
    found: list[str] = []
    node: Node | None = parse(text)
    while node is not None:
        if isinstance(node, Member):
            found.append(node.name)
        elif not isinstance(node, Index) and not (isinstance(node, Call) and node.name in _OF_THEM):
            return None
        node = node.source
    return tuple(reversed(found))


def leads_on(text: str) -> bool:
    """Whether a path ends in what references lead to: `resolve()`, or some of that, as `resolve().ofType(Device)`.

    Raises:
        FhirPathError: the text is no path.
    """
    node: Node | None = parse(text)
    while True:
        if isinstance(node, TypeTest) and node.how != "is":
            node = node.operand
        elif isinstance(node, Index) or (isinstance(node, Call) and node.name in _OF_THEM):
            node = node.source
        else:
            return isinstance(node, Call) and node.name == "resolve"


_OF_THEM: Final = frozenset({"where", "first", "last", "tail", "skip", "take", "single", "distinct"})
"""Functions that give some of the items."""


def _parts(node: Node) -> Iterator[Node]:
    """A node and all below it."""
    waiting: list[Node | None] = [node]
    while waiting:
        one = waiting.pop()
        if one is None:
            continue
        yield one
        if isinstance(one, Member):
            waiting.append(one.source)
        elif isinstance(one, Call):
            waiting += [one.source, *one.arguments]
        elif isinstance(one, Index):
            waiting += [one.source, one.index]
        elif isinstance(one, Binary):
            waiting += [one.left, one.right]
        elif isinstance(one, TypeTest):
            waiting.append(one.operand)
        elif isinstance(one, Opaque):
            waiting += one.parts


def _checked(tree: Node, known: set[str]) -> set[str]:
    """The variables that a path uses; what it names must be there."""
    used: set[str] = set()
    for node in _parts(tree):
        if isinstance(node, Variable) and node.name != "$this":
            if node.name not in known:
                message = f"there is no variable %{node.name}; there is {listed(f'%{name}' for name in sorted(known))}"
                meant = did_you_mean(node.name, known)
                raise FhirPathError(node.column, "path-variable", message, None if meant is None else f"%{meant}")
            used.add(node.name)
        elif isinstance(node, TypeTest) and node.type not in TYPES and not node.type.startswith("System."):
            message = f"FHIR has no type {node.type}"
            raise FhirPathError(node.column, "path-type", message, did_you_mean(node.type, TYPES))
        elif isinstance(node, Literal) and isinstance(node.value, int) and abs(node.value) >= 1 << 63:
            raise FhirPathError(node.column, "path-number", "the number is too large")
    return used
