"""What a REST service's response means for each posting."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from casecart.destinations.verdict import answers
from casecart.runtime.destination import Answer, NotDelivered, OutcomeUnknown, Posting
from casecart.runtime.exchange import LONGEST_ANSWER, Response

ACCEPT = frozenset(range(200, 300))
POSTINGS = [Posting(f"{name * 32}.1", name, 1, "FT1[1]", "consumption", b"{}") for name in "abc"]
A, B, C = (posting.key for posting in POSTINGS)


def said(status: int, body: str = "", *, whole: bool = True, headers: dict[str, str] | None = None) -> Response:
    return Response(status, headers or {}, body.encode(), whole)


def states(response: Response) -> list[tuple[str, str]]:
    found = answers(response, POSTINGS, ACCEPT)
    assert found is not None
    return [(answer.state, answer.code) for answer in found]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "OK",
        '{"id": 1}',
        "[]",
        '["a", "b"]',
        '[{"id": 1}]',
        f'[{{"key": "{A}", "quantity": "2"}}]',  # an echo
        f'[{{"key": "{A}", "status": "created"}}]',  # an echo with a status of its own
        '[{"key": "of somebody else", "status": "held"}]',
    ],
)
def test_2xx_takes_all_of_the_request(body: str) -> None:
    assert answers(said(200, body), POSTINGS, ACCEPT) == [Answer("posted", proof="acknowledged")] * 3


def test_a_service_may_answer_for_each_posting() -> None:
    body = (
        f'[{{"key": "{C}", "status": "retry"}}, {{"key": "{A}", "status": "posted", "reference": 4711}},'
        f' {{"key": "{B}", "status": "held", "message": "Item is\\n blocked\\u0007"}}]'
    )
    assert answers(said(200, body), POSTINGS, ACCEPT) == [
        Answer("posted", proof="acknowledged", reference="4711"),
        Answer("held", code="service-held", words="The service says: Item is blocked"),
        Answer("retry", code="service-retry", words="The service answered 'retry' without a reason."),
    ]


def test_a_refusal_may_answer_for_each_posting_too() -> None:
    told = {A: "posted", B: "rejected", C: "x"}
    body = json.dumps([{"key": key, "status": status} for key, status in told.items()])
    assert states(said(422, body)) == [("posted", ""), ("rejected", "service-rejected"), ("unknown", "answer-unknown")]


def test_a_posting_that_the_service_leaves_out_is_unknown() -> None:
    body = f'[{{"key": "{A}", "status": "posted"}}]'
    assert states(said(200, body)) == [("posted", ""), ("unknown", "no-answer"), ("unknown", "no-answer")]


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (f'[{{"key": "{A}", "status": "posted"}}', True),  # cut by the service
        (f' \n[{{"key": "{A}", "status": "posted"}},', False),  # longer than is read
        ("[" * LONGEST_ANSWER, True),
    ],
)
def test_an_answer_for_each_that_cant_be_read_takes_nothing_for_granted(body: str, *, whole: bool) -> None:
    assert states(said(200, body, whole=whole)) == [("unknown", "answer-unreadable")] * 3


def test_a_long_answer_that_is_none_for_each_takes_all() -> None:
    assert states(said(200, "<html>", whole=False)) == [("posted", "")] * 3


def test_what_a_service_says_is_bounded() -> None:
    body = f'[{{"key": "{A}", "status": "held", "message": "{"m" * 5000}", "reference": "{"r" * 5000}"}}]'
    answer = (answers(said(200, body), POSTINGS, ACCEPT) or [])[0]
    assert len(answer.words) < 300
    assert len(answer.reference) == 200


@pytest.mark.parametrize("status", [400, 404, 409, 410, 413, 415, 422])
def test_a_refusal_of_several_doesnt_say_of_which(status: int) -> None:
    assert answers(said(status, "patient Doe unknown"), POSTINGS, ACCEPT) is None
    (answer,) = answers(said(status, "patient Doe unknown"), POSTINGS[:1], ACCEPT) or []
    assert (answer.state, answer.code) == ("rejected", f"http-{status}")
    assert str(status) in answer.words
    assert "Doe" not in answer.words


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "not-authorised"),
        (403, "not-authorised"),
        (407, "not-authorised"),
        (408, "http-408"),
        (425, "http-425"),
        (429, "http-429"),
        (503, "http-503"),
        (301, "http-301"),
        (308, "http-308"),
        (405, "http-405"),
        (451, "http-451"),
        (499, "http-499"),
    ],
)
def test_a_request_that_surely_had_no_effect_is_not_delivered(status: int, code: str) -> None:
    with pytest.raises(NotDelivered) as raised:
        answers(said(status, "Doe"), POSTINGS, ACCEPT)
    assert raised.value.code == code
    assert "Doe" not in raised.value.words


@pytest.mark.parametrize("status", [302, 303, 304, 500, 502, 504, 599])
def test_a_request_that_may_have_had_its_effect_has_an_unknown_outcome(status: int) -> None:
    with pytest.raises(OutcomeUnknown) as raised:
        answers(said(status, "Doe"), POSTINGS, ACCEPT)
    assert raised.value.code == f"http-{status}"
    assert "Doe" not in raised.value.words


def test_accept_decides_what_is_taken() -> None:
    accept = frozenset({201, 409})
    assert answers(said(409), POSTINGS[:1], accept) == [Answer("posted", proof="acknowledged")]
    with pytest.raises(OutcomeUnknown):
        answers(said(202), POSTINGS, accept)


@pytest.mark.parametrize(
    ("said_so", "seconds"),
    [("120", 120.0), (" 0 ", 0.0), ("soon", None), ("", None), ("-5", None), ("1" * 30, 111_111_111.0)],
)
def test_the_time_that_a_service_asks_for_is_heard(said_so: str, seconds: float | None) -> None:
    with pytest.raises(NotDelivered) as raised:
        answers(said(429, headers={"retry-after": said_so}), POSTINGS, ACCEPT)
    assert raised.value.retry_after == seconds


def test_a_date_is_taken_against_the_services_own_clock() -> None:
    then = datetime(2020, 1, 1, tzinfo=UTC)
    later = format_datetime(then + timedelta(seconds=90), usegmt=True)
    for headers, seconds in [({"date": format_datetime(then, usegmt=True)}, 90.0), ({}, 0.0)]:
        with pytest.raises(NotDelivered) as raised:
            answers(said(503, headers={"retry-after": later, **headers}), POSTINGS, ACCEPT)
        assert raised.value.retry_after == seconds
