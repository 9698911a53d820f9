"""What the shipped mapping writes of an item is a whole MFN_M16 for hl7apy, which knows each message's structure."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from casecart.canonical import FIELDS
from casecart.canonical.item_change import ItemChange, ItemPackaging, ItemStock, ItemSupplier
from casecart.formats.hl7v2 import STANDARD
from casecart.mapping import compile_outgoing
from casecart.runtime.kinds import installed_kinds
from casecart.workspace import load, reference

HEAD = r"MSH|^~\&|CASECART|NORTH|EHR|MERCY|20261103153012+0000||MFN^M16^MFN_M16|ABC|P|2.8.2||||||UNICODE UTF-8"
BARE = ItemChange(facility="NORTH", item="PLATE-6H", version=7, changed_on=date(2026, 11, 3))
WHOLE = ItemChange(
    facility="NORTH",
    item="PLATE-6H",
    version=7,
    changed_on=date(2026, 11, 3),
    action="delete",
    description="Locking plate, 6 holes",
    status="inactive",
    manufacturer="Example Orthopaedics",
    catalog_number="LP-6",
    expiry="yes",
    supplier="EXAMPLE-ORTHO",
    supplier_name="Example Orthopaedics",
    supplier_item="71-0600",
    charge_code="CH-1",
    packagings=(
        ItemPackaging(number=1, unit="EA", quantity=Decimal(1), gtin="09521234600008"),
        ItemPackaging(number=2, unit="BX", quantity=Decimal(5)),
    ),
    other_suppliers=(ItemSupplier(number=2, supplier="EXAMPLE-TRADE", name="Example Trading"),),
    stock=(ItemStock(number=1, location="OR-CORE", ownership="consigned"),),
)


@pytest.mark.parametrize("item", [BARE, WHOLE], ids=["bare", "whole"])
def test_what_is_sent_of_an_item_is_valid(item: ItemChange) -> None:
    workspace = load(reference.root(), kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
    mapping = compile_outgoing(workspace.outgoing["item-mfn"], workspace.tables)
    segments = mapping.write(item, {}, 1_790_000_000_000_000, STANDARD)
    read = parse_message("".join(f"{each}\r" for each in (HEAD, *segments)), validation_level=VALIDATION_LEVEL.STRICT)
    assert read.validate()
    assert [child.name for child in read.children] == ["MSH", "MFI", "MFN_M16_MATERIAL_ITEM_RECORD"]
