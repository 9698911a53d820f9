"""Places of the catalogue: what is closed is not found, by whatever name and at whatever facility."""

from __future__ import annotations

from datetime import date

import pytest

from casecart.canonical.master import Location, Name
from casecart.master.catalogue import Catalogue

CLOSED = date(2026, 6, 30)
CORE = Location(number="CORE", valid_to=CLOSED, names=(Name(system="orsys", value="OR1"),))


@pytest.mark.parametrize("name", ["CORE", "OR1"])
@pytest.mark.parametrize("overlay", [None, Location(number="CORE", name="Core of the north")], ids=["alone", "overlay"])
def test_a_place_is_not_found_by_any_name_after_its_last_day(name: str, overlay: Location | None) -> None:
    catalogue = Catalogue()
    catalogue.put("location", "", "CORE", CORE)
    catalogue.put("location", "NORTH", "CORE", overlay)
    days = (CLOSED, date(2026, 7, 1), None)
    assert [catalogue.places.find("location", name, "NORTH", day) for day in days] == [("CORE",), (), ("CORE",)]


def test_the_days_that_an_overlay_says_stand_over_the_others() -> None:
    catalogue = Catalogue()
    catalogue.put("location", "", "CORE", CORE)
    catalogue.put("location", "NORTH", "CORE", Location(number="CORE", valid_to=date(2026, 12, 31)))
    day = date(2026, 7, 1)
    found = [catalogue.places.find("location", "OR1", facility, day) for facility in ("NORTH", "SOUTH")]
    assert found == [("CORE",), ()]
