"""One channel's copy of a message: its lines mapped, and the items of them resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from casecart.store.seal import Damaged, opened_text, sealed_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from casecart.canonical import Usage
    from casecart.mapping import Mapped
    from casecart.master.catalogue import Catalogue
    from casecart.rules import Trouble
    from casecart.runtime.channel import Channel
    from casecart.runtime.pseudonyms import Pseudonyms
    from casecart.runtime.watch import Watch

__all__ = ["NOTHING_DECIDED", "Copy", "Decision", "decode_decision", "encode_decision"]


class Decision(msgspec.Struct, frozen=True):
    """What a person decided about one line, as a replay carries it."""

    item: str | None = None
    """The item that it is, whatever its numbers say."""
    accept: tuple[str, ...] = ()
    """Findings of `verify` with which it is posted all the same."""
    outcome: Literal["", "again", "posted", "not posted"] = ""
    """The line is not worked again, but what is due on it is posted: `again` since the cause is removed, the others
    since a person found out what became of a posting that had been given up."""


NOTHING_DECIDED = Decision()

_decision = msgspec.json.Decoder(Decision).decode


def encode_decision(decided: Mapping[str, Any]) -> str:
    """The fields of a decision, for a replay."""
    return sealed_text(msgspec.json.encode(decided).decode())


def decode_decision(text: str) -> Decision:
    """From a replay. Raises `Damaged`."""
    what = "What was decided about a line"
    inside = opened_text(text, what)
    try:
        return _decision(inside)
    except msgspec.MsgspecError:
        raise Damaged(f"{what} came out of the store damaged: it can't be read") from None


@dataclass(slots=True)
class Copy:
    """A message as one channel sees it.

    Attributes:
        watch: over the time that its message takes.
        documents: of `mapped`, in its order; those that could be resolved are.
        troubles: by the index of a document that could not be resolved.
        decisions: what people decided, by place; only a replay has any.
        every: the message as it was mapped, also where only some of its lines are worked.
        times: since when what a line says is so, by place, where that is another time than its message's.
    """

    channel: Channel
    mapped: Mapped
    pseudonyms: Pseudonyms
    watch: Watch
    documents: list[Usage] = field(init=False)
    every: Mapped = field(init=False)
    troubles: dict[int, tuple[Trouble, ...]] = field(default_factory=dict)
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    times: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        self.documents, self.every = self.mapped.documents, self.mapped

    def resolve(self, catalogue: Catalogue) -> None:
        """Find the item, location and account of each line, if the channel has a step for that."""
        resolve = self.channel.resolve
        if resolve is None:
            return
        documents = self.documents = self.mapped.documents.copy()
        for index, usage in enumerate(self.watch.over(self.mapped.documents)):
            decided = self.decisions[self.mapped.places[index]].item if self.decisions else None
            found = resolve(usage, catalogue, decided)
            if isinstance(found, tuple):
                self.troubles[index] = found
            else:
                documents[index] = found

    def only(self, decisions: Mapping[str, Decision]) -> None:
        """Keep the lines that people decided about, and leave out all others; before anything is resolved."""
        self.decisions = decisions
        self.keep(decisions.keys())

    @property
    def places(self) -> set[str]:
        """Of all lines, whatever became of them."""
        mapped = self.mapped
        filtered = (place for place, _ in mapped.filtered)
        return {*mapped.places, *filtered, *(problem.place for problem in mapped.exceptions)}

    def keep(self, places: Collection[str]) -> None:
        """Leave out the lines of all other places; before anything is resolved."""
        mapped = self.mapped
        kept = [index for index, place in enumerate(mapped.places) if place in places]
        self.mapped = msgspec.structs.replace(
            mapped,
            documents=[mapped.documents[index] for index in kept],
            places=[mapped.places[index] for index in kept],
            filtered=[(place, reason) for place, reason in mapped.filtered if place in places],
            exceptions=[problem for problem in mapped.exceptions if problem.place in places],
        )
        self.documents = self.mapped.documents
