"""Which segments of an HL7 v2 message belong to a repeating group, by their position under its leader."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["GROUPS", "HEADER", "Group", "group", "may_belong", "spans"]


class Group(NamedTuple):
    """One kind of segment group.

    A group is its leader and what follows it until the next leader, or until a segment that stands above or
    after the group in the message (HL7 v2.8.2 §2.5.2: groups are positional). A segment that nobody expected
    there does not end the group, else an inserted one would cut an implant's UDI off its charge.

    Attributes:
        leader: the segment type that begins a group.
        inside: the types that the standard puts in the group; every Z segment is at home there too. For the
            reader and for completion: `may_belong` says yes to more.
        closes: the types that end the group and are never looked for in it.
    """

    leader: str
    inside: frozenset[str]
    closes: frozenset[str]


_ABOVE: Final = "FHS BHS MSH ARV SFT UAC MSA ERR EVN MFI QRD QRF QPD RCP PID PD1 MRG NK1 PV1 PV2 DB1 AL1 IAM SCH"

# What stands above all groups: about the message, the patient and the visit. In the order of the standard, so
# that a leader out of this list (`each: PID`) is ended by what stands before it only.
HEADER: Final = tuple(_ABOVE.split())
_HEADER: Final = frozenset(HEADER)

# The end of a batch or of a fragment is never part of a group.
_TRAILER: Final = frozenset({"DSC", "BTS", "FTS"})


def _group(leader: str, inside: str, closes: str) -> Group:
    return Group(leader, frozenset(inside.split()), frozenset(closes.split()) | _HEADER | _TRAILER)


# Only leaders whose group the standard draws the same in every message that casecart reads.
GROUPS: Final[Mapping[str, Group]] = MappingProxyType(
    {
        # HL7 v2.3 to v2.8.2, DFT_P03 and DFT_P11, group FINANCIAL (chapter 6). What closes it stands after
        # that group in P03; P11 repeats it at the end of each one, where it speaks of diagnosis and
        # insurance. A PRT under IN1 is a participant in the insurance, not the line's device.
        "FT1": _group(
            "FT1",
            inside="PRT ROL NTE PR1 ORC TQ1 TQ2 OBR OBX",
            closes="DG1 DRG GT1 IN1 IN2 IN3 ACC",
        ),
        # HL7 v2.8.2, OMS_O05: {ORC {TQ1{TQ2}} RQD [RQ1] {NTE} {OBX{NTE}} [BLG]}. The next order begins at its
        # ORC.
        "RQD": _group("RQD", inside="RQ1 NTE OBX BLG", closes="ORC TQ1 TQ2"),
        # HL7 v2.8.2, ORU_R01, group OBSERVATION: {OBX {PRT} {NTE}}. What closes it begins the next order, or speaks
        # of a specimen. A PRT under OBR comes before the first OBX, and is the whole order's.
        "OBX": _group("OBX", inside="PRT NTE TCD", closes="ORC OBR TQ1 TQ2 CTD FT1 CTI SPM"),
        # A cabinet's transaction stands under the order, the dispense or the charge that it belongs to (DFT_P03,
        # OMS_O05, RDS_O13), and the next of these has a transaction of its own.
        "ZPM": _group("ZPM", inside="NTE", closes="ORC OBR RXO RXE RXD RQD TQ1 FT1"),
        # HL7 v2.8.2, MFN_M16: {MFE ITM {NTE} {STZ {NTE}} {VND {PKG {PCE}}} {IVT {ILT} {NTE}}}.
        "MFE": _group("MFE", inside="ITM NTE STZ VND PKG PCE IVT ILT", closes=""),
        "VND": _group("VND", inside="PKG PCE", closes="MFE ITM STZ IVT"),
        "PKG": _group("PKG", inside="PCE", closes="MFE ITM STZ VND IVT"),
        "IVT": _group("IVT", inside="ILT NTE", closes="MFE ITM STZ VND"),
    }
)


def group(leader: str) -> Group:
    """The group of `leader`; one that the table doesn't know ends at the next leader or header segment only."""
    known = GROUPS.get(leader)
    if known is not None:
        return known
    above = HEADER[: HEADER.index(leader)] if leader in _HEADER else HEADER
    return Group(leader, frozenset(), frozenset(above) | _TRAILER)


def may_belong(leader: str, name: str) -> bool:
    """Whether segment type `name` is looked for in the group of `leader` only, and not in the whole message."""
    return name not in group(leader).closes


def spans(names: Sequence[str], leader: str) -> list[tuple[int, int]]:
    """Where the groups of `leader` are in a message.

    Args:
        names: the message's segment types, in their order.
        leader: the segment type that begins a group.

    Returns:
        One `(start, end)` a group, `names[start]` being its leader and `end` the first position after it.
        What lies in no span is the message's own.
    """
    closes = group(leader).closes
    found: list[tuple[int, int]] = []
    start = -1
    for position, name in enumerate(names):
        if name == leader:
            if start >= 0:
                found.append((start, position))
            start = position
        elif start >= 0 and name in closes:
            found.append((start, position))
            start = -1
    if start >= 0:
        found.append((start, len(names)))
    return found
