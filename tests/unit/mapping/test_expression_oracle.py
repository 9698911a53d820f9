r"""Where our conditions and Google's CEL can say the same thing, they mean the same.

Ours differ on purpose, and only here:

- Numbers are decimals. CEL's `1.5` is a float, its integers overflow, and it compares no integer with a float.
- A missing value is `null`, and every operator has an answer for it (see `test_expression`). CEL gives errors for all
  but `==`, `!=` and `in`. So any value can be compared with `null` here, and CEL refuses that for a declared type.
- `has` takes a plain name too; CEL wants a member (`has(usage.lot)`).
- `date('2026-01-31')` is a day. CEL has moments only (`timestamp`).
- Left out: division, remainder, maps, indexing, macros, patterns, `+` on text and lists, the order of bools, lists of
  different types, raw and three-quoted text, exponents: they aren't total, not bounded, or of no use here.
- A text compared with one that it can never be is a mistake here; CEL knows no such types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from casecart.mapping.expression import BOOL, DECIMAL, TEXT, ExpressionError, ListOf, Record, Type, compile_expression
from support.require import require

if TYPE_CHECKING:
    from collections.abc import Mapping

try:
    from cel_expr_python import cel
except ImportError:
    require("cel-expr-python", "the oracle of the condition language is not installed")

USAGE = Record({"lot": TEXT, "serial": TEXT})
SCOPE: dict[str, Type] = {
    "t": TEXT,
    "u": TEXT,
    "n": DECIMAL,
    "m": DECIMAL,
    "b": BOOL,
    "l": ListOf(TEXT),
    "usage": USAGE,
}
ENVIRONMENT = cel.NewEnv(
    variables={
        "t": cel.Type.STRING,
        "u": cel.Type.STRING,
        "n": cel.Type.INT,
        "m": cel.Type.INT,
        "b": cel.Type.BOOL,
        "l": cel.Type.List(cel.Type.STRING),
        "usage": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
    }
)
LOOSE = cel.NewEnv(variables=dict.fromkeys(SCOPE, cel.Type.DYN))

# So short that no limit of ours is reached.
LONGEST = 100

texts = st.text(alphabet="aAb\n\\'\"é😀", max_size=3)
numbers = st.integers(-9, 9)


class Usage:
    """A document whose text may be missing."""

    def __init__(self, members: Mapping[str, str]) -> None:
        self.lot = members.get("lot")
        self.serial = members.get("serial")


@st.composite
def values(draw: st.DrawFn, *, missing: bool = False) -> dict[str, object]:
    def may(strategy: st.SearchStrategy[object]) -> object:
        return draw(st.none() | strategy) if missing else draw(strategy)

    usage = draw(st.dictionaries(st.sampled_from(["lot", "serial"]), texts, max_size=2))
    return {
        "t": may(texts),
        "u": may(texts),
        "n": may(numbers),
        "m": may(numbers),
        "b": may(st.booleans()),
        "l": draw(st.lists(texts, max_size=3)),
        "usage": usage,
    }


def ours(text: str, given_: Mapping[str, object]) -> bool:
    usage = given_["usage"]
    lists = given_["l"]
    assert isinstance(usage, dict)
    assert isinstance(lists, list)
    return compile_expression(text, SCOPE)(
        *({**given_, "usage": Usage(usage), "l": tuple(lists)}[name] for name in SCOPE)
    )


def theirs(environment: cel.Env, text: str, given_: Mapping[str, object]) -> object:
    result = environment.compile(text).eval(data=dict(given_))
    # An error at run time comes back as a value.
    assert result.type() == cel.Type.BOOL, (text, result.value())
    return result.value()


def literal(text: str) -> str:
    quote = "'" if '"' in text else '"'
    escapes = {"\n": r"\n", "\\": r"\\", quote: "\\" + quote, "é": r"\u00e9", "b": r"\x62", "😀": r"\U0001F600"}
    return quote + "".join(escapes.get(character, character) for character in text) + quote


def spaced(*parts: str) -> str:
    return " ".join(parts)


text_terms: st.SearchStrategy[str] = st.deferred(
    lambda: (
        st.sampled_from(["t", "u"])
        | texts.map(literal)
        | st.builds(spaced, st.just("("), conditions, st.just("?"), text_terms, st.just(":"), text_terms, st.just(")"))
    )
)
number_terms: st.SearchStrategy[str] = st.deferred(
    lambda: (
        st.sampled_from(["n", "m"])
        | st.integers(0, 9).map(str)
        | st.builds(spaced, number_terms, st.sampled_from("+-*"), number_terms)  # no brackets: precedence is asked too
        | st.builds(spaced, st.just("- ("), number_terms, st.just(")"))
        | st.sampled_from(["-n", "--m", "size(t)", "size(l)", "size([1, 2])", "n - -1", "- 1"])
        | st.builds(
            spaced, st.just("("), conditions, st.just("?"), number_terms, st.just(":"), number_terms, st.just(")")
        )
    )
)
tests = st.sampled_from(["startsWith", "endsWith", "contains"])
orders = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
conditions: st.SearchStrategy[str] = st.deferred(
    lambda: (
        st.sampled_from(["b", "true", "false", "!b", "!!b", "has(usage.lot)", "!has(usage.serial)"])
        | st.builds(spaced, text_terms, orders, text_terms)
        | st.builds(spaced, number_terms, orders, number_terms)
        | st.builds(spaced, text_terms, st.just("in l"))
        | st.builds(spaced, text_terms, st.just("in ["), st.lists(text_terms, max_size=3).map(", ".join), st.just("]"))
        | st.builds(
            spaced, number_terms, st.just("in ["), st.lists(number_terms, max_size=3).map(", ".join), st.just("]")
        )
        | st.builds(lambda one, how, other: f"({one}).{how}({other})", text_terms, tests, text_terms)
        | st.builds(spaced, conditions, st.sampled_from(["&&", "||", "==", "!="]), conditions)
        | st.builds(spaced, conditions, st.just("?"), conditions, st.just(":"), conditions)
        | st.builds(spaced, st.just("! ("), conditions, st.just(")"))
        | st.just("(has(usage.lot) && usage.lot == t)")
    )
)


@given(conditions, values())
@settings(max_examples=400, deadline=None)
def test_a_condition_means_what_it_means_in_cel(text: str, given_: dict[str, object]) -> None:
    assume(len(text) < LONGEST)
    try:
        answer = ours(text, given_)
    except ExpressionError as error:
        codes = {mistake.code for mistake in error.mistakes}
        assume("never-equal" not in codes)
        # Without brackets, a chain of operators may have no syntax or no type; then it has none in CEL either.
        assert codes <= {"type", "syntax"}
        with pytest.raises(Exception, match=r"no matching overload|expression of type|Syntax error"):
            ENVIRONMENT.compile(text)
        return
    assert answer is theirs(ENVIRONMENT, text, given_)


texts_or_null = st.sampled_from(["t", "u", "null"])
numbers_or_null = st.sampled_from(["n", "m", "null"])
equality = st.sampled_from(["==", "!="])
# A literal beside `null` has no type in CEL.
with_missing: st.SearchStrategy[str] = st.deferred(
    lambda: (
        st.builds(spaced, texts_or_null, equality, texts_or_null)
        | st.builds(spaced, st.sampled_from(["t", "u"]), equality, st.just("'a'"))
        | st.builds(spaced, numbers_or_null, equality, numbers_or_null)
        | st.builds(spaced, st.sampled_from(["n", "m"]), equality, st.just("1"))
        | st.builds(spaced, st.sampled_from(["t", "u"]), st.just("in [t, 'a', null]"))
        | st.builds(spaced, st.sampled_from(["n", "m"]), st.just("in [1, m, 2]"))
        | st.sampled_from(["t in l", "has(usage.lot)", "b == true", "b != true", "b == null"])
        | st.builds(spaced, with_missing, st.sampled_from(["&&", "||"]), with_missing)
        | st.builds(spaced, st.just("! ("), with_missing, st.just(")"))
    )
)


@given(with_missing, values(missing=True))
@settings(max_examples=200, deadline=None)
def test_missing_values_are_compared_as_cel_compares_null(text: str, given_: dict[str, object]) -> None:
    assume(len(text) < LONGEST)
    assert ours(text, given_) is theirs(LOOSE, text, given_)


WORDS = [*"tnb1+-<[](),!?:.", "'a'", "==", "in", "&&", "||", "usage", "lot", "size", "has", "null"]


@given(st.lists(st.sampled_from(WORDS), max_size=9), values())
@settings(max_examples=1000, deadline=None)
def test_what_compiles_here_compiles_in_cel(tokens: list[str], given_: dict[str, object]) -> None:
    text = " ".join(tokens)
    try:
        answer = ours(text, given_)
    except ExpressionError:
        return
    # `has` of a plain name, `null` beside a declared type, and members that aren't there.
    assume("null" not in tokens and "has" not in tokens and "lot" not in tokens)
    assert answer is theirs(ENVIRONMENT, text, given_)


@pytest.mark.parametrize(
    ("text", "given_"),
    [
        ("1 == 1.0", {}),
        ("n < 1.5", {"n": 1}),
        ("n * 9223372036854775807 * 2 > 0", {"n": 1}),
        ("n < m", {"n": None, "m": 1}),
        ("n + 1 == null", {"n": None}),
        ("t.contains('a')", {"t": None}),
        ("b", {"b": None}),
        ("has(t)", {"t": "a"}),
        ("t == null", {"t": "a"}),
    ],
)
def test_what_only_ours_can_say(text: str, given_: dict[str, object]) -> None:
    everything = {**dict.fromkeys(SCOPE), "usage": {}, "l": [], **given_}
    assert ours(text, everything) in (True, False)
    with pytest.raises(Exception, match=r".+"):
        theirs(ENVIRONMENT, text, everything)
