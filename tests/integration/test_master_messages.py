"""Master data that messages tell (MFN): versions by the plan of an import, and messages that are wrong in every way."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from casecart.canonical.master import Item, Location, Supplier, encode_document
from casecart.runtime.copy import Decision, decode_decision
from casecart.store import Change, MasterVersion, StoreUnavailable, open_store
from support.master import publish
from support.master_messages import again, bring, codes, document, item, record, versions
from support.shipped import Shipped, sample, shipped, started

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


MFN = "MATERIALS-000001"
CODES = "MATERIALS-000002"


def test_an_item_master_becomes_items_numbers_packagings_suppliers_and_owners(line: Shipped) -> None:
    bring(line, sample("mfn-items"))
    plate = item(line, "PLATE-6H")
    assert (plate.description, plate.status, plate.expiry, plate.manufacturer, plate.catalog_number, plate.unit) == (
        "Locking plate, 6 holes", "active", True, "Example Orthopaedics", "LP-6", "EA"
    )  # fmt: skip
    assert plate.supplier == "EXAMPLE-ORTHO"
    assert {(each.system, each.value, each.issuer, each.quantity, each.unit) for each in plate.identifiers} == {
        ("GS1", "09521234600008", "", "1", "EA"),
        ("GS1", "19521234600005", "", "5", "BX"),
        ("supplier", "71-0600", "EXAMPLE-ORTHO", "1", ""),
        ("supplier", "T-600", "EXAMPLE-TRADE", "1", ""),
    }
    assert [(each.unit, each.quantity) for each in plate.units] == [("BX", "5")]
    assert [(each.location, each.ownership, each.supplier) for each in plate.stock] == [
        ("OR-CORE", "owned", "EXAMPLE-ORTHO")
    ]
    trade = document(line, "supplier", "EXAMPLE-TRADE")
    assert isinstance(trade, Supplier)
    assert trade.name == "Example Trading"
    assert line.held(MFN) == []
    assert line.counts()["no_change"] == 1


def test_what_a_message_leaves_out_stays_and_what_is_deactivated_keeps_all_else(line: Shipped) -> None:
    screw, stem = item(line, "SCREW-65-30"), item(line, "HIP-STEM-13")
    bring(line, sample("mfn-items"))
    after = item(line, "SCREW-65-30")
    assert after.description == "Cancellous screw, 6.5 x 30 mm, steel"
    assert (after.unit, after.lot, after.supplier, after.identifiers) == (
        screw.unit, screw.lot, screw.supplier, screw.identifiers
    )  # fmt: skip
    off = item(line, "HIP-STEM-13")
    assert (off.status, off.description) == ("inactive", stem.description)
    assert off.identifiers == stem.identifiers


def test_a_line_is_resolved_by_what_a_message_brought_a_moment_ago(line: Shipped) -> None:
    bring(line, sample("mfn-items"))
    charge = sample("dft-screw-box", ("14012345000013", "09521234600008"), ("CH-20680", "CH-NEW"))
    line.send(charge)
    ((_, usage),) = line.documents("ORSYS-000009")
    assert (usage.item, usage.found_by) == ("PLATE-6H", "di")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("MAD", ("New words", "active")),
        ("MUP", ("New words", "active")),
        ("MDC", ("Hip stem, size 12", "inactive")),
        ("MAC", ("Hip stem, size 12", "active")),
        ("MDL", None),
    ],
)
def test_each_event_of_a_record_does_what_it_says(line: Shipped, event: str, expected: tuple[str, str] | None) -> None:
    bring(line, record("M1", event, "ITM|HIP-STEM-12|New words|A"))
    found = document(line, "item", "HIP-STEM-12")
    assert (None if found is None else (found.description, found.status)) == expected  # type: ignore[union-attr]  # an item
    assert codes(line, "M1") == []


def test_two_double_quotes_delete_and_nothing_leaves(line: Shipped) -> None:
    bring(line, record("M1", "MUP", 'ITM|HIP-STEM-12|""|||||||""'))
    found = item(line, "HIP-STEM-12")
    assert (found.description, found.catalog_number, found.manufacturer) == (None, None, "Example Orthopaedics")


def test_charge_codes_are_put_and_removed_wherever_they_are(line: Shipped) -> None:
    bring(line, sample("mfn-charge-codes"))
    cup, graft = item(line, "HIP-CUP-54"), item(line, "GRAFT-GRAN")
    assert {each.value for each in cup.identifiers if each.system == "charge"} == {"CH-27131", "CH-27132"}
    assert not [each for each in graft.identifiers if each.system == "charge"]
    assert len(graft.identifiers) == 2


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (record("M1", "MXX", "ITM|HIP-STEM-12|x"), "code-not-in-table", "MFE[1] (items)"),
        (record("M1", "MUP", "ITM||x"), "missing", "MFE[1] (items): item is required"),
        (record("M1", "MUP"), "missing", "item is required"),
        (record("M1", "MUP", "ITM|HIP-STEM-12|x|Z"), "code-not-in-table", "status"),
        (record("M1", "MUP", "ITM|HIP-STEM-12|x", "ITM|HIP-CUP-54|y"), "conflict", "item"),  # one MFE is missing
        # A number that another item has.
        (
            record("M1", "MUP", "ITM|HIP-STEM-12|x", "PKG|1|EA||1||||09521101530018||1"),
            "duplicate-identifier",
            "PKG[1]: column value: the number is one of item SCREW-65-30 too",
        ),
        (record("M1", "MUP", "ITM|HIP-STEM-12|x", "PKG|1|EA||1||||12345||1"), "table-row", "a GTIN has"),
        (record("M1", "MUP", "ITM|HIP-STEM-12|x", "PKG|1|BX||0"), "table-row", "it must be more than 0"),
        (record("M1", "MUP", "ITM|HIP-STEM-12|x", "PKG|1|BX||"), "missing", "quantity is required"),
        (record("M1", "MAD", "ITM|" + "X" * 2000 + "|x"), "table-row", "characters, and may have"),
    ],
)
def test_a_message_with_a_mistake_brings_nothing_and_says_where(
    line: Shipped, body: bytes, code: str, words: str
) -> None:
    before = versions(line)
    # The first record is a good one, and waits for the other.
    good = b"MFE|MUP|0||Y|CWE\rITM|SCREW-65-30|Renamed\r"
    bring(line, body.replace(b"MFE|", good + b"MFE|", 1) if b"ITM" in body else body)
    assert versions(line) == before
    found = codes(line, "M1")
    places = re.compile(r"\[\d\]")
    wanted = places.sub("", words)
    assert any(each == code and wanted in places.sub("", cause) for each, cause in found), found
    assert line.counts()["held"] == 1


def test_what_another_system_owns_is_an_exception_once_and_the_rest_is_taken(prepared: Path, tmp_path: Path) -> None:
    root = tmp_path / "ws"
    shipped(prepared, root).stop()
    rule = root / "config/ownership.yaml"
    rule.write_text(rule.read_text("utf-8").replace("description: [erp]", "description: [mdm]"), "utf-8")
    line = started(root)
    bring(line, record("M1", "MUP", "ITM|HIP-STEM-12|New words||||Y", "PKG|1|BX||10"))
    found = item(line, "HIP-STEM-12")
    assert (found.description, [each.unit for each in found.units]) == ("Hip stem, size 12", ["BX"])
    (conflict,) = line.store.holds(code="not-owner")
    assert (conflict.position, conflict.field) == (0, "description")
    bring(line, record("M2", "MUP", "ITM|HIP-STEM-12|New words", at="20260803080000-0600"))
    assert len(line.store.holds(code="not-owner")) == 1
    # Nor may it remove what another one owns.
    bring(line, record("M3", "MDL", "ITM|HIP-STEM-12", at="20260803090000-0600"))
    assert item(line, "HIP-STEM-12").description == "Hip stem, size 12"
    assert len(line.store.holds(code="not-owner")) == 2
    line.stop()


def test_a_resend_and_a_replay_make_no_other_version(line: Shipped) -> None:
    bring(line, sample("mfn-items"))
    before = versions(line)
    bring(line, sample("mfn-items"))
    bring(line, sample("mfn-items", (MFN, "MATERIALS-000009")))
    assert versions(line) == before


def test_a_message_that_comes_late_does_not_undo_a_later_one(line: Shipped) -> None:
    new = record("M1", "MUP", "ITM|HIP-STEM-12|New words", at="20260803090000-0600")
    old = record("M2", "MUP", "ITM|HIP-STEM-12|Old words", at="20260803080000-0600")
    bring(line, new)
    bring(line, old)
    assert item(line, "HIP-STEM-12").description == "New words"
    assert line.filtered("M2") == [("MSH[1]", "a later message said how this record is")]
    # Another record of the same sender is not late.
    bring(line, record("M3", "MUP", "ITM|HIP-CUP-54|Other words", at="20260803080000-0600"))
    assert item(line, "HIP-CUP-54").description == "Other words"


def test_many_messages_of_one_moment_are_brought_in_the_order_in_which_they_came(line: Shipped) -> None:
    bring(line, *(record(f"M{number}", "MUP", f"ITM|HIP-STEM-12|Words {number}") for number in range(40)))
    assert item(line, "HIP-STEM-12").description == "Words 39"
    assert line.counts()["no_change"] == 40


def test_a_message_waits_while_somebody_else_changes_master_data(line: Shipped) -> None:
    with closing(open_store(line.url, role="person")) as person, person.master_lock():
        bring(line, record("M1", "MUP", "ITM|HIP-STEM-12|New words"))
        assert item(line, "HIP-STEM-12").description == "Hip stem, size 12"
        # Before the message is: an item with the number that the message gives to another.
        data = encode_document(Item(number="X", description="x"))
        change = Change()
        change.publish(person.append_master([MasterVersion(0, "item", "", "X", 1, "kim", "erp", "x.csv", data)]))
        person.write(change)
    line.look()
    assert item(line, "HIP-STEM-12").description == "New words"
    assert document(line, "item", "X") is not None


@pytest.mark.parametrize("fails", ["append_master", "write"])
def test_what_ends_in_the_middle_has_had_no_effect_and_is_done_at_the_next_look(
    line: Shipped, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    line.send(record("M1", "MUP", "ITM|HIP-STEM-12|New words"))
    before = versions(line)

    def lost(*_: object) -> None:
        raise StoreUnavailable("the connection was lost")

    with monkeypatch.context() as broken:
        broken.setattr(line.store, fails, lost)
        line.look()
    assert versions(line) == before
    assert item(line, "HIP-STEM-12").description == "Hip stem, size 12"
    line.look()
    assert item(line, "HIP-STEM-12").description == "New words"
    assert line.counts()["produced"] == 1


def test_a_message_that_was_not_brought_in_before_a_crash_is_brought_in_after_it(
    prepared: Path, tmp_path: Path
) -> None:
    line = shipped(prepared, tmp_path / "ws")
    line.send(record("M1", "MUP", "ITM|HIP-STEM-12|New words"))
    (wish,) = line.store.replays(10)
    assert decode_decision(wish.decision) == Decision()  # it has a seal, as `store verify` wants it
    line.crash()
    line = started(tmp_path / "ws")
    line.look()
    assert item(line, "HIP-STEM-12").description == "New words"
    line.stop()


def test_what_was_appended_and_not_published_before_a_crash_is_never_seen(prepared: Path, tmp_path: Path) -> None:
    line = shipped(prepared, tmp_path / "ws")
    with line.store.master_lock():
        data = encode_document(Item(number="HALF", description="half"))
        line.store.append_master([MasterVersion(0, "item", "", "HALF", 1, "materials", "erp", "message 1", data)])
    bring(line, record("M1", "MUP", "ITM|HIP-STEM-12|New words"))
    assert document(line, "item", "HALF") is None
    assert item(line, "HIP-STEM-12").description == "New words"
    line.stop()


def test_a_message_is_brought_in_again_when_its_cause_is_removed(line: Shipped) -> None:
    bring(line, record("M1", "MUP", "ITM|HIP-STEM-12|New words", "IVT|1|OR-NEW" + "|" * 14 + "N"))
    ((code, cause),) = codes(line, "M1")
    assert (code, cause) == ("unknown-name", "IVT[1]: column location: there is no location 'OR-NEW'")
    again(line, "M1")
    assert codes(line, "M1") == [(code, cause)]
    with closing(open_store(line.url, role="person")) as person:
        publish(person, Location(number="OR-NEW", name="New core"))
    again(line, "M1")
    assert item(line, "HIP-STEM-12").description == "New words"
    assert codes(line, "M1") == []
    counts = line.counts()
    assert (counts["produced"], counts["held"], counts["no_change"]) == (1, 0, 1)


def test_a_message_is_brought_in_by_a_postgresql_store_too(prepared: Path, tmp_path: Path, store_url: str) -> None:
    line = shipped(prepared, tmp_path / "ws", store_url)
    bring(line, sample("mfn-items"), sample("mfn-charge-codes"))
    assert item(line, "PLATE-6H").supplier == "EXAMPLE-ORTHO"
    assert {each.value for each in item(line, "HIP-CUP-54").identifiers if each.system == "charge"} == {
        "CH-27131",
        "CH-27132",
    }
    line.stop()


def test_garbage_of_every_kind_is_a_question_or_nothing(line: Shipped) -> None:
    bodies: Sequence[bytes] = [
        record("M1", "", ""),
        record("M2", "MAD", "ITM"),
        record("M3", "MAD", "ITM|A\x1fB|x"),
        record("M4", "MAD", "ITM|Z1|" + "&" * 500),
        record("M5", "MDL", "ITM|NEVER-WAS"),
        record("M6", "MAD", "VND|1|", "PKG|1", "IVT|1"),
        record("M7", "MAD", "ITM|Z2|x", "MFE|MAD|2||Y|CWE", "PKG|1|EA||1||||09521234600008||1"),
    ]
    bring(line, *bodies)
    assert line.broken == []
    assert codes(line, "M5") == []
    # A packaging of a record without an ITM is not the item's before.
    assert {code for code, _ in codes(line, "M7")} == {"missing"}
    for control_id in ("M1", "M2", "M3", "M6"):
        assert codes(line, control_id), control_id
