"""The classes of error: the tables of the docs are what the connectors do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from casecart.destinations.verdict import answers
from casecart.runtime.destination import Answer, NotDelivered, OutcomeUnknown, Posting
from casecart.runtime.error_class import ErrorClass, error_class, table
from casecart.runtime.exchange import Response

PAGE = (Path(__file__).parents[3] / "docs/explanation/posting-states.md").read_text(encoding="utf-8")
STATUSES = {
    int(status): row[2]
    for row in re.findall(r"\| (rest) \| (.*?) \| `(\w+)` \|", PAGE)
    for status in re.findall(r"\b[3-5]\d\d\b", row[1])
}
ACCEPTED = frozenset(range(200, 300))


def of_rest(status: int) -> ErrorClass | None:
    posting = Posting("0a.1", "1", 1, "FT1[1]", "consumption", b"{}")
    try:
        said = answers(Response(status, {}, b"", whole=True), [posting], ACCEPTED)
    except (NotDelivered, OutcomeUnknown) as trouble:
        return error_class(trouble)
    assert said is not None
    return error_class(said[0])


def test_the_table_in_the_docs_is_the_one_of_the_code() -> None:
    assert table() in PAGE


def test_the_docs_name_every_status_that_http_has_for_trouble() -> None:
    assert len(STATUSES) >= 45
    assert {300, 429, 451, 500, 503} <= set(STATUSES)


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_a_status_is_of_the_class_that_the_docs_tell(status: int) -> None:
    assert of_rest(status) == STATUSES[status]


@pytest.mark.parametrize("status", [status for status in range(300, 600) if status not in STATUSES])
def test_a_status_that_nobody_knows_is_of_its_hundred(status: int) -> None:
    assert of_rest(status) == {3: "unknown", 4: "permanent", 5: "unknown"}[status // 100]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Answer("posted", "acknowledged"), None),
        (Answer("drafted", reference="1"), None),
        (Answer("held"), "data"),
        (Answer("rejected"), "data"),
        (Answer("retry"), "transient"),
        (Answer("unknown"), "unknown"),
        (NotDelivered("busy", "Busy"), "transient"),
        (NotDelivered("key-refused", "Wrong key", permanent=True), "permanent"),
        (OutcomeUnknown("timeout", "Late"), "unknown"),
        (ZeroDivisionError(), "unknown"),  # a connector's fault: what it had done by then, nobody knows
    ],
)
def test_every_outcome_has_its_class(outcome: Answer | BaseException, expected: ErrorClass | None) -> None:
    assert error_class(outcome) == expected
