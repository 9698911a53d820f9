"""How lines are found among the moves of a shipment."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from casecart.destinations.tryton.line import Line
from casecart.destinations.tryton.proof import fits, moved, other

if TYPE_CHECKING:
    from casecart.destinations.tryton.client import Record


def line(text: str) -> Line:
    """``key item lot quantity``, from CORE to USED."""
    key, item, lot, quantity = text.split()
    return Line(
        key=key, case="c", item=item, lot=lot.strip("-"), unit="EA", quantity=Decimal(quantity),
        source="CORE", target="USED", day=None,
    )  # fmt: skip


def _five(text: str) -> list[str]:
    return [*text.split(), "CORE"][:5]


def shipment(*moves: str, state: str = "done") -> Record:
    """Moves are ``item lot quantity``, and if they differ, a state and a location that they are taken from."""
    made: list[dict[str, Any]] = []
    for text in moves:
        item, lot, quantity, its, place, *_ = [*text.split(), state, "CORE"] if text.count(" ") < 3 else _five(text)
        made.append(
            {
                "state": its,
                "quantity": Decimal(quantity),
                "product": {"code": item},
                "lot": None if lot == "-" else {"number": lot},
                "from_location": {"code": place},
                "to_location": {"code": "USED"},
            }
        )
    return {"id": 1, "state": state, "moves": made}


@pytest.mark.parametrize(
    ("lines", "moves", "found"),
    [
        (["a S L 3"], ["S L 3"], "same"),
        (["a S - 3"], ["S - 3"], "same"),
        (["a S L 3"], ["S L 1", "S L 2"], "same"),  # Tryton may split a move
        (["a S L 0.3"], ["S L 0.1", "S L 0.2"], "same"),
        (["a S L 3", "b S L 2"], ["S L 3", "S L 2"], "same same"),
        (["a S L 3", "b S M 2"], ["S L 3", "S M 2"], "same same"),
        (["a S L 3"], ["S L 2"], "differs"),
        (["a S L 3"], ["S L 4"], "differs"),
        (["a S L 3"], ["S M 3"], "differs"),
        (["a S - 3"], ["S L 3"], "differs"),
        (["a S L 3"], ["T L 3"], "differs"),
        (["a S L 3"], ["S L 3 cancelled"], "differs"),
        (["a S L 3"], ["S L 3 done BIN"], "differs"),
        (["a S L 3"], [], "differs"),
    ],
)
def test_of_a_whole_shipment_each_line_is_just_what_is_moved(lines: list[str], moves: list[str], found: str) -> None:
    assert " ".join(fits(shipment(*moves), [line(text) for text in lines], whole=True).values()) == found


@pytest.mark.parametrize(
    ("lines", "moves", "found"),
    [
        (["a S L 3"], ["S L 3", "S M 2"], "same"),
        (["a S L 3"], ["S L 3", "S L 2"], "same"),  # somebody else's line of the same lot
        (["a S L 3", "b S M 2"], ["S L 3"], "same absent"),
        (["a S L 3", "b T M 2"], ["S L 3"], "same absent"),
        (["a S L 3"], [], "absent"),
        (["a S M 2"], ["S L 3"], "differs"),  # may be it, with another lot
        (["a S M 2"], ["S M 2 done BIN"], "differs"),
        (["a S L 3", "b S L 1"], ["S L 3"], "differs differs"),  # nobody can say which
    ],
)
def test_of_a_part_of_a_shipment_only_what_is_surely_not_there_is_absent(
    lines: list[str], moves: list[str], found: str
) -> None:
    assert " ".join(fits(shipment(*moves), [line(text) for text in lines], whole=False).values()) == found


def test_what_is_moved_of_a_line_and_beside_it_is_told() -> None:
    record = shipment("S L 2", "S L 1 done BIN")
    assert (moved(record, line("a S L 3")), other(record, [line("a S L 3")])) == (
        Decimal(2),
        "item S, lot or serial number L, from BIN",
    )
