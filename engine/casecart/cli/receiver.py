"""Receives HL7 messages over MLLP and answers them as told, for tests. Blocking, with a thread a connection."""

from __future__ import annotations

import secrets
import socket
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, get_args

from casecart.formats.hl7v2 import Refused, acknowledge, read_header, wanted
from casecart.formats.mllp import Fault, Framer, frame

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from casecart.formats.hl7v2 import AckCode, Header

__all__ = ["REPLIES", "Received", "Receiver", "Reply"]

Reply = Literal["auto", "AA", "AE", "AR", "CA", "CE", "CR", "none", "close", "garbage"]
REPLIES: Final[tuple[Reply, ...]] = get_args(Reply)

_LARGEST: Final = 104_857_600  # bytes of a message
_MOST: Final = 200  # connections at once
_LOOK: Final = 0.1  # seconds between looks at whether it is over
_HANDSHAKE: Final = 10.0  # seconds
_READ: Final = 65_536
_GARBAGE: Final = b"\x00\xffthis is no HL7 message\x0b\x1c"
_BACKLOG: Final = 256


@dataclass(frozen=True, slots=True)
class Received:
    """A message, or bytes that are none.

    Attributes:
        number: of all that came, counted from 1.
        source: whose connection it came on.
        body: as received, not framed.
        problem: why it is no message; empty when it is one.
        reply: the code of the answer, or `none`, `close` or `garbage`.
    """

    number: int
    source: str
    body: bytes
    problem: str
    reply: str


class Receiver:
    """A listening socket and its connections.

    Args:
        host: the interface's address.
        port: 0: any that is free.
        reply: how messages are answered; `auto` as they ask for, accepted.
        delay: seconds before each answer.
        tls: for connections that are encrypted.
        told: called with each message before it is answered, by one thread at a time; what it raises ends the receiver.
        count: after so many messages it is over; None: never.

    Raises:
        OSError: the port is taken, or the address is none of this machine.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        reply: Reply,
        delay: float,
        tls: ssl.SSLContext | None,
        told: Callable[[Received], None],
        count: int | None,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._socket.settimeout(_LOOK)
        self._reply, self._delay, self._tls, self._told = reply, delay, tls, told
        self._left = count
        self._number = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._trouble: BaseException | None = None
        self._slots = threading.Semaphore(_MOST)

    @property
    def port(self) -> int:
        """The one that is open."""
        port: int = self._socket.getsockname()[1]
        return port

    def serve(self) -> None:
        """Until so many messages have been answered as were wanted, or whoever is told raises something."""
        try:
            while not self._over.is_set():
                try:
                    connection, address = self._socket.accept()
                except TimeoutError:
                    continue
                if not self._slots.acquire(blocking=False):
                    connection.close()
                    continue
                source = f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
                threading.Thread(target=self._guarded, args=(connection, source), daemon=True).start()
        finally:
            self._over.set()
            self._socket.close()
        if self._trouble is not None:
            raise self._trouble

    def _guarded(self, connection: socket.socket, source: str) -> None:
        try:
            with connection:
                self._connection(connection, source)
        except OSError as error:  # the other side is gone, or did not get through the handshake
            if self._tls is not None and not isinstance(error, TimeoutError | ConnectionError):
                self._came(source, b"", f"TLS: {getattr(error, 'reason', None) or error.strerror or 'broken'}", "none")
        finally:
            self._slots.release()

    def _connection(self, plain: socket.socket, source: str) -> None:
        connection = plain
        if self._tls is not None:
            plain.settimeout(_HANDSHAKE)
            connection = self._tls.wrap_socket(plain, server_side=True)
        connection.settimeout(_LOOK)
        framer = Framer(_LARGEST)
        with connection:
            while not self._over.is_set():
                try:
                    data = connection.recv(_READ)
                except TimeoutError:
                    continue
                events = framer.feed(data) if data else [framer.finish()]
                for event in events:
                    if isinstance(event, bytes):
                        if not self._answered(connection, source, event):
                            return
                    elif isinstance(event, Fault):
                        self._came(source, event.data, f"{event.code}: {event.words}", "none")
                if not data or framer.dead:
                    return

    def _answered(self, connection: socket.socket, source: str, body: bytes) -> bool:
        """Whether the connection goes on."""
        if self._over.is_set():
            return False
        header, problem = _header(body)
        code = _code(self._reply, header, problem)
        if not self._came(source, body, problem, code):
            return False
        try:
            if self._delay and self._over.wait(self._delay) and self._left != 0:
                return False
            if code == "close":
                return False
            if code == "garbage":
                connection.sendall(_GARBAGE)
            elif code != "none":
                connection.settimeout(_HANDSHAKE)
                connection.sendall(frame(_answer(header, code)))
                connection.settimeout(_LOOK)
        finally:
            if self._left == 0:
                self._over.set()
        return True

    def _came(self, source: str, body: bytes, problem: str, code: str) -> bool:
        """Whether it is one of those that were wanted."""
        with self._lock:
            if self._left == 0 or self._over.is_set():
                return False
            self._number += 1
            try:
                self._told(Received(self._number, source, body, problem, code))
            except BaseException as trouble:  # noqa: BLE001 - the terminal is gone, or the disk is full
                self._trouble = trouble
                self._over.set()
                return False
            if self._left is not None:
                self._left -= 1
                if not self._left and code == "none":
                    self._over.set()
            return True


def _header(body: bytes) -> tuple[Header | None, str]:
    try:
        return read_header(body), ""
    except Refused as refused:
        return refused.header, f"{refused.code}: {refused.words}"


def _code(reply: Reply, header: Header | None, problem: str) -> str:
    if reply == "auto":
        return wanted(header, "auto", "rejected" if problem else "accepted") or "none"
    return reply


def _answer(header: Header | None, code: str) -> bytes:
    accepted = code in {"AA", "CA"}
    known: dict[str, AckCode] = {"AA": "AA", "AE": "AE", "AR": "AR", "CA": "CA", "CE": "CE", "CR": "CR"}
    return acknowledge(
        header,
        known[code],
        control_id=secrets.token_hex(10).upper().encode(),
        time=datetime.now().astimezone().strftime("%Y%m%d%H%M%S%z").encode(),
        text="" if accepted else "A test receiver answers so.",
    )
