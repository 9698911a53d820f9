"""The names of fields, by version."""

from __future__ import annotations

import pytest

from casecart.formats.hl7v2.field_names import VERSIONS, field_names
from support.field_names import TABLE, made_anew


@pytest.mark.parametrize(
    ("version", "field", "name"),
    [
        ("2.8.2", "FT1-10", "Transaction quantity"),
        ("2.1", "FT1-10", "Transaction amount extended"),  # quantity and amount changed places
        ("2.8.2", "PRT-16", "Participant device identifier"),
        ("2.8.1", "PRT-16", None),
        ("2.5", "MSH-1", "Field separator"),
        ("2.3.1", "PID-1", "Set ID PID"),
        ("2.9", "FT1-10", None),
        ("", "FT1-10", None),
        ("2.5", "ZPM-1", None),
    ],
)
def test_a_field_is_called_what_its_version_calls_it(version: str, field: str, name: str | None) -> None:
    assert field_names(version).get(field) == name


def test_the_table_is_what_its_source_says() -> None:
    assert TABLE.read_text("utf-8") == made_anew()


def test_every_version_has_names() -> None:
    assert all(len(field_names(version)) > 200 for version in VERSIONS)
