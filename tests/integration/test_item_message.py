"""The shipped mapping of items: what it writes is what the shipped channels bring in, whatever the texts are."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import msgspec
import pytest

from casecart.canonical import FIELDS
from casecart.canonical.master import Item
from casecart.formats.hl7v2 import STANDARD, Delimiters, parse
from casecart.mapping import NotWritable, compile_outgoing
from casecart.master.item_change import ItemState, item_change
from casecart.runtime.destination import NotWritten, Posting
from casecart.runtime.kinds import installed_kinds
from casecart.runtime.writer import MappingWriter
from casecart.workspace import OutgoingMapping, load, reference
from support.master_messages import bring, codes, document, item, record, versions
from support.settings import settings_of
from support.shipped import Shipped, sample

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from casecart.canonical.item_change import ItemAction, ItemChange
    from casecart.mapping import CompiledOutgoing

RECORDED = 1_790_000_000_000_000
NAMES = {"EXAMPLE-ORTHO": "Example Orthopaedics", "EXAMPLE-TRADE": "Example Trading"}


@pytest.fixture(scope="module")
def mapping() -> CompiledOutgoing:
    workspace = load(reference.root(), kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
    return compile_outgoing(workspace.outgoing["item-mfn"], workspace.tables)


def change(of: Item, action: ItemAction = "update") -> ItemChange:
    told = item_change("NORTH", ItemState((of,), 7, date(2026, 11, 3)), receiver="ORSYS", name_of=NAMES.get)
    return msgspec.structs.replace(told, action=action)


def message(mapping: CompiledOutgoing, told: ItemChange, control_id: str = "M1") -> bytes:
    """As the materials system would send it."""
    head = record(control_id, "MUP").decode().split("\r", 1)[0]
    return "".join(f"{each}\r" for each in (head, *mapping.write(told, {}, RECORDED, STANDARD))).encode()


def test_what_is_sent_of_an_item_is_that_item_where_it_is_brought_in(line: Shipped, mapping: CompiledOutgoing) -> None:
    bring(line, sample("mfn-items"))
    plate, before = item(line, "PLATE-6H"), versions(line)
    bring(line, message(mapping, change(plate)))
    assert (codes(line, "M1"), item(line, "PLATE-6H")) == ([], plate)
    assert versions(line) == before


@pytest.mark.parametrize("kind", ["consumption", "charge"])
def test_a_posting_that_was_planned_for_another_mapping_is_held(
    line: Shipped, mapping: CompiledOutgoing, kind: str
) -> None:
    writer = MappingWriter("ehr", mapping, store=line.store, write=line.journal.write, now=line.now)
    posting = Posting("0a.1", "1", 1, "FT1[1]", kind, b"{}", history=[(RECORDED, "planned")])
    failed = writer.write(posting, STANDARD)
    told: list[Failure] = []
    failed.addErrback(told.append)
    (why,) = [each.value for each in told]
    assert isinstance(why, NotWritten)
    assert (why.code, "writes Item, and this is a posting of another kind" in why.words) == ("other-mapping", True)


@pytest.mark.parametrize("action", ["add", "update"])
def test_an_item_that_is_added_or_updated_is_there(
    line: Shipped, mapping: CompiledOutgoing, action: ItemAction
) -> None:
    told = change(Item(number="NEW-1", description="New", status="inactive", expiry=False, unit="EA"), action)
    bring(line, message(mapping, told))
    found = item(line, "NEW-1")
    assert (found.description, found.status, found.expiry, found.unit) == ("New", "inactive", False, "EA")


def test_an_item_that_is_deleted_is_no_more(line: Shipped, mapping: CompiledOutgoing) -> None:
    bring(line, message(mapping, change(item(line, "HIP-STEM-12"), "delete")))
    assert document(line, "item", "HIP-STEM-12") is None


@pytest.mark.parametrize("text", ["a|b^c~d\\e&f", "two\r\nlines\x0b\x1c", "Schräubchen 5 µm 漢", '""', "x" * 20_000])
@pytest.mark.parametrize("delimiters", [STANDARD, Delimiters("#", "*", "~", "!", "%")])
def test_whatever_an_item_says_stays_in_its_field(mapping: CompiledOutgoing, text: str, delimiters: Delimiters) -> None:
    of = Item(number=text, description=text, manufacturer=text, unit=text, supplier=text)
    segments = mapping.write(change(of), {}, RECORDED, delimiters)
    assert [each[:3] for each in segments] == ["MFI", "MFE", "ITM", "VND", "PKG"]
    assert not set("\r\n\x0b\x1c") & set("".join(segments))
    read = parse(f"MSH{delimiters.field}{delimiters.encoding_characters}{delimiters.field}\r{segments[2]}\r")
    itm = read.segment("ITM")
    assert itm is not None
    assert [itm.field(number).repetition().component().value for number in (1, 2, 8)] == [text] * 3


def test_an_item_that_says_nothing_but_its_number_is_a_record_of_three_segments(mapping: CompiledOutgoing) -> None:
    segments = mapping.write(change(Item(number="X"), "add"), {}, RECORDED, STANDARD)
    assert segments == ["MFI|INV||UPD|||AL", "MFE|MAD|7|20260921141320+0000|X|CWE", "ITM|X||A"]


@pytest.mark.parametrize(
    ("before", "after", "written"),
    [
        (
            "ITM-2:    {field: description, optional: true}",
            "ITM-2:    {field: description, default: '\"\"'}",
            'ITM|X|""|A',
        ),
        ("MFE-4.1:  {field: item, required: true}", "MFE-4.1:  {field: ehr_item, required: true}", ""),
    ],
    ids=["what it has no more is deleted", "it has no number of the receiver"],
)
def test_a_mapping_says_what_holds_for_what_an_item_does_not_have(before: str, after: str, written: str) -> None:
    text = (reference.root() / "mappings" / "item-mfn.yaml").read_text("utf-8")
    assert before in text
    workspace = load(reference.root(), kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
    mapping = compile_outgoing(settings_of(OutgoingMapping, text.replace(before, after)), workspace.tables)
    if written:
        assert mapping.write(change(Item(number="X")), {}, RECORDED, STANDARD)[-1] == written
    else:
        with pytest.raises(NotWritable, match="required, and the posting has no ehr_item"):
            mapping.write(change(Item(number="X")), {}, RECORDED, STANDARD)
