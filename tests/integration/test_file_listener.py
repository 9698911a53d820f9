"""The file listener on the real reactor: what it hands over, when a file is moved, and what it leaves."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from twisted.logger import capturedLogs, formatEvent

from casecart.formats.mllp import frame
from casecart.listeners.file import SPEC, FileSettings
from casecart.listeners.folder import Folder, FolderTrouble
from casecart.listeners.hl7v2 import Reception
from casecart.runtime.listener import Listener, ListenerContext, Receipt
from support.listening import ORSYS, Intake, message
from support.reactor import in_reactor, reactor
from support.settings import findings_of, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from casecart.listeners.found import Found
    from casecart.listeners.question import Question
    from casecart.runtime.listener import Arrival


class Store(Intake):
    """Answers at the end of the turn, as a group commit does; while `full`, nothing is stored."""

    def __init__(self) -> None:
        super().__init__(None)
        self.full = False
        self.waiting = self.most = 0

    def take(self, arrival: Arrival) -> None:
        """Remember it, and answer it soon."""
        super().take(arrival)
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        reactor.callLater(0, self._answer, arrival)

    def _answer(self, arrival: Arrival) -> None:
        self.waiting -= 1
        arrival.reply(Receipt.NOT_STORED if self.full else Receipt.STORED)


@contextmanager
def listening(root: Path, intake: Intake, more: str = "") -> Iterator[Listener]:
    """A listener on `root/inbox` whose files are complete when they are there."""
    settings = settings_of(FileSettings, f"folder: inbox\nsettle: 0s\npeers: {{{ORSYS}}}\n{more}")
    listener = SPEC.make(
        ListenerContext(
            name="inbox",
            settings=settings,
            reactor=reactor,
            intake=intake,
            now=lambda: time.time_ns() // 1000,
            organisation="MERCY",
            time_zones={"NORTH": "America/Chicago"},
            root=root,
        )
    )
    in_reactor(listener.start)
    try:
        yield listener
    finally:
        in_reactor(listener.stop)


def until(condition: Callable[[], object]) -> None:
    """Waits until something that another thread does is done."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """The folder, before the listener has seen it."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def drop(inbox: Path, name: str, data: bytes) -> None:
    """A file, as a careful writer brings it."""
    (inbox / f"{name}.part").write_bytes(data)
    (inbox / f"{name}.part").rename(inbox / name)


def test_the_messages_of_all_files_come_in_order_and_each_file_is_moved(tmp_path: Path, inbox: Path) -> None:
    bodies = [message(str(number)) for number in range(6)]
    drop(inbox, "2.hl7", b"FHS|^~\\&\rBHS|^~\\&\r" + b"".join(bodies[2:5]) + b"BTS|3\rFTS|1\r")
    drop(inbox, "1.hl7", bodies[0] + bodies[1])
    drop(inbox, "3.hl7", bodies[5])
    store = Store()
    with listening(tmp_path, store) as listener:
        until(lambda: len(list((inbox / "done").glob("*"))) == 3)
        assert (listener.port, listener.where) == (0, f"on {inbox} (file)")
    assert [arrival.body for arrival in store.arrivals] == bodies
    first = store.arrivals[0]
    assert (first.listener, first.facility, first.peer, first.source) == ("inbox", "NORTH", "orsys", "file:1.hl7[1]")
    assert (first.refused, first.message_type) == (False, "DFT^P03")
    assert first.complete_within is None
    assert not list((inbox / "failed").iterdir())


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    with listening(tmp_path, Store()):
        until((tmp_path / "inbox" / "failed").is_dir)


def test_what_can_not_be_taken_is_recorded_and_told_beside_the_file_without_its_content(
    tmp_path: Path, inbox: Path
) -> None:
    canary = "CANARY^HANNAH"
    segment = ["PID|1||MRN0815||" + canary]
    bad = message("2", header=[(3, "STRANGER")], segments=segment) + message("", segments=segment)
    drop(inbox, "mixed.hl7", message("1", segments=segment) + bad)
    drop(inbox, "garbage.hl7", canary.encode())
    drop(inbox, "cut.hl7", b"BHS|^~\\&\r" + message("9", segments=segment))
    drop(inbox, "empty.hl7", b"")
    (inbox / "link.hl7").symlink_to("/etc/passwd")
    store = Store()
    with listening(tmp_path, store):
        until(lambda: len(list((inbox / "failed").glob("*.reason"))) == 5)
    reasons = {path.name: path.read_text("utf-8") for path in (inbox / "failed").glob("*.reason")}
    assert reasons["mixed.hl7.reason"].splitlines() == [
        "message 2: unknown-peer: The sender that MSH-3 and MSH-4 name is not known to this listener.",
        "message 3: no-control-id: " + reasons["mixed.hl7.reason"].splitlines()[1].split(": ", 2)[2],
        "1 of 3 messages were taken.",
    ]
    assert reasons["garbage.hl7.reason"].startswith("no-message: The file holds no message")
    assert reasons["cut.hl7.reason"].startswith("batch: ")
    assert reasons["empty.hl7.reason"].startswith("empty: ")
    assert reasons["link.hl7.reason"].startswith("not-a-file: ")
    assert "HANNAH" not in "".join(reasons.values())
    recorded = [(arrival.source, arrival.notes, arrival.body) for arrival in store.arrivals if arrival.refused]
    assert ("file:garbage.hl7", "no-message", canary.encode()) in recorded
    assert ("file:link.hl7", "not-a-file", b"") in recorded
    assert len(recorded) == 6
    assert [arrival.control_id for arrival in store.arrivals if not arrival.refused] == ["1"]


def test_what_is_not_stored_stays_and_is_taken_when_the_store_is_back(tmp_path: Path, inbox: Path) -> None:
    drop(inbox, "1.hl7", message("1"))
    store = Store()
    store.full = True
    with listening(tmp_path, store):
        until(lambda: store.arrivals)
        time.sleep(0.05)
        assert (inbox / "1.hl7").exists()
        store.full = False
        until((inbox / "done" / "1.hl7").exists)
    assert {arrival.control_id for arrival in store.arrivals} == {"1"}


def test_nothing_is_read_while_the_store_takes_nothing(tmp_path: Path, inbox: Path) -> None:
    drop(inbox, "1.hl7", message("1"))
    store = Store()
    store.open = False
    with listening(tmp_path, store):
        time.sleep(0.1)
        assert not store.arrivals
        assert (inbox / "1.hl7").exists()


def test_a_file_with_thousands_of_messages_is_handed_over_a_few_at_a_time(tmp_path: Path, inbox: Path) -> None:
    drop(inbox, "1.hl7", b"".join(message(str(number)) for number in range(3000)))
    store = Store()
    with listening(tmp_path, store):
        until((inbox / "done" / "1.hl7").exists)
    assert store.control_ids == [str(number) for number in range(3000)]
    assert store.most == 256


def test_a_fault_in_the_midst_of_a_file_has_it_read_again_and_says_nothing_of_it(
    tmp_path: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrival = Reception.arrival

    def faulty(reception: Reception, body: bytes, source: str, question: Question) -> Arrival | list[Arrival]:
        if source.endswith("[300]"):
            monkeypatch.undo()
            raise ValueError(body)
        return arrival(reception, body, source, question)

    monkeypatch.setattr(Reception, "arrival", faulty)
    drop(inbox, "1.hl7", b"".join(message(str(number)) for number in range(600)))
    with listening(tmp_path, Store()), capturedLogs() as events:
        until((inbox / "done" / "1.hl7").exists)
    told = [formatEvent(event) for event in events]
    assert [text.partition(".py")[0] for text in told] == ["inbox failed: ValueError in test_file_listener"]
    assert "log_failure" not in events[0]


def test_a_batch_in_a_capture_of_frames_is_taken_apart(tmp_path: Path, inbox: Path) -> None:
    batch = b"\xef\xbb\xbf\nBHS|^~\\&|ORSYS|NORTH\r" + message("2") + message("3") + b"BTS|2\r"
    drop(inbox, "1.hl7", frame(message("1")) + frame(batch) + frame(b"BHS|^~\\&\rBTS|0\r") + frame(message("4")))
    drop(inbox, "2.hl7", frame(message("5")) + frame(batch.replace(b"BTS|2", b"BTS|3")))
    drop(inbox, "3.hl7", frame(b"BHS|^~\\&\rBTS|0\r"))
    store = Store()
    with listening(tmp_path, store):
        until((inbox / "done" / "3.hl7").exists)
    assert [(arrival.control_id, arrival.refused) for arrival in store.arrivals] == [
        *((number, False) for number in "1234"),
        ("", True),
    ]
    assert (inbox / "failed" / "2.hl7.reason").read_text("utf-8").startswith("batch: BTS-1 is not the number")


def test_a_stop_waits_for_what_was_handed_over_and_the_next_listener_goes_on(tmp_path: Path, inbox: Path) -> None:
    held: list[Arrival] = []
    store = Intake(None)
    drop(inbox, "1.hl7", message("1"))
    stopped = threading.Event()

    def stop_soon() -> None:
        until(lambda: store.arrivals)
        held.extend(store.arrivals)
        drop(inbox, "2.hl7", message("2"))
        time.sleep(0.05)
        assert not stopped.is_set()
        in_reactor(lambda: held[0].reply(Receipt.STORED))

    with listening(tmp_path, store):
        helper = threading.Thread(target=stop_soon)
        helper.start()
        until(lambda: store.arrivals)
    stopped.set()
    helper.join()
    assert (inbox / "done" / "1.hl7").exists()
    assert (inbox / "2.hl7").exists()
    again = Store()
    with listening(tmp_path, again):
        until((inbox / "done" / "2.hl7").exists)
    assert again.control_ids == ["2"]


def test_two_listeners_on_one_folder_take_each_file_once(tmp_path: Path, inbox: Path) -> None:
    one, other = Store(), Store()
    with listening(tmp_path, one), listening(tmp_path, other):
        for number in range(20):
            drop(inbox, f"{number:02}.hl7", message(str(number)))
        until(lambda: len(list((inbox / "done").glob("*"))) == 20)
    assert sorted(one.control_ids + other.control_ids, key=int) == [str(number) for number in range(20)]


def test_a_folder_that_goes_away_and_comes_back_is_told_of_and_used_again(tmp_path: Path, inbox: Path) -> None:
    store = Store()
    with listening(tmp_path, store):
        until((inbox / "failed").is_dir)
        inbox.rename(tmp_path / "away")
        time.sleep(0.02)
        drop(tmp_path / "away", "1.hl7", message("1"))
        (tmp_path / "away").rename(inbox)
        until((inbox / "done" / "1.hl7").exists)
    assert store.control_ids == ["1"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("folder: in", "missing-key 'peers'"),
        (f"peers: {{{ORSYS}}}", "missing-key 'folder'"),
        (
            "folder: in\npeers: {a: {match: {MSH-3: A}, facility: N, acknowledge: {mode: none}}}",
            "files are not answered",
        ),
        ("folder: in\npeers: {a: {match: {MSH-3: A}, facility: N, networks: [10.0.0.0/8]}}", "come on no connection"),
        ("folder: in\npeers: {a: {match: {MSH-3: A}, facility: N, connections: 2}}", "leave 'connections' out"),
        (f"folder: in\npeers: {{{ORSYS}}}\nmaximum_file: 1B", "maximum_file"),
        (
            "folder: in\npeers: {a: {match: {MSH-3: A}, facility: N}, b: {match: {MSH-3: A}, facility: N}}",
            "bad-value all messages of the peer 'b' match 'a'",
        ),
    ],
)
def test_a_mistake_in_the_settings_is_found(text: str, expected: str) -> None:
    (finding,) = findings_of(FileSettings, text)
    assert expected in finding


def test_a_file_that_can_not_be_moved_is_not_read_again_and_is_moved_later(
    tmp_path: Path, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(inbox, "1.hl7", message("1"))
    put_away, calls = Folder.put_away, []

    def failing(folder: Folder, files: Iterable[tuple[Found, str]]) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise FolderTrouble("disk-full", "No room.")
        put_away(folder, files)

    monkeypatch.setattr(Folder, "put_away", failing)
    store = Store()
    with listening(tmp_path, store):
        until((inbox / "done" / "1.hl7").exists)
    assert store.control_ids == ["1"]
