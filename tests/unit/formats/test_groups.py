"""Groups: which segments stand under which leader."""

from __future__ import annotations

import pytest

from casecart.formats.hl7v2 import GROUPS, may_belong, spans


@pytest.mark.parametrize(
    ("leader", "names", "groups"),
    [
        # An observation before the first charge is the message's.
        ("FT1", "MSH PID PV1 OBX FT1 PRT OBX FT1 ZPA NTE", ["FT1 PRT OBX", "FT1 ZPA NTE"]),
        ("FT1", "MSH PID", []),
        ("FT1", "MSH FT1 FT1", ["FT1", "FT1"]),
        # DFT_P03: what follows all charges; a participant under the insurance is none of the line's.
        ("FT1", "MSH PID FT1 PRT DG1 PRT GT1 IN1 PRT ZXX", ["FT1 PRT"]),
        # DFT_P11 repeats diagnosis and insurance in each group.
        ("FT1", "MSH PID DG1 FT1 OBX DG1 IN1 FT1 OBX", ["FT1 OBX", "FT1 OBX"]),
        # What nobody expected doesn't cut the group off.
        ("FT1", "MSH FT1 DEV PRT", ["FT1 DEV PRT"]),
        # Another patient does.
        ("FT1", "MSH PID FT1 PRT PID OBX FT1", ["FT1 PRT", "FT1"]),
        ("FT1", "MSH FT1 OBX DSC", ["FT1 OBX"]),
        # The timing of the next order stands before its requisition.
        ("RQD", "MSH ORC TQ1 RQD RQ1 NTE ORC TQ1 RQD OBX", ["RQD RQ1 NTE", "RQD OBX"]),
        ("VND", "MSH MFI MFE ITM NTE VND PKG PCE VND PKG IVT ILT", ["VND PKG PCE", "VND PKG"]),
        # A leader that isn't in the table.
        ("ORC", "MSH PID ORC OBR OBX ORC OBR", ["ORC OBR OBX", "ORC OBR"]),
        ("ZPM", "MSH PID ZPM NTE ZPM", ["ZPM NTE", "ZPM"]),
        # A header segment as leader: what stands before it closes it, what stands after it doesn't.
        ("PID", "MSH PID PV1 OBX PID PV1 OBX", ["PID PV1 OBX", "PID PV1 OBX"]),
    ],
)
def test_groups_are_found_by_position(leader: str, names: str, groups: list[str]) -> None:
    segments = names.split()
    assert [" ".join(segments[start:end]) for start, end in spans(segments, leader)] == groups


@pytest.mark.parametrize("name", ["FT1", "PRT", "NTE", "PR1", "ROL", "ORC", "TQ1", "OBR", "OBX", "ZPA", "DEV"])
def test_what_may_stand_in_a_group_is_looked_for_in_it(name: str) -> None:
    assert may_belong("FT1", name)


@pytest.mark.parametrize("name", ["MSH", "EVN", "PID", "PD1", "PV1", "PV2", "DG1", "GT1", "IN1", "ACC"])
def test_what_never_stands_in_a_group_is_looked_for_in_the_message(name: str) -> None:
    assert not may_belong("FT1", name)


@pytest.mark.parametrize("leader", list(GROUPS))
def test_what_closes_a_group_is_not_inside_it(leader: str) -> None:
    group = GROUPS[leader]
    assert group.leader == leader
    assert not group.inside & group.closes
    assert leader not in group.closes
