"""`type: udi`: a device's code is read once a line, and other fields take pieces of it."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from casecart.mapping import CODES, Mapped, compile_mapping
from casecart.workspace import reference
from unit.mapping.declarations import context, mapping, table

DI = "(01)09521234543213"
FULL = f"{DI}(17)281231(10)LOT1(21)SN-1"
REVERSED = f"(21)SN-1(10)LOT1(17)281231{DI}"

FIELDS = """
  udi: {agree: [FT1-2, "OBX[OBX-3.1 = '74711-3']-5"], type: udi, optional: true}
  lot: {agree: [FT1-3, udi.lot], optional: true}
  serial: {agree: [FT1-4, udi.serial], optional: true}
  expiry: {agree: [FT1-5, udi.expiry], type: date, optional: true}
"""


def run(line: str, fields: str = FIELDS, *, where: str | None = None, today: date | None = None) -> Mapped:
    """Maps a message of FT1 segments; what follows `//` in one is the code in its OBX."""
    condition = "" if where is None else f"where: {where}\n"
    declaration = mapping(
        f"mapping: m\nreads: {{format: hl7v2}}\nmakes: Usage\nsays: transactions\neach: FT1\n{condition}"
        "fields:\n" + "".join(f"  {each.strip()}\n" for each in fields.strip().splitlines())
    )
    text = "MSH|^~\\&|ORSYS|NORTH\r"
    for each in line.strip().splitlines():
        segment, _, observed = each.strip().partition("//")
        text += f"{segment}\r" + (f"OBX|1||74711-3||{observed}\r" if observed else "")
    asked = context() if today is None else msgspec.structs.replace(context(), today=today)
    return compile_mapping(declaration, {"items": table("items", "code,value\n09521234543213,CUP\n")}).run(text, asked)


def found(mapped: Mapped) -> list[tuple[str, str, str]]:
    return [(each.code, each.field, each.path) for each in mapped.exceptions]


@pytest.mark.parametrize(
    ("line", "udi", "lot", "serial", "expiry"),
    [
        ("FT1|1", None, None, None, None),
        (f"FT1|1|{FULL}", FULL, "LOT1", "SN-1", date(2028, 12, 31)),
        (f"FT1|1|{FULL}|LOT1|SN-1|20281231", FULL, "LOT1", "SN-1", date(2028, 12, 31)),
        (f"FT1|1|{FULL}|||202812310800", FULL, "LOT1", "SN-1", date(2028, 12, 31)),
        ("FT1|1||LOT9||20270101", None, "LOT9", None, date(2027, 1, 1)),
        # the parts beside a code say what is not in it
        (f"FT1|1|{DI}|LOT9", DI, "LOT9", None, None),
        ("FT1|1|09521234543213|LOT9", "09521234543213", "LOT9", None, None),
        # day 00 is the last of the month
        (f"FT1|1|{DI}(17)280200|||20280229", f"{DI}(17)280200", None, None, date(2028, 2, 29)),
        # a wrong check digit is a warning: never corrected, never dropped
        ("FT1|1|(01)09521234543214(10)LOT1", "(01)09521234543214(10)LOT1", "LOT1", None, None),
        # the same device told twice, in other words: the text is the first's
        (f"FT1|1|{FULL}//{FULL}", FULL, "LOT1", "SN-1", date(2028, 12, 31)),
        (f"FT1|1|{FULL}//{REVERSED}", FULL, "LOT1", "SN-1", date(2028, 12, 31)),
        (f"FT1|1|//{FULL}", FULL, "LOT1", "SN-1", date(2028, 12, 31)),
        # the text is that of the code that says most, and what only the other says is not lost
        (f"FT1|1|09521234543213//{FULL}", FULL, "LOT1", "SN-1", date(2028, 12, 31)),
        (f"FT1|1|{DI}(10)LOT1//{DI}(21)SN-1", f"{DI}(10)LOT1", "LOT1", "SN-1", None),
    ],
)
def test_the_pieces_of_a_code_fill_the_fields(
    line: str, udi: str | None, lot: str | None, serial: str | None, expiry: date | None
) -> None:
    mapped = run(line)
    assert found(mapped) == []
    (document,) = mapped.documents
    assert (document.udi, document.lot, document.serial, document.expiry) == (udi, lot, serial, expiry)


OBX = "OBX[OBX-3.1 = '74711-3']-5"
BOTH = f"FT1-2, {OBX}"


@pytest.mark.parametrize("written", ["&", "\\T\\"])  # as most senders write it, and as the standard wants it
@pytest.mark.parametrize("fields", [FIELDS, FIELDS.replace("FT1-2", "FT1-2.1"), FIELDS.replace("FT1-2", "'FT1-2[*]'")])
def test_a_code_of_isbt_128_is_whole_though_it_has_the_subcomponent_separator(written: str, fields: str) -> None:
    code = "=/A9999XYZ100T0944=>014032&,1000000000000XYZ123"
    (usage,) = run(f"FT1|1|{code.replace('&', written)}", fields).documents
    assert (usage.udi, usage.lot, usage.expiry) == (code, "000000000000XYZ123", date(2014, 2, 1))


@pytest.mark.parametrize(
    ("line", "problems"),
    [
        (f"FT1|1|{FULL}|LOT2", [("conflict", "lot", "FT1-3, udi.lot")]),
        (f"FT1|1|{FULL}|lot1", [("conflict", "lot", "FT1-3, udi.lot")]),  # a lower-case lot is another lot
        (f"FT1|1|{FULL}||SN-2", [("conflict", "serial", "FT1-4, udi.serial")]),
        (f"FT1|1|{FULL}|||20281230", [("conflict", "expiry", "FT1-5, udi.expiry")]),
        (f"FT1|1|{DI}(17)280200|||20280215", [("conflict", "expiry", "FT1-5, udi.expiry")]),
        (f"FT1|1|{FULL}|||202812", [("date-precision", "expiry", "FT1-5")]),
        (f"FT1|1|{DI}|||2028", [("date-precision", "expiry", "FT1-5, udi.expiry")]),
        (f"FT1|1|{FULL}|||{'2' * 41}", [("not-a-date", "expiry", "FT1-5")]),
        (f"FT1|1|{FULL}//{DI}(10)LOT2", [("conflict", "udi", BOTH)]),
        (f"FT1|1|{FULL}//(01)09521101530018", [("conflict", "udi", BOTH)]),
        (f"FT1|1|{DI}(17)280200//{DI}(17)280215", [("conflict", "udi", BOTH)]),
        ("FT1|1|LOT1|LOT1", [("udi-unreadable", "udi", BOTH)]),
        (f"FT1|1|{FULL}//(01)0952", [("udi-unreadable", "udi", OBX)]),
        (f"FT1|1|{'1' * 501}", [("udi-unreadable", "udi", BOTH)]),
        ("FT1|1|010952123454321310ABC17251231", [("udi-ambiguous", "udi", BOTH)]),
        (f"FT1|1|{FULL}//010952123454321310ABC17251231", [("udi-ambiguous", "udi", OBX)]),
    ],
)
def test_what_contradicts_itself_or_cannot_be_read_is_a_problem(
    line: str, problems: list[tuple[str, str, str]]
) -> None:
    mapped = run(line)
    assert found(mapped) == problems
    assert mapped.documents == []
    assert {code for code, _, _ in problems} <= CODES.keys()


def test_a_problem_says_why_and_never_the_code() -> None:
    mapped = run(f"FT1|1|(01)SECRET\nFT1|2|010952123454321310SECRET17251231\nFT1|3|{DI}(10)SECRET1|SECRET2")
    words = [each.words for each in mapped.exceptions]
    assert "SECRET" not in repr(mapped)
    assert words[0].startswith("udi can't be read from its character 1 on: The value of (01)")
    assert words[1].startswith("udi can be read in more than one way: ")
    assert words[2] == "FT1-3 and udi.lot say different things about lot: find out which is right"
    assert not any(each.endswith(".") for each in words)


def test_a_code_that_cannot_be_read_is_one_problem_and_not_one_for_each_of_its_pieces() -> None:
    fields = "udi: {path: FT1-2, type: udi, required: true}\n  lot: {path: udi.lot, required: true}"
    assert found(run("FT1|1|LOT1", fields)) == [("udi-unreadable", "udi", "FT1-2")]
    assert found(run(f"FT1|1|{DI}", fields)) == [("missing", "lot", "udi.lot")]
    assert found(run("FT1|1", fields)) == [("missing", "udi", "FT1-2"), ("missing", "lot", "udi.lot")]


def test_of_several_sources_the_first_that_says_something_counts() -> None:
    fields = """
      expiry: {path: [udi.expiry, FT1-5], type: date, default: '20300101'}
      used_on: {path: [FT1-5, udi.manufactured], type: date, optional: true}
      udi: {path: [FT1-2, FT1-3], type: udi, optional: true}
    """
    lines = f"FT1|1|{DI}(11)260101(17)280101|X||20290101\nFT1|2||{DI}||20290101\nFT1|3|{DI}(11)260101"
    assert [(each.expiry, each.used_on) for each in run(lines, fields).documents] == [
        (date(2028, 1, 1), date(2029, 1, 1)),
        (date(2029, 1, 1), date(2029, 1, 1)),
        (date(2030, 1, 1), date(2026, 1, 1)),
    ]


def test_a_piece_can_go_through_a_table_and_stand_for_the_item() -> None:
    fields = "item: {path: udi.di, table: items, optional: true}\n  udi: {path: FT1-2, type: udi, optional: true}"
    mapped = run(f"FT1|1|{DI}(10)A\nFT1|2\nFT1|3|00643169001763", fields)
    assert [each.item for each in mapped.documents] == ["CUP", None]
    assert found(mapped) == [("code-not-in-table", "item", "udi.di")]


def test_a_code_of_the_message_is_every_lines() -> None:
    fields = """
      lot: {agree: [FT1-3, udi.lot], optional: true}
      serial: {path: udi.serial, optional: true}
      udi: {path: "message:OBX-5", type: udi, optional: true}
    """
    mapped = run(f"FT1|1||LOT1\nFT1|2||LOT2//{FULL}", fields)
    assert [(each.lot, each.serial) for each in mapped.documents] == [("LOT1", "SN-1")]
    assert found(mapped) == [("conflict", "lot", "FT1-3, udi.lot")]


def test_a_default_and_a_constant_have_pieces_too() -> None:
    lot = "lot: {path: udi.lot, optional: true}"
    assert run("FT1|1", f"udi: {{path: FT1-2, type: udi, default: {FULL}}}\n  {lot}").documents[0].lot == "LOT1"
    assert run("FT1|1", f"udi: {{value: {FULL}, type: udi}}\n  {lot}").documents[0].lot == "LOT1"


def test_where_sees_pieces_and_never_filters_what_cannot_be_read() -> None:
    mapped = run(f"FT1|1|{FULL}\nFT1|2|{DI}\nFT1|3|LOT1", where="has(lot)")
    assert [each.lot for each in mapped.documents] == ["LOT1"]
    assert [place for place, _ in mapped.filtered] == ["FT1[2]"]
    assert found(mapped) == [("udi-unreadable", "udi", BOTH)]


def test_the_century_of_an_expiry_follows_from_the_day_of_the_message() -> None:
    line = f"FT1|1|{DI}(17)700101"
    assert run(line).documents[0].expiry == date(2070, 1, 1)
    assert run(line, today=date(1999, 1, 1)).documents[0].expiry == date(1970, 1, 1)


def test_without_the_type_a_code_is_text_as_any_other() -> None:
    assert run("FT1|1|LOT1", "udi: {path: FT1-2, optional: true}").documents[0].udi == "LOT1"


@pytest.mark.parametrize(
    ("sample", "lots", "problems"),
    [
        ("dft-hip-stem", ["21A11F4855"], []),
        ("dft-three-lines", ["CUP2604", "SC-88412", "BG-0311"], []),
        ("dft-udi-conflict", [], [("conflict", "lot", "PRT[PRT-4.1 = 'EQUIP']-19, udi.lot")]),
    ],
)
def test_the_reference_mapping_takes_the_samples_codes_apart(
    sample: str, lots: list[str], problems: list[tuple[str, str, str]]
) -> None:
    root = reference.root()
    codes = table("transaction-type", (root / "mappings/tables/transaction-type.csv").read_text(encoding="utf-8"))
    declaration = mapping((root / "mappings/dft-usage.yaml").read_text(encoding="utf-8"))
    text = (root / f"samples/hl7v2/{sample}.hl7").read_bytes().decode()
    mapped = compile_mapping(declaration, {"transaction-type": codes}).run(text, context())
    assert [each.lot for each in mapped.documents] == lots
    assert found(mapped) == problems
