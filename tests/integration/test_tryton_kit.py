"""The Tryton that the tests bring along is a real one: seeded, private, and gone when nobody needs it."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.engine_process import free_port
from support.tryton.kit import Kit, Unavailable
from support.tryton.server import Tryton

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.timeout(120)

TESTS = Path(__file__).parents[1]
SCREW = "SCREW-65-30"
GONE_LIMIT = 20.0

PARENT = """
import sys, time
from pathlib import Path
from support.tryton.kit import Kit
from support.tryton.server import Tryton
Tryton(Kit(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])).start()
print("it answers", flush=True)
time.sleep(600)
"""


def processes(folder: Path) -> list[Path]:
    """Those whose command line names something in the folder; one that ended and is not yet fetched has none."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            if str(folder).encode() in process.read_bytes():
                found.append(process.parent)
    return found


def eventually(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + GONE_LIMIT
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture(scope="module")
def seeded(tryton_kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    """One for those who leave what was seeded as it was."""
    with Tryton(tryton_kit, tmp_path_factory.mktemp("seeded"), free_port()) as server:
        yield server


def test_a_seeded_server_tells_its_stock(seeded: Tryton) -> None:
    there = {"SC-88412": 100, "SC-88420": 100, "SC-EXPIRED": 20, "SN-4711": 1, "C-10094": 1}
    assert {lot: seeded.on_hand(lot) for lot in there} == there


def test_reset_takes_away_what_a_test_put_there(own_tryton: Tryton) -> None:
    own_tryton.new_lot(SCREW, "L-1", "5")
    before = own_tryton.on_hand("L-1")
    own_tryton.reset()
    assert (before, own_tryton.on_hand("L-1"), own_tryton.on_hand("SC-88412")) == (5, 0, 100)


def test_of_two_servers_side_by_side_neither_sees_the_others_stock(
    seeded: Tryton, tryton_kit: Kit, tmp_path: Path
) -> None:
    with Tryton(tryton_kit, tmp_path / "other", free_port()) as other:
        other.new_lot(SCREW, "L-1", "5")
        assert (other.on_hand("L-1"), seeded.on_hand("L-1")) == (5, 0)


def test_what_was_moved_is_there_after_a_crash(own_tryton: Tryton) -> None:
    own_tryton.new_lot(SCREW, "L-1", "5")
    own_tryton.stop(signal.SIGKILL)
    own_tryton.start()
    assert own_tryton.on_hand("L-1") == 5


def test_a_killed_parent_leaves_no_process(tryton_kit: Kit, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tryton_kit.home), str(tmp_path / "data"), str(free_port())]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == "it answers\n"
        finally:
            parent.kill()
    assert eventually(lambda: not processes(tmp_path))


def test_a_period_that_was_reopened_can_be_closed_again(own_tryton: Tryton) -> None:
    january = dt.date(2026, 1, 31)
    closed = [["state", "=", "closed"]]
    own_tryton.reopen_period(january)
    reopened = own_tryton.find("stock.period", closed, ["state"])
    own_tryton.close_period(january)
    assert (reopened, len(own_tryton.find("stock.period", closed, ["state"]))) == ([], 1)


def test_tryton_closes_no_period_by_which_a_lot_moved_that_has_not_expired(seeded: Tryton) -> None:
    with pytest.raises(RuntimeError, match="cannot close periods before the expiration of lot"):
        seeded.close_period(dt.date(2026, 3, 31))


def test_a_port_that_is_taken_is_not_taken_for_its_own(seeded: Tryton, tryton_kit: Kit, tmp_path: Path) -> None:
    second = Tryton(tryton_kit, tmp_path / "other", seeded.port)
    with pytest.raises(OSError, match="in use"):
        second.start()


def test_a_start_that_failed_leaves_no_process(
    tryton_kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Tryton) -> None:
        raise OSError("no answer")

    monkeypatch.setattr(Tryton, "_log_in", fail)
    monkeypatch.setattr("support.tryton.server.LIMIT", 0.0)
    with pytest.raises(OSError, match="no answer"):
        Tryton(tryton_kit, tmp_path / "data", free_port()).start()
    assert processes(tmp_path) == []


def test_what_is_ready_is_not_made_again(tryton_kit: Kit) -> None:
    said: list[str] = []
    tryton_kit.prepare(said.append)
    assert said == []


def test_without_a_package_index_it_says_so_and_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    kit = Kit(tmp_path)
    with pytest.raises(Unavailable, match="No matching distribution"):
        kit.prepare()
    assert not kit.ready
