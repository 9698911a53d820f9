"""The steps that are about cases: one notes what is told of them, the other fills it into lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.workspace.declaration import Declared, declared, key
from casecart.workspace.findings import Finding
from casecart.workspace.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Fill", "FillStep", "NoteStep"]


@declared(name="note", about="The one step of a channel whose messages tell where cases are.")
class NoteStep(Declared):
    """The one step of a channel whose messages tell where cases are."""

    note: tuple[Text, ...] = key(
        about=(
            "The mappings that make cases (`makes: Case`). What they tell is noted with the message; of each field the "
            "newest word stands."
        ),
        example="[siu-case]",
        scalar=True,
        names="mapping",
        at_least=1,
    )


_WORD = "Channels with a step note, in the order in which their word counts: the first that knows it decides."


@declared(name="fill", about="What lines take from what is known of their case, and whose word counts.")
class Fill(Declared):
    """What lines take from what is known of their case, and whose word counts."""

    department: tuple[Text, ...] = key(
        about=f"The department. {_WORD}",
        example="[or-schedule, patient-visits]",
        default="[]",
        scalar=True,
        names="channel",
        at_least=1,
    )
    location: tuple[Text, ...] = key(
        about=f"The location. {_WORD}",
        example="[or-schedule]",
        default="[]",
        scalar=True,
        names="channel",
        at_least=1,
    )

    def check(self) -> Iterable[Finding]:
        """Something is filled in."""
        if not self.department and not self.location:
            message = "fill takes nothing like this; name what lines take, and from which channels"
            yield Finding(self.place, "error", "too-few", message)


@declared(name="fill", about="A step that takes what a line does not say itself from what is known of its case.")
class FillStep(Declared):
    """A step that takes what a line does not say itself from what is known of its case."""

    fill: Fill = key(
        about="By field, the channels that are asked. What the line says itself stays.",
        example="{department: [or-schedule]}",
    )
