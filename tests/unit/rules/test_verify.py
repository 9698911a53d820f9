"""Verify, finding by finding, and what its policy makes of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from casecart.canonical import Usage
from casecart.canonical.master import Identifier, Item, Lot, MasterDocument, Recall, key_of
from casecart.master.catalogue import Catalogue
from casecart.rules import PolicyEntry, VerifyFinding, compile_verify
from casecart.rules.verify import CHECKS
from casecart.workspace.verify import FINDINGS, Policy
from support.master import kind_of

DAY = date(2026, 11, 3)
EACH = "04012345000016"
STEM = Item(number="STEM", lot=True, serial=True, expiry=True, identifiers=(Identifier(system="GS1", value=EACH),))
GOOD: dict[str, Any] = {
    "item": "STEM", "used_on": DAY, "quantity": Decimal(1), "lot": "L1", "serial": "S1", "expiry": DAY, "action": "use",
}  # fmt: skip
ALL = tuple(CHECKS)


def findings(
    *documents: MasterDocument,
    uses: int = 0,
    accepted: tuple[str, ...] = (),
    policy: tuple[PolicyEntry, ...] = (),
    checks: tuple[str, ...] = ALL,
    **said: Any,  # noqa: ANN401 - fields of a usage
) -> dict[str, VerifyFinding]:
    catalogue = Catalogue()
    for document in (STEM, Item(number="OTHER"), *documents):
        catalogue.put(kind_of(document), "", key_of(document), document)
    verify = compile_verify(checks=checks, policy=policy)
    return {each.code: each for each in verify(Usage(**GOOD | said), catalogue, uses, accepted)}


def test_what_is_as_it_should_be_has_no_findings() -> None:
    assert findings() == {}


RECALL = Recall(recall="Z-1", row="1", item="STEM", lot_from="L1")


@pytest.mark.parametrize(
    ("said", "documents", "uses", "code", "then"),
    [
        ({"lot": None}, (), 0, "lot-missing", "hold"),
        ({"serial": None}, (), 0, "serial-missing", "hold"),
        ({"expiry": None}, (), 0, "expiry-missing", "post-and-flag"),
        ({}, (Lot(item="STEM", lot="L9"),), 0, "lot-unknown", "hold"),
        ({}, (Lot(item="STEM", lot="L9"), Lot(item="OTHER", lot="L1")), 0, "lot-of-other-item", "hold"),
        ({}, (Lot(item="STEM", lot="L1", expiry=date(2030, 1, 1)),), 0, "expiry-conflict", "hold"),
        ({"expiry": date(2026, 11, 2)}, (), 0, "expired", "post-and-flag"),
        ({"expiry": None}, (Lot(item="STEM", lot="L1", expiry=date(2026, 1, 1)),), 0, "expired", "post-and-flag"),
        ({}, (), 1, "serial-used", "hold"),
        ({"quantity": Decimal(2)}, (), 0, "serial-quantity", "hold"),
        ({}, (RECALL,), 0, "recalled", "post-and-flag"),
        ({}, (Recall(recall="Z-1", row="1", di=EACH),), 0, "recalled", "post-and-flag"),
        ({"di": "99"}, (Recall(recall="Z-1", row="1", di="99"),), 0, "recalled", "post-and-flag"),
        (
            {},
            (Recall(recall="Z-1", row="1", item="STEM", serial_from="S0", serial_to="S5"),),
            0,
            "recalled",
            "post-and-flag",
        ),
    ],
)
def test_each_finding_has_its_consequence(
    said: dict[str, Any], documents: tuple[MasterDocument, ...], uses: int, code: str, then: str
) -> None:
    found = findings(*documents, uses=uses, **said)
    assert {name: each.then for name, each in found.items()} == {code: then}


@pytest.mark.parametrize(
    ("said", "documents"),
    [
        ({}, (Lot(item="OTHER", lot="L1"),)),
        ({}, (Recall(recall="Z-1", row="1", item="STEM", lot_from="L2"),)),
        ({}, (Recall(recall="Z-1", row="1", item="OTHER"),)),
        ({"item": None}, ()),
        ({"item": "GONE"}, ()),
    ],
    ids=["no lot of the item is known", "another lot", "another item", "no item", "an item that is gone"],
)
def test_what_nothing_is_known_of_is_no_finding(said: dict[str, Any], documents: tuple[MasterDocument, ...]) -> None:
    assert findings(*documents, **said) == {}


def test_a_use_that_is_taken_back_is_not_looked_at_for_what_was_then() -> None:
    assert findings(RECALL, uses=1, action="reverse", expiry=date(2020, 1, 1)) == {}


def test_a_use_that_is_taken_back_needs_no_expiry_date() -> None:
    lot = Lot(item="STEM", lot="L1", expiry=date(2030, 1, 1))
    assert findings(lot, action="reverse") == {}
    assert findings(action="reverse", expiry=None) == {}


def test_every_recall_of_a_line_is_named() -> None:
    rows = (RECALL, Recall(recall="Z-1", row="2", di=EACH), Recall(recall="A-9", row="1", item="STEM"))
    assert findings(*rows)["recalled"].words == "item STEM is called back by recalls A-9, Z-1"


def test_only_the_checks_that_were_asked_for_are_made() -> None:
    assert findings(checks=("expiry",), lot=None, serial=None, expiry=None).keys() == {"expiry-missing"}


def test_the_first_entry_of_the_policy_that_fits_counts() -> None:
    policy = (
        PolicyEntry("expired", "CORE", "hold"),
        PolicyEntry("lot-missing", None, "post-and-flag"),
        PolicyEntry("lot-missing", None, "hold"),
    )
    old = date(2026, 1, 1)
    assert findings(policy=policy, expiry=old, location="CORE")["expired"].then == "hold"
    assert findings(policy=policy, expiry=old, location="OTHER")["expired"].then == "post-and-flag"
    assert findings(policy=policy, lot=None)["lot-missing"].then == "post-and-flag"


def test_what_a_person_accepted_does_not_hold_the_line() -> None:
    assert findings(lot=None, accepted=("lot-missing",))["lot-missing"].then == "post-and-flag"


def test_no_finding_tells_a_lot_or_a_serial_number() -> None:
    told = findings(Lot(item="STEM", lot="L9"), RECALL, uses=1, lot="SECRET-LOT", serial="SECRET-SERIAL")
    assert told
    assert "SECRET" not in repr(told)


def test_the_workspace_knows_what_each_check_can_find() -> None:
    assert {check: set(found) for check, found in FINDINGS.items()} == {
        check: set(each) for check, each in CHECKS.items()
    }


def test_a_policy_can_name_every_finding() -> None:
    (key,) = [key for key in Policy.__keys__ if key.name == "finding"]
    assert set(key.shape.words) == {code for found in CHECKS.values() for code in found}  # type: ignore[union-attr]  # a choice
