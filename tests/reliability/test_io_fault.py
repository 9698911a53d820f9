"""I/O fails once, at one call after the other: nothing is lost, nothing comes twice, no sync is tried again."""

from __future__ import annotations

import errno
import math
import socket
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, NamedTuple

import pytest

from support.at_rest import rest
from support.charge import ALL_POSTED, charge, frame
from support.crash_oracle import Evidence, Tally, faults, tally
from support.engine_process import EngineProcess, NotStarted, free_port
from support.forked import preload
from support.sender import Sent
from support.shim import built, calls
from support.sink import Sink
from support.under_load import UnderLoad
from support.workspace import Settings, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from support.shim import Call
    from support.trial import Trial

MESSAGES, TOGETHER = 50, 10
DELIVERED_LIMIT = 60.0
LONGEST_EXIT = 1.0


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("io_fault", tmp_path_factory.mktemp("shim"))


def fault(shim: Path, folder: Path, log: Path, at: int, error: int) -> dict[str, str]:
    """The environment of an engine that meets an error at a call of its store's files."""
    return {
        "LD_PRELOAD": str(shim),
        "IO_FAULT_FOLDER": str(folder.resolve()),
        "IO_FAULT_AT": str(at),
        "IO_FAULT_ERROR": str(error),
        "IO_FAULT_LOG": str(log),
    }


def in_a_closing(found: Sequence[Call], opened: float) -> bool:
    """Whether the sync that failed was of the database itself, before the store was open.

    SQLite moves its log into the database when the last connection is closed, and tells nobody that this failed. It
    needs to tell nobody: the log stays, and all of it is moved again.
    """
    return any(call.failed and call.path.endswith(".db") and call.at < opened for call in found)


class Run(NamedTuple):
    """How many calls the first engine made, how many of them failed, and the counts."""

    calls: int
    failed: int
    tally: Tally


class Bench:
    """A workspace and a sink for one run after the other, each with a new store."""

    def __init__(self, root: Path, shim: Path, sink: Sink, record: Path) -> None:
        self._root, self._shim, self._record = root, shim, record
        self._port = free_port()
        self._store = root / "store" / "casecart.db"
        self._url = f"sqlite:///{self._store}"
        self._log = root / "calls"
        self._workspace = write(
            root / "workspace", Settings(store=self._url, port=self._port, destination=sink.url, batch=20)
        )

    def run(self, number: int, at: int, error: int) -> Run:
        """Delivers the messages to an engine that meets an error at a call, and to those started after it.

        Args:
            number: of the run; its messages are new to the sink.
            at: at which call.
            error: errno.

        Fails where the oracle finds a fault.
        """
        self._store.parent.mkdir(exist_ok=True)
        for old in (*self._store.parent.iterdir(), self._log):
            old.unlink(missing_ok=True)
        self._record.write_bytes(b"")
        sent = {f"F{number:05}{n:02}": self._message(f"{number:05}{n:02}") for n in range(MESSAGES)}
        acknowledged: set[str] = set()
        resends = 0
        with EngineProcess(self._workspace, self._port, forked=True) as engine:
            engine.environment = fault(self._shim, self._store.parent, self._log, at, error)
            with suppress(NotStarted):
                engine.start()
            give_up = time.monotonic() + DELIVERED_LIMIT
            while left := [control_id for control_id in sent if control_id not in acknowledged]:
                assert time.monotonic() < give_up, engine.log
                if not engine.running:
                    engine.environment = {}
                    engine.start()
                together = {control_id: sent[control_id].body for control_id in left[:TOGETHER]}
                heard = delivered(self._port, together)
                resends += len(together) - len(heard)
                acknowledged |= heard
            if not engine.running:  # it ended after its last answer
                engine.environment = {}
                engine.start()
            self._rest(engine)
            if engine.stop() != 0:  # the error came only then, as the file was closed
                engine.environment = {}
                engine.start()
                self._rest(engine)
                assert engine.stop() == 0, engine.log
            assert "Traceback" not in engine.log, engine.log
        evidence = Evidence(self._url, self._record, sent, acknowledged, resends)
        found = calls(self._log)
        failed = [call for call in found if call.failed]
        assert faults(evidence) == [], f"call {at}, errno {error}: {failed}"
        return Run(len(found), len(failed), tally(evidence))

    def _rest(self, engine: EngineProcess) -> None:
        """At rest, also where the error comes only now."""
        give_up = time.monotonic() + DELIVERED_LIMIT
        while True:
            with suppress(AssertionError):
                rest(self._url, within=2.0)
                return
            assert time.monotonic() < give_up, f"not at rest; {engine.log}"
            if not engine.running:
                engine.environment = {}
                engine.start()

    def _message(self, number: str) -> Sent:
        return Sent(charge(f"F{number}", f"W{number}", ALL_POSTED), f"W{number}", ALL_POSTED)


def delivered(port: int, messages: Mapping[str, bytes]) -> set[str]:
    """Sends messages on one connection without waiting; gives those that were acknowledged until it ended."""
    answers = b""
    with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as connection:
        connection.sendall(b"".join(map(frame, messages.values())))
        while answers.count(b"\x1c\r") < len(messages) and (came := connection.recv(65_536)):
            answers += came
    heard = {control_id for control_id in messages if f"\rMSA|AA|{control_id}\r".encode() in answers}
    if len(heard) < len(messages):
        time.sleep(0.05)
    return heard


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_an_error_at_any_call_loses_nothing_and_doubles_nothing(shim: Path, tmp_path: Path, trial: Trial) -> None:
    record = tmp_path / "sink.jsonl"
    runs: list[Run] = []
    preload(str(shim))
    with Sink(record, keyed=True) as sink:
        bench = Bench(tmp_path, shim, sink, record)
        made = bench.run(0, 0, 0).calls
        step = trial.times(max(1, math.ceil(made / 8)), 1)
        # Where a run begins is left to chance, so that many quick runs see all of them.
        at = trial.chance.randrange(step) + 1
        while at <= made:
            runs.append(bench.run(len(runs) + 1, at, trial.chance.choice((errno.EIO, errno.ENOSPC))))
            at += step
    total = Tally(*map(sum, zip(*(run.tally for run in runs), strict=True)))
    met = sum(run.failed for run in runs)
    trial.tell("an I/O error at any call", total, store="sqlite", cycles=met, calls=made)
    assert total[1:] == (0, 0, 0)
    # What an engine writes depends on the moment, a little: the last of the calls may not come.
    assert met >= 0.9 * len(runs) - 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_after_a_failed_sync_the_engine_ends_at_once_and_never_syncs_again(
    shim: Path, tmp_path: Path, trial: Trial
) -> None:
    cycles = trial.times(3, 30)
    log, folder = tmp_path / "calls", tmp_path / "store"
    folder.mkdir()
    ended_after: list[float] = []
    with UnderLoad(tmp_path, f"sqlite:///{folder}/casecart.db") as scene:
        scene.begin()
        while len(ended_after) < cycles:
            scene.hear(60)
            scene.engine.kill()
            log.unlink(missing_ok=True)
            at = trial.chance.randrange(1, 60)
            scene.engine.environment = {**fault(shim, folder, log, at, errno.EIO), "IO_FAULT_SYNCS": "1"}
            with suppress(NotStarted):
                scene.engine.start()
            opened = time.monotonic()
            if scene.engine.running and in_a_closing(calls(log), opened):
                continue
            code = scene.engine.wait(60)
            ended = time.monotonic()
            found = calls(log)
            (number,) = (number for number, call in enumerate(found) if call.failed)
            ended_after.append(ended - found[number].at)
            assert code != 0
            assert [call for call in found[number + 1 :] if call.path == found[number].path] == []
            scene.engine.environment = {}
            scene.engine.start()
        evidence = scene.come_to_rest()
        counted = tally(evidence)
        slowest = round(max(ended_after), 3)
        more = {"resent": evidence.resends, "ended after s": slowest}
        trial.tell("a sync that fails", counted, store=scene.store, cycles=cycles, **more)
        assert faults(evidence) == []
    assert counted[1:] == (0, 0, 0)
    assert slowest < trial.limit(LONGEST_EXIT)
