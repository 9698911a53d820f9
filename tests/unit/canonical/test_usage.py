"""The Usage document and its field table are one."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from casecart.canonical import FIELDS, Usage

TYPES = {"text": str, "decimal": Decimal, "date": date, "action": str}


def test_the_field_table_has_the_fields_of_the_struct_in_their_order() -> None:
    assert list(FIELDS) == list(Usage.__struct_fields__)


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_explained_and_its_example_is_one_of_its_type(name: str) -> None:
    field = FIELDS[name]
    assert field.about.endswith(".")
    usage = msgspec.convert({name: field.example}, Usage)
    assert isinstance(getattr(usage, name), TYPES[field.type])


def test_a_document_survives_json_without_loss() -> None:
    usage = Usage(case="case-1", action="reverse", quantity=Decimal("2.50"), expiry=date(2028, 12, 31))
    encoded = msgspec.json.encode(usage)
    assert encoded == b'{"case":"case-1","action":"reverse","quantity":"2.50","expiry":"2028-12-31"}'
    assert msgspec.json.decode(encoded, type=Usage) == usage
