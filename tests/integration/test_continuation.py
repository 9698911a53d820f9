"""Parts of messages, from the wire to the destination: none is processed by itself, and the whole exactly once."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casecart.commands.actor import Actor
from casecart.commands.balance import ShowBalances
from casecart.commands.desk import Desk
from casecart.commands.site import Site
from casecart.commands.store_verify import VerifyStore
from casecart.runtime.continuation import park
from casecart.store import MessageFilter, open_store
from support.line import Line, dft, new_line
from support.listening import Door, mllp_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from support.listening import Line as Connection

HOUR = 3_600_000_000


@pytest.fixture
def line(tmp_path: Path, store_url: str) -> Iterator[Line]:
    made = new_line(tmp_path, store_url)
    yield made
    made.stop()
    assert not made.broken


def connected(line: Line, *, more: str = "", peers: str | None = None) -> Connection:
    """A sender's connection to a listener whose intake is the line's."""
    made = mllp_settings(more, peers=peers) if peers else mllp_settings(more)
    return Door(line.journal, made).connect()  # type: ignore[arg-type]  # the engine's own intake


def send(line: Line, connection: Connection, *bodies: bytes) -> None:
    for body in bodies:
        connection.send(body)
        line.settle()


def cut(message: bytes, name: str, places: Sequence[int]) -> list[bytes]:
    """The parts of a message, cut before these of its segments; control ids are `name-1` and on."""
    header, *others = message.rstrip(b"\r").split(b"\r")
    fields = header.split(b"|")
    fields += [b""] * (14 - len(fields))
    groups = [others[start:end] for start, end in zip([0, *places], [*places, len(others)], strict=True)]
    parts = []
    for number, group in enumerate(groups, 1):
        own = fields.copy()
        own[9] = f"{name}-{number}".encode()
        own[13] = f"{name}:{number - 1}".encode() if number > 1 else b""
        last = [f"DSC|{name}:{number}|F".encode()] if number < len(groups) else []
        parts.append(b"\r".join([b"|".join(own), *group, *last]) + b"\r")
    return parts


def three_lines(name: str, case: str = "V1", places: Sequence[int] = (3, 4)) -> list[bytes]:
    """A message with three lines of a case, in parts; by default one line each."""
    lines = [f"{name}{number}|CG|SCREW|{number}|OR" for number in (1, 2, 3)]
    return cut(dft("x", case, lines=lines), name, places)


def posted(line: Line) -> list[str]:
    return [posting.line for posting in line.postings()]


def rows(line: Line) -> list[tuple[str, str]]:
    """(control id, outcome), oldest first."""
    return [(row.control_id, row.outcome) for row in reversed(line.store.messages(MessageFilter(), None, 1000))]


def holds(line: Line) -> list[tuple[str, str]]:
    return [(hold.code, hold.state) for hold in line.store.holds()]


def test_a_part_is_stored_and_answered_by_its_own_control_id_and_nothing_of_it_is_processed(line: Line) -> None:
    connection = connected(line)
    one, two, _ = three_lines("A")
    send(line, connection, one, two)
    assert connection.codes == ["AA A-1", "AA A-2"]
    assert rows(line) == [("A-1", "part"), ("A-2", "part")]
    assert posted(line) == []
    assert line.balance() == (0, 0)


def test_with_the_last_part_the_whole_is_processed_once(line: Line) -> None:
    connection = connected(line)
    send(line, connection, *three_lines("A"))
    assert connection.codes == ["AA A-1", "AA A-2", "AA A-3"]
    assert rows(line) == [("A-1", "joined"), ("A-2", "joined"), ("A-3", "joined"), ("A-1", "processed")]
    assert posted(line) == ["A1", "A2", "A3"]
    whole = line.store.messages(MessageFilter(outcome="processed"), None, 1)[0]
    stored = line.store.message(whole.position)
    assert stored is not None
    assert stored.notes == "assembled"
    assert b"DSC" not in stored.body
    assert stored.body.count(b"MSH|") == 1
    assert line.store.timers() == []
    counts = line.counts()
    assert {name: counts[name] for name in ("received", "assembled", "joined", "part", "processed")} == {
        "received": 3,
        "assembled": 1,
        "joined": 3,
        "part": 0,
        "processed": 1,
    }


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_in_any_order_and_also_in_one_turn_the_parts_make_the_same_message(line: Line, order: Sequence[int]) -> None:
    connection = connected(line)
    parts = three_lines("A")
    for place in order:
        connection.send(parts[place])
    line.settle()
    assert sorted(connection.codes) == ["AA A-1", "AA A-2", "AA A-3"]
    assert posted(line) == ["A1", "A2", "A3"]


def test_a_field_that_goes_on_in_the_next_part_is_one_field(line: Line) -> None:
    connection = connected(line)
    message = dft("x", lines=["LONG-LINE-ID|CG|SCREW|1|OR"])
    one, two = cut(message, "A", [2])
    header, segment = two.rstrip(b"\r").split(b"\r")
    first = one.replace(b"\rDSC", b"\r" + segment[:10] + b"\rADD\rDSC")
    send(line, connection, first, header + b"\rADD|" + segment[10:] + b"\r")
    assert posted(line) == ["LONG-LINE-ID"]


def test_a_segment_that_goes_on_in_add_is_one_segment(line: Line) -> None:
    connection = connected(line)
    body = dft("M1", lines=["LONG-LINE-ID|CG|SCREW|1|OR"]).replace(b"LONG-LINE", b"LONG-\rADD|LINE")
    send(line, connection, body)
    assert connection.codes == ["AA M1"]
    assert posted(line) == ["LONG-LINE-ID"]
    assert rows(line) == [("M1", "processed")]


def test_what_comes_between_the_parts_is_processed_before_the_whole_and_what_comes_after_it_behind(line: Line) -> None:
    connection = connected(line)
    one, two, three = three_lines("A")
    send(line, connection, one, two, dft("M1", lines=["B1|CG|SCREW|1|OR"]))
    connection.send(three, dft("M2", lines=["C1|CG|SCREW|1|OR"]))  # in one turn
    line.settle()
    assert posted(line) == ["B1", "A1", "A2", "A3", "C1"]
    assert [control for control, outcome in rows(line) if outcome == "processed"] == ["M1", "A-1", "M2"]


def test_where_an_answer_waits_for_the_work_only_the_last_part_waits_for_that_of_the_whole(line: Line) -> None:
    line.journal.defer()  # the backlog maps it, after it is stored
    connection = connected(line, more="acknowledge: on_complete")
    one, two, three = three_lines("A")
    connection.send(one, two, three)
    line.journal.flush()
    connection.protocol.write()  # as at the end of a turn
    assert connection.codes == ["AA A-1", "AA A-2"]
    line.settle()
    assert connection.codes == ["AA A-1", "AA A-2", "AA A-3"]
    assert posted(line) == ["A1", "A2", "A3"]


def test_parts_that_come_again_change_nothing(line: Line) -> None:
    connection = connected(line)
    one, two, three = three_lines("A")
    send(line, connection, one, one, two, one, two, three, three, one, two, three)
    assert connection.codes[-3:] == ["AA A-1", "AA A-2", "AA A-3"]
    assert posted(line) == ["A1", "A2", "A3"]
    assert line.counts()["assembled"] == 1
    assert line.balance() == (0, 0)


def test_the_counters_agree_with_the_rows_while_parts_wait_and_when_they_are_joined(
    line: Line, tmp_path: Path, store_url: str
) -> None:
    connection = connected(line)
    for part in three_lines("A"):
        send(line, connection, part)
        site = Site(
            root=tmp_path, organisation="MERCY", store_url=store_url, store_place="a store", time_zones={},
            listeners={}, destinations={},
        )  # fmt: skip
        with closing(open_store(store_url, role="reader")) as reader:
            desk = Desk(site=site, store=reader, actor=Actor("alice", frozenset({"see"})), now=lambda: 0)
            verified, balances = desk.ask(VerifyStore()), desk.ask(ShowBalances())
        assert [finding.words for finding in verified.findings] == []
        assert verified.counted
        assert balances.exact


def test_a_part_twice_in_one_turn_is_one(line: Line) -> None:
    connection = connected(line)
    one, two, three = three_lines("A")
    connection.send(one, one, two, two, three, three)
    line.settle()
    assert posted(line) == ["A1", "A2", "A3"]
    assert line.balance() == (0, 0)


def test_two_chains_at_once_do_not_meet(line: Line) -> None:
    connection = connected(line)
    for one, other in zip(three_lines("A", "V1"), three_lines("B", "V2"), strict=True):
        send(line, connection, one, other)
    assert posted(line) == ["A1", "A2", "A3", "B1", "B2", "B3"]


def test_a_pointer_that_two_chains_share_joins_nothing_and_both_are_told_of(line: Line) -> None:
    connection = connected(line)
    shared = [part.replace(b"B:1", b"A:1").replace(b"B:2", b"A:2") for part in three_lines("B", "V2")]
    for one, other in zip(three_lines("A"), shared, strict=True):
        send(line, connection, one, other)
    assert posted(line) == []
    park(line.store, line.now() + HOUR, lambda: b"i" * 16)
    assert holds(line) == [("message-unfinished", "new")]
    assert line.balance() == (0, 0)


def test_a_pointer_may_be_used_again_when_its_message_is_whole(line: Line) -> None:
    connection = connected(line)
    again = [part.replace(b"B:", b"A:") for part in three_lines("B", "V2")]
    send(line, connection, *three_lines("A"), *again)
    assert posted(line) == ["A1", "A2", "A3", "B1", "B2", "B3"]


def test_the_same_part_under_another_control_id_is_in_doubt_and_nothing_is_guessed(line: Line) -> None:
    connection = connected(line)
    one, two, three = three_lines("A")
    send(line, connection, one, two, two.replace(b"|A-2|", b"|A-2b|"), three)
    assert posted(line) == []
    assert {outcome for _, outcome in rows(line)} == {"part"}


def test_parts_of_other_senders_or_other_separators_are_not_joined(line: Line) -> None:
    peers = (
        "a: {match: {MSH-3: ORSYS, MSH-4: NORTH, MSH-5: CASECART}, facility: NORTH}, "
        "b: {match: {MSH-3: ORSYS, MSH-4: NORTH, MSH-5: OTHER}, facility: NORTH}"
    )
    connection = connected(line, peers=peers)
    one, two, three = three_lines("A")
    send(line, connection, one, two.replace(b"CASECART", b"OTHER"), three.replace(b"^~\\&", b"^~\\&#"))
    assert connection.codes == ["AA A-1", "AA A-2", "AA A-3"]
    assert posted(line) == []


def test_after_a_crash_behind_each_part_the_chain_goes_on_where_it_was(tmp_path: Path, store_url: str) -> None:
    made = new_line(tmp_path, store_url)
    for part in three_lines("A"):
        # Its answer may have been lost: it is sent again, to the engine that comes up.
        send(made, connected(made), part)
        made.crash()
        made = Line(tmp_path, store_url).start()
        send(made, connected(made), part)
    made.wait(1)
    assert posted(made) == ["A1", "A2", "A3"]
    assert (made.counts()["assembled"], made.counts()["duplicate"]) == (1, 3)
    made.stop()


def test_two_engines_that_get_parts_at_the_same_moment_make_each_whole_once(
    tmp_path: Path, postgresql_dsn: str
) -> None:
    chains = [three_lines(f"X{number}", f"V{number}", [3]) for number in range(15)]
    engines = [new_line(tmp_path, postgresql_dsn), Line(tmp_path, postgresql_dsn).start()]
    connections = [connected(engine) for engine in engines]
    together = Barrier(2, timeout=30)

    def run(which: int) -> None:
        for chain in chains:
            together.wait()
            connections[which].send(chain[which])
            engines[which].journal.flush()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, (0, 1)))
    for _ in range(20):
        for engine in engines:
            engine.wait(0.2)
    one, other = engines
    assert one.counts()["assembled"] == len(chains)
    assert sorted(posted(one)) == sorted(f"X{number}{place}" for number in range(15) for place in (1, 2, 3))
    assert one.store.timers() == []
    assert [engine.broken for engine in engines] == [[], []]
    other.stop()
    one.stop()


def test_a_chain_that_is_not_finished_in_time_is_parked_and_told_once(line: Line) -> None:
    connection = connected(line)
    one, two, three = three_lines("A")
    send(line, connection, one, two)
    park(line.store, line.now() + HOUR - 1_000_000, lambda: b"1" * 16)
    assert holds(line) == []
    park(line.store, line.now() + HOUR, lambda: b"1" * 16)
    park(line.store, line.now() + HOUR + 1, lambda: b"2" * 16)
    assert holds(line) == [("message-unfinished", "new")]
    assert line.balance() == (0, 0)
    # What comes too late is not put to it: pointers may be used again.
    send(line, connection, three)
    assert posted(line) == []


def test_a_parked_chain_that_is_sent_again_is_processed_and_its_exception_is_done(line: Line) -> None:
    connection = connected(line)
    one, two, three = three_lines("A")
    send(line, connection, one, two)
    park(line.store, line.now() + HOUR, lambda: b"1" * 16)
    send(line, connection, one, two, three)
    assert connection.codes[-3:] == ["AA A-1", "AA A-2", "AA A-3"]
    assert posted(line) == ["A1", "A2", "A3"]
    assert holds(line) == [("message-unfinished", "fixed")]
    assert line.store.timers() == []


def test_a_parked_chain_is_given_up_after_a_week_and_counts_as_refused(line: Line) -> None:
    send(line, connected(line), *three_lines("A")[:2])
    park(line.store, line.now() + HOUR, lambda: b"1" * 16)
    park(line.store, line.now() + HOUR + 7 * 24 * HOUR, lambda: b"2" * 16)
    assert rows(line) == [("A-1", "refused"), ("A-2", "refused")]
    assert line.store.timers() == []
    assert line.balance() == (0, 0)


@pytest.mark.parametrize("more", ["", "several_messages: take"])
def test_parts_that_make_a_second_header_together_are_not_processed(line: Line, more: str) -> None:
    connection = connected(line, more=more)
    one, two, three = three_lines("A")
    header, rest = two.split(b"\r", 1)
    hostile = header + b"\rADD|SH|^~\\&|ORSYS|NORTH\r" + rest
    send(line, connection, one.replace(b"\rDSC", b"\rM\rADD\rDSC"), hostile, three, dft("M1"))
    assert connection.codes == ["AA A-1", "AA A-2", "AA A-3", "AA M1"]
    assert rows(line)[-2:] == [("A-1" if not more else "", "refused"), ("M1", "processed")]
    assert posted(line) == ["1"]
    assert line.balance() == (0, 0)


def test_a_whole_that_would_be_too_large_is_not_made(line: Line) -> None:
    connection = connected(line, more="maximum_frame: 1KB")
    parts = three_lines("A")
    padded = [part.replace(b"\rFT1|", b"\rNTE|1||" + b"x" * 600 + b"\rFT1|", 1) for part in parts]
    send(line, connection, *padded)
    assert connection.codes == ["AA A-1", "AA A-2", "AA A-3"]
    assert posted(line) == []


def test_a_sender_whose_parts_never_end_gets_a_reason_and_others_go_on(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casecart.runtime.continuation._MOST", 3)
    connection = connected(line)
    starts = [three_lines(f"S{number}")[0] for number in range(5)]
    send(line, connection, *starts)
    assert connection.codes == ["AA S0-1", "AA S1-1", "AA S2-1", "AR S3-1", "AR S4-1"]
    send(line, connection, dft("M1"))
    assert posted(line) == ["1"]
    assert line.balance() == (0, 0)


def test_many_parts_that_wait_for_a_late_one_are_looked_at_in_a_moment(tmp_path: Path) -> None:
    """It is done each second, from the first of them being late to the last."""
    line = new_line(tmp_path, f"sqlite:///{tmp_path}/casecart.db")
    connection = connected(line)
    lines = [f"A{number}|CG|SCREW|1|OR" for number in range(300)]
    *parts, late, _ = cut(dft("x", lines=lines), "A", range(3, 302))
    connection.send(*parts)
    line.settle()
    line.wait(10)
    send(line, connection, late)
    began = time.process_time()
    park(line.store, line.now() + HOUR - 5_000_000, lambda: b"0" * 16)
    assert time.process_time() - began < 1
    assert holds(line) == []
    park(line.store, line.now() + HOUR, lambda: b"0" * 16)
    assert holds(line) == [("message-unfinished", "new")]
    line.stop()


def test_the_place_of_a_whole_is_reserved_before_its_parts_are_locked(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To make room in PostgreSQL is a transaction of its own, and would end the one that has the lock."""
    calls: list[str] = []
    for name in ("reserve", "lock", "write"):
        method = getattr(line.store, name)

        def noted(*given: object, name: str = name, method: Callable[..., object] = method) -> object:
            if given[0] != "entry":
                calls.append(name)
            return method(*given)

        monkeypatch.setattr(line.store, name, noted)
    send(line, connected(line), *three_lines("A"))
    assert posted(line) == ["A1", "A2", "A3"]
    assert ("lock", "reserve") not in itertools.pairwise(calls)


def test_a_part_that_is_stored_is_acknowledged_again_also_when_no_more_are_taken(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casecart.runtime.continuation._MOST", 2)
    connection = connected(line)
    starts = [three_lines(f"S{number}")[0] for number in range(3)]
    send(line, connection, *starts[:2], starts[0])
    connection.send(starts[2], starts[2], starts[1])
    line.settle()
    assert connection.codes == ["AA S0-1", "AA S1-1", "AA S0-1", "AR S2-1", "AR S2-1", "AA S1-1"]
    assert line.balance() == (0, 0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_however_parts_of_three_messages_come_each_is_processed_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("chains")
    made = new_line(folder, f"sqlite:///{folder}/casecart.db")
    try:
        parts = [*three_lines("A", "V1"), *three_lines("B", "V2", [2]), *three_lines("C", "V3", [1, 2, 3, 4])]
        sent = data.draw(st.permutations(parts)) + data.draw(st.lists(st.sampled_from(parts), max_size=6))
        connection = connected(made)
        for part in sent:
            connection.send(part)
            if data.draw(st.booleans()):
                made.settle()
        made.settle()
        assert sorted(posted(made)) == ["A1", "A2", "A3", "B1", "B2", "B3", "C1", "C2", "C3"]
        assert made.counts()["assembled"] == 3
        assert made.balance() == (0, 0)
    finally:
        made.stop()
