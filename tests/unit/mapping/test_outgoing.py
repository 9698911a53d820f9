"""Mappings that write: a posting becomes segments, or a reason why it can't; what is wrong in the file is told."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.canonical.consumption import Consumption
from casecart.canonical.item_change import ItemChange, ItemPackaging
from casecart.formats.hl7v2 import STANDARD, Delimiters, parse
from casecart.mapping import CompiledOutgoing, NotWritable, compile_outgoing
from casecart.workspace import OutgoingMapping, WorkspaceError
from casecart.workspace.table import read_table
from support.settings import findings_of, settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.workspace import Table

HEAD = """\
mapping: charges
writes: {format: hl7v2, version: "2.5.1", type: DFT^P03^DFT_P03}
from: Usage
fields:
"""
RECORDED = 1_790_000_000_000_000
USE = Consumption(
    "0a.1", 1, "NORTH", "case-0f", "770001", "use", Decimal("2.50"), used_on=date(2026, 11, 3), charge_code="CH-1"
)


def tables() -> Mapping[str, Table]:
    table, findings = read_table(b"code,value\nuse,CG\nreverse,CD\n", "charge-type.csv", "charge-type")
    half, more = read_table(b"code,value\nuse,CG\n", "half.csv", "half")
    assert table is not None
    assert half is not None
    assert not findings + more
    return {"charge-type": table, "half": half}


def compiled(*fields: str) -> CompiledOutgoing:
    text = HEAD + "".join(f"  {each}\n" for each in fields)
    return compile_outgoing(settings_of(OutgoingMapping, text), tables())


def written(*fields: str, document: Consumption = USE, delimiters: Delimiters = STANDARD) -> list[str]:
    return compiled(*fields).write(document, {"case": "V100231"}, RECORDED, delimiters)


@pytest.mark.parametrize(
    ("fields", "segments"),
    [
        (["FT1-10: {field: quantity, required: true}"], ["FT1||||||||||2.50"]),
        (["FT1-4: {field: used_on, required: true}"], ["FT1||||20261103"]),
        (["EVN-2: {field: recorded_at, required: true}"], ["EVN||20260921141320+0000"]),
        (["FT1-6: {field: action, table: charge-type, required: true}"], ["FT1||||||CG"]),
        (["ZCC-1: {field: revision, required: true}"], ["ZCC|1"]),
        (["PID-18.1: {disclose: case, required: true}"], ["PID||||||||||||||||||V100231"]),
        (["ZCC-1: {field: case, required: true}"], ["ZCC|case-0f"]),  # the token
        (["FT1-13.1: {field: department, default: OR}"], ["FT1|||||||||||||OR"]),
        # The places of what is there, and nothing behind the last.
        (
            [
                "PID-3[2].5: {value: AN}",
                "PID-3.1.2: {value: X}",
                "PID-5: {field: lot, optional: true}",
                "PID-8: {disclose: case, required: true}",
            ],
            ["PID|||&X~^^^^AN|||||V100231"],
        ),
        # A segment is written for a value of the posting, or where there is nothing but constants.
        (["OBX-3: {value: LOT}", "OBX-5: {field: lot, optional: true}", "ZCC-1: {value: X}"], ["ZCC|X"]),
        (
            ["OBX-3: {value: CODE}", "OBX-5: {field: charge_code, optional: true}", '"OBX[2]-3": {value: X}'],
            ["OBX|||CODE||CH-1", "OBX|||X"],
        ),
        # In the order of their first field.
        (["PV1-1: {value: '1'}", "FT1-1: {value: '1'}", "PV1-2: {value: I}"], ["PV1|1|I", "FT1|1"]),
    ],
)
def test_a_posting_is_written_as_the_mapping_says(fields: list[str], segments: list[str]) -> None:
    assert written(*fields) == segments


@pytest.mark.parametrize(
    ("number", "text"),
    [("1E+3", "1000"), ("0.0000001", "0.0000001"), ("2.50", "2.50"), ("1E-7", "0.0000001"), ("12", "12")],
)
def test_numbers_have_no_exponent(number: str, text: str) -> None:
    document = Consumption("k", 1, "NORTH", "c", "l", "use", Decimal(number))
    assert written("FT1-10: {field: quantity, required: true}", document=document) == [f"FT1||||||||||{text}"]


@pytest.mark.parametrize(
    ("field", "code", "words"),
    [
        (
            "FT1-13: {field: department, required: true}",
            "missing",
            "FT1-13 is required, and the posting has no department",
        ),
        ("FT1-7: {field: charge_code, table: charge-type, required: true}", "code-not-in-table", "charge-type"),
    ],
)
def test_what_cannot_be_written_is_told_without_content(field: str, code: str, words: str) -> None:
    with pytest.raises(NotWritable) as why:
        written(field)
    assert why.value.code == code
    assert words in why.value.words
    assert "CH-1" not in why.value.words


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    delimiters=st.sampled_from(
        [STANDARD, Delimiters("#", "*", "~", "!", "%"), Delimiters("|", "^", "~", "\\", "&", "#")]
    ),
)
def test_whatever_a_value_is_it_stays_one_value_of_one_segment(text: str, delimiters: Delimiters) -> None:
    document = Consumption("k", 1, "NORTH", "c", "l", "use", Decimal(1), charge_code=text, department="D")
    fields = ["FT1-7.1: {field: charge_code, required: true}", "FT1-13.1: {field: department, required: true}"]
    (segment,) = written(*fields, document=document, delimiters=delimiters)
    assert not set("\r\n\x0b\x1c") & set(segment)
    header = f"MSH{delimiters.field}{delimiters.encoding_characters}{delimiters.field}\r"
    read = parse(f"{header}{segment}\r").segment("FT1")
    assert read is not None
    assert read.field(7).repetition().component().value == text
    assert read.field(13).value == "D"


@pytest.mark.parametrize(
    ("field", "finding"),
    [
        ("FT1-10: {field: quantty, required: true}", "5:19 error unknown-field a posting has no field quantty"),
        ("FT1-10: {field: encounter, optional: true}", "5:19 error unknown-field encounter doesn't leave the engine"),
        ("PID-5: {disclose: name, optional: true}", "5:21 error unknown-field of a patient there is nothing"),
        ("PID-5: {disclose: lot, optional: true}", "5:21 error unknown-field of a patient there is nothing"),
        ("MSH-5: {value: X}", "5:3 error bad-path MSH is made by the destination"),
        ("ft1-5: {value: X}", "error bad-path"),
        ("FT1: {value: X}", "error bad-path"),
        ("FT1-0: {value: X}", "error bad-path"),
        ('"message:FT1-1": {value: X}', "error bad-path"),
        ("\"OBX[OBX-3 = 'A']-5\": {value: X}", "error bad-path"),
        ('"FT1-3[*]": {value: X}', "error bad-path"),
        ("FT1-99999: {value: X}", "error bad-path"),
        ("FT1-6: {value: CG^Charge}", "5:18 error bad-value a separator in a value is escaped"),
        ("FT1-6: {field: action, table: half, required: true}", "error unknown-value the table half has no row"),
        ("FT1-10: {field: quantity, table: half, required: true}", "error bad-value a table is for text"),
        ("PID-3: {disclose: case, table: half, required: true}", "error bad-value a table is for a field"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(field: str, finding: str) -> None:
    with pytest.raises(WorkspaceError) as wrong:
        compiled(field)
    (found,) = wrong.value.findings
    assert finding in str(found)


@pytest.mark.parametrize(
    "fields",
    [
        ["FT1-7: {value: A}", "FT1-7.1: {value: B}"],
        ["FT1-7.1: {value: A}", "FT1-7.1.1: {value: B}"],
        ['"FT1[1]-7": {value: A}', "FT1-7: {value: B}"],
    ],
)
def test_no_place_is_written_twice(fields: list[str]) -> None:
    with pytest.raises(WorkspaceError) as wrong:
        compiled(*fields)
    assert [finding.code for finding in wrong.value.findings] == ["name-clash"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FT1-7: {field: lot}", "unhandled-empty"),
        ("FT1-7: {field: lot, value: X, optional: true}", "one-of"),
        ("FT1-7: {optional: true}", "one-of"),
        ("FT1-7: {path: FT1-7, optional: true}", "unknown-key"),
    ],
)
def test_a_field_says_what_is_written_and_what_if_there_is_nothing(text: str, code: str) -> None:
    assert any(f" error {code} " in found for found in findings_of(OutgoingMapping, f"{HEAD}  {text}\n"))


def items(*fields: str) -> CompiledOutgoing:
    text = HEAD.replace("from: Usage", "from: Item") + "".join(f"  {each}\n" for each in fields)
    return compile_outgoing(settings_of(OutgoingMapping, text), tables())


PLATE = ItemChange(
    facility="NORTH",
    item="PLATE",
    version=7,
    changed_on=date(2026, 11, 3),
    description="Plate | 6^holes\r\nsteel",
    packagings=(
        ItemPackaging(number=1, unit="EA", quantity=Decimal(1), gtin="09521234600008"),
        ItemPackaging(number=2, unit="B|X"),
    ),
)
PACKAGINGS = ("PKG-1: {field: packagings.number, required: true}", "PKG-2.1: {field: packagings.unit, optional: true}")


def test_a_segment_with_fields_of_a_list_is_written_for_each_of_it() -> None:
    fields = (
        "ITM-1: {field: item, required: true}",
        *PACKAGINGS,
        "PKG-4: {field: packagings.quantity, optional: true}",
        "PKG-5: {field: item, required: true}",  # of the item itself
        "IVT-1: {field: stock.number, required: true}",
        "ZZZ-1: {field: changed_on, required: true}",
    )
    segments = items(*fields).write(PLATE, {}, RECORDED, STANDARD)
    assert segments == ["ITM|PLATE", "PKG|1|EA||1|PLATE", "PKG|2|B\\F\\X|||PLATE", "ZZZ|20261103"]


def test_a_list_of_thousands_is_written_whole() -> None:
    many = tuple(ItemPackaging(number=number) for number in range(1, 5_001))
    document = ItemChange(facility="N", item="I", version=1, changed_on=date(2026, 11, 3), packagings=many)
    segments = items(*PACKAGINGS).write(document, {}, RECORDED, STANDARD)
    assert (len(segments), segments[-1]) == (5_000, "PKG|5000")


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        (["PKG-1: {field: packagings, required: true}"], "unknown-field a posting has no field packagings"),
        (["PKG-1: {field: packagings.price, required: true}"], "unknown-field a posting has no field packagings.price"),
        (["PKG-1: {field: quantity, required: true}"], "unknown-field a posting has no field quantity"),
        (["PKG-1: {field: gone, required: true}"], "unknown-field a posting has no field gone"),
        (["PID-3: {disclose: case, required: true}"], "unknown-field of a patient there is nothing to disclose"),
        (
            [*PACKAGINGS, "PKG-9: {field: stock.location, optional: true}"],
            "7:10 error bad-value this segment is written for each of packagings and of stock: give each its own",
        ),
    ],
)
def test_a_mistake_in_a_mapping_of_items_is_told_with_its_place(fields: list[str], finding: str) -> None:
    with pytest.raises(WorkspaceError) as wrong:
        items(*fields)
    (found,) = wrong.value.findings
    assert finding in str(found)


@pytest.mark.parametrize("kind", ["DFT", "DFT^P03^", "DFT^P03^DFT_P03^X", "dft^p03", "DFT|P03"])
def test_a_type_that_is_none_is_refused(kind: str) -> None:
    text = HEAD.replace("DFT^P03^DFT_P03", kind) + "  FT1-1: {value: X}\n"
    assert findings_of(OutgoingMapping, text) != []
