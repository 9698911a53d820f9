"""Which parts of mappings and routes messages reached: sources that gave a value, what `where` said, entries taken."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from casecart.mapping import CompiledMapping, Mapped, MappingContext, Probe

__all__ = ["Reach"]


class Reach:
    """Notes what is reached, over all messages.

    Attributes:
        sources: (mapping, field, source) of those that gave a value; the source as it writes itself.
        texts: (mapping, field, text, day) that a source gave; the day is that on which rows of tables hold.
        kept: mappings whose `where` let a line pass.
        left: mappings whose `where` left one out.
        entries: (channel, entry of its route, counted from 1); 0: none fitted.
    """

    def __init__(self) -> None:
        self.sources: set[tuple[str, str, str]] = set()
        self.texts: set[tuple[str, str, str, date]] = set()
        self._day = date.min
        self.kept: set[str] = set()
        self.left: set[str] = set()
        self.entries: set[tuple[str, int]] = set()

    def probe(self, mapping: str, other: Probe | None) -> Probe:
        """Looks on as a mapping reads.

        Args:
            mapping: its name.
            other: looks on as well.
        """

        def asked(place: str, field: str, source: object, told: object) -> None:
            if other is not None:
                other(place, field, source, told)
            texts = told if isinstance(told, tuple | list) else (told,)
            given = [str(text) for text in texts if text is not None and str(text)]
            if given:
                self.sources.add((mapping, field, str(source)))
            for text in given:
                self.texts.add((mapping, field, text, self._day))

        return asked

    def watched(self, mapping: CompiledMapping) -> CompiledMapping:
        """The mapping; what its `where` says is noted."""

        def run(text: Any, context: MappingContext) -> Mapped:  # noqa: ANN401 - a text, or a resource
            self._day = context.today
            mapped = mapping.run(text, context)
            if mapped.filtered:
                self.left.add(mapping.name)
            if mapped.documents or mapped.exceptions:
                self.kept.add(mapping.name)
            return mapped

        return replace(mapping, run=run)
