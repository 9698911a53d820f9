"""What a condition may say, what it means with missing values, and what an analyst is told about the rest."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.canonical import Usage
from casecart.mapping.expression import (
    BOOL,
    DATE,
    DECIMAL,
    TEXT,
    ExpressionError,
    Kind,
    ListOf,
    Type,
    compile_expression,
    record_of,
)

SCOPE: dict[str, Type] = {
    "action": Kind("text", frozenset({"use", "reverse"})),
    "quantity": DECIMAL,
    "lot": TEXT,
    "expiry": DATE,
    "urgent": BOOL,
    "codes": ListOf(TEXT),
    "usage": record_of(Usage),
}


def ask(text: str, **values: object) -> bool:
    values.setdefault("usage", Usage(lot="L1", quantity=Decimal("2.50"), action="use"))
    return compile_expression(text, SCOPE)(*(values.get(name) for name in SCOPE))


@pytest.mark.parametrize(
    "text",
    [
        "action in ['use', 'reverse']",
        "quantity == 2.5 && quantity == 2.50",  # a decimal is a number, whatever its scale
        "quantity > 2 && quantity <= 2.5 && quantity < 3",
        "quantity + 0.1 == 2.6",  # and not 2.6000000000000001
        "quantity * 2 - 1 == 4",
        "-quantity < -2.4 && - 1 < 0",
        "expiry >= date('2026-01-31') && expiry < date('2026-02-01')",
        'lot.startsWith("L") && lot.endsWith(\'1\') && lot.contains("")',
        "size(lot) == 2 && size(codes) == 2 && size([]) == 0",
        "'A' in codes && !('a' in codes)",
        "quantity in [1, 2.50]",
        "urgent ? lot == 'L1' : false",
        "urgent && !!urgent || false",
        "usage.lot == lot && usage.quantity == quantity && has(usage.lot) && !has(usage.serial)",
        "has(lot) ? true : false",
        r"lot != 'a\'b\\\n\x41\u00e9\U0001F600\101'",
        "// a condition may be explained\nlot == 'L1' // so",
        "action == (quantity > 0 ? 'use' : 'reverse')",
        "[1, 2] == [1.0, 2.0]",
        "true || false && false",  # && binds closer
        "!urgent == false",  # ! binds closest
        "1 + 2 * 3 == 7 && 10 - 2 - 3 == 5",
        "lot == null ? false : true",
        ".5 < 1",
    ],
)
def test_a_condition_that_holds(text: str) -> None:
    day = date(2026, 1, 31)
    quantity = Decimal("2.50")
    assert ask(text, action="use", quantity=quantity, lot="L1", expiry=day, urgent=True, codes=("A", "B")) is True


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # `==` and `!=`: a missing value is null, and nothing else
        ("lot == null", True),
        ("lot != null", False),
        ("lot == ''", False),
        ("lot != 'a'", True),
        ("usage.serial == lot", True),
        ("has(lot)", False),
        ("has(usage.serial)", False),
        ("'a' == null", False),
        # comparisons, `in` and looking into text are false
        ("quantity < 1", False),
        ("quantity >= 1", False),
        ("1 > quantity", False),
        ("!(quantity < 1)", True),
        ("expiry <= date('2026-01-31')", False),
        ("lot in ['a', 'b']", False),
        ("lot in ['a', null]", True),
        ("'a' in codes", False),
        ("lot in codes", False),
        ("lot.contains('')", False),
        ("'a'.contains(lot)", False),
        # what is calculated from it is missing
        ("quantity + 1 == null", True),
        ("-quantity == null", True),
        ("quantity * null == null", True),
        ("size(lot) == null", True),
        ("size(codes) > 0", False),
        ("(lot == 'a' ? 1 : null) == null", True),
        ("(urgent ? 1 : 2) == 2", True),
        # as a condition it is false
        ("urgent", False),
        ("!urgent", True),
        ("urgent || true", True),
        ("null in [null]", True),
        ("null in codes", False),
    ],
)
def test_a_missing_value_always_has_an_answer(text: str, answer: object) -> None:
    assert ask(text) is answer


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("", [(1, "empty", "empty")]),
        ("lot ==", [(7, "syntax", "the end")]),
        ("lot == 'a' lot", [(12, "syntax", "'lot'")]),
        ("(lot == 'a'", [(12, "syntax", ")")]),
        ("lot = 'a'", [(5, "character", "==")]),
        ("urgent & urgent", [(8, "character", "&&")]),
        ("lot == 'a", [(8, "quote", "never closed")]),
        (r"lot == '\d'", [(9, "escape", "backslash")]),
        (r"lot == '\ud800'", [(9, "escape", "no character")]),
        ("quantity > 1e3", [(13, "number", "exponent")]),
        ("quantity > 1.", [(13, "number", "digits")]),
        ("quantity > 5u", [(13, "number", "digits")]),
        ("lot == §", [(8, "character", "no meaning")]),
        ("lot == r'a'", [(8, "left-out", "letter")]),
        ("quantity / 2 > 1", [(10, "left-out", "division")]),
        ("quantity % 2 == 1", [(10, "left-out", "remainder")]),
        ("codes[0] == 'a'", [(6, "left-out", "use in")]),
        ("lot == {}", [(8, "left-out", "maps")]),
        ("lot.matches('a+')", [(5, "left-out", "startsWith")]),
        ("lott == 'a'", [(1, "unknown-name", "Did you mean 'lot'?")]),
        ("usage.lott == 'a'", [(7, "unknown-name", "Did you mean 'lot'?")]),
        ("lot.size() > 1", [(5, "type", "size(x)")]),
        ("lot.beginsWith('a')", [(5, "unknown-function", "Did you mean")]),
        ("length(lot) > 1", [(1, "unknown-function", "size")]),
        ("has(lot == 'a')", [(9, "type", "name")]),
        ("lot", [(1, "type", "condition")]),
        ("lot && urgent", [(1, "type", "text")]),
        ("lot == 12", [(5, "type", "in quotes")]),
        ("quantity == '12'", [(10, "type", "without quotes")]),
        ("quantity in ['1', '2']", [(10, "type", "without quotes")]),
        ("lot in 'abc'", [(5, "type", "a list")]),
        ("expiry < '2026-01-31'", [(8, "type", "date('2026-01-31')")]),
        ("expiry < date('20260131')", [(15, "date", "date('2026-01-31')")]),
        ("expiry < date(lot)", [(15, "date", "date('2026-01-31')")]),
        ("urgent < true", [(8, "type", "no order")]),
        ("quantity < null", [(10, "type", "==")]),
        ("lot + 'a' == 'ba'", [(5, "type", "decimals")]),
        ("['a', 1] == []", [(7, "type", "list holds text")]),
        ("usage == null", [(7, "type", "members")]),
        ("quantity > 0 ? 'a' : 1", [(14, "type", "the other")]),
        # a value that can never come would filter everything, silently
        ("action == 'revers'", [(11, "never-equal", "Did you mean 'reverse'?")]),
        ("action in ['use', 'charge']", [(19, "never-equal", "only reverse and use")]),
        ("usage.action != 'USE'", [(17, "never-equal", "Did you mean 'use'?")]),
        # everything wrong is told at once
        ("lott == 'a' && qty > 1 || lot == 1", [(1, "unknown-name", ""), (16, "unknown-name", ""), (31, "type", "")]),
        ("(" * 30 + "urgent" + ")" * 30, [(25, "too-deep", "24")]),
        (" + ".join(["1"] * 80) + " > 0", [(243, "too-long", "60")]),
        ("urgent" + " " * 5000, [(4001, "too-long", "4000")]),
        ("quantity > " + "9" * 41, [(12, "number", "40")]),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_column(text: str, mistakes: list[tuple[int, str, str]]) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, SCOPE)
    found = caught.value.mistakes
    assert [(mistake.column, mistake.code) for mistake in found] == [(column, code) for column, code, _ in mistakes]
    assert all(hint in str(mistake) for mistake, (_, _, hint) in zip(found, mistakes, strict=True))


def test_the_largest_expression_compiles() -> None:
    nested = "urgent"
    for _ in range(20):
        nested = f"(quantity + quantity > 1 ? {nested} : false)"
    assert ask(nested, quantity=Decimal(1), urgent=True) is True
    assert ask(" && ".join(["lot == 'L1'"] * 55), lot="L1") is True


def test_sums_and_products_of_long_numbers_are_exact() -> None:
    long = "9" * 40
    assert ask(f"quantity * {long} * {long} - quantity * {long} * {long} == 0", quantity=Decimal(long)) is True
    assert ask(f"quantity + 0.{'0' * 37}1 != quantity", quantity=Decimal(long)) is True


def test_names_that_are_asked_for_are_known() -> None:
    expression = compile_expression("lot == 'a' && has(usage.serial)", SCOPE)
    assert expression.names == {"lot", "usage"}


def test_names_may_be_pythons_words_too() -> None:
    scope = {"class": TEXT, "None": TEXT, "print": TEXT}
    assert compile_expression("class == 'a' && None == 'b' && print == null", scope)("a", "b", None) is True


@given(st.text(alphabet="lotquaniy usagedr.()[]'\"\\&|=!<>?:+-*,0123456789\n{}%", max_size=40))
def test_any_text_is_a_condition_or_an_expression_error(text: str) -> None:
    try:
        ask(text)
    except ExpressionError as error:
        columns = [mistake.column for mistake in error.mistakes]
    else:
        columns = [1]
    assert all(1 <= column <= len(text) + 1 for column in columns)
