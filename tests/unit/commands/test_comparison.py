"""What was expected beside what was received."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.commands.comparison import Opened, compare, compare_list, shown_value
from casecart.workspace.shape import Tree
from casecart.workspace.text import Text
from support.trees import tree_of

if TYPE_CHECKING:
    from casecart.commands.comparison import Value


def differences(expected: str, received: Value) -> list[str]:
    return [f"{each.path}: {each.expected} != {each.received}" for each in compare(tree_of(expected), received, "")]


def listed(expected: str, received: list[Value]) -> list[str]:
    trees = tree_of(expected).value
    assert isinstance(trees, tuple)
    return [f"{each.path}: {each.expected} != {each.received}" for each in compare_list(trees, received, "postings")]


@pytest.mark.parametrize(
    ("expected", "received"),
    [
        ("a", "a"),
        ("1", Decimal("1.0")),
        ("1.50", Decimal("1.5")),
        ("'1e1'", Decimal(10)),
        ("3", 3),
        ("2028-12-31", date(2028, 12, 31)),
        ("20281231", date(2028, 12, 31)),
        ("2026-11-03T12:00:00Z", datetime(2026, 11, 3, 12, tzinfo=UTC)),
        ("2026-11-03T06:00:00-06:00", datetime(2026, 11, 3, 12, tzinfo=UTC)),
        ("yes", True),
        ("false", False),
        ("~", None),
        ("~", ""),
        ("~", []),
        ("{a: ...}", {"a": "anything"}),
        ("[]", None),
        ("{a: 1}", {"a": "1", "b": "2"}),  # what is not named is not looked at
        ("{a: }", {"b": "2"}),
        ("{a: {b: [x, ...]}}", {"a": {"b": ["y", "x"]}}),
        ("(01)0064", Opened("(01)0064", dict)),
        ("{di: '0064'}", Opened("(01)0064", lambda: {"di": "0064"})),
    ],
)
def test_what_fits(expected: str, received: Value) -> None:
    assert differences(expected, received) == []


@pytest.mark.parametrize(
    ("expected", "received", "shown"),
    [
        ("A", "a", ": A != a"),
        ("'1'", "1.0", ": 1 != 1.0"),  # texts are texts
        ("1", Decimal("1.01"), ": 1 != 1.01"),
        ("one", Decimal(1), ": one != 1"),
        ("NaN", Decimal(1), ": NaN != 1"),
        ("sNaN", Decimal(1), ": sNaN != 1"),
        ("1", Decimal("1E+2"), ": 1 != 100"),
        ("31.12.2028", date(2028, 12, 31), ": 31.12.2028 != 2028-12-31"),
        ("2026-11-03", datetime(2026, 11, 3, 12, tzinfo=UTC), ": 2026-11-03 != 2026-11-03T12:00:00+00:00"),
        ("1", True, ": 1 != yes"),
        ("a", None, ": a != nothing"),
        ("''", None, ": '' != nothing"),
        ("~", "a", ": nothing != a"),
        ("{a: ...}", {}, "a: a value != nothing"),
        ("'...'", "a", ": ... != a"),  # in quotes it is a text
        ("{a: 1}", "a", ": {a: 1} != a"),
        ("{a: 1}", None, ": {a: 1} != nothing"),
        ("[a]", "a", ": [a] != a"),
        ("{a: {b: 1}}", {"a": {"b": "2"}}, "a.b: 1 != 2"),
        ("{a: [x]}", {"a": []}, "a[0]: x != nothing"),
        ("{di: '0065'}", Opened("(01)0064", lambda: {"di": "0064"}), "di: 0065 != 0064"),
    ],
)
def test_what_does_not_fit_is_told_with_its_path(expected: str, received: Value, shown: str) -> None:
    assert differences(expected, received) == [shown]


A, B, C = ({"item": "A", "quantity": Decimal(1)}, {"item": "B", "quantity": Decimal(2)}, {"item": "C"})


@pytest.mark.parametrize(
    ("expected", "received", "shown"),
    [
        ("[]", [], []),
        ("[...]", [A, B], []),
        ("[{item: B}, {item: A}]", [A, B], []),  # the order does not count
        ("[{item: A}, ...]", [A, B], []),
        ("[]", [A], ["postings: nothing != {item: A, quantity: 1}"]),
        ("[{item: A}]", [], ["postings[0]: {item: A} != nothing"]),
        ("[{item: A}]", [A, B], ["postings: no more != {item: B, quantity: 2}"]),
        ("[{item: A, quantity: 3}, {item: B}]", [B, A], ["postings[0].quantity: 3 != 1"]),
        # Each entry has its own: the first could take either, and the second only one.
        ("[{quantity: 1}, {item: A}]", [A, {"item": "X", "quantity": Decimal(1)}], []),
        ("[..., {item: A}, {item: A}]", [A, B], ["postings[2].item: A != B"]),
        # Nothing is alike, and there is more than one that it could be.
        ("[{item: D}]", [A, B], ["postings[0]: {item: D} != nothing", "postings: no more != {item: A, quantity: 1}",
                                 "postings: no more != {item: B, quantity: 2}"]),
        # The nearest is taken, and not the first.
        ("[{item: B, quantity: 3}]", [A, B, C], ["postings[0].quantity: 3 != 2",
                                     "postings: no more != {item: A, quantity: 1}", "postings: no more != {item: C}"]),
    ],
)  # fmt: skip
def test_lists_are_complete_and_each_entry_is_set_beside_what_is_nearest(
    expected: str, received: list[Value], shown: list[str]
) -> None:
    assert listed(expected, received) == shown


def test_a_difference_has_the_place_in_the_test_where_it_is_expected() -> None:
    (difference,) = compare(tree_of("a:\n  b: 1"), {"a": {"b": "2"}}, "")
    assert (difference.place.line, difference.place.column) == (2, 6)


def test_a_long_value_is_shown_in_one_line_and_cut() -> None:
    assert shown_value("a\nb") == "a b"
    assert len(shown_value("a" * 1000)) == 201


def test_hundreds_of_entries_that_are_all_alike_are_set_beside_each_other() -> None:
    tree = Tree({Text("a"): Tree(Text("1"))})
    assert compare_list([tree] * 300, [{"a": "1"}] * 300, "") == []


VALUES = st.recursive(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=4)
    ),
    max_leaves=12,
)


def _tree(value: object) -> Tree:
    if isinstance(value, dict):
        return Tree({Text(name): _tree(each) for name, each in value.items()})
    if isinstance(value, list):
        return Tree(tuple(map(_tree, value)))
    return Tree(Text(str(value), plain=False))


@given(VALUES, st.randoms())
def test_everything_fits_itself_whatever_the_order_of_its_lists(value: Value, random: object) -> None:
    def mixed(each: object) -> object:
        if isinstance(each, list):
            copy = [mixed(one) for one in each]
            random.shuffle(copy)  # type: ignore[attr-defined]  # hypothesis's Random
            return copy
        return {name: mixed(one) for name, one in each.items()} if isinstance(each, dict) else each

    assert compare(_tree(mixed(value)), value, "") == []


@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_lists_differ_by_as_many_as_are_too_few_or_too_many(expected: list[str], received: list[str]) -> None:
    found = compare_list([_tree(each) for each in expected], list(received), "")
    assert bool(found) is (sorted(expected) != sorted(received))
