"""The ledger against an ERP's movements: what agrees, and every way in which they may differ."""

# ruff: noqa: ANN401 - what a test changes in a movement may be of any type

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.canonical.movement import Movement
from casecart.rules.reconcile import Difference, Posted, Reconciled, reconcile

DAY = dt.date(2026, 11, 3)
GROUP = "CC-0123456789abcdef0123456789abcdef.1-1"
numbers = itertools.count(1)


def moved(quantity: str = "1", **changed: Any) -> Movement:
    """Done, under our reference."""
    values: Any = {
        "number": "12", "reference": GROUP, "ours": True, "item": "SCREW", "lot": "L1", "quantity": Decimal(quantity),
        "source": "OR-CORE", "target": "7100-USED", "day": DAY, "state": "done",
    }  # fmt: skip
    return Movement(**(values | changed))


def typed(quantity: str = "1", **changed: Any) -> Movement:
    """Done, by somebody else."""
    return moved(quantity, **({"reference": "", "ours": False, "number": "99"} | changed))


def posted(quantity: str = "1", effect: str = "posted", group: str = GROUP, **changed: Any) -> Posted:
    number = next(numbers)
    state = {"posted": "posted", "on the way": "sent"}.get(effect, "held")
    expected = moved(quantity, number="", reference=group, **changed)
    values: Any = (f"{number:032x}.1", number, "FT1[1]", state, effect, group, expected)
    return Posted(*values)


def told(found: Reconciled) -> list[str]:
    return [f"{each.kind} {' '.join(each.fields)}".strip() for each in found.differences]


def only(found: Reconciled) -> Difference:
    (difference,) = found.differences
    return difference


@pytest.mark.parametrize(
    ("postings", "movements"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([posted("3")], [moved("3")], id="the same"),
        pytest.param([posted("3")], [moved("3.0")], id="the same number, written otherwise"),
        pytest.param([posted("3")], [moved("1"), moved("2")], id="one posting, two movements"),
        pytest.param([posted("1"), posted("2")], [moved("3")], id="two postings, one movement"),
        pytest.param([posted(lot="A"), posted(lot="B")], [moved(lot="B"), moved(lot="A")], id="in another order"),
        pytest.param([posted("3")], [typed("3")], id="under another reference"),
        pytest.param([posted("3", "by hand", group="")], [typed("3")], id="by hand"),
        pytest.param([posted("3", "by hand")], [typed("3")], id="by hand after it was sent"),
        pytest.param([posted("3", "by hand")], [moved("3")], id="a person found it done"),
        pytest.param([posted("3")], [moved("3"), moved("3", state="cancelled", number="11")], id="one is cancelled"),
        pytest.param([posted("3", "not posted")], [], id="held, and not moved"),
        pytest.param([posted("3", "not posted")], [moved("3", state="cancelled")], id="held, and cancelled there"),
        pytest.param([], [moved("3", state="cancelled")], id="given up, and cancelled there"),
    ],
)
def test_they_agree(postings: list[Posted], movements: list[Movement]) -> None:
    found = reconcile(postings, movements)
    assert told(found) == []
    assert found.agreeing == sum(each.effect in ("posted", "by hand") for each in postings)


@pytest.mark.parametrize(
    ("postings", "movements", "differences"),
    [
        pytest.param([posted("3")], [], ["not-moved"], id="not there"),
        pytest.param([posted("3")], [moved("3", state="cancelled")], ["not-moved"], id="cancelled there"),
        pytest.param([posted("3")], [moved("3", state="draft")], ["not-moved"], id="a draft there"),
        pytest.param([posted("3", "by hand", group="")], [], ["not-moved"], id="not done by hand either"),
        pytest.param(
            [posted("3", "by hand")], [moved("3", state="draft")], ["not-moved", "leftover"], id="by hand, and a draft"
        ),
        pytest.param([posted("3")], [moved("2")], ["differs quantity"], id="another quantity"),
        pytest.param([posted("1"), posted("2")], [moved("4")], ["differs quantity"], id="another sum"),
        pytest.param([posted()], [moved(lot="L2")], ["differs lot"], id="another lot"),
        pytest.param([posted()], [moved(lot="")], ["differs lot"], id="no lot"),
        pytest.param([posted()], [moved(source="OR-2")], ["differs from"], id="from elsewhere"),
        pytest.param([posted()], [moved(target="7110-USED")], ["differs to"], id="to elsewhere"),
        pytest.param([posted()], [moved(day=dt.date(2026, 11, 4))], ["differs day"], id="of another day"),
        pytest.param(
            [posted("3")], [moved("2", lot="L2", target="X")], ["differs lot quantity to"], id="little the same"
        ),
        pytest.param([posted()], [moved(item="CUP")], ["not-moved", "not-in-ledger"], id="another item"),
        pytest.param([], [typed()], ["not-in-ledger"], id="typed by hand"),
        pytest.param([], [moved()], ["not-in-ledger"], id="under a reference that was given up"),
        pytest.param([posted()], [moved(), typed()], ["not-in-ledger"], id="once more by hand"),
        pytest.param([posted()], [moved(), moved()], ["not-in-ledger"], id="twice in its shipment"),
        pytest.param([posted()], [moved(), moved(lot="L2")], ["not-in-ledger"], id="something more in its shipment"),
        pytest.param([posted()], [typed("2")], ["differs quantity"], id="typed, with another quantity"),
        pytest.param([posted()], [typed("2", lot="L2")], ["not-moved", "not-in-ledger"], id="typed, and little alike"),
        pytest.param([posted("3", "not posted")], [moved("3")], ["not-posted"], id="held, and moved"),
        pytest.param([], [moved(state="draft", number="")], ["leftover"], id="a draft"),
        pytest.param(
            [], [moved(state="waiting"), moved(lot="L2", state="waiting")], ["leftover"], id="once a shipment"
        ),
        pytest.param([posted()], [moved(), moved(state="assigned", number="13")], ["leftover"], id="a late one beside"),
        pytest.param(
            [posted("3", "not posted")], [moved("3", state="assigned")], ["leftover"], id="held, and reserved"
        ),
    ],
)
def test_they_differ(postings: list[Posted], movements: list[Movement], differences: list[str]) -> None:
    assert told(reconcile(postings, movements)) == differences


@pytest.mark.parametrize("movements", [[], [moved("3")], [moved("3", state="draft")]], ids=["not", "done", "draft"])
def test_of_what_is_on_the_way_nothing_is_said(movements: list[Movement]) -> None:
    found = reconcile([posted("3", "on the way")], movements)
    assert (told(found), found.on_the_way, found.agreeing) == ([], 1, 0)


def test_what_went_out_without_an_answer_does_not_hide_what_was_posted() -> None:
    found = reconcile([posted("3"), posted("3", "on the way")], [moved("3"), moved("3")])
    # Their sum is six, of which three are posted: one of two equal movements is its own.
    assert (told(found), found.agreeing, found.on_the_way) == ([], 1, 1)


def test_a_posting_that_can_not_be_told_any_more_is_named() -> None:
    gone = posted()._replace(expected=None)
    assert told(reconcile([gone], [])) == ["not-comparable"]


def test_the_reference_counts_more_than_likeness() -> None:
    other = "CC-ffffffffffffffffffffffffffffffff.1-1"
    found = reconcile([posted("2"), posted("1", group=other)], [moved("1"), moved("2", reference=other)])
    assert told(found) == ["differs quantity", "differs quantity"]


def test_the_nearest_of_several_is_the_one_that_differs() -> None:
    difference = only(reconcile([posted("3")], [moved("3"), moved("3", lot="L2", number="13", target="X")]))
    assert (difference.kind, difference.moved and difference.moved.number) == ("not-in-ledger", "13")


def test_a_difference_says_both_sides_in_words() -> None:
    difference = only(reconcile([posted("3")], [moved("2", lot="L2")]))
    assert difference.words == "The ledger says lot L1 and not L2, quantity 3 and not 2."


def test_of_a_shipment_that_was_cancelled_its_number_is_told() -> None:
    difference = only(reconcile([posted("3")], [moved("3", state="cancelled")]))
    assert difference.words == f"It was posted under {GROUP}, and that shipment 12 is cancelled now."


quantities = st.integers(1, 3).map(str)
things = st.fixed_dictionaries({"lot": st.sampled_from("AB"), "target": st.sampled_from("XY")})


@given(
    st.lists(st.tuples(quantities, st.sampled_from(["posted", "by hand", "not posted"]), things), max_size=6),
    st.lists(st.tuples(quantities, st.booleans(), things), max_size=6),
)
def test_each_posting_and_each_movement_is_accounted_for_once(
    ledger: list[tuple[str, str, dict[str, str]]], erp: list[tuple[str, bool, dict[str, str]]]
) -> None:
    postings = [posted(quantity, effect, **about) for quantity, effect, about in ledger]
    movements = [moved(quantity, **about) if ours else typed(quantity, **about) for quantity, ours, about in erp]
    found = reconcile(postings, movements)
    due = [each for each in postings if each.effect != "not posted"]
    named = [each for difference in found.differences for each in difference.postings]
    assert found.agreeing + sum(each.effect != "not posted" for each in named) == len(due)
    assert len({each.key for each in named}) == len(named)
    ledger_sum = sum(each.expected.quantity for each in due if each.expected)
    erp_sum = sum(each.quantity for each in movements)
    differ = sum(
        (each.moved.quantity if each.moved and each.moved.state == "done" else 0)
        - (each.posted.quantity if each.posted and each.kind != "not-posted" else 0)
        for each in found.differences
    )
    assert erp_sum - ledger_sum == differ
