"""Messages on the wire as others cut them: what each must be answered with, and a sender that cuts where it likes.

It reads headers by itself, so that it doesn't lean on what it tests.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["Cutter", "Expected", "Head", "expected", "head", "know"]

LEADING = b"\xef\xbb\xbf\r\n\t \0"
PATIENCE = 120.0  # seconds for an answer
ENHANCED = {"AA": "CA", "AR": "CR"}
WANTED = {b"NE": (), b"ER": ("AR",), b"SU": ("AA",)}  # table 0155; all else is answered in any case


@dataclass(frozen=True, slots=True)
class Head:
    """MSH by the letter: field n is `fields[n - 1]`, of which the first is the separator."""

    fields: list[bytes]

    def __getitem__(self, number: int) -> bytes:
        return self.fields[number - 1] if number <= len(self.fields) else b""

    def name(self, number: int) -> bytes:
        """The first component."""
        component = self[2][:1]
        return (self[number].split(component)[0] if component else self[number]).strip()


class Expected(NamedTuple):
    """An answer: its code, MSH-3 to MSH-6, MSH-11, MSH-12, MSA-2 and the separators, all as they must be."""

    code: bytes
    routing: tuple[bytes, ...]
    processing_id: bytes
    version: bytes
    control_id: bytes
    separators: bytes


def head(body: bytes) -> Head | None:
    """The header of a message; None where there is none."""
    body = body.lstrip(LEADING)
    line = body.replace(b"\n", b"\r").split(b"\r")[0]
    separator = line[3:4]
    if not line.startswith(b"MSH") or not separator:
        return None
    return Head([separator, *line.split(separator)[1:]])


def expected(msh: Head | None, *, taken: bool) -> Expected | None:
    """What a listener in `auto` answers; None for nothing at all.

    Args:
        msh: the message's header; None where it can't be read.
        taken: whether the message is one that a listener takes.
    """
    code = "AA" if taken else "AR"
    if msh is None:
        return Expected(code.encode(), (b"",) * 4, b"P", b"2.5.1", b"", b"|^~\\&")
    accept, application = ("" if part == '""' else part for part in (_plain(msh[15]), _plain(msh[16])))
    if accept:
        if code not in WANTED.get(accept.encode(), ("AA", "AR")):
            return None
        code = ENHANCED[code]
    elif application:
        return None
    routing = (msh[5], msh[6], msh[3], msh[4])
    meant = msh[2].replace(b"&amp;", b"&").replace(b"\\\\", b"\\")  # as it stood before somebody escaped it
    return Expected(code.encode(), routing, msh[11], msh[12], msh[10], msh[1] + meant)


def _plain(field: bytes) -> str:
    return field.decode("latin-1").strip().upper()


def read(answer: bytes) -> Expected:
    """What an answer says."""
    msh, (_, _, msa) = head(answer), answer.partition(b"\rMSA")
    assert msh is not None, answer
    code, control_id = msa.partition(b"\r")[0].split(msh[1])[1:3]
    return Expected(code, tuple(msh.fields[2:6]), msh[11], msh[12], control_id, msh[1] + msh[2])


def know(workspace: Path, bodies: Iterable[bytes]) -> None:
    """Makes the sender of each message a peer, as far as it says who it is."""
    matches: dict[str, None] = {}
    for body in bodies:
        if (msh := head(body)) is not None and (named := peer_of(msh)) is not None:
            matches[f"{{{named[0]}: {json.dumps(named[1])}}}"] = None
    peers = "".join(
        f"      peer-{number}: {{match: {match}, facility: NORTH}}\n" for number, match in enumerate(matches)
    )
    file = workspace / "config" / "engine.yaml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("    peers:\n", f"    peers:\n{peers}"), "utf-8")


def peer_of(msh: Head) -> tuple[str, str] | None:
    """What a message is known by, of MSH-3 and the fields behind it; None where nothing can be."""
    for number in (3, 4, 5, 6):
        name = msh.name(number)
        if name and all(0x20 <= byte < 0x7F for byte in name):
            return f"MSH-{number}", name.decode()
    return None


class Cutter(threading.Thread):
    """A sender of one connection: all its messages without waiting, cut anywhere, while another thread reads.

    Args:
        port: where it sends.
        bodies: what it sends, in this order.
        chance: where it is cut.

    Attributes:
        answers: what came back until the connection ended.
        name: its own address, as the engine has it.
    """

    def __init__(self, port: int, bodies: Sequence[bytes], chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.bodies, self._chance = bodies, chance
        self.answers: list[bytes] = []
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = "{}:{}".format(*self._socket.getsockname())
        self._reader = threading.Thread(target=self._read, daemon=True)

    def run(self) -> None:
        """Sends all, says that no more comes, and waits until the other side has closed as well."""
        self._reader.start()
        data = b"".join(b"\x0b" + body + b"\x1c\r" for body in self.bodies)
        at = 0
        while at < len(data):
            size = self._chance.choice((1, 1, 2, 3, 17, 200, 1500, 9000, 70_000))
            self._socket.sendall(data[at : at + size])
            at += size
            if self._chance.random() < 0.1:
                time.sleep(0.001)  # so that the pieces are reads of their own
        self._socket.shutdown(socket.SHUT_WR)
        self._reader.join(PATIENCE)

    def _read(self) -> None:
        data = b""
        while came := self._socket.recv(1 << 16):
            *whole, data = (data + came).split(b"\x1c\r")
            self.answers += (answer[1:] for answer in whole)
        assert not data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
