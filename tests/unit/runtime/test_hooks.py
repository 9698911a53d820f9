"""What a hook may give back, and what of it is taken."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from casecart.canonical import Usage
from casecart.mapping import Mapped
from casecart.runtime.fault import NotWorkable
from casecart.runtime.hooks import KEPT, change

LINES = [
    Usage(facility="NORTH", case="token", line="1", action="use", item="SCREW", quantity=Decimal("2.50"), source="M#1"),
    Usage(facility="NORTH", case="token", line="2", action="use", item="STEM", quantity=Decimal(1), source="M#2"),
]
MAPPED = Mapped(LINES, ["FT1[1]", "FT1[3]"], [("FT1[2]", "where")], [])


class Answers:
    """A process that answers so."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked = b""

    def call(self, lines: bytes) -> msgspec.Raw:
        """Remembers what it is asked."""
        self.asked = lines
        return msgspec.Raw(self.answer if isinstance(self.answer, bytes) else msgspec.json.encode(self.answer))


def rows() -> list[dict[str, object]]:
    """The lines as a hook gets them."""
    found: list[dict[str, object]] = msgspec.json.decode(msgspec.json.encode(LINES))
    return found


def changed(**fields: object) -> list[dict[str, object]]:
    """The lines with some fields of the first one changed."""
    first, second = rows()
    return [{**first, **fields}, second]


def test_a_hook_gets_the_fields_that_have_a_value() -> None:
    hook = Answers(rows())
    assert change(hook, MAPPED) == MAPPED
    assert msgspec.json.decode(hook.asked)[1] == {
        "facility": "NORTH", "case": "token", "line": "2", "action": "use", "item": "STEM", "quantity": "1",
        "source": "M#2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "quantity"),
    [
        (changed(quantity="7"), Decimal(7)),
        (changed(quantity=7), Decimal(7)),
        (b'[{"facility":"NORTH","case":"token","line":"1","source":"M#1","quantity":0.1},%b]', Decimal("0.1")),
        (changed(quantity=None), None),
    ],
)
def test_a_quantity_comes_back_as_it_is_written(answer: object, quantity: Decimal | None) -> None:
    if isinstance(answer, bytes):
        answer = answer % msgspec.json.encode(rows()[1])
    assert change(Answers(answer), MAPPED).documents[0].quantity == quantity


def test_a_quantity_is_written_without_an_exponent() -> None:
    assert str(change(Answers(changed(quantity="2E+1")), MAPPED).documents[0].quantity) == "20"


def test_a_day_comes_back_as_a_day() -> None:
    assert change(Answers(changed(expiry="2027-12-31")), MAPPED).documents[0].expiry == date(2027, 12, 31)


def test_a_line_that_is_held_is_an_exception_and_no_document() -> None:
    after = change(Answers([{"hold": "Look at it"}, rows()[1]]), MAPPED)
    assert (after.documents, after.places, after.filtered) == (LINES[1:], ["FT1[3]"], MAPPED.filtered)
    (held,) = after.exceptions
    assert (held.place, held.code, held.words) == ("FT1[1]", "held-by-hook", "Look at it")


@pytest.mark.parametrize(
    "answer",
    [
        b"{",
        b"1e999",
        None,
        "text",
        {},
        [],
        rows() + rows(),
        rows()[:1],
        [None, None],
        [[], []],
        changed(lott="L1"),
        changed(quantity="many"),
        changed(quantity="NaN"),
        changed(quantity="Infinity"),
        changed(quantity="1e999999"),
        changed(quantity="0." + "1" * 40),
        changed(quantity=-1),
        changed(quantity=True),
        changed(action="keep"),
        changed(lot=4711),
        changed(expiry="31.12.2027"),
        [{"hold": ""}, rows()[1]],
        [{"hold": "x" * 201}, rows()[1]],
        [{"hold": "two\nlines"}, rows()[1]],
        [{"hold": 1}, rows()[1]],
        [{"hold": "words", "item": "SCREW"}, rows()[1]],
        *(changed(**{name: "other"}) for name in sorted(KEPT - {"told_quantity"})),
        changed(told_quantity="3"),
        changed(case=None),
    ],
)
def test_anything_else_is_no_answer_and_its_words_repeat_nothing_of_it(answer: object) -> None:
    with pytest.raises(NotWorkable) as refused:
        change(Answers(answer), MAPPED)
    assert refused.value.trouble.code == "hook-answer"
    for word in ("token", "SCREW", "other", "many", "lott", "4711"):
        assert word not in refused.value.trouble.words.replace("others", "")
