"""Sends HL7 messages over MLLP, one at a time, and reads the answers. Blocking: a client is not a server."""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from casecart.formats.hl7v2 import Refused, parse, read_header, repair, wanted
from casecart.formats.hl7v2.file import messages_of
from casecart.formats.mllp import Framer, frame

if TYPE_CHECKING:
    from types import TracebackType

    from casecart.formats.hl7v2 import Header

__all__ = ["ACCEPTED", "NOT_ASKED", "Address", "Answer", "NotAnswered", "Sender", "messages_in", "with_new_id"]

ACCEPTED = frozenset({"AA", "CA"})
NOT_ASKED = "-"
"""In place of a code: the message asks for no answer."""

LARGEST_ANSWER = 1_048_576  # bytes
_READ = 65_536
_REMEMBERED = 1000  # messages of which a second answer may come
_SECOND = re.compile(rb"[\r\n]MSA([^A-Za-z0-9\s])A[AER]\1((?:(?!\1)[^\r\n])*)")
_FRAMED = b"\x0b"


class Address(NamedTuple):
    """Where to send to."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class NotAnswered(Exception):
    """No connection, or no answer on it. The words say what is known of the message."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a message was answered."""

    control_id: str
    """The message's."""
    code: str
    """MSA-1, such as ``AA``; `NOT_ASKED`; empty when what came is no answer to this message."""
    milliseconds: float
    words: str
    """Why it was not accepted, as the receiver says it."""

    @property
    def accepted(self) -> bool:
        """The receiver has it."""
        return self.code in ACCEPTED or self.code == NOT_ASKED


def messages_in(data: bytes) -> list[bytes]:
    """The messages of a file, each with its segments ended by CR; empty where there is no MSH.

    The segments of a batch around them (FHS, BHS, BTS, FTS) are left out. A file may also be a capture of MLLP frames:
    what is in these is left as it is.
    """
    messages = messages_of(data)
    return messages if data.startswith(_FRAMED) else [_repaired(message) for message in messages]


def _repaired(message: bytes) -> bytes:
    # In every character set that can be sent over MLLP a line end is one byte, so any of them will do to find it.
    text = repair(message.decode("latin-1")).rstrip("\r\n")
    return text.encode("latin-1") + b"\r"


def with_new_id(message: bytes) -> bytes:
    """The message under a control id that was never used."""
    header = read_header(message)
    end = min((at for at in (message.find(b"\r"), message.find(b"\n")) if at >= 0), default=len(message))
    fields = message[:end].split(header.separator)
    fields += [b""] * (10 - len(fields))
    fields[9] = secrets.token_hex(10).upper().encode()
    return header.separator.join(fields) + message[end:]


class Sender:
    """One connection, as a context manager.

    Args:
        address: the listener's.
        timeout: seconds to wait for a connection, and for each answer.
        tls: for one that is encrypted.
        pin: the SHA-256 of the certificate that the receiver must have, in hexadecimal digits; empty: any that `tls`
            trusts.

    Raises:
        NotAnswered: no connection, or not to whom it should be.
    """

    def __init__(self, address: Address, timeout: float, tls: ssl.SSLContext | None = None, pin: str = "") -> None:
        self._timeout = timeout
        self._socket: socket.socket
        try:
            self._socket = socket.create_connection(address, timeout)
        except TimeoutError:
            raise NotAnswered(f"{address} does not answer within {timeout:g} s") from None
        except ConnectionRefusedError:
            raise NotAnswered(f"{address} refuses the connection: nothing listens there (`casecart run`?)") from None
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "no such address"
            raise NotAnswered(f"{address} can't be reached: {reason}") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self._socket = _encrypted(self._socket, address, tls, pin)
        self._framer = Framer(LARGEST_ANSWER)
        self._accepted: deque[bytes] = deque(maxlen=_REMEMBERED)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, message: bytes) -> Answer:
        """Sends one message and waits for its answer. Raises `NotAnswered`."""
        header = _header(message)
        control_id = header.control_id if header is not None else b""
        begun = time.perf_counter()
        try:
            self._socket.sendall(frame(message))
            if header is not None and wanted(header, "auto", "accepted") is None:
                self._accepted.append(control_id.strip())
                return Answer(_text(control_id), NOT_ASKED, _since(begun), "")
            answer = self._receive(begun + self._timeout)
        except TimeoutError:
            raise NotAnswered(
                f"no answer within {self._timeout:g} s; nobody can say whether the receiver has the message"
            ) from None
        except ssl.SSLError as error:
            raise NotAnswered(f"the receiver ended the encrypted connection: {_reason(error)}") from None
        except OSError:
            raise NotAnswered("the connection broke before an answer came") from None
        told = _read_answer(answer, control_id, _since(begun))
        if told.code == "CA":
            self._accepted.append(control_id.strip())
        return told

    def _receive(self, until: float) -> bytes:
        while True:
            left = until - time.perf_counter()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            data = self._socket.recv(_READ)
            if not data:
                raise NotAnswered("the connection was closed without an answer: the receiver has not taken the message")
            for event in self._framer.feed(data):
                if isinstance(event, bytes) and not self._is_second(event):
                    return event

    def _is_second(self, answer: bytes) -> bool:
        """Whether it tells of the work on a message that was answered before."""
        told = _SECOND.search(answer)
        return told is not None and told[2].strip() in self._accepted


def _encrypted(plain: socket.socket, address: Address, tls: ssl.SSLContext, pin: str) -> socket.socket:
    try:
        encrypted = tls.wrap_socket(plain, server_hostname=address.host)
    except ssl.SSLCertVerificationError as error:
        words = f"the certificate of {address} is not trusted ({error.verify_message}); see --ca and --fingerprint"
    except TimeoutError:
        words = f"{address} doesn't answer the beginning of TLS: does it speak plain MLLP?"
    except OSError as error:
        words = f"no encrypted connection to {address} comes about: {_reason(error)}"
    else:
        found = hashlib.sha256(encrypted.getpeercert(binary_form=True) or b"").hexdigest()
        if not pin or found == pin.replace(":", "").lower():
            return encrypted
        encrypted.close()
        words = f"{address} has another certificate than --fingerprint says: its SHA-256 is {found}"
    plain.close()
    raise NotAnswered(words)


def _reason(error: OSError) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return (reason or "it is closed").replace("_", " ").lower()


def _header(message: bytes) -> Header | None:
    try:
        return read_header(message)
    except Refused as refused:  # sent on purpose, to see what happens
        return refused.header


def _read_answer(data: bytes, control_id: bytes, milliseconds: float) -> Answer:
    shown = _text(control_id)
    try:
        answer = parse(data.decode("latin-1"))
    except Refused:
        return Answer(shown, "", milliseconds, "what came back is no HL7 message")
    msa = answer.segment("MSA")
    if msa is None:
        return Answer(shown, "", milliseconds, "the answer has no MSA segment")
    code, answered = msa.field(1).text.strip(), msa.field(2).text.encode("latin-1")
    if answered.strip() != control_id.strip():
        return Answer(shown, "", milliseconds, "the answer is for another message (MSA-2 is not its control id)")
    words = [msa.field(3).value]
    for err in answer.all("ERR"):
        words += [err.field(8).value, err.field(3).repetition().component(2).value]
    reason = next((said.strip() for said in words if said.strip()), "")
    place = next((err.field(2).value.strip() for err in answer.all("ERR")), "")
    return Answer(shown, code or "", milliseconds, f"{reason} ({place})" if reason and place else reason)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1_000
