"""What belongs together in a message: segments with one sub-id, what stands above them, ids that are told in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.mapping import Mapped, compile_mapping
from casecart.workspace import WorkspaceError
from unit.mapping.declarations import context, mapping

HEAD = "mapping: m\nreads: {format: hl7v2}\nmakes: Usage\nsays: state\n"
DEVICES = """\
each: OBX
grouped_by: OBX-4.1
where: has(udi)
bind: {code: "OBX[OBX-3.1 = 'UDI']", device: "PRT[PRT-4 = 'EQUIP']"}
fields:
  line: {join: ["above:OBR-3.1", OBX-4.1], optional: true}
  department: {path: "above:PV1-3.1", optional: true}
  udi: {path: code-5, type: udi, optional: true}
  lot: {path: ["OBX[OBX-3.1 = 'LOT']-5", device-19], optional: true}
"""
UDI = "(01)09521234543213"


def run(text: str, lines: str) -> Mapped:
    message = "MSH|^~\\&|ORLOG|NORTH\r" + "".join(f"{line.strip()}\r" for line in lines.strip().splitlines())
    return compile_mapping(mapping(HEAD + text), {}).run(message, context())


def told(mapped: Mapped) -> list[tuple[str, str | None, str | None]]:
    return [(place, each.line, each.lot) for place, each in zip(mapped.places, mapped.documents, strict=True)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # One after the other, parts of one device as 1 and 1.1.
        (
            f"OBX|1||UDI|1|{UDI}\nOBX|2||LOT|1.1|A\nOBX|3||UDI|2|{UDI}\nOBX|4||LOT|2.1|B",
            [("OBX[1]", "O1/1", "A"), ("OBX[3]", "O1/2", "B")],
        ),
        # Attribute by attribute.
        (
            f"OBX|1||UDI|1|{UDI}\nOBX|2||UDI|2|{UDI}\nOBX|3||LOT|1|A\nOBX|4||LOT|2|B",
            [("OBX[1]", "O1/1", "A"), ("OBX[2]", "O1/2", "B")],
        ),
        # The lot before the UDI.
        (f"OBX|1||LOT|1|A\nOBX|2||UDI|1|{UDI}", [("OBX[1]", "O1/1", "A")]),
        # Without a sub-id each stands for itself.
        (f"OBX|1||UDI||{UDI}\nOBX|2||LOT||A\nOBX|3||UDI||{UDI}", [("OBX[1]", None, None), ("OBX[3]", None, None)]),
        # A sub-id is told anew under the next OBR.
        (
            f"OBX|1||UDI|1|{UDI}\nOBX|2||LOT|1|A\nOBR|2||O2\nOBX|1||UDI|1|{UDI}\nOBX|2||LOT|1|B",
            [("OBX[1]", "O1/1", "A"), ("OBX[3]", "O2/1", "B")],
        ),
        # Of the PRTs under one device the first that is equipment.
        (f"OBX|1||UDI|1|{UDI}\nPRT||||OP{'|' * 15}X\nPRT||||EQUIP{'|' * 15}A", [("OBX[1]", "O1/1", "A")]),
        # A PRT above the observations is the whole order's.
        (f"PRT||||EQUIP{'|' * 15}A\nOBX|1||UDI|1|{UDI}", [("OBX[1]", "O1/1", None)]),
    ],
)
def test_observations_of_one_sub_id_are_one_device(lines: str, expected: list[tuple[str, str, str]]) -> None:
    assert told(run(DEVICES, f"PID|1\nPV1|1||OR\nOBR|1||O1\n{lines}")) == expected


def test_what_a_group_says_twice_is_a_conflict_also_when_where_would_leave_it_out() -> None:
    lines = f"OBR|1||O1\nOBX|1||UDI|1|{UDI}\nOBX|2||UDI|1|{UDI}\nOBX|3||LOT|2|A\nOBX|4||LOT|2|B\nOBX|5||UDI|3|{UDI}"
    mapped = run(DEVICES, lines)
    assert [(each.place, each.code, each.path) for each in mapped.exceptions] == [
        ("OBX[1]", "conflict", "OBX-4.1"),
        ("OBX[3]", "conflict", "OBX-4.1"),
    ]
    assert told(mapped) == [("OBX[5]", "O1/3", None)]


def test_what_stands_above_is_the_nearest_of_the_same_patient() -> None:
    lines = f"PV1|1||OR-1\nOBR|1||O1\nOBX|1||UDI|1|{UDI}\nOBR|2||\nOBX|1||UDI|1|{UDI}\nPID|2\nOBX|1||UDI|1|{UDI}"
    mapped = run(DEVICES, f"PID|1\n{lines}")
    assert [(each.line, each.department) for each in mapped.documents] == [
        ("O1/1", "OR-1"),
        (None, "OR-1"),
        (None, None),
    ]


def test_of_several_segments_above_that_meet_a_condition_the_last_counts() -> None:
    text = "each: ZPM\nfields:\n  lot: {path: \"above:OBX[OBX-3.1 = 'LOT']-5\", optional: true}\n"
    mapped = run(text, "OBX|1||LOT||A\nOBX|2||LOT||B\nOBX|3||SN||C\nZPM|V\nOBX|1||LOT||D\nZPM|V")
    assert [each.lot for each in mapped.documents] == ["B", "D"]


def test_an_order_above_ends_the_transaction_before_it() -> None:
    text = 'each: ZPM\nfields:\n  line: {path: "above:ORC-2", optional: true}\n  lot: {path: NTE-3, optional: true}\n'
    mapped = run(text, "ORC|NW|1\nZPM|V\nORC|NW|2\nNTE|1||of the order\nZPM|V\nNTE|1||of the transaction")
    assert [(each.line, each.lot) for each in mapped.documents] == [("1", None), ("2", "of the transaction")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "each: OBX\ngrouped_by: OBR-4\nfields:\n  lot: {value: x}\n",
            "bad-path grouped_by is one value of the segment",
        ),
        ("each: OBX\ngrouped_by: OBX-4[*]\nfields:\n  lot: {value: x}\n", "bad-path grouped_by is one value"),
        ("each: OBX\ngrouped_by: OBX\nfields:\n  lot: {value: x}\n", "bad-path after OBX comes a hyphen"),
        ("each: OBX\ngrouped_by: OBX[2]-4\nfields:\n  lot: {value: x}\n", "bad-path"),
        (
            "each: OBX\nfields:\n  lot: {path: 'above:OBX-4', optional: true}\n",
            "bad-path the groups of OBX don't stand",
        ),
        ("each: OBX\nfields:\n  lot: {path: 'above:OBR[2]-4', optional: true}\n", "bad-path above: is the nearest OBR"),
        ("each: 'above:OBX'\nfields:\n  lot: {value: x}\n", "bad-path each takes the name of a segment alone"),
        ("each: OBX\nfields:\n  lot: {join: [OBX-3, 'OBX-4[*]'], optional: true}\n", "bad-path join takes one value"),
        (
            "each: OBX\nfields:\n  expiry: {join: [OBX-3, OBX-4], type: date, optional: true}\n",
            "bad-value join makes text",
        ),
    ],
)
def test_a_mistake_is_told_at_its_place(text: str, words: str) -> None:
    with pytest.raises(WorkspaceError) as caught:
        compile_mapping(mapping(HEAD + text), {})
    assert any(words in str(finding) for finding in caught.value.findings), caught.value.findings


SEGMENTS = [
    "PID|1", "PV1|1||OR", "OBR|1||O1", "OBR|2||O2", f"OBX|1||UDI|1|{UDI}", "OBX|2||LOT|1.1|A", "OBX|3||HR||72",
    f"OBX|4||UDI|2|{UDI}", "OBX|5||LOT|2|B", "PRT||||EQUIP|||||||||||||||C", "SPM|1", "NTE|1", "OBX", "OBX|1||UDI|.|x",
    "OBX|6||UDI|~1|", '"', 'OBX|7||UDI|""|(01)',
]  # fmt: skip


@given(st.lists(st.sampled_from(SEGMENTS), max_size=20))
def test_every_observation_is_in_one_group_whatever_stands_around(segments: list[str]) -> None:
    mapped = run(DEVICES, "\n".join(segments) or "NTE")
    exceptions = dict.fromkeys(each.place for each in mapped.exceptions)
    places = [*mapped.places, *(place for place, _ in mapped.filtered), *exceptions]
    known: set[str] = set()
    groups: list[str] = []
    number = 0
    for segment in segments:
        name, *fields = segment.split("|")
        if name == "OBX":
            number += 1
            sub_id = [*fields, "", "", "", ""][3].replace('""', "").partition("~")[0].partition(".")[0]
            if sub_id not in known:
                groups.append(f"OBX[{number}]")
            known |= {sub_id} - {""}
        elif name in {"PID", "PV1", "OBR", "SPM"}:
            known = set()
    assert sorted(places) == sorted(groups)
