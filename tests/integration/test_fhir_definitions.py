"""The tables of FHIR's definitions, beside the packages that they are made from."""

from __future__ import annotations

import gzip

import pytest

from casecart.formats.fhir.definitions import VERSIONS
from support.fhir_definitions import FOLDER, made_anew, needed


@pytest.mark.parametrize("version", VERSIONS.values())
def test_the_table_is_what_the_pinned_package_says(version: str) -> None:
    needed(version)
    assert gzip.decompress((FOLDER / f"{version}.json.gz").read_bytes()).decode() == made_anew(version)
