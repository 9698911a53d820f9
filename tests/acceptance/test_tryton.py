"""From an EHR's message to a stock movement in a real Tryton: once, whatever breaks in between."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import random
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from support.charge import frame
from support.engine_process import EngineProcess
from support.tryton.cutting import STEPS, cutting, resetting
from support.tryton.posting import lot_of
from support.user import User

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.tryton.server import Tryton

pytestmark = pytest.mark.timeout(180)

SCREW = "SCREW-65-30"
ITEM = "|" * 21  # from FT1-13 to FT1-34
USED = "7100-USED"

numbers = itertools.count(1)


def message(case: str, *lines: str) -> bytes:
    """A made-up DFT^P03; a line is ``id|CG or CD|quantity|lot``, of the screw, or ``…|lot|item``."""
    segments = [
        f"MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|20261103093012||DFT^P03^DFT_P03|T{next(numbers)}|P|2.8.2",
        "PID|1||MRN1",
        f"PV1|1|I|||||||||||||||||{case}",
    ]
    for number, line in enumerate(lines, 1):
        name, kind, quantity, lot, item = [*line.split("|"), SCREW][:5]
        segments.append(f"FT1|{number}|{name}||20261103|20261103|{kind}||||{quantity}|||OR-MAIN{ITEM}{item}")
        serial = f"||{lot}" if item != SCREW else f"|{lot}"
        expiry = "20281231" if item != SCREW else ""
        segments.append(f"PRT|1|UC||EQUIP||||||||||||||{expiry}{serial}")
    return "".join(segment + "\r" for segment in segments).encode()


class Hospital:
    """A user whose engine posts to a Tryton; cases, lots and lines are its own."""

    def __init__(self, user: User, tryton: Tryton, url: str) -> None:
        self.user, self.tryton = user, tryton
        (user.ws / "var" / "secrets").mkdir(parents=True, exist_ok=True)
        (user.ws / "var" / "secrets" / "tryton").write_text(tryton.key)
        path = user.ws / "config" / "engine.yaml"
        text = path.read_text("utf-8")
        wanted = f'kind: tryton, url: "{url}", key: {{file: var/secrets/tryton}}, timeout: 5s'
        assert "kind: file, folder: var/inventory" in text
        path.write_text(text.replace("kind: file, folder: var/inventory", wanted), "utf-8")
        self.engine = EngineProcess(user.ws, user.port)
        self.case = f"V{next(numbers)}"

    def lot(self, quantity: str = "20", item: str = SCREW) -> str:
        """A lot, or a serial number, that nobody else moves."""
        return lot_of(self.tryton, quantity, item)

    def send(self, *lines: str, case: str = "") -> bytes:
        """Sends a message of such lines; whatever becomes of them, it is acknowledged."""
        body = message(case or self.case, *lines)
        self.send_again(body)
        return body

    def send_again(self, body: bytes) -> None:
        done = self.user.send("-", stdin=body)
        assert (done.returncode, " AA " in done.stdout) == (0, True), done.stdout + done.stderr

    def rest(self) -> None:
        """Nothing is on its way, and both balances are exact."""
        self.user.wait("rest", "status", until=_at_rest)

    def causes(self) -> list[dict[str, Any]]:
        """What waits in the worklist."""
        return list(self.user.json("worklist", "list")["causes"])

    def fix(self, *typed: str) -> None:
        """The only cause there is."""
        (cause,) = self.causes()
        done = self.user.run("worklist", "fix", cause["id"], "--reason", "seen to", *typed)
        assert done.returncode == 0, done.stderr
        self.user.wait("fix", "status", until=lambda now: not now["balances"]["lines"]["is_in"]["held"])


def _at_rest(now: Any) -> bool:  # noqa: ANN401 - a document
    lines = now["balances"]["lines"]["is_in"]
    on_the_way = any(each["postings_open"] for each in now["destinations"]) or lines["waiting"]
    return bool(not on_the_way and now["balances"]["exact"])


@contextmanager
def working(user: User, tryton: Tryton, url: str) -> Iterator[Hospital]:
    hospital = Hospital(user, tryton, url)
    with hospital.engine as engine:
        engine.start()
        yield hospital
        hospital.rest()
        assert engine.stop() == 0
        assert "Traceback" not in engine.log


@pytest.fixture
def hospital(user: User, tryton: Tryton) -> Iterator[Hospital]:
    """Its engine runs."""
    with working(user, tryton, tryton.url) as hospital:
        yield hospital


def test_what_is_documented_is_moved_and_read_back(hospital: Hospital) -> None:
    lot, serial = hospital.lot(), hospital.lot("1", "HIP-STEM-12")
    hospital.send(f"1|CG|3|{lot}", f"2|CG|1|{serial}|HIP-STEM-12")
    hospital.rest()
    stock = [hospital.tryton.on_hand(name, place) for name in (lot, serial) for place in ("OR-CORE", USED)]
    assert stock == [17, 3, 0, 1]
    assert hospital.causes() == []


def test_a_message_that_is_sent_eight_times_at_once_is_one_movement(hospital: Hospital) -> None:
    lot = hospital.lot()
    body = message(hospital.case, f"1|CG|3|{lot}")
    with ThreadPoolExecutor(8) as senders:
        list(senders.map(hospital.send_again, [body] * 8))
    hospital.rest()
    assert (hospital.tryton.on_hand(lot), len(hospital.tryton.moves(lot))) == (17, 1)


def test_a_correction_from_three_to_two_is_one_back(hospital: Hospital) -> None:
    lot = hospital.lot()
    hospital.send(f"1|CG|3|{lot}")
    hospital.send(f"1|CD|1|{lot}")
    hospital.rest()
    assert (hospital.tryton.on_hand(lot), hospital.tryton.on_hand(lot, USED)) == (18, 2)


def test_a_credit_with_an_id_of_its_own_finds_its_line(hospital: Hospital) -> None:
    lot, other = hospital.lot(), hospital.lot()
    hospital.send(f"1|CG|3|{lot}", f"2|CG|3|{other}")
    hospital.send(f"99|CD|3|{lot}")
    hospital.rest()
    assert (hospital.tryton.on_hand(lot), hospital.tryton.on_hand(other)) == (20, 17)


def test_a_credit_that_comes_before_its_charge_moves_nothing_in_the_end(hospital: Hospital) -> None:
    lot = hospital.lot()
    hospital.send(f"99|CD|3|{lot}")
    hospital.send(f"1|CG|3|{lot}")
    hospital.rest()
    assert (hospital.tryton.on_hand(lot), hospital.tryton.moves(lot), hospital.causes()) == (20, [], [])


def test_a_shortage_is_held_reserves_nothing_and_the_next_use_posts(hospital: Hospital) -> None:
    lot, other = hospital.lot(), hospital.lot()
    hospital.send(f"1|CG|21|{lot}", f"2|CG|2|{other}")
    hospital.rest()
    (cause,) = hospital.causes()
    assert (cause["code"], f"There are 20 of item {SCREW}, lot or serial number {lot}" in cause["words"]) == (
        "not-enough-stock",
        True,
    )
    hospital.send(f"1|CG|20|{lot}", case="another")
    hospital.rest()
    assert (hospital.tryton.on_hand(lot), hospital.tryton.on_hand(other)) == (0, 18)


def test_what_was_held_is_posted_when_its_cause_is_mended(hospital: Hospital) -> None:
    lot = f"LATE-{next(numbers)}"
    hospital.send(f"1|CG|3|{lot}")
    hospital.rest()
    (cause,) = hospital.causes()
    assert (cause["code"], lot in cause["words"]) == ("lot-unknown", True)
    hospital.tryton.new_lot(SCREW, lot, "20")
    hospital.fix()
    hospital.rest()
    assert (hospital.tryton.on_hand(lot), len(hospital.tryton.moves(lot))) == (17, 1)


def test_what_was_moved_by_hand_is_not_moved_again(hospital: Hospital) -> None:
    lot = f"LATE-{next(numbers)}"
    hospital.send(f"1|CG|3|{lot}")
    hospital.rest()
    hospital.tryton.new_lot(SCREW, lot, "20")
    hospital.fix("--posted")
    hospital.rest()
    assert hospital.tryton.moves(lot) == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("1|CG|1|SN-4712", "lot-unknown"),  # another item's
        ("1|CG|1|SN-4711|NO-SUCH-ITEM", "item-unknown"),
        ("1|CG|1|", "lot-missing"),
    ],
)
def test_what_can_not_be_moved_is_one_exception_in_plain_words(hospital: Hospital, line: str, code: str) -> None:
    hospital.send(line)
    hospital.rest()
    (cause,) = hospital.causes()
    assert (cause["code"], cause["exceptions"]) == (code, 1)


def test_a_serial_number_that_was_used_in_another_case_is_not_used_again(hospital: Hospital) -> None:
    serial = hospital.lot("1", "HIP-STEM-12")
    hospital.send(f"1|CG|1|{serial}|HIP-STEM-12")
    hospital.rest()
    hospital.send(f"1|CG|1|{serial}|HIP-STEM-12", case="another")
    hospital.rest()
    assert [cause["code"] for cause in hospital.causes()] == ["serial-used"]
    assert len(hospital.tryton.moves(serial)) == 1


# In the quick suite the step that has the effect; a cut connection in place of the kill is tried at each of them there.
@pytest.mark.parametrize(
    "step", [step if step == "POST do" else pytest.param(step, marks=pytest.mark.slow) for step in STEPS]
)
def test_killed_after_a_step_of_a_posting_it_is_one_movement_after_the_next_start(
    user: User, tryton: Tryton, step: str
) -> None:
    killed_after(step, user, tryton)


@pytest.mark.slow
def test_killed_with_its_store_on_postgresql_it_is_one_movement_too(
    new: Path, tmp_path: Path, postgresql_dsn: str, tryton: Tryton
) -> None:
    user = User(new, tmp_path / "ws", postgresql_dsn)
    assert user.run("migrate").returncode == 0
    tables = sorted(str(path) for path in (user.ws / "samples" / "master").glob("*.csv"))
    assert user.run("master", "import", *tables, "--from", "erp").returncode == 0
    killed_after("POST do", user, tryton)


def killed_after(step: str, user: User, tryton: Tryton) -> None:
    """The engine is killed when Tryton has carried out that step and before it hears of it, and started again."""
    gone = threading.Event()
    engine: list[EngineProcess] = []

    def kill() -> None:
        engine[0].kill()
        gone.set()

    with cutting(tryton.port, step, kill) as (port, _):
        hospital = Hospital(user, tryton, f"http://127.0.0.1:{port}/hosp")
        lot, other = hospital.lot(), hospital.lot()
        with hospital.engine as process:
            engine.append(process)
            process.start()
            hospital.send(f"1|CG|3|{lot}", f"2|CG|2|{other}")
            assert gone.wait(30)
            process.start()
            hospital.rest()
            assert process.stop() == 0
    assert (tryton.on_hand(lot), tryton.on_hand(other)) == (17, 18)
    assert [len(tryton.moves(name)) for name in (lot, other)] == [1, 1]


def test_an_erp_that_is_away_gets_each_posting_once_when_it_is_back(user: User, own_tryton: Tryton) -> None:
    with working(user, own_tryton, own_tryton.url) as hospital:
        lot = hospital.lot()
        own_tryton.stop()
        for number in range(3):
            hospital.send(f"{number}|CG|1|{lot}", case=f"case {number}")
        user.wait("trouble", "status", until=lambda now: now["destinations"][0]["postings_open"] == 3)
        own_tryton.start()
        hospital.rest()
        assert (own_tryton.on_hand(lot), len(own_tryton.moves(lot))) == (17, 3)


def test_a_closed_period_is_held_with_both_dates_and_posted_when_it_is_open(user: User, own_tryton: Tryton) -> None:
    with working(user, own_tryton, own_tryton.url) as hospital:
        january = message(hospital.case, "1|CG|1|SC-88412").replace(b"20261103|20261103", b"20260115|20260115")
        hospital.send_again(january)
        hospital.rest()
        (cause,) = hospital.causes()
        assert cause["words"] == "It was used on 2026-01-15, and Tryton's stock period is closed up to 2026-01-31."
        hospital.tryton.reopen_period(dt.date(2026, 1, 31))
        hospital.fix()
        hospital.rest()
        assert len(own_tryton.moves("SC-88412")) == 1


def test_a_key_that_was_revoked_loses_nothing_and_is_told(user: User, own_tryton: Tryton) -> None:
    hospital = Hospital(user, own_tryton, own_tryton.url)
    own_tryton.revoke_key()
    with hospital.engine as engine:
        engine.start()
        hospital.send("1|CG|1|SC-88412")
        told = user.wait("trouble", "status", until=lambda now: "key-refused" in json.dumps(now["destinations"]))
        assert told["destinations"][0]["postings_open"] == 1
        assert engine.stop() == 0


def deliver(port: int, body: bytes, over: float) -> None:
    """Sends it again and again until it is acknowledged, as an EHR does."""
    while True:
        assert time.monotonic() < over, "not acknowledged"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(frame(body))
                answer = b""
                while not answer.endswith(b"\x1c\r"):
                    came = connection.recv(65_536)
                    if not came:
                        break
                    answer += came
        except OSError:
            answer = b""
        if b"\rMSA|AA|" in answer:
            return
        time.sleep(0.02)


def day_of_work(chance: random.Random, lots: list[str]) -> tuple[list[list[bytes]], dict[str, int]]:
    """For each case a message with two lines and a correction of one, and what is used of each lot in the end."""
    cases, wanted = [], dict.fromkeys(lots, 0)
    for case in range(120):
        used = chance.sample(lots, 2)
        quantities = [chance.randint(2, 5) for _ in used]
        lines = [f"{n}|CG|{quantities[n]}|{lot}" for n, lot in enumerate(used)]
        cases.append([message(f"K{case}", *lines), message(f"K{case}", f"0|CD|1|{used[0]}")])
        for lot, quantity in zip(used, quantities, strict=True):
            wanted[lot] += quantity
        wanted[used[0]] -= 1
    return cases, wanted


def kill_at_random(chance: random.Random, engine: EngineProcess, erp: Tryton, senders: list[threading.Thread]) -> str:
    """One of them, again and again, as long as there is something to send, and twelve times the engine."""
    kills = erp_kills = 0
    while any(sender.is_alive() for sender in senders) or kills < 12:
        time.sleep(chance.uniform(0.5, 3.0))
        if chance.random() < 0.25:
            erp.stop(signal.SIGKILL)
            time.sleep(0.5)
            erp.start()
            erp_kills += 1
        else:
            engine.kill()
            engine.start()
            kills += 1
    return f"{kills} kills of the engine and {erp_kills} of the ERP"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("resets", [0.0, 0.05])
def test_engine_and_erp_killed_at_random_under_load_move_each_line_once(
    user: User, own_tryton: Tryton, resets: float
) -> None:
    chance, over = random.Random(11), time.monotonic() + 800
    with resetting(own_tryton.port, random.Random(12), resets) as (port, cuts):
        hospital = Hospital(user, own_tryton, f"http://127.0.0.1:{port}/hosp")
        cases, wanted = day_of_work(chance, [hospital.lot("10000") for _ in range(4)])

        def send(mine: list[list[bytes]]) -> None:
            for body in itertools.chain.from_iterable(mine):
                deliver(user.port, body, over)

        senders = [threading.Thread(target=send, args=(cases[number::4],)) for number in range(4)]
        with hospital.engine as engine:
            engine.start()
            for sender in senders:
                sender.start()
            killed = kill_at_random(chance, engine, own_tryton, senders)
            while not _at_rest(user.json("status")):
                assert time.monotonic() < over
                time.sleep(0.5)
            assert hospital.causes() == []
            assert engine.stop() == 0
            assert "Traceback" not in engine.log
    assert {lot: 10_000 - own_tryton.on_hand(lot) for lot in wanted} == wanted
    left = [each for each in own_tryton.shipments() if each["state"] not in ("done", "cancelled")]
    sys.stdout.write(
        f"{killed}, {cuts.resets} of {cuts.requests} requests reset when they were carried out: "
        f"{2 * len(cases)} messages, each line moved once; {len(left)} drafts left behind\n"
    )
    assert bool(cuts.resets) == bool(resets)


@pytest.mark.slow
def test_what_was_posted_after_a_backup_is_not_posted_again_after_its_restore(
    user: User, tryton: Tryton, tmp_path: Path
) -> None:
    hospital = Hospital(user, tryton, tryton.url)
    lot, other, serial = hospital.lot(), hospital.lot(), hospital.lot("1", "HIP-STEM-12")
    with hospital.engine as engine:
        engine.start()
        sent = [hospital.send(f"1|CG|3|{lot}")]
        hospital.rest()
        # Drained: the engine has heard of it, and sends nothing that comes now.
        assert user.run("pause", "inventory", "--drain", "--reason", "a drill").returncode == 0
        sent += [hospital.send(f"2|CG|2|{lot}", f"3|CG|4|{other}")]  # planned when the backup is taken
        made = user.run("backup", "create", str(tmp_path), "--json")
        assert made.returncode == 0, made.stderr
        assert user.run("resume", "inventory").returncode == 0
        hospital.rest()
        sent += [hospital.send(f"1|CD|1|{lot}"), hospital.send(f"4|CG|1|{serial}|HIP-STEM-12")]  # unknown to it
        hospital.rest()
        engine.kill()
        stock = _stock(tryton, lot, other, serial)
        assert stock == [(16, 4, 3), (16, 4, 1), (0, 1, 1)]

        done = user.run("backup", "restore", json.loads(made.stdout)["file"], "--replace")
        assert done.returncode == 0, done.stderr
        engine.start()
        for body in sent:
            hospital.send_again(body)
        assert _stock(tryton, lot, other, serial) == stock
        asked = user.run("reconcile", "inventory", "--after-restore", "--json")
        assert asked.returncode == 0, asked.stdout + asked.stderr
        # Three: what was planned and has gone out since; what was taken back, and the stem. A line that came again
        # while nothing went out is planned by now, too.
        found = json.loads(asked.stdout)["found"]  # also what other tests moved there since
        lots = [{moved["lot"] for moved in each["movements"]} for each in found]
        assert len([each for each in lots if each & {lot, other, serial}]) == 3
        assert user.run("resume", "inventory").returncode == 0
        hospital.rest()
        assert _stock(tryton, lot, other, serial) == stock
        assert hospital.causes() == []
        agrees = user.run("reconcile", "inventory", "--day", "2026-11-03", "--json")
        ours = {lot, other, serial}
        differences = json.loads(agrees.stdout)["differences"]
        assert not [each for each in differences if (each["ledger"] or each["erp"])["lot"] in ours]
        last = hospital.lot()
        hospital.send(f"9|CG|1|{last}")  # and it goes on
        hospital.rest()
        assert tryton.on_hand(last) == 19
        assert engine.stop() == 0
        assert "Traceback" not in engine.log


def _stock(tryton: Tryton, *lots: str) -> list[tuple[object, object, int]]:
    """Of each lot: what is there, what was used, and how often it was moved."""
    return [(tryton.on_hand(lot), tryton.on_hand(lot, USED), len(tryton.moves(lot))) for lot in lots]
