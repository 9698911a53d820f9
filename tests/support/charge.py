"""A made-up charge message: DFT^P03 of 2.8.2 with three FT1 groups, each with a PRT segment that carries a UDI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ALL_POSTED", "LINES", "Line", "charge", "frame", "line_ids"]

Line: TypeAlias = Literal["posted", "filtered", "held"]
"""A use in the operating room; a payment, which moves no stock; a use elsewhere, which the route holds."""

ALL_POSTED: tuple[Line, ...] = ("posted", "posted", "posted")
LINES = len(ALL_POSTED)

_HEAD = (
    r"MSH|^~\&|ORSYS|NORTH|CASECART|NORTH|20261103104500||DFT^P03^DFT_P03|{control_id}|P|2.8.2||||||UNICODE UTF-8",
    "EVN|P03|20261103104500",
    "PID|1||900001^^^NORTH^MR||TESTPERSON^ALEX^Q||19610412|U|||1 TEST ST^^TESTVILLE^IL^60000",
    "PV1|1|I|OR-MAIN^OR4^1^NORTH||||||||SUR||||||||{case}|||||||||||||||||||||||||20261103080000",
)
_FT1 = (
    "FT1|{number}|{line}||20261103093000|20261103104000|{code}|CH-27130^Total hip^CDM^HIP-STEM-1{number}^Hip part^ITEM"
    "|||1|||{department}^Operating rooms^DEPT|||OR-CORE-2^^^NORTH||||1234^DEMO^SURGEON"
)
_PRT = (
    "PRT||UC||EQUIP^Equipment^HL70912||||||(01){device}(17)271231(10)21A11F485{number}(21)SN-47110{number}"
    "||||||{device}|20260105|20271231|21A11F485{number}|SN-47110{number}"
)
_DEVICES = ("00643169001763", "00643169001770", "00643169001787", "00643169001794")


def charge(control_id: str, case: str, lines: Sequence[Line] = ALL_POSTED, *, first: int = 1) -> bytes:
    """One message. The ids of its lines are `line_ids`.

    Args:
        control_id: MSH-10; what sets it apart for the intake log.
        case: PV1-19.1; what sets its lines apart for the ledger.
        lines: what the workspace of `support.workspace` makes of each, one to nine.
        first: the number of the first line, where the case had lines before.
    """
    segments = [segment.format(control_id=control_id, case=case) for segment in _HEAD]
    for number, (outcome, line) in enumerate(zip(lines, line_ids(lines, first), strict=True), 1):
        code = "PY" if outcome == "filtered" else "CG"
        department = "WARD-7" if outcome == "held" else "OR-MAIN"
        device = _DEVICES[number % len(_DEVICES)]
        segments += (
            segment.format(number=number, line=line, device=device, code=code, department=department)
            for segment in (_FT1, _PRT)
        )
    return "".join(f"{segment}\r" for segment in segments).encode("ascii")


def line_ids(lines: Sequence[Line], first: int = 1) -> list[str]:
    """The ids of a message's lines within its case (FT1-2); by their order, they tell the lines' order."""
    return [f"{770_000 + number}" for number, _ in enumerate(lines, first)]


def frame(body: bytes) -> bytes:
    """A message as MLLP sends it: our own, so that the tests don't lean on what they test."""
    return b"\x0b" + body + b"\x1c\r"
