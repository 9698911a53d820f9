"""The data types of fields."""

from __future__ import annotations

import pytest

from casecart.formats.hl7v2.field_types import field_types
from support.field_types import TABLE, made_anew


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("PID-5", "XPN"),
        ("FT1-10", "NM"),
        ("PID-2", "CX"),  # withdrawn in 2.7: as it was before
        ("OBX-5", None),  # OBX-2 says it
        ("ZPM-1", None),
    ],
)
def test_a_field_has_the_type_of_the_newest_version_that_has_the_field(field: str, kind: str | None) -> None:
    assert field_types().get(field) == kind


def test_the_table_is_what_its_source_says() -> None:
    assert TABLE.read_text("utf-8") == made_anew()
