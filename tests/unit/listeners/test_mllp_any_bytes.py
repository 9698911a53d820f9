"""Whatever a connection sends: nothing raises, nothing is lost in silence, and how it is cut makes no difference."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.formats.mllp import frame
from support.listening import Door, message

if TYPE_CHECKING:
    from pathlib import Path

BYTES = [b"\x0b", b"\x1c", b"\r", b"\n", b"\x1c\r", b"\0", b"\xff\xfe", b"\xef\xbb\xbf"]
WORDS = [b"MSH", b"MSH|^~\\&|", b"|", b"^", b"~", b"&", b"ORSYS|NORTH", b"DFT^P03", b"PV1|1|", b'""', b"FHS|^~\\&|"]
PIECES = st.one_of(st.sampled_from([*BYTES, *WORDS, frame(message("1"))]), st.binary(max_size=20))
BODIES = st.lists(PIECES, max_size=20).map(lambda pieces: b"".join(pieces).translate(None, b"\x0b\x1c"))


def outcome(chunks: list[bytes]) -> tuple[list[tuple[str, bytes, str | None]], list[bytes], bool]:
    """What arrived, what was answered, and whether the connection was closed."""
    door = Door()
    line = door.connect()
    for chunk in chunks:
        line.send_bytes(chunk)
    line.protocol.connectionLost()
    arrived = [(arrival.schema, arrival.body, arrival.notes) for arrival in door.intake.arrivals]
    # Their times and control ids are of the moment.
    answers = [answer.split(b"\rMSA|")[1] for answer in line.answers]
    return arrived, answers, line.closing()


@settings(max_examples=300)
@given(pieces=st.lists(PIECES, max_size=30), cuts=st.lists(st.integers(0, 400), max_size=5))
def test_any_bytes_are_taken_in_any_cut_with_the_same_outcome(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    places = sorted({min(cut, len(data)) for cut in [0, *cuts, len(data)]})
    chunks = [data[start:end] for start, end in itertools.pairwise(places)]
    assert outcome(chunks) == outcome([data])


@settings(max_examples=300)
@given(body=BODIES)
def test_every_frame_with_something_in_it_arrives_and_is_answered(body: bytes) -> None:
    door = Door()
    line = door.connect()
    line.send(body + b"x\r")
    (arrival,) = door.intake.arrivals
    assert arrival.body == body + b"x\r"
    assert arrival.refused == (arrival.notes is not None)
    assert len(line.answers) == 1 or len(body.split(b"|")) > 14  # MSH-15 or MSH-16 may ask for none
    # What no database takes as text is in the body only.
    texts = (arrival.control_id, arrival.sender, arrival.message_type, arrival.schema)
    assert all("\0" not in text and len(text) < 500 for text in texts)


def test_every_message_of_the_corpus_arrives_whole_and_is_answered(corpus: Path) -> None:
    door = Door()
    line = door.connect()
    bodies = [
        body
        for path in sorted(corpus.glob("hl7v2/**/*.hl7"))
        if (body := path.read_bytes()) and not {0x0B, 0x1C} & set(body) and body.strip()
    ]
    assert bodies
    for body in bodies:
        before = len(door.intake.arrivals)
        line.send(body + b"\r")
        (arrival,) = door.intake.arrivals[before:]
        assert arrival.body == body + b"\r"
    assert len(line.answers) > len(bodies) / 2
    assert not line.closing()
