"""Several engines on one PostgreSQL store: killed, stopped and started in any order, they lose and double nothing.

A balancer is not needed here: each sender keeps to one of several doors.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Self, cast
from zlib import crc32

import psycopg
import pytest

from casecart.runtime.clock import wall_clock
from casecart.runtime.group import Group, Grouping
from casecart.runtime.identifier import Identifiers
from casecart.runtime.listener import Arrival
from casecart.runtime.membership import PARTITIONS
from casecart.store import Change, Member, SharedStore, migrate, open_store
from support.charge import ALL_POSTED, LINES, charge
from support.crash_oracle import Evidence, Tally, faults, tally
from support.engine_process import EngineProcess, free_port
from support.sender import Sent
from support.sink import Sink
from support.store import a_message
from support.under_load import UnderLoad
from support.workspace import Settings, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from casecart.runtime.pipeline import Pipeline
    from support.trial import Trial

DEAD = 5.0
"""Seconds after which an engine without a sign of life counts as dead, and some for it to be noticed."""


DOORS = ("all", "listener")
"""Roles of engines that take messages."""


class Crew:
    """A scene with more engines than one: `door` has all roles; others as they are asked for. All in one context.

    Args:
        root: an empty folder.
        store: the store's URL.
        doors: further engines with all roles, each with a port.
        roles: of further engines, one each.
    """

    def __init__(self, root: Path, store: str, *, doors: int = 1, roles: Sequence[str] = ()) -> None:
        port = free_port()
        doors_of = {number: free_port() for number, role in enumerate(["all"] * doors + list(roles)) if role in DOORS}
        self.scene = UnderLoad(root, store, port=port, to=[port, *doors_of.values()])
        self.others = []
        for number, role in enumerate(["all"] * doors + list(roles)):
            door = doors_of.get(number)
            arguments = ["--role", role, *([] if door is None else ["--port", f"or-mllp={door}"])]
            name = f"{role}-{number}"
            self.others.append(EngineProcess(self.scene.workspace, door, name=name, arguments=arguments))

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.scene)
            for engine in self.others:
                stack.enter_context(engine)
                engine.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def all(self) -> list[EngineProcess]:
        """Every engine."""
        return [self.scene.engine, *self.others]

    def come_to_rest(self) -> None:
        """As `UnderLoad.come_to_rest`; the others are stopped in order afterwards."""
        self.scene.come_to_rest()
        for engine in self.others:
            assert engine.stop() == 0, engine.log
            assert "Traceback" not in engine.log, engine.log


@pytest.fixture
def url(postgresql_dsn: str) -> str:
    """The URL of an empty store that several engines can share."""
    migrate(postgresql_dsn)
    return postgresql_dsn


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_engines_that_share_a_store_share_the_work_and_lose_nothing_when_two_are_killed(
    url: str, tmp_path: Path, trial: Trial
) -> None:
    with Crew(tmp_path, url, roles=["worker"]) as crew:
        crew.scene.begin()
        for _ in range(2):
            time.sleep(trial.chance.uniform(0.3, 0.8))
            victim = trial.chance.choice(crew.all)
            victim.kill()
            victim.start()
        time.sleep(0.5)
        crew.come_to_rest()
    counted = tally(crew.scene.evidence())
    trial.tell("several engines, kill -9", counted, store=url, cycles=2)
    assert faults(crew.scene.evidence()) == []
    assert counted[1:] == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_engines_of_all_roles_killed_again_and_again_lose_nothing(url: str, tmp_path: Path, trial: Trial) -> None:
    kills = trial.times(20, 200)
    with Crew(tmp_path, url, roles=["listener", "worker", "worker", "dispatcher"]) as crew:
        crew.scene.begin()
        for _ in range(kills):
            time.sleep(trial.chance.uniform(0.0, 0.6))
            victim = trial.chance.choice(crew.all)
            victim.kill()
            victim.start()
        time.sleep(0.5)
        crew.come_to_rest()
    counted = tally(crew.scene.evidence())
    trial.tell("several engines, kill -9", counted, store=url, cycles=kills)
    assert faults(crew.scene.evidence()) == []
    assert counted[1:] == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_engine_that_is_stopped_beyond_its_lease_and_goes_on_posts_nothing_twice(
    url: str, tmp_path: Path, trial: Trial
) -> None:
    stops = trial.times(3, 20)
    with Crew(tmp_path, url, roles=["worker"]) as crew:
        crew.scene.begin()
        for _ in range(stops):
            time.sleep(trial.chance.uniform(0.2, 0.8))
            sleeper = trial.chance.choice(crew.all)
            os.kill(sleeper.pid, signal.SIGSTOP)
            time.sleep(DEAD + 3)
            os.kill(sleeper.pid, signal.SIGCONT)
        time.sleep(1)
        crew.come_to_rest()
    counted = tally(crew.scene.evidence())
    trial.tell("several engines, one stopped and continued", counted, store=url, cycles=stops)
    assert faults(crew.scene.evidence()) == []
    assert counted[1:] == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_listeners_that_are_replaced_one_by_one_under_load_lose_nothing(url: str, tmp_path: Path, trial: Trial) -> None:
    rounds = trial.times(2, 10)
    with Crew(tmp_path, url, doors=2, roles=["worker"]) as crew:
        crew.scene.begin()
        for _ in range(rounds):
            for engine in crew.all:
                time.sleep(0.5)
                assert engine.stop() == 0, engine.log
                engine.start()
        cuts, halves = crew.scene.senders.cuts, crew.scene.senders.halves
        crew.come_to_rest()
    counted = tally(crew.scene.evidence())
    trial.tell("engines replaced one by one", counted, store=url, cycles=rounds, cuts=cuts, halves=halves)
    assert faults(crew.scene.evidence()) == []
    assert counted[1:] == (0, 0, 0)
    assert halves == 0


def opened(url: str) -> closing[SharedStore]:
    """The store as an engine has it."""
    store = open_store(url, role="engine")
    assert store.shared
    return closing(cast("SharedStore", store))


# --- order: very many keys, and engines that come and go

WORKERS = 4
SPOOLED = 500  # messages a commit


def spool(url: str, messages: int, cases: int) -> dict[str, Sent]:
    """Stores messages as a listener does that maps nothing: by turns of each case, so that every case has an order."""
    sent: dict[str, Sent] = {}
    with opened(url) as store:
        grouping = Grouping(
            store=store, pipeline=cast("Pipeline", None), identifiers=Identifiers(wall_clock, os.urandom),
            now=wall_clock, seconds=time.monotonic, budget=0.0,
        )  # fmt: skip
        for began in range(0, messages, SPOOLED):
            arrivals = []
            for number in range(began, min(began + SPOOLED, messages)):
                control_id, case, first = f"B000{number:07}", f"V{number % cases:07}", 1 + number // cases * LINES
                body = charge(control_id, case, ALL_POSTED, first=first)
                sent[control_id] = Sent(body, case, ALL_POSTED, first)
                arrivals.append(
                    Arrival(
                        listener="or-mllp", facility="NORTH", organisation="MERCY", peer="orsys", schema="hl7v2/2.8.2",
                        message_type="DFT^P03", sender="ORSYS|NORTH", control_id=control_id, occurred_at=None,
                        partition=crc32(case.encode()) % PARTITIONS, notes=None, source="127.0.0.1:1", charset=None,
                        body=body, reply=lambda _: None,
                    )
                )  # fmt: skip
            change = Change()
            grouping.build(Group([], arrivals), change, store_first=True)
            store.write(change)
    return sent


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_of_very_many_keys_each_keeps_its_order_with_four_workers_that_are_killed(
    url: str, tmp_path: Path, trial: Trial
) -> None:
    messages, cases, kills = trial.times(6_000, 1_000_000), trial.times(300, 10_000), trial.times(6, 40)
    sent = spool(url, messages, cases)
    record = tmp_path / "sink.jsonl"
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(record, keyed=True))
        settings = Settings(store=url, port=free_port(), destination=sink.url)
        workspace = write(tmp_path / "workspace", settings)
        crew = [
            stack.enter_context(EngineProcess(workspace, None, name=f"{role}-{number}", arguments=["--role", role]))
            for number, role in enumerate(["worker"] * WORKERS + ["dispatcher"])
        ]
        for engine in crew:
            engine.start()
        for _ in range(kills):
            time.sleep(trial.chance.uniform(0.2, 1.0))
            victim = trial.chance.choice(crew)
            victim.kill()
            victim.start()
        with closing(open_store(url, role="reader")) as reader:
            while any(reader.waiting_counts().values()) or reader.open_counts():
                time.sleep(0.2)
        for engine in crew:
            assert engine.stop() == 0, engine.log
    evidence = Evidence(url, record, sent, set(sent), 0)
    counted = tally(evidence)
    trial.tell("very many keys, four workers", counted, store=url, cycles=kills, keys=cases)
    assert counted == (messages, 0, 0, 0)


# --- the visibility gap: numbers are given before the commit, so that a lower one may come to be seen later

WRITERS, MESSAGES = 6, 40


def write_slowly(url: str, seed: int) -> None:
    """A listener that commits message after message, each some time after its number was given."""
    chance = random.Random(seed)
    with opened(url) as store:
        for _ in range(MESSAGES):
            (position,) = store.reserve("message", 1)
            time.sleep(chance.uniform(0, 0.01))
            store.write(Change(messages=[a_message(position, outcome="waiting", partition=position % 4)]))


@pytest.fixture
def written(url: str, trial: Trial) -> Iterator[Callable[[], bool]]:
    """Six writers at work; tells whether they have ended."""
    seeds = [trial.chance.randrange(1_000_000) for _ in range(WRITERS)]
    threads = [threading.Thread(target=write_slowly, args=(url, seed)) for seed in seeds]
    for thread in threads:
        thread.start()
    yield lambda: not any(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join()


def test_a_worker_passes_over_nothing_that_is_committed_late(
    url: str, written: Callable[[], bool], trial: Trial
) -> None:
    seen: set[int] = set()
    twice = 0
    with opened(url) as store:
        while True:
            over = written()
            messages = store.waiting_in(range(4), 64)
            twice += len(seen & {message.position for message in messages})
            seen |= {message.position for message in messages}
            store.write(Change(outcomes=[("processed", None, message.position) for message in messages]))
            if over and not messages:
                break
    lost = WRITERS * MESSAGES - len(seen)
    trial.tell("visibility gap", Tally(WRITERS * MESSAGES, lost, twice, 0), store=url, cycles=WRITERS)
    assert (lost, twice) == (0, 0)


def test_a_reader_that_goes_on_from_the_last_number_it_saw_loses_messages(
    url: str, written: Callable[[], bool]
) -> None:
    """The mistake, planted: the test above would see it."""
    seen, last = 0, 0
    with psycopg.connect(url, autocommit=True) as session:
        while True:
            over = written()
            rows = session.execute(
                "select position from message where position > %s order by position", (last,)
            ).fetchall()
            seen += len(rows)
            last = rows[-1][0] if rows else last
            if over and not rows:
                break
    assert seen < WRITERS * MESSAGES


# --- leases


def test_a_member_without_a_session_is_seen_at_once_and_what_it_held_is_anybodys(url: str) -> None:
    one, other = Member(b"1" * 16, "work", "a:1", 0), Member(b"2" * 16, "work", "b:2", 0)
    with opened(url) as first:
        first.meet(one)
        with opened(url) as second:
            members, _ = second.meet(other)
            assert [(member.place, member.connected) for member in members] == [("a:1", True), ("b:2", True)]
        members, _ = first.meet(one)
        assert [(member.place, member.beat, member.connected) for member in members] == [
            ("a:1", 2, True),
            ("b:2", 1, False),
        ]
