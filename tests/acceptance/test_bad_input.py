"""What garbage, half, hostile and mistaken input gets from the whole engine: answer, record, and nobody harmed."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from casecart.store import MessageFilter, open_store
from support.engine_process import EngineProcess
from support.user import User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from casecart.store import MessageHead

START, END = b"\x0b", b"\x1c\r"
PATIENCE = 15.0  # seconds


def dft(
    control_id: str, *, ft1: str = "CG|CH-1|||1|||OR-MAIN", message_type: str = "DFT^P03", sender: str = "ORSYS"
) -> bytes:
    """A made-up charge; `ft1` is from FT1-6 on, with FT1-8, 9, 11 and 12 left empty."""
    return (
        f"MSH|^~\\&|{sender}|NORTH|CASECART|MERCY|20261103101500||{message_type}|{control_id}|P|2.8.2\r"
        f"PV1|1|I|||||||||||||||||V{control_id}\r"
        f"FT1|1|L1||20261103||{ft1}\r"
    ).encode()


class Sender:
    """One TCP connection to the engine's listener."""

    def __init__(self, user: User) -> None:
        self.socket = socket.create_connection(("127.0.0.1", user.port), timeout=PATIENCE)

    def send(self, data: bytes) -> None:
        """As it is, unframed."""
        self.socket.sendall(data)

    def answer(self) -> bytes:
        """The next frame's content; empty when the engine closes the connection."""
        data = b""
        while not data.endswith(END):
            try:
                read = self.socket.recv(65536)
            except ConnectionResetError:
                return b""
            if not read:
                return b""
            data += read
        return data[1:-2]

    def ask(self, body: bytes) -> bytes:
        """A message, and its answer."""
        self.send(START + body + END)
        return self.answer()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


class Site:
    """The engine that all of these tests share, and what is in its store since the test began."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.store = open_store(f"sqlite:///{user.ws}/var/casecart.db", role="reader")
        self.since = 0
        self.senders = ExitStack()

    def connect(self) -> Sender:
        """A connection of the test's own, closed at its end."""
        return self.senders.enter_context(closing(Sender(self.user)))

    def find(self, wanted: Callable[[MessageHead], bool]) -> MessageHead:
        """The record of this test that is wanted, once it is there and no longer waiting."""
        until = time.monotonic() + PATIENCE
        while True:
            heads = self.store.messages(MessageFilter(), None, 200)
            for head in heads:
                if head.position > self.since and head.outcome != "waiting" and wanted(head):
                    return head
            assert time.monotonic() < until, [head for head in heads if head.position > self.since]
            time.sleep(0.02)

    def noted(self, note: str) -> MessageHead:
        """The record that has a note."""
        return self.find(lambda head: note in (head.notes or "").split())

    def named(self, control_id: str) -> MessageHead:
        """The record of a control id."""
        return self.find(lambda head: head.control_id == control_id)

    def balanced(self) -> bool:
        """Whether both balances are exact, once everything has come to rest."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if not self.store.open_counts() and self.user.json("status")["balances"]["exact"]:
                return True
        return False


@pytest.fixture(scope="module")
def shared(new: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One engine for all."""
    user = User(new, tmp_path_factory.mktemp("bad-input") / "ws")
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        site = Site(user)
        yield site
        assert site.balanced()
        site.store.close()
        assert engine.stop() == 0
        assert "Traceback" not in engine.log


@pytest.fixture
def site(shared: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    """The engine, with an honest sender connected all the time, whom nothing may harm."""
    name = f"{abs(hash(request.node.name)):x}"[:8]
    shared.since = max((head.position for head in shared.store.messages(MessageFilter(), None, 1)), default=0)
    with closing(Sender(shared.user)) as bystander:
        assert f"MSA|AA|BEFORE-{name}".encode() in bystander.ask(dft(f"BEFORE-{name}"))
        with shared.senders:
            yield shared
        assert f"MSA|AA|AFTER-{name}".encode() in bystander.ask(dft(f"AFTER-{name}"))
    assert shared.named(f"AFTER-{name}").outcome == "processed"


def test_garbage_bytes_are_recorded_and_not_answered(site: Site) -> None:
    sender = site.connect()
    sender.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    sender.close()
    assert site.noted("noise").outcome == "refused"


def test_a_truncated_frame_is_recorded_and_the_next_is_taken(site: Site) -> None:
    sender = site.connect()
    sender.send(START + dft("HALF")[:60])
    assert b"MSA|AA|WHOLE" in sender.ask(dft("WHOLE"))
    assert site.noted("truncated").outcome == "refused"
    assert site.named("WHOLE").outcome == "processed"


def test_a_connection_cut_in_a_message_leaves_a_record_and_nothing_is_posted_of_it(site: Site) -> None:
    sender = site.connect()
    sender.send(START + dft("CUT"))
    sender.close()
    record = site.noted("truncated")
    assert record.outcome == "refused"
    assert site.store.runs(record.position) == []


def test_a_frame_without_msh_is_rejected_and_recorded(site: Site) -> None:
    assert b"MSA|AR" in site.connect().ask(b"PID|1\rPV1|1\r")
    assert site.noted("no-header").outcome == "refused"


def test_a_message_without_a_control_id_is_rejected_by_error_101(site: Site) -> None:
    answer = site.connect().ask(dft(""))
    assert b"\rMSA|AR|\r" in answer
    assert b"MSH^1^10|101" in answer
    assert site.noted("no-control-id").outcome == "refused"


def test_a_type_that_no_channel_takes_is_acknowledged_and_unrouted(site: Site) -> None:
    assert b"MSA|AA|UNKNOWN" in site.connect().ask(dft("UNKNOWN", message_type="ZZZ^Z99"))
    assert site.named("UNKNOWN").outcome == "unrouted"


def test_two_messages_in_a_frame_are_rejected(site: Site) -> None:
    assert b"MSA|AR|ONE" in site.connect().ask(dft("ONE") + dft("TWO"))
    assert site.noted("several-messages").outcome == "refused"


def test_a_sender_that_nobody_knows_is_rejected(site: Site) -> None:
    assert b"MSA|AR|STRANGER" in site.connect().ask(dft("STRANGER", sender="NOBODY"))
    assert site.named("STRANGER").outcome == "refused"


def test_a_frame_of_100_mb_is_cut_off_at_the_limit(site: Site) -> None:
    sender = site.connect()
    sender.send(START)
    with pytest.raises(OSError, match=r"reset|pipe|aborted"):  # the engine hangs up at 10 MB
        sender.send(b"X" * 100_000_000)
    record = site.noted("too-large")
    assert (record.outcome, record.size) == ("refused", 64 * 1024)


def test_slow_bytes_hold_nobody_up(site: Site) -> None:
    sender = site.connect()
    quick = site.connect()
    for number, byte in enumerate(START + dft("SLOW") + END):
        sender.send(bytes((byte,)))
        if number % 20 == 0:
            assert f"MSA|AA|QUICK{number}".encode() in quick.ask(dft(f"QUICK{number}"))
    assert b"MSA|AA|SLOW" in sender.answer()


@pytest.mark.parametrize(
    ("name", "ft1", "code"),
    [
        ("an empty quantity is not one", "CG|CH-1||||||OR-MAIN", "missing"),
        ("a quantity in words", "CG|CH-1|||two|||OR-MAIN", "not-a-number"),
        ("a quantity with its unit", "CG|CH-1|||2 EA|||OR-MAIN", "not-a-number"),
        ("a decimal comma", "CG|CH-1|||1,5|||OR-MAIN", "not-a-number"),
        ("a negative charge", "CG|CH-1|||-1|||OR-MAIN", "quantity-sign"),
        ("a code that is not in its table", "XX|CH-1|||1|||OR-MAIN", "code-not-in-table"),
    ],
)
def test_a_line_that_can_not_be_read_is_acknowledged_and_becomes_an_exception(
    site: Site, name: str, ft1: str, code: str
) -> None:
    control_id = f"LINE-{code}-{len(ft1)}"
    assert f"MSA|AA|{control_id}".encode() in site.connect().ask(dft(control_id, ft1=ft1)), name
    position = site.named(control_id).position
    assert [held.code for held in site.store.holds(position=position)] == [code]
    assert site.store.entries(position) == []
