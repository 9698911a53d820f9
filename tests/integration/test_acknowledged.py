"""What a sender is told of the work on its messages, over a real socket and with a whole engine behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.store import MessageFilter
from support.answered import answered
from support.line import dft
from support.reactor import in_reactor

if TYPE_CHECKING:
    from pathlib import Path

    from support.answered import Answered

HOLD = ("1|CG|SCREW|1|OR", "2|CG|SCREW|1|HOLD", "3|CG|SCREW|x|OR")
"""A line that is posted, one that the route holds, one whose quantity is no number."""

POLICY = "held: AE, unrouted: AR, put_aside: AE"


def postings(engine: Answered) -> int:
    """How many the ledger has."""

    def count() -> int:
        rows = engine.store.messages(MessageFilter(), None, 100)
        return sum(len(engine.store.entries(row.position)) for row in rows)

    return int(in_reactor(count))


def asking(body: bytes, accept: str, application: str) -> bytes:
    """With MSH-15 and MSH-16."""
    return body.replace(b"|P|2.5.1\r", f"|P|2.5.1|||{accept}|{application}\r".encode())


def test_a_message_is_committed_and_then_answered_by_the_application_on_the_same_connection(tmp_path: Path) -> None:
    with answered(tmp_path, "{mode: commit-then-app}") as engine, engine.sender() as sender:
        sender.send(dft("M1"))
        first, second = sender.answers(2)
        assert first.endswith(b"\rMSA|CA|M1\r")
        assert second.endswith(b"\rMSA|AA|M1\r")
        own = [answer.split(b"|")[9] for answer in (first, second)]
        assert own[0] < own[1]
        assert postings(engine) == 1


@pytest.mark.parametrize("intake", ["{}", "{time_budget: 0ms}"])
def test_answers_of_pipelined_messages_come_in_order_each_kind_by_itself(tmp_path: Path, intake: str) -> None:
    with answered(tmp_path, "{mode: commit-then-app}", intake=intake) as engine, engine.sender() as sender:
        names = [f"M{number}" for number in range(30)]
        sender.send(*(dft(name, f"V{name}") for name in names))
        codes = sender.codes(60)
        assert [code[3:] for code in codes if code.startswith("CA ")] == names
        assert [code[3:] for code in codes if code.startswith("AA ")] == names
        assert all(codes.index(f"CA {name}") < codes.index(f"AA {name}") for name in names)


@pytest.mark.parametrize(
    ("accept", "application", "fine", "held"),
    [
        ("", "", ["CA", "AA"], ["CA", "AE"]),
        ("AL", "AL", ["CA", "AA"], ["CA", "AE"]),
        ("AL", "NE", ["CA"], ["CA"]),
        ("NE", "AL", ["AA"], ["AE"]),
        ("AL", "ER", ["CA"], ["CA", "AE"]),
        ("ER", "SU", ["AA"], []),
    ],
)
def test_the_conditions_hold_for_both_answers(
    tmp_path: Path, accept: str, application: str, fine: list[str], held: list[str]
) -> None:
    acknowledge = f"{{mode: commit-then-app, {POLICY}}}"
    with answered(tmp_path, acknowledge) as engine, engine.sender() as sender:
        sender.send(
            asking(dft("M1", "V1"), accept, application), asking(dft("M2", "V2", lines=HOLD), accept, application)
        )
        sender.send(dft("END", "V3"))
        codes = sender.codes(len(fine) + len(held) + 2)
        assert [code[:2] for code in codes if code.endswith(" M1")] == fine
        assert [code[:2] for code in codes if code.endswith(" M2")] == held


def test_a_message_with_held_lines_is_answered_with_an_error_that_names_places_and_codes_only(tmp_path: Path) -> None:
    with answered(tmp_path, f"{{when: on_complete, {POLICY}}}") as engine, engine.sender() as sender:
        sender.send(dft("M1", lines=HOLD))
        (answer,) = sender.answers(1)
        assert answer.split(b"\r")[1:-1] == [
            b"MSA|AE|M1|This waits for a person: held-by-route. (2 errors)",
            b"ERR||FT1^2|207^Application error^HL70357|E|held-by-route|||This waits for a person: held-by-route.",
            b"ERR||FT1^3|102^Data type error^HL70357|E|not-a-number|||This waits for a person: not-a-number.",
        ]
        assert postings(engine) == 1  # what is sound is posted all the same


def test_a_resend_of_what_was_answered_with_an_error_gets_that_again_and_posts_nothing_twice(tmp_path: Path) -> None:
    with answered(tmp_path, f"{{mode: commit-then-app, {POLICY}}}") as engine, engine.sender() as sender:
        sender.send(dft("M1", lines=HOLD))
        assert sender.codes(2) == ["CA M1", "AE M1"]
        sender.send(dft("M1", lines=HOLD), dft("M1", lines=HOLD))
        assert sorted(sender.codes(4)) == ["AE M1", "AE M1", "CA M1", "CA M1"]
        assert postings(engine) == 1
        assert in_reactor(engine.store.held_count) == 2


def test_what_no_channel_takes_is_answered_as_the_peers_policy_says(tmp_path: Path) -> None:
    with answered(tmp_path, f"{{when: on_complete, {POLICY}}}") as engine, engine.sender() as sender:
        sender.send(dft("M1").replace(b"DFT^P03", b"ADT^A01"))
        (answer,) = sender.answers(1)
        assert answer.split(b"\r")[1:-1] == [
            b"MSA|AR|M1|No channel takes messages of this type.",
            b"ERR||MSH^1^9|200^Unsupported message type^HL70357|E|unrouted|||No channel takes messages of this type.",
        ]


def test_without_a_policy_all_that_is_safe_is_positively_acknowledged(tmp_path: Path) -> None:
    with answered(tmp_path, "on_complete") as engine, engine.sender() as sender:
        sender.send(dft("M1", lines=HOLD), dft("M2").replace(b"DFT^P03", b"ADT^A01"))
        assert sender.codes(2) == ["AA M1", "AA M2"]
        assert in_reactor(engine.store.held_count) == 2


@pytest.mark.parametrize(("mode", "before"), [("original, when: on_complete", []), ("commit-then-app", ["CA M1"])])
def test_what_takes_longer_than_its_time_is_answered_as_stored(tmp_path: Path, mode: str, before: list[str]) -> None:
    with answered(tmp_path, f"{{mode: {mode}, within: 1s, {POLICY}}}") as engine:
        in_reactor(engine.engine._backlog.end)  # nobody maps what is left to the backlog
        engine.engine._journal.store_first = True
        with engine.sender() as sender:
            sender.send(dft("M1", lines=HOLD))
            *first, last = sender.answers(len(before) + 1)
            assert [b"MSA|CA|M1\r" in answer for answer in first] == [True for _ in before]
            assert last.endswith(b"\rMSA|AA|M1|Stored; its processing goes on.\r")


def test_a_half_closing_sender_gets_both_of_its_answers(tmp_path: Path) -> None:
    with (
        answered(tmp_path, "{mode: commit-then-app}", intake="{time_budget: 0ms}") as engine,
        engine.sender() as sender,
    ):
        sender.send(dft("M1"))
        sender.no_more()
        assert sender.codes(2) == ["CA M1", "AA M1"]
        assert sender.closed()


def test_a_sender_that_went_away_gets_both_answers_when_it_sends_again(tmp_path: Path) -> None:
    with answered(tmp_path, "{mode: commit-then-app}") as engine:
        with engine.sender() as gone:
            gone.send(dft("M1"))
        with engine.sender() as again:
            again.send(dft("M1"))
            assert again.codes(2) == ["CA M1", "AA M1"]
        assert postings(engine) == 1


@pytest.mark.parametrize("intake", ["{}", "{time_budget: 0ms}"])
def test_of_a_message_in_parts_the_last_one_is_answered_for_the_whole(tmp_path: Path, intake: str) -> None:
    head, _, tail = dft("M1", lines=HOLD).partition(b"FT1|2")
    parts = [
        head + b"DSC|P1|F\r",
        dft("M2", lines=[]).split(b"\r")[0].replace(b"|P|2.5.1", b"|P|2.5.1||P1") + b"\rFT1|2" + tail,
    ]
    with answered(tmp_path, f"{{mode: commit-then-app, {POLICY}}}", intake=intake) as engine, engine.sender() as sender:
        sender.send(parts[0])
        assert sender.codes(1) == ["CA M1"]
        sender.send(parts[1])
        first, second = sender.answers(2)
        assert first.endswith(b"\rMSA|CA|M2\r")
        assert b"\rMSA|AE|M2|" in second
        assert [line.split(b"|")[2] for line in second.split(b"\r") if line.startswith(b"ERR")] == [b"FT1^2", b"FT1^3"]
        assert postings(engine) == 1


def test_in_a_batch_each_message_is_answered_for_its_own_work(tmp_path: Path) -> None:
    with answered(tmp_path, f"{{when: on_complete, {POLICY}}}") as engine, engine.sender() as sender:
        around = b"BHS|^~\\&|ORSYS|NORTH\r"
        sender.send(around + dft("M1", "V1") + dft("M2", "V2", lines=HOLD) + b"BTS|2\r")
        (answer,) = sender.answers(1)
        told = [line.split(b"|")[1:3] for line in answer.split(b"\r") if line.startswith(b"MSA")]
        assert told == [[b"AA", b"M1"], [b"AE", b"M2"]]
