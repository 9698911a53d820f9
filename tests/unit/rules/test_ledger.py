"""The ledger's fold, by itself: the order of telling does not matter, and what is due makes it so."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.canonical.consumption import Consumption
from casecart.rules import Case, Line, Movement, Said, Trouble, due
from casecart.rules.ledger import net, thing
from casecart.rules.statement import Taken


def document(item: str = "A", **fields: str) -> Consumption:
    values = {"facility": "NORTH", "case": "case-1", "line": "1", "item": item, **fields}
    return Consumption(key="", revision=0, action="use", quantity=Decimal(0), **values)  # type: ignore[arg-type]  # texts


def said(
    position: int, quantity: int, about: Consumption | None = None, *, replaces: bool = False, version: int = 0
) -> Said:
    return Said(
        position=position,
        place="FT1[1]",
        channel="usage",
        destination="erp",
        kind="consumption",
        quantity=Decimal(quantity),
        replaces=replaces,
        version=version,
        document=about or document(),
    )


def posted(line: Line) -> Line:
    """The destination confirms all that is due."""
    for each in due(line):
        line.movements.append(
            Movement(
                key=f"k.{line.revision + 1}",
                revision=line.revision + 1,
                destination=each.destination,
                effect="done",
                state="posted",
                quantity=each.quantity,
                document=each.document,
                position=1,
                channel="usage",
            )
        )
    return line


def stock(line: Line) -> dict[bytes, Decimal]:
    totals: dict[bytes, Decimal] = {}
    for movement in line.movements:
        totals[thing(movement.document)] = totals.get(thing(movement.document), Decimal(0)) + movement.quantity
    return {name: total for name, total in totals.items() if total}


@given(st.permutations([5, -2, 3, -1, -4]), st.lists(st.booleans(), min_size=5, max_size=5))
def test_charges_and_credits_come_to_the_same_in_any_order_and_whenever_they_are_posted(
    told: list[int], now: list[bool]
) -> None:
    line = Line()
    for position, (quantity, at_once) in enumerate(zip(told, now, strict=True), 1):
        line.said.append(said(position, quantity))
        if at_once:
            posted(line)
    assert stock(posted(line)) == {thing(document()): Decimal(1)}


@given(
    st.permutations([(1, "A", 3), (2, "B", 2), (3, "A", 1), (4, "B", 4)]),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_of_states_the_newest_stands_in_whatever_order_they_come(
    told: list[tuple[int, str, int]], now: list[bool]
) -> None:
    line = Line()
    for position, ((version, item, quantity), at_once) in enumerate(zip(told, now, strict=True), 1):
        line.said.append(said(position, quantity, document(item), replaces=True, version=version))
        if at_once:
            posted(line)
    assert stock(posted(line)) == {thing(document("B")): Decimal(4)}


@given(st.lists(st.integers(-5, 5).filter(bool), min_size=1, max_size=8))
def test_when_all_is_posted_nothing_is_due(told: list[int]) -> None:
    line = Line(said=[said(position, quantity) for position, quantity in enumerate(told, 1)])
    assert due(posted(line)) == []


@given(st.lists(st.integers(-5, 5).filter(bool), min_size=1, max_size=8))
def test_more_is_never_taken_back_than_was_used(told: list[int]) -> None:
    line = Line()
    for position, quantity in enumerate(told, 1):
        line.said.append(said(position, quantity))
        posted(line)
        assert all(total >= 0 for total in stock(line).values())


@pytest.mark.parametrize(
    ("field", "value"),
    [("lot", "L"), ("serial", "S"), ("location", "X"), ("cost_center", "1"), ("disposition", "wasted"), ("unit", "BX")],
)
def test_what_is_stated_of_another_thing_is_one_back_and_one_out(field: str, value: str) -> None:
    line = posted(Line(said=[said(1, 2, replaces=True, version=1)]))
    line.said.append(said(2, 2, document(**{field: value}), replaces=True, version=2))
    assert [each.quantity for each in due(line)] == [-2, 2]


def test_what_may_differ_without_a_movement_is_the_same_thing() -> None:
    line = posted(Line(said=[said(1, 2, replaces=True, version=1)]))
    line.said.append(
        said(2, 2, document(flags="expired", charge_code="C", source="M2#FT1[1]"), replaces=True, version=2)
    )
    assert due(line) == []


def test_a_place_that_is_worked_again_takes_the_place_of_what_it_said() -> None:
    assert net([said(1, 3), said(1, 2)]) == 2


def test_a_place_that_is_worked_again_changes_nothing_that_is_posted() -> None:
    line = posted(Line(said=[said(1, 3)]))
    taken = Case({"1": line}).take("1", said(1, 2), "hold")
    assert isinstance(taken, Trouble)
    assert taken.code == "replay-differs"


def test_a_place_of_which_nothing_was_posted_is_as_it_is_told_now() -> None:
    taken = Case({"1": Line(said=[said(1, 3)])}).take("1", said(1, 2), "hold")
    assert isinstance(taken, Taken)
    assert [each.quantity for each in taken.said] == [2]
