"""What is wrong in a mapping file is told before the first message: all of it, each at its place."""

from __future__ import annotations

import pytest

from casecart.mapping import compile_mapping
from casecart.workspace import WorkspaceError
from unit.mapping.declarations import mapping, table

TABLES = {
    "transaction-type": table("transaction-type", "code,value\nCG,use\nCD,reverse\nAJ,none\n"),
    "days": table("days", "code,value\nA,20260131\nB,someday\n"),
}

HEAD = "mapping: m\nreads: {format: hl7v2}\nmakes: Usage\nsays: transactions\n"


def findings(text: str) -> list[str]:
    """Line, code and message of what is wrong in a mapping; lines count from the one behind `HEAD`."""
    with pytest.raises(WorkspaceError) as caught:
        compile_mapping(mapping(HEAD + text), TABLES)
    start = HEAD.count("\n")
    return [f"{found.place.line - start} {str(found).split(' ', 1)[1]}" for found in caught.value.findings]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("lot: {path: FT1, optional: true}", "error bad-path after FT1 comes a hyphen"),
        ("lot: {path: ft1-2, optional: true}", "error unknown-name no segment is bound to the name ft1"),
        ("lot: {path: devise-19, optional: true}", "Did you mean 'device'?"),
        ("lot: {path: 'FT1[2]-2', optional: true}", "error bad-path a group has one FT1"),
        ("lot: {agree: [FT1-2, OBX-0], optional: true}", "error bad-path the number of the field is from 1"),
        ("lot: {path: FT1-2, table: transaction-typ, optional: true}", "Did you mean 'transaction-type'?"),
        ("lott: {path: FT1-2, optional: true}", "error unknown-field Usage has no field lott. Did you mean 'lot'?"),
        ("facility: {path: MSH-4, optional: true}", "error unknown-field facility is set by the engine"),
        ("source: {value: here}", "error unknown-field source is set by the engine"),
        ("quantity: {path: FT1-10, optional: true}", "error bad-value quantity is of type decimal in Usage"),
        ("lot: {path: FT1-10, type: date, optional: true}", "error bad-value lot is of type text in Usage"),
        ("expiry: {path: FT1-4, type: date, default: soon}", "error bad-value the default is not of type date"),
        ("expiry: {path: FT1-4, type: date, default: '2026'}", "error bad-value the default is not of type date"),
        (
            "found_by: {path: FT1-2, optional: true}",
            "error unknown-field found_by is what the step resolve of a channel",
        ),
        ("flags: {value: x}", "error unknown-field flags is what the step verify of a channel finds out"),
        ("lot: {path: FT1-2, type: di, optional: true}", "error bad-value type: di is for the field di, and not for"),
        ("di: {value: '12 34', type: di}", "error bad-value the value is not of type di"),
        ("quantity: {value: '1,5'}", "error bad-value the value is not of type decimal"),
        ("action: {value: used}", "error unknown-value the value is not one of reverse and use. Did you mean 'use'?"),
        ("action: {path: FT1-6, default: charge}", "error unknown-value the default is not one of reverse and use"),
        (
            "expiry: {path: FT1-4, type: date, token: day, optional: true}",
            "error bad-value a token stands for any text, and expiry is of",
        ),
        (
            "quantity: {path: FT1-10, type: decimal, optional: true, sign: by-action}",
            "error bad-value sign: by-action says use or reverse by the field action, which is not mapped",
        ),
        ("lot: {path: FT1-2, sign: by-action, optional: true}", "error bad-value sign belongs to the field quantity"),
    ],
)
def test_a_mistake_in_a_field(field: str, expected: str) -> None:
    found = findings(f"each: FT1\nbind: {{device: PRT}}\nfields:\n  {field}\n")
    assert len(found) == 1
    assert found[0].startswith("4 ")
    assert expected in found[0]


@pytest.mark.parametrize(
    ("field", "column", "expected"),
    [
        (
            "lot: {path: udi.lott, optional: true}",
            17,
            "bad-path a UDI has no piece lott; it has di, lot, serial, expiry",
        ),
        ("lot: {path: udi.lott, optional: true}", 17, "Did you mean 'lot'?"),
        ("lot: {agree: [PRT-19, 'udi.lot.1'], optional: true}", 28, "bad-path a UDI has no piece lot.1"),
        (
            "lot: {path: ud.lot, optional: true}",
            13,
            "error unknown-name pieces are taken of a field of type udi, and ud",
        ),
        ("lot: {path: ud.lot, optional: true}", 13, "Did you mean 'udi'?"),
        ("lot: {path: lot.serial, optional: true}", 13, "error bad-path lot is not of type udi, and has no pieces"),
        ("lot: {path: device.lot, optional: true}", 19, "error bad-path after device comes a hyphen"),
        (
            "lot: {path: udi.expiry, optional: true}",
            13,
            "error bad-value udi.expiry is of type date, and lot is of type",
        ),
        (
            "expiry: {path: udi.lot, type: date, optional: true}",
            16,
            "error bad-value udi.lot is of type text, and expiry",
        ),
        (
            "expiry: {path: udi.expiry, table: days, type: date, optional: true}",
            16,
            "error bad-value udi.expiry is of type date, and a table is for text",
        ),
        (
            "lot: {path: PRT-19, type: udi, optional: true}",
            27,
            "error bad-value type: udi is for the field udi, and lot",
        ),
        ("expiry: {value: '20260101', type: udi}", 35, "error bad-value type: udi is for the field udi, and expiry"),
    ],
)
def test_a_mistake_about_pieces(field: str, column: int, expected: str) -> None:
    text = f"each: FT1\nbind: {{device: PRT}}\nfields:\n  udi: {{path: PRT-10, type: udi, optional: true}}\n  {field}\n"
    tables = {"days": table("days", "code,value\nA,20260131\n")}
    with pytest.raises(WorkspaceError) as caught:
        compile_mapping(mapping(HEAD + text), tables)
    (found,) = caught.value.findings
    assert (found.place.line, found.place.column) == (HEAD.count("\n") + 5, column + 2)
    assert expected in str(found)


@pytest.mark.parametrize(
    ("udi", "expected"),
    [
        ("{path: udi.di, type: udi, optional: true}", "bad-path udi is itself of type udi"),
        ("{path: PRT-10, type: udi, table: days, optional: true}", "bad-value a UDI is read as it is, and not through"),
        ("{path: PRT-10, type: udi, token: a, optional: true}", "bad-value a token stands for any text, and udi is of"),
        ("{path: PRT-10, type: udi, default: LOT1}", "bad-value the default is not a UDI: It begins like no code"),
        ("{value: LOT1, type: udi}", "bad-value the value is not a UDI: It begins like no code"),
        ("{path: PRT-10, type: date, optional: true}", "bad-value udi is of type text in Usage"),
    ],
)
def test_a_mistake_in_the_field_udi(udi: str, expected: str) -> None:
    tables = {"days": table("days", "code,value\nA,20260131\n")}
    with pytest.raises(WorkspaceError) as caught:
        compile_mapping(mapping(f"{HEAD}each: FT1\nfields:\n  udi: {udi}\n"), tables)
    (found,) = caught.value.findings
    assert expected in str(found)


def test_a_code_without_its_type_has_no_pieces() -> None:
    fields = "  udi: {path: PRT-10, optional: true}\n  lot: {path: udi.lot, optional: true}\n"
    assert findings(f"each: FT1\nfields:\n{fields}") == [
        "4 error bad-path udi is not of type udi, and has no pieces: give udi a type: udi"
    ]
    assert findings("each: FT1\nfields:\n  lot: {path: udi.lot, optional: true}\n") == [
        "3 error unknown-name pieces are taken of a field of type udi, and udi is not one; there is none: map one"
    ]


def test_a_bound_segment_and_a_code_have_two_names() -> None:
    fields = "  udi: {path: udi-10, type: udi, optional: true}\n  lot: {path: udi.lot, optional: true}\n"
    assert findings(f"each: FT1\nbind: {{udi: PRT}}\nfields:\n{fields}") == [
        "2 error name-clash udi is a field of type udi, of which sources take pieces: give the segment another name"
    ]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("lott == 'a'", "5 error bad-expression lott is not known here; known are action and lot. Did you mean 'lot'?"),
        ("lot == 1", "5 error bad-expression text is compared with a decimal"),
        ("action == 'usse'", "5 error bad-expression the value can never be 'usse'"),
        ("lot = 'a'", "5 error bad-expression = is written twice"),
    ],
)
def test_a_mistake_in_where(where: str, expected: str) -> None:
    action = "action: {path: FT1-6, table: transaction-type, required: true}"
    text = f"each: FT1\nfields:\n  {action}\n  lot: {{path: FT1-2, optional: true}}\nwhere: {where}\n"
    found = findings(text)
    assert [line[: len(expected)] for line in found if "bad-expression" in line] == [expected]


def test_a_mistake_in_each_and_bind() -> None:
    field = "fields:\n  lot: {path: device-2, optional: true}\n"
    text = f"each: FT1-2\nbind:\n  device: PRT-4\n  other: 'PRT[PRT-4 = EQUIP]'\n{field}"
    assert [line.split(":")[0] for line in findings(text)] == [
        "1 error bad-path a bind names a whole segment",
        "3 error bad-path a bind names a whole segment",
        "4 error bad-path the value stands in single quotes, as in 'EQUIP'",
    ]
    assert findings("each: 'FT1[2]'\nfields:\n  lot: {path: FT1-2, optional: true}\n") == [
        "1 error bad-path each takes the name of a segment alone: FT1"
    ]


def test_values_of_a_table_are_read_when_the_mapping_is() -> None:
    with pytest.raises(WorkspaceError) as caught:
        compile_mapping(
            mapping(HEAD + "each: FT1\nfields:\n  expiry: {path: FT1-2, type: date, table: days, optional: true}\n"),
            TABLES,
        )
    assert [str(found) for found in caught.value.findings] == [
        "mappings/tables/days.csv:3:1 error bad-value the value is not of type date, as days is used here"
    ]


def test_a_table_may_give_more_than_the_document_allows_only_where_the_condition_asks() -> None:
    field = "each: FT1\nfields:\n  action: {path: FT1-6, table: transaction-type, required: true}\n"
    with pytest.raises(WorkspaceError) as caught:
        compile_mapping(mapping(HEAD + field), TABLES)
    assert "mappings/tables/transaction-type.csv:4:1 error unknown-value action can't be this" in str(caught.value)
    compile_mapping(mapping(HEAD + field + "where: \"action in ['use', 'reverse']\"\n"), TABLES)


def test_a_slip_in_a_table_is_found_although_the_condition_would_filter_it() -> None:
    field = "each: FT1\nfields:\n  action: {path: FT1-6, table: slip, required: true}\n"
    slip = {"slip": table("slip", "code,value\nCG,used\nCD,reverse\nPY,none\n")}
    with pytest.raises(WorkspaceError) as caught:
        compile_mapping(mapping(HEAD + field + "where: \"action in ['use', 'reverse']\"\n"), slip)
    (found,) = caught.value.findings  # `none` is like neither, and is meant
    assert (found.place.line, found.suggestion) == (2, "use")


def test_a_finding_stands_at_the_column_of_the_mistake() -> None:
    text = "each: FT1\nfields:\n  lot: {path: FT1-2.x, optional: true}\n"
    with pytest.raises(WorkspaceError) as caught:
        compile_mapping(mapping(HEAD + text), TABLES)
    (found,) = caught.value.findings
    assert str(found.place) == "mappings/m.yaml:7:21"
    assert (HEAD + text).splitlines()[6][20] == "x"


def test_twenty_mistakes_are_twenty_findings() -> None:
    names = [
        "line",
        "item",
        "unit",
        "lot",
        "serial",
        "udi",
        "department",
        "location",
        "cost_center",
        "charge_code",
    ]
    text = "each: FT1\nfields:\n" + "".join(f"  {name}: {{agree: [FT1-0, '-'], optional: true}}\n" for name in names)
    assert len(findings(text)) == 2 * len(names)


def test_a_field_with_a_mistake_is_not_unknown_to_where() -> None:
    found = findings("each: FT1\nfields:\n  lot: {path: FT1-0, optional: true}\nwhere: lot == 'a'\n")
    assert len(found) == 1


@pytest.mark.parametrize("name", ["case", "encounter"])
def test_what_identifies_a_visit_needs_a_token(name: str) -> None:
    text = "each: FT1\nfields:\n  " + name + ": {path: PV1-19.1, optional: true}\n"
    assert [finding.split()[2] for finding in findings(text)] == ["no-token"]
