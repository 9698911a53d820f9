"""An MLLP listener for tests: an intake that remembers, connections without sockets, a clock that the test moves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock, StringTransport

from casecart.formats.mllp import Framer, frame
from casecart.listeners.connection import MllpConnection
from casecart.listeners.mllp import MllpListener
from casecart.listeners.mllp_settings import MllpSettings
from casecart.runtime.listener import Arrival, ListenerContext, Receipt
from support.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NOW", "ORSYS", "Door", "Intake", "Line", "message", "mllp_settings"]

NOW = 1_790_000_000_000_000

ORSYS = "orsys: {match: {MSH-3: ORSYS, MSH-4: NORTH}, facility: NORTH}"


def message(
    control_id: str | bytes = "4711", *, header: Sequence[tuple[int, str]] = (), segments: Sequence[str] = ()
) -> bytes:
    """A made-up DFT^P03 of ORSYS; `header` sets fields of MSH by number."""
    fields = ["MSH", "^~\\&", "ORSYS", "NORTH", "CASECART", "MERCY", "20260315101500", "", "DFT^P03^DFT_P03"]
    fields += ["@", "P", "2.5.1", *[""] * 6]
    for number, value in header:
        fields[number - 1] = value
    control = control_id if isinstance(control_id, bytes) else control_id.encode()
    lines = ["|".join(fields).rstrip("|"), *(segments or ["EVN|P03|20260315", "PID|1||MRN1", "FT1|1|L1"])]
    return ("\r".join(lines) + "\r").encode().replace(b"@", control, 1)


def mllp_settings(more: str = "", *, port: int = 0, peers: str = ORSYS) -> MllpSettings:
    """Settings with the peer ORSYS of NORTH, and whatever more is said in YAML."""
    return settings_of(MllpSettings, f"port: {port}\npeers: {{{peers}}}\n{more}\n")


class Intake:
    """Remembers what arrives. With a receipt it answers at once, without one when the test says so."""

    def __init__(self, receipt: Receipt | None = Receipt.STORED) -> None:
        self.open = True
        self.receipt = receipt
        self.arrivals: list[Arrival] = []

    def take(self, arrival: Arrival) -> None:
        """Remember it."""
        self.arrivals.append(arrival)
        if self.receipt is not None:
            arrival.reply(self.receipt)

    @property
    def last(self) -> Arrival:
        """What arrived last."""
        return self.arrivals[-1]

    @property
    def control_ids(self) -> list[str]:
        """Of all that arrived, in order."""
        return [arrival.control_id for arrival in self.arrivals]


class _Transport(StringTransport):
    producer: Any

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: FBT001, N802 - as Twisted has it
        self.keep_alive = enabled

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: FBT001, N802 - as Twisted has it
        """Nothing to delay."""


class Line:
    """One connection: what a sender does, and what it sees."""

    def __init__(self, protocol: MllpConnection) -> None:
        self.protocol = protocol
        self.transport = _Transport(peerAddress=IPv4Address("TCP", "192.0.2.7", 40000))
        protocol.makeConnection(self.transport)

    def send(self, *bodies: bytes) -> None:
        """Messages, each in a frame, all in one write."""
        self.send_bytes(b"".join(map(frame, bodies)))

    def send_bytes(self, data: bytes) -> None:
        """Bytes as they are."""
        self.protocol.dataReceived(data)

    @property
    def answers(self) -> list[bytes]:
        """The answers so far."""
        return [answer for answer in Framer(1_000_000).feed(self.transport.value()) if isinstance(answer, bytes)]

    @property
    def codes(self) -> list[str]:
        """(MSA-1, MSA-2) of each answer, as `AA 4711`."""
        return [
            b" ".join(answer.split(b"\rMSA|")[1].split(b"\r")[0].split(b"|")[:2]).decode() for answer in self.answers
        ]

    def writes(self) -> list[int]:
        """From now on: how many answers are in each write."""
        counts: list[int] = []
        setattr(self.transport, "write", lambda data: counts.append(data.count(b"\x0b")))  # noqa: B010 - for mypy
        return counts

    def closing(self) -> bool:
        """Whether the connection was closed from the other side."""
        return self.transport.disconnecting or self.transport.disconnected

    def dropped(self) -> bool:
        """Whether the connection was closed without waiting for the sender to read its answers."""
        return bool(self.transport.disconnected)

    def paused(self) -> bool:
        """Whether the other side reads nothing at the moment."""
        return self.transport.producerState == "paused"


class Door:
    """A listener on a reactor without sockets."""

    def __init__(self, intake: Intake | None = None, settings: MllpSettings | None = None) -> None:
        self.reactor = MemoryReactorClock()
        self.intake = intake or Intake()
        self.context = ListenerContext(
            name="or-mllp",
            settings=settings or mllp_settings(),
            reactor=self.reactor,
            intake=self.intake,
            now=lambda: NOW + int(self.reactor.seconds() * 1e6),
            organisation="MERCY",
            time_zones={"NORTH": "America/Chicago", "SOUTH": "Europe/Berlin"},
            root=Path(),
        )
        self.listener = MllpListener(self.context)
        self.listener.start()

    def connect(self) -> Line:
        """A sender connects."""
        protocol = self.try_to_connect()
        assert protocol is not None
        return Line(protocol)

    def try_to_connect(self) -> MllpConnection | None:
        """A sender connects; None if it is turned away."""
        made = self.listener.admit("192.0.2.7", 40000)
        assert made is None or isinstance(made, MllpConnection)
        return made

    def wait(self, seconds: float) -> None:
        """Time goes by."""
        for _ in range(round(seconds)):
            self.reactor.advance(1.0)
