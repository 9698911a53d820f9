"""Fuzzes MLLP framing: any bytes, in any cut, through the framer and through a whole connection.

How to run it stands in `fuzz.harness`.
"""

from __future__ import annotations

import random
import sys
from itertools import pairwise

from casecart.formats.mllp import KEPT, Event, Fault, Framer, Signal, frame
from fuzz.harness import Target, main
from support.listening import Door, mllp_settings

__all__ = ["TARGET"]

MAXIMUM = 600  # small, so that made-up frames come to it
HEADER = b"MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|20261103||DFT^P03|F1|P|2.5.1"
SETTINGS = mllp_settings("idle_timeout: 1h")
FT1 = b"FT1|1|L1||20261103||CG|CH-1|||1|||OR-MAIN\r"


def check(data: bytes) -> None:
    """The first two bytes decide where the rest is cut."""
    places, body = random.Random(data[:2]), data[2:]
    cuts = [0, *sorted(places.randint(0, len(body)) for _ in range(places.randint(0, 6))), len(body)]
    chunks = [body[start:end] for start, end in pairwise(cuts)]
    whole, again = _events([body]), _events(chunks)
    if whole != again:
        raise AssertionError("a cut changes what comes out")
    if _events([bytes([byte]) for byte in body]) != whole:
        raise AssertionError("single bytes change what comes out")
    _sound(whole)
    _through_a_connection(chunks)


def _events(chunks: list[bytes]) -> list[Event]:
    framer = Framer(MAXIMUM)
    events: list[Event] = []
    for chunk in chunks:
        dead = framer.dead
        came = framer.feed(chunk)
        if dead and came:
            raise AssertionError("a dead framer goes on")
        if framer.pending > max(MAXIMUM, KEPT) + 1:
            raise AssertionError("more is kept than the limit allows")
        events += came
    end = framer.finish()
    return events if end is None else [*events, end]


def _sound(events: list[Event]) -> None:
    for event in events:
        if isinstance(event, bytes):
            if {0x0B, 0x1C} & set(event) or len(event) > MAXIMUM or not event.strip(b"\r\n\0 "):
                raise AssertionError("no body of a message")
            if Framer(MAXIMUM).feed(frame(event)) not in ([event], []):
                raise AssertionError("a body that is framed anew is another one")
        elif isinstance(event, Fault):
            if len(event.data) > KEPT or event.size < len(event.data):
                raise AssertionError("a fault keeps more than there was")
        elif not isinstance(event, Signal):
            raise AssertionError("no event")  # noqa: TRY004 - it is what is looked for


def _through_a_connection(chunks: list[bytes]) -> None:
    """No exception, each message at most one answer and in order, and a connection beside it is served."""
    door = Door(settings=SETTINGS)
    line, other = door.connect(), door.connect()
    for chunk in chunks:
        line.send_bytes(chunk)
    line.protocol.connectionLost()
    refused = [arrival for arrival in door.intake.arrivals if arrival.schema == "mllp/1"]
    if len(line.answers) > len(door.intake.arrivals) - len(refused):
        raise AssertionError("more answers than messages")
    if door.context.unfinished.total:
        raise AssertionError("bytes of a lost connection are still counted")
    other.send(HEADER + b"\r")
    if other.codes != ["AA F1"]:
        raise AssertionError("another connection is harmed")


WHOLE = frame(HEADER + b"\r" + FT1)
TARGET = Target(
    name="framing",
    check=check,
    seeds=(
        b"00" + WHOLE,
        b"01" + WHOLE * 3,
        b"02" + WHOLE + b"\r\n" + WHOLE + b"\0",
        b"03noise" + WHOLE,
        b"04" + WHOLE[:-2] + b"\x1c" + WHOLE,  # no CR behind the end byte
        b"05" + WHOLE[:-3] + b"\x1c\r" + WHOLE,  # no CR behind the last segment
        b"06" + WHOLE[:40] + WHOLE,  # cut
        b"07" + frame(HEADER + b"\rNTE|1||a\x1cb\r"),
        b"08" + frame(b"\x06") + frame(b"\x15") + frame(b"") + frame(b"\0"),
        b"09" + WHOLE[:-1] + b"\n" + WHOLE,
        b"10" + b"\x1c\r" * 5 + WHOLE,
        b"11GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"12\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 40,
        b"13" + frame(HEADER + b"\rNTE|1||" + b"x" * 700 + b"\r"),
        b"14\x0b\x0b\x0b" + WHOLE,
    ),
    marks=(b"\x0b", b"\x1c", b"\r", b"\n", b"\0", b" ", b"\x1c\r", b"\x1c\r\x0b", b"\x06", b"\x15", b"MSH|", b"x"),
    modules=("casecart.formats.mllp", "casecart.listeners.connection", "casecart.listeners.hl7v2"),
)

if __name__ == "__main__":
    sys.exit(main(TARGET))
