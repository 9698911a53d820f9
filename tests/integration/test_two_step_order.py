"""Of a key, nothing is carried out before what comes before it, also where a destination answers for each posting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed

from casecart.runtime.destination import Answer, Delivery
from support.line import Script, dft, new_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from casecart.runtime.destination import Posting


class Drafts(Script):
    """Makes a draft of each posting, and remembers in which order they were carried out."""

    def __init__(self) -> None:
        super().__init__(Delivery.TWO_STEP)
        self.carried_out: list[str] = []

    def take(self, postings: Sequence[Posting]) -> list[Answer]:
        """All are there as drafts."""
        return [Answer("drafted", reference=posting.key) for posting in postings]

    def look_up(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """All are found."""
        return succeed(self.take(postings))

    def carry_out(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """All have their effect."""
        self.carried_out += [posting.line for posting in postings]
        return succeed([Answer("posted", "read back") for _ in postings])


def test_a_draft_waits_for_what_comes_before_it_and_was_not_taken(tmp_path: Path) -> None:
    script = Drafts()
    line = new_line(tmp_path, f"sqlite:///{tmp_path}/casecart.db", script=script)
    script.answers = [lambda postings: [Answer("retry", code="busy"), *script.take(postings[1:])]]
    line.send(dft("M1", lines=["1|CG|A|1|OR", "2|CG|B|1|OR"]))
    assert script.carried_out == []
    line.wait(5)
    assert script.carried_out == ["1", "2"]
    assert line.balance() == (0, 0)
    line.stop()
