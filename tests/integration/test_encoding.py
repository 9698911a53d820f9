"""How bytes become values, from the wire to the posting: repairs are noted, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.store import MessageFilter
from support.line import Line, dft, new_line
from support.listening import Door, mllp_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = new_line(tmp_path, f"sqlite:///{tmp_path}/casecart.db")
    yield made
    made.stop()
    assert not made.broken


def lot(identifier: str) -> bytes:
    """A charge whose line has this id."""
    return dft("M1", lines=["@|CG|SCREW|1|OR"]).replace(b"@", identifier.encode("latin-1"))


@pytest.mark.parametrize(
    ("body", "said", "notes"),
    [
        (lot("plain"), "plain", None),
        (lot("two\nlines"), "two\nlines", "joined-line"),
        (lot("two\nlines").replace(b"\r", b"\r\n"), "two\nlines", "joined-line"),
        (lot("a").replace(b"\r", b"\n"), "a", None),  # line ends are no doubt
        (lot("a").replace(b"\rFT1", b"\rno segment\rFT1"), "a", None),
        (lot("a").replace(b"\rFT1", b"\nno segment\rFT1"), "a", "joined-line"),
        (lot("J\u00fcrgen"), "J\u00fcrgen", "charset-fallback"),
        (lot("J\u00fc\nrgen"), "J\u00fc\nrgen", "charset-fallback joined-line"),
        (lot(r"\H\A1\N\ "), "A1", None),
        (lot(r"5\10 mm\F\ "), r"5\10 mm|", None),
        (lot(r"\M2442\;3ED\C2842\ 1"), "\u5c71\u7530 1", None),
        (lot("a#b").replace(b"^~\\&|", b"^~\\&#|"), "a#b", None),  # truncation, from 2.7 on
        (lot(r"a\P\b").replace(b"^~\\&|", b"^~\\&#|"), "a#b", None),
        (lot("a").replace(b"|2.5.1", b"|2.5.1|||||||CNS 11643-1992"), "a", None),
        (lot("\u00fc").replace(b"|2.5.1", b"|2.5.1||||||CNS 11643-1992"), "\u00fc", "charset-unknown"),
    ],
)
def test_a_value_is_read_as_meant_and_what_had_to_be_mended_is_noted(
    line: Line, body: bytes, said: str, notes: str | None
) -> None:
    connection = Door(line.journal, mllp_settings()).connect()  # type: ignore[arg-type]  # the engine's own intake
    connection.send(body)
    line.settle()
    assert connection.codes == ["AA M1"]
    assert [posting.line for posting in line.postings()] == [said]
    (row,) = line.store.messages(MessageFilter(), None, 10)
    stored = line.store.message(row.position)
    assert stored is not None
    assert (stored.body, row.notes) == (body, notes)
