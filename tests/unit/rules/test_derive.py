"""From usage to posting."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from casecart.canonical import FIELDS, Usage
from casecart.canonical.consumption import Consumption
from casecart.rules import NotDerivable, consumption

USAGE = Usage(
    facility="NORTH",
    case="case-ABC",
    encounter="encounter-ABC",
    action="use",
    quantity=Decimal("1.50"),
    lot="0012",
    used_on=date(2026, 11, 3),
)


def derived(usage: Usage) -> Consumption:
    return consumption(usage, key="k.1", revision=1, line="L1")


def test_a_quantity_keeps_its_scale() -> None:
    assert b'"quantity":"1.50"' in msgspec.json.encode(derived(USAGE))


def test_a_lot_of_digits_stays_text() -> None:
    assert derived(USAGE).lot == "0012"


def test_only_fields_of_the_allow_list_leave() -> None:
    # A posting has no place for the encounter, nor for what was told before the item was found.
    assert set(Consumption.__struct_fields__) - set(FIELDS) == {"key", "revision", "reverses"}
    assert set(FIELDS) - set(Consumption.__struct_fields__) == {
        "encounter",
        "manufacturer",
        "catalog_number",
        "ehr_item",
        "supplier_item",
        "found_by",
        "told_quantity",
        "told_unit",
    }


@pytest.mark.parametrize("field", ["case", "action", "quantity"])
def test_a_line_without_what_posting_needs_is_not_derivable(field: str) -> None:
    with pytest.raises(NotDerivable, match=field):
        derived(msgspec.structs.replace(USAGE, **{field: None}))
