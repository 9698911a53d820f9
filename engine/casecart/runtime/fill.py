"""Fill: what lines do not say themselves is taken from what is known of their case."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from casecart.canonical.case import TOLD
from casecart.rules import Trouble
from casecart.runtime.known_cases import decode_known
from casecart.store import Damaged
from casecart.workspace import Finding, ResolveStep
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from casecart.canonical import Usage
    from casecart.runtime.copy import Copy
    from casecart.runtime.known_cases import KnownCases
    from casecart.store import KnownCase
    from casecart.workspace import Channel, FillStep, Workspace

__all__ = ["Fill", "faults_of_fill"]


class Fill:
    """The step of a channel, compiled.

    Args:
        fields: each with the channels whose word counts, in their order.
    """

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self._fields = [(name, tuple(map(str, channels))) for name, channels in fields.items() if channels]
        names = [name for name, _ in self._fields]
        # Of one name alone it would give no tuple.
        self._said: Callable[[Usage], tuple[Any, ...]] = attrgetter(*names, names[0])

    def apply(self, copy: Copy, known: KnownCases) -> dict[int, tuple[Trouble, ...]]:
        """Fills the lines of a copy, before anything is resolved; asks only where a line lacks something.

        Returns:
            By the index of a line, why it can't be told what the line lacks.
        """
        documents, said = copy.mapped.documents, self._said
        lacking = [index for index, usage in enumerate(documents) if None in said(usage) and usage.case is not None]
        if not lacking:
            return {}
        keys = {case: copy.pseudonyms.stock_key(case) for case in {documents[index].case for index in lacking}}
        told = known.told(set(keys.values()))
        troubles: dict[int, tuple[Trouble, ...]] = {}
        documents = documents.copy()
        for index in lacking:
            usage = documents[index]
            found = self._found(usage, keys[usage.case], told)
            if isinstance(found, Trouble):
                troubles[index] = (found,)
            elif found:
                documents[index] = msgspec.structs.replace(usage, **found)
        copy.mapped = msgspec.structs.replace(copy.mapped, documents=documents)
        copy.documents = documents
        return troubles

    def _found(
        self, usage: Usage, case_key: bytes, told: Mapping[tuple[bytes, str, str], KnownCase]
    ) -> dict[str, str] | Trouble:
        found: dict[str, str] = {}
        for name, channels in self._fields:
            if getattr(usage, name) is not None:
                continue
            for channel in channels:
                row = told.get((case_key, channel, name))
                try:
                    value = "" if row is None else decode_known(row.value)
                except Damaged as damage:
                    words = (
                        f"{damage}, so that nobody knows the {name} of this case by channel '{channel}': work a "
                        "message of that channel about the case again, or have one sent, and then this line."
                    )
                    return Trouble("record-damaged", name, words, "")
                if value:
                    found[name] = value
                    break
        return found


def faults_of_fill(step: FillStep, declaration: Channel, workspace: Workspace) -> Iterator[Finding]:
    """What is wrong with the step of a channel."""
    resolve = next((each for each in declaration.steps if isinstance(each, ResolveStep)), None)
    if resolve is None:
        words = "of a line of whose case nothing is known, nothing would be said: add a resolve, which holds it"
        yield Finding(step.place, "error", "step-order", words)
    elif step.fill.location and resolve.resolve.location and "location" not in resolve.resolve.location.sources:
        words = f"the location is found by {listed(resolve.resolve.location.sources)} alone, so that this is not used"
        yield Finding(step.fill.at("location"), "error", "bad-value", words)
    noting = {name: channel.note for name, channel in workspace.channels.items() if channel.note is not None}
    for field in TOLD:
        for name in getattr(step.fill, field):
            note = noting.get(name)
            if note is None:
                there = f"there {'are' if len(noting) > 1 else 'is'} {listed(sorted(noting))}" if noting else "none has"
                words = f"channel '{name}' has no step note, so that it knows nothing of cases; {there}"
                yield Finding(name.place, "error", "bad-value", words, did_you_mean(name, noting))
            elif not any(field in workspace.mappings[each].fields for each in note.note if each in workspace.mappings):
                words = f"channel '{name}' never tells the {field}: no mapping of its step note gives it"
                yield Finding(name.place, "error", "missing-field", words)
