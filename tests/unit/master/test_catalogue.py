"""The catalogue: what is put in is found, by facility and day, and what is taken out is gone."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.canonical.master import (
    Assignment,
    Department,
    Dimension,
    Identifier,
    Item,
    Location,
    Lot,
    Name,
    Recall,
    Unit,
    key_of,
)
from casecart.master.catalogue import Catalogue
from casecart.master.lots import covers, within
from casecart.master.nearest import nearest

JULY = date(2026, 7, 1)


def item(number: str, *values: str, system: str = "ehr") -> Item:
    identifiers = tuple(Identifier(system=system, value=value) for value in values)  # type: ignore[arg-type]  # one of them
    return Item(number=number, identifiers=identifiers)


def filled(*documents: tuple[str, str, object]) -> Catalogue:
    catalogue = Catalogue()
    for kind, facility, document in documents:
        catalogue.put(kind, facility, key_of(document), document)  # type: ignore[arg-type]  # documents
    return catalogue


VERSIONS = st.lists(
    st.tuples(
        st.sampled_from(["", "NORTH"]),
        st.sampled_from("ABC"),
        st.none() | st.lists(st.sampled_from("123"), max_size=3).map(tuple),
    ),
    max_size=12,
)


@given(VERSIONS)
def test_what_is_found_depends_on_the_last_versions_only(
    versions: list[tuple[str, str, tuple[str, ...] | None]],
) -> None:
    followed = Catalogue()
    last: dict[tuple[str, str], Item | None] = {}
    for facility, number, values in versions:
        document = None if values is None else item(number, *values)
        followed.put("item", facility, number, document)
        last[facility, number] = document
    fresh = Catalogue()
    for (facility, number), document in last.items():
        fresh.put("item", facility, number, document)

    def found(catalogue: Catalogue, value: str, facility: str) -> list[str]:
        entries = catalogue.items.find("ehr_item", value, facility)
        plain = entries if isinstance(entries, tuple) else () if entries is None else (entries,)
        return sorted({str(entry) for entry in plain})

    for value in "123":
        for facility in ("", "NORTH", "SOUTH"):
            assert found(followed, value, facility) == found(fresh, value, facility)
    for number in "ABC":
        there, fresh_there = followed.items.item(number, "NORTH"), fresh.items.item(number, "NORTH")
        assert (there is None) == (fresh_there is None)


def test_a_facilitys_own_number_stands_over_the_one_that_holds_everywhere() -> None:
    local = Item(number="B", identifiers=(Identifier(system="ehr", value="1", facility="NORTH"),))
    catalogue = filled(("item", "", item("A", "1")), ("item", "", local))
    assert catalogue.items.find("ehr_item", "1", "SOUTH") == "A"
    assert catalogue.items.find("ehr_item", "1", "NORTH") == "B"


def test_an_overlay_says_what_is_different_at_a_facility() -> None:
    catalogue = filled(
        ("item", "", Item(number="A", description="Screw", unit="EA", units=(Unit(unit="BX", quantity="10"),))),
        ("item", "NORTH", Item(number="A", lot=True, units=(Unit(unit="BX", quantity="5"),))),
    )
    here, there = catalogue.items.item("A", "NORTH"), catalogue.items.item("A", "SOUTH")
    assert here is not None
    assert there is not None
    assert (here.description, here.unit, here.lot, here.units[0].quantity) == ("Screw", "EA", True, "5")
    assert (there.lot, there.units[0].quantity) == (None, "10")


def test_two_systems_may_say_the_same_number_of_an_item() -> None:
    twice = Item(
        number="A",
        identifiers=(
            Identifier(system="GS1", value="1", source="erp"),
            Identifier(system="GS1", value="1", source="gudid"),
        ),
    )
    catalogue = filled(("item", "", twice))
    catalogue.put("item", "", "A", None)
    assert catalogue.items.find("di", "1", "") is None


def test_a_place_is_found_by_every_name_on_its_days() -> None:
    core = Location(number="CORE", names=(Name(system="orsys", value="OR1", valid_to=date(2026, 6, 30)),))
    places = filled(("location", "", core)).places
    assert places.find("location", "CORE", "NORTH", JULY) == ("CORE",)
    assert places.find("location", "OR1", "NORTH", date(2026, 6, 30)) == ("CORE",)
    assert places.find("location", "OR1", "NORTH", JULY) == ()


def test_an_assignment_is_that_of_the_day_and_of_the_facility() -> None:
    rows = (
        Assignment(dimension="cost_center", value="1", valid_to=date(2026, 6, 30)),
        Assignment(dimension="cost_center", value="2", valid_from=JULY),
        Assignment(dimension="cost_center", value="9", facility="NORTH"),
    )
    places = filled(("department", "", Department(number="OR", assignments=rows))).places
    days = [places.assigned("OR", "cost_center", "SOUTH", day) for day in (date(2026, 6, 30), JULY)]
    assert days == [("1",), ("2",)]
    assert places.assigned("OR", "cost_center", "NORTH", JULY) == ("9",)


def test_of_a_dimension_without_values_every_value_is_one() -> None:
    places = filled(("dimension", "", Dimension(dimension="cost_center", code="1"))).places
    assert [places.dimension(name, "2", "", None) for name in ("cost_center", "gl_account")] == [False, True]


def test_lots_are_known_by_their_item() -> None:
    catalogue = filled(("lot", "", Lot(item="A", lot="L1", expiry=JULY)), ("lot", "", Lot(item="B", lot="L2")))
    assert catalogue.lots.of("A") == {"L1": JULY}
    assert catalogue.lots.items("L2") == ("B",)
    catalogue.put("lot", "", key_of(Lot(item="A", lot="L1")), None)
    assert catalogue.lots.of("A") is None


@pytest.mark.parametrize(
    ("value", "first", "last", "inside"),
    [
        ("L5", "L5", "", True),
        ("L6", "L5", "", False),
        ("L5", "L1", "L9", True),
        ("L10", "L1", "L9", False),
        ("L1", "L1", "L9", True),
        ("l5", "L1", "L9", False),
    ],
)
def test_a_range_has_numbers_of_one_length(value: str, first: str, last: str, *, inside: bool) -> None:
    assert within(value, first, last) is inside


def test_what_the_line_does_not_tell_may_be_called_back() -> None:
    recall = Recall(recall="Z", row="1", item="A", lot_from="L1", lot_to="L9")
    assert [covers(recall, lot, None) for lot in (None, "L3", "M3")] == [True, True, False]


def test_a_recall_that_was_taken_back_is_gone() -> None:
    recall = Recall(recall="Z", row="1", di="04012345000016")
    catalogue = filled(("recall", "", recall))
    assert list(catalogue.recalls.of(None, ["04012345000016"])) == [recall]
    catalogue.put("recall", "", key_of(recall), None)
    assert list(catalogue.recalls.of(None, ["04012345000016"])) == []


def test_the_nearest_items_are_those_with_numbers_alike() -> None:
    catalogue = filled(
        ("item", "", item("A", "04012345000016", system="GS1")), ("item", "", item("B", "99999999999999", system="GS1"))
    )
    (only,) = nearest(catalogue, "", [("di", "04012345000061")])
    assert (only.number, only.why) == ("A", "its device identifier 04012345000016 is alike")


def test_an_item_that_another_told_number_names_is_nearest() -> None:
    catalogue = filled(
        ("item", "", item("A", "04012345000016", system="GS1")), ("item", "", item("B", "C-1", system="charge"))
    )
    found = nearest(catalogue, "", [("di", "04012345000061"), ("charge_code", "C-1")])
    assert [(each.number, each.why) for each in found] == [
        ("B", "it has the charge code C-1, told too"),
        ("A", "its device identifier 04012345000016 is alike"),
    ]


def test_of_a_number_that_several_have_these_are_the_nearest() -> None:
    catalogue = filled(("item", "", item("A", "C-1", system="charge")), ("item", "", item("B", "C-1", system="charge")))
    assert [each.number for each in nearest(catalogue, "", [("charge_code", "C-1")])] == ["A", "B"]
