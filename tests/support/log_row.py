"""Rows of the message log, made up."""

from __future__ import annotations

from casecart.store import Message

__all__ = ["BEGIN", "BODY", "SECOND", "message"]

SECOND = 1_000_000  # µs
BEGIN = 1_790_000_000 * SECOND

BODY = (
    b"MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|20261103093012||DFT^P03^DFT_P03|MSG00001|P|2.8.2\r"
    b"PID|1||MRN000042^^^MERCY^MR||TESTPATIENT^HANNAH||19500101|F\r"
    b"FT1|1|770001\r"
    b"FT1|2|770002\r"
)


def message(position: int, **other: object) -> Message:
    """A message of the log, one a second after `BEGIN`.

    Args:
        position: in the log.
        other: the columns that differ.
    """
    made = Message(
        position, position.to_bytes(16, "big"), "MERCY", "NORTH", None, None, None, None, BEGIN + position * SECOND,
        "orsys", "hl7v2/2.8.2", "or-mllp", "DFT^P03", "ORSYS|NORTH", f"MSG{position:05}", 0, bytes(16), 0, "processed",
        None, "10.0.0.9:40000", None, BODY,
    )  # fmt: skip
    return made._replace(**other)  # type: ignore[arg-type]  # the tests name the columns
