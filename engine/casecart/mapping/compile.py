"""Compiles a mapping file into the function that makes documents of messages.

What happens to each line, in this order:

1. The fields that `where` names are read: path or agreement, table, type, default. If one has a problem, the line is an
   exception and is never filtered; else `where` decides. It sees values before their sign is applied and before tokens
   stand for them.
2. The other fields are read, and every problem is noted, one a field.
3. Values that the document doesn't allow are problems.
4. The sign of the quantity is applied: `by-action` takes it off where the action is `reverse`; `by-quantity` turns a
   negative `use` into a `reverse`. Any other negative quantity is a problem, also without a `sign`.
5. A line without problems gets its tokens and becomes a document.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

from casecart.canonical import Usage
from casecart.mapping.planning import plan
from casecart.mapping.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as MappingOf

    import msgspec

    from casecart.mapping.mapped import Mapped, MappingContext
    from casecart.workspace.mapping import Mapping
    from casecart.workspace.table import Table

__all__ = ["CompiledMapping", "Compiler", "Probe", "compile_mapping", "look_at_mapping"]

Probe: TypeAlias = "Callable[[str, str, object, object], None]"
"""Is told each time a source is asked: the line's place, the document's field, the source, and what it gave: a text,
several, a day, or None. A source that is the same for all lines of a message is asked once, at the first of them."""


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A mapping, ready for messages.

    Attributes:
        name: of the mapping.
        says: what its messages are: `transactions` or `state`.
        run: makes documents of a message: an HL7 v2 message's text, or a FHIR resource as dicts and lists, or a
            `FhirMessage` of one, by which several mappings share what they find out. It is pure but for the context's
            `token`.
        format: of the messages.
        source: the Python that `run` was made from, for people.
    """

    name: str
    says: str
    run: Callable[[Any, MappingContext], Mapped]
    source: str
    format: str = "hl7v2"


class Compiler(Protocol):
    """What compiles mappings as `compile_mapping` does; another one may look on as they work."""

    def __call__(
        self, declaration: Mapping, tables: MappingOf[str, Table], *, document: type[msgspec.Struct] = ...
    ) -> CompiledMapping:
        """The mapping, compiled. Raises `WorkspaceError`."""


def compile_mapping(
    declaration: Mapping,
    tables: MappingOf[str, Table],
    *,
    document: type[msgspec.Struct] = Usage,
    probe: Probe | None = None,
) -> CompiledMapping:
    """Compiles a mapping.

    Args:
        declaration: the mapping file.
        tables: the workspace's code tables by name.
        document: what the mapping makes.
        probe: looks on, for a person who wants to know where values come from; it costs half as much again.

    Returns:
        The mapping; `run` takes a message's decoded text and raises `Refused` (of `formats.hl7v2`) only when its
        header can't be read, which the listener has refused before.

    Raises:
        WorkspaceError: with all that is wrong, each at its place in the file.
    """
    place = (id(declaration), id(tables), document)
    if probe is None and place in _made:
        return _made[place][-1]
    planned = plan(declaration, tables, document)
    written = Source(planned, probe)
    source = "\n".join(written.lines) + "\n"
    code = _code(source, f"<mapping {planned.name!r}>", "exec")
    exec(code, written.names)  # noqa: S102 - made of our words, of parsed paths and `repr`s; never the analyst's text
    run = cast("Callable[[Any, MappingContext], Mapped]", written.names["run"])
    made = CompiledMapping(planned.name, declaration.says, run, source, declaration.reads.format)
    if probe is None:
        if len(_made) >= _MOST:
            _made.clear()
        _made[place] = declaration, tables, made
    return made


_code: Final = lru_cache(maxsize=256)(compile)
_MOST: Final = 256  # a few workspaces: a running engine may go over from one to the next
_made: dict[tuple[int, int, type], tuple[Mapping, MappingOf[str, Table], CompiledMapping]] = {}
"""What was compiled: an engine starts on the workspace that was checked just before. By identity, since declarations
and tables never change; they are kept with it, so that nothing else gets their place."""


def look_at_mapping(
    declaration: Mapping, tables: MappingOf[str, Table], *, document: type[msgspec.Struct] = Usage
) -> CompiledMapping:
    """Finds what `compile_mapping` finds, in a third of the time; what it gives can't be run. Raises as that does."""
    planned = plan(declaration, tables, document)
    return CompiledMapping(planned.name, declaration.says, _not_ready, "", declaration.reads.format)


def _not_ready(_message: object, _context: MappingContext) -> Mapped:
    raise TypeError("this mapping was only looked at")
