"""Senders as hospitals have them: one connection each, one message on its way, sent again until it is acknowledged."""

from __future__ import annotations

import random
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from support.charge import LINES, Line, charge, frame, line_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Load", "Sender", "Senders", "Sent"]

PATIENCE = 0.02  # seconds before the next try after a refused or lost connection
ANSWER_LIMIT = 30.0
OUTCOMES: Sequence[Line] = ("posted", "posted", "posted", "posted", "filtered", "held")


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a sender began to send.

    Attributes:
        body: its bytes.
        case: its case.
        lines: what should become of each of its lines.
        first: the number of its first line within the case.
    """

    body: bytes
    case: str
    lines: Sequence[Line]
    first: int = 1

    def expected(self, outcome: Line) -> set[tuple[str, str]]:
        """(case, line id) of its lines with this outcome."""
        ids = zip(self.lines, line_ids(self.lines, self.first), strict=True)
        return {(self.case, line) for expected, line in ids if expected == outcome}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much a sender sends.

    Attributes:
        messages_a_case: how many messages one after the other are of one case, each with further lines of it.
        pause: seconds between an acknowledgement and the next message.
    """

    messages_a_case: int = 1
    pause: float = 0.0


class Sender(threading.Thread):
    """One sender; it goes on until it is told to finish, and then sees its last message acknowledged.

    Args:
        number: tells it from others; its messages follow from it.
        port: where it sends.
        load: how much it sends.

    Attributes:
        sent: by control id, every message that was begun, in that order.
        acknowledged: the control ids that were acknowledged positively.
        heard: when, on the monotonic clock, for each of these.
        resends: how often a message was sent again because its acknowledgement did not come.
        cuts: connections that ended while a message was on its way.
        halves: those of them that ended in the middle of an answer.
        trouble: what came that no sender expects (a negative acknowledgement, one for another message); it ends there.
    """

    def __init__(self, number: int, port: int, load: Load) -> None:
        super().__init__(name=f"sender {number}", daemon=True)
        self._number, self._port, self._load, self._chance = number, port, load, random.Random(number)
        self._finish = threading.Event()
        self._socket: socket.socket | None = None
        self.sent: dict[str, Sent] = {}
        self.acknowledged: list[str] = []
        self.heard: list[float] = []
        self.resends = self.cuts = self.halves = 0
        self.trouble = ""

    def finish(self) -> None:
        """Begin no further message."""
        self._finish.set()

    def run(self) -> None:
        """Sends message after message."""
        while not self._finish.is_set() and not self.trouble:
            control_id = self._begin()
            give_up = time.monotonic() + ANSWER_LIMIT
            while not self._deliver(control_id) and not self.trouble:
                self.resends += 1
                if time.monotonic() > give_up:
                    self.trouble = f"{control_id} was not acknowledged within {ANSWER_LIMIT:.0f} s"
            if self._load.pause:
                self._finish.wait(self._load.pause)
        self._hang_up()

    def _begin(self) -> str:
        """The next message's control id."""
        begun = len(self.sent)
        in_case = begun % self._load.messages_a_case
        control_id, case = f"B{self._number:03}{begun:07}", f"V{self._number:03}{begun - in_case:07}"
        lines, first = self._chance.choices(OUTCOMES, k=LINES), 1 + in_case * LINES
        self.sent[control_id] = Sent(charge(control_id, case, lines, first=first), case, lines, first)
        return control_id

    def _deliver(self, control_id: str) -> bool:
        """Whether the message was acknowledged; if not, the connection is gone."""
        answer = b""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=ANSWER_LIMIT)
            self._socket.sendall(frame(self.sent[control_id].body))
            while not answer.endswith(b"\x1c\r"):
                came = self._socket.recv(65_536)
                if not came:
                    raise ConnectionResetError
                answer += came
        except OSError:
            self.cuts += self._socket is not None
            self.halves += bool(answer)
            self._hang_up()
            time.sleep(PATIENCE)
            return False
        if f"\rMSA|AA|{control_id}\r".encode() not in answer:
            self.trouble = f"{control_id} was answered with {answer!r}"
            return False
        self.heard.append(time.monotonic())
        self.acknowledged.append(control_id)
        return True

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Senders:
    """Several of them; a context manager that leaves none behind.

    Args:
        count: how many.
        port: where they send; with several, each sender keeps to one of them.
        load: how much each of them sends.
    """

    def __init__(self, count: int, port: int | Sequence[int], load: Load | None = None) -> None:
        ports = [port] if isinstance(port, int) else port
        self._senders = [Sender(number, ports[number % len(ports)], load or Load()) for number in range(count)]

    def __enter__(self) -> Self:
        for sender in self._senders:
            sender.start()
        return self

    def __exit__(self, *_: object) -> None:
        for sender in self._senders:
            sender.finish()

    def finish(self) -> None:
        """Lets each have its last message acknowledged. Fails with what troubled one of them."""
        for sender in self._senders:
            sender.finish()
        for sender in self._senders:
            sender.join(2 * ANSWER_LIMIT)
            assert not sender.is_alive(), f"{sender.name} does not end"
        assert not (trouble := self.trouble), trouble

    @property
    def trouble(self) -> str:
        """What troubled them, if anything did."""
        return "; ".join(sender.trouble for sender in self._senders if sender.trouble)

    @property
    def sent(self) -> dict[str, Sent]:
        """By control id, every message that was begun."""
        return {control_id: sent for sender in self._senders for control_id, sent in sender.sent.items()}

    @property
    def acknowledged(self) -> set[str]:
        """The control ids that were acknowledged."""
        return {control_id for sender in self._senders for control_id in sender.acknowledged}

    @property
    def heard(self) -> list[float]:
        """When acknowledgements came, on the monotonic clock, in order."""
        return sorted(moment for sender in self._senders for moment in sender.heard)

    @property
    def resends(self) -> int:
        """How often a message was sent again."""
        return sum(sender.resends for sender in self._senders)

    @property
    def cuts(self) -> int:
        """Connections that ended while a message was on its way."""
        return sum(sender.cuts for sender in self._senders)

    @property
    def halves(self) -> int:
        """Those of them that ended in the middle of an answer."""
        return sum(sender.halves for sender in self._senders)
