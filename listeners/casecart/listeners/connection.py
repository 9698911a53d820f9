"""One MLLP connection: bytes to arrivals, receipts to answers in the order of their messages."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from zope.interface import implementer  # type: ignore[import-untyped]  # it has none

from casecart.formats.mllp import Fault, Framer, frame
from casecart.listeners.pending import ACCEPTED, Pending
from casecart.runtime.listener import Arrival

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from casecart.listeners.admission import Admitted
    from casecart.listeners.door import Occupant
    from casecart.listeners.hl7v2 import Reception
    from casecart.runtime.listener import Intake, Receipt
    from casecart.runtime.unfinished import Unfinished

__all__ = ["MllpConnection", "Owner"]

# So much may wait for its answer on one connection before no more is read from it.
_MOST_WAITING: Final = 512
_MOST_WAITING_BYTES: Final = 4 * 1024 * 1024

# Why nothing is read at the moment; bits.
_STORE: Final = 1  # the engine takes nothing
_UNREAD: Final = 2  # the sender doesn't read its answers
_WAITING: Final = 4  # too much waits for its answer
_ENDED: Final = 8  # nothing more is wanted, or will come


class Owner(Protocol):
    """What a connection asks of its listener."""

    intake: Intake
    reception: Reception
    maximum_frame: int
    frame_timeout: float
    idle_timeout: float
    unfinished: Unfinished
    commits: bool

    def opened(self, connection: Occupant) -> None:
        """A connection is there."""

    def lost(self, connection: Occupant) -> None:
        """A connection is gone."""

    def write_soon(self, connection: MllpConnection) -> None:
        """Have `write` called at the end of this turn."""


def _unanswered(receipt: Receipt) -> None:
    """What becomes of the record of a fault: its sender gets no answer."""


@implementer(IHalfCloseableProtocol)
class MllpConnection(TwistedProtocol):
    """One connection.

    A message is handed over as soon as its frame is whole. Answers go out in the order of the messages, those of one
    turn in one write; the second answers of those that get two go out in that order among themselves, and hold up no
    first one. A message that can't be stored ends the connection: what came before it is answered, it
    and what came after it are not.

    Args:
        owner: the listener.
        admitted: what may come on it.
        source: where it comes from, `host:port`; empty: as the transport says.
    """

    transport: Any

    def __init__(self, owner: Owner, admitted: Admitted, source: str = "") -> None:
        self.owner = owner
        self.host = ""
        self._arrival, self.peer = admitted
        self.closing = False
        """Whether the connection was closed from here; nothing is answered any more."""
        self._framer = Framer(owner.maximum_frame)
        self._waiting: deque[Pending] = deque()
        self._waiting_bytes = 0
        self._accepted: deque[Pending] = deque()  # whose second answer is to come
        self._answers: list[bytes] = []
        self._feeding = False
        self._blocked = 0
        self._kept = b""
        self._held = 0  # bytes of unfinished messages, as the listeners' common account has it
        self._source = source
        self._send: Callable[[bytes], int | Exception] | None = None
        # Seconds, counted by `tick`: a clock read a message would cost more.
        self._quiet = self._begun = self._closed = 0.0

    @property
    def ending(self) -> bool:
        """Whether nothing more is taken, and it closes when what was taken is answered."""
        return bool(self._blocked & _ENDED)

    # --- what comes in

    def connectionMade(self) -> None:
        """Get to know the other side."""
        address = self.transport.getPeer()
        self._source = self._source or f"{address.host}:{address.port}"
        self.host = self._source.rpartition(":")[0]
        self.transport.setTcpKeepAlive(True)
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, streaming=True)
        self._send = getattr(self.transport, "writeSomeData", None)  # what is encrypted has its own way
        self.owner.opened(self)

    def dataReceived(self, data: bytes) -> None:
        """Hand over what these bytes complete."""
        owner = self.owner
        if self._blocked & _ENDED:
            return
        if not owner.intake.open:
            self._kept += data
            self._block(_STORE)
            self._account()
            return
        self._quiet = 0.0
        self._feeding = True
        events = self._framer.feed(data)
        for event in events:
            if event.__class__ is bytes:
                waiting = Pending(self, len(event))
                self._waiting.append(waiting)
                self._waiting_bytes += waiting.size
                arrival = self._arrival(event, self._source, waiting)
                take = owner.intake.take if arrival.__class__ is Arrival else self._take_each
                take(arrival)  # type: ignore[arg-type]  # mypy does not see that the class was asked for
            elif event.__class__ is Fault:
                self._record(event)
        self._feeding = False
        if events:
            self._begun = 0.0
        self._account()
        if (self._waiting and self._waiting[0].settled) or self._accepted:
            self.settled()
        if self._framer.dead:
            self._end()
        elif len(self._waiting) + len(self._accepted) > _MOST_WAITING or self._waiting_bytes > _MOST_WAITING_BYTES:
            self._block(_WAITING)

    def _take_each(self, arrivals: list[Arrival]) -> None:
        """Hand over the messages of a frame that has several."""
        for arrival in arrivals:
            self.owner.intake.take(arrival)

    def readConnectionLost(self) -> None:  # noqa: N802 - the name is Twisted's
        """The sender sends nothing more; it may still read its answers."""
        self._cut_off()
        self._end()

    def writeConnectionLost(self) -> None:  # noqa: N802 - the name is Twisted's
        """Only follows our own closing."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 - the signature is Twisted's
        """The connection is gone, and with it all that could be answered."""
        self._cut_off()
        self.closing = True
        self._waiting.clear()
        self._accepted.clear()
        self._answers.clear()
        if self._held:
            self.owner.unfinished.hold(self, 0)
        self.owner.lost(self)

    def _account(self) -> None:
        """Say how much is held here of what isn't whole; if it is too much in all, somebody has to give up."""
        held = self._framer.pending + len(self._kept)
        if held != self._held:
            self._held = held
            self.owner.unfinished.hold(self, held)

    def give_up(self) -> None:
        """Too much is unfinished in all, and most of it here: record that, and close; its sender keeps the message."""
        self._held, self._kept = 0, b""
        self._record(self._framer.finish(), "crowded")
        self._end()

    def _cut_off(self) -> None:
        """Record what the other side left unfinished; what we closed ourselves is not its fault."""
        if not self._blocked & _ENDED:
            self._record(self._framer.finish())
            self._account()

    def _record(self, fault: Fault | None, notes: str = "") -> None:
        if fault is not None:
            owner, codes = self.owner, f"{fault.code} {notes}".rstrip()
            record = owner.reception.refused(fault.data, self._source, "mllp/1", codes, _unanswered)
            owner.intake.take(record)

    # --- what goes out

    def settled(self) -> None:
        """Answer what can be answered without overtaking."""
        if self._feeding:
            return
        waiting = self._waiting
        while waiting and waiting[0].settled:
            done = waiting.popleft()
            self._waiting_bytes -= done.size
            if done.answer is None:
                self._close()
                return
            if done.answer:
                self._answers.append(frame(done.answer))
            if done.settled == ACCEPTED:
                self._accepted.append(done)
        if self._accepted:
            self._follow()
        if not waiting:
            self.write()
        elif self._answers:
            self.owner.write_soon(self)
        if self._blocked:
            self._caught_up()

    def _caught_up(self) -> None:
        """Something that was waited for may be over."""
        if self._blocked & _ENDED and not self._waiting and not self._accepted:
            self._close()
        elif self._blocked & _WAITING and len(self._waiting) + len(self._accepted) <= _MOST_WAITING // 2:
            self._unblock(_WAITING)

    def _follow(self) -> None:
        """Second answers that are due."""
        accepted = self._accepted
        while accepted and (second := accepted[0].second) is not None:
            accepted.popleft()
            if second:
                self._answers.append(frame(second))

    def write(self) -> None:
        """Write the answers that are ready."""
        answers = self._answers
        if not answers:
            return
        self._answers = []
        data = answers[0] if len(answers) == 1 else b"".join(answers)
        if self._send is not None:
            # At once: to have the reactor do it in its next turn costs as much again as the sending. A socket that does
            # not take all of it belongs to a sender that doesn't read; from then on the transport keeps the order.
            sent = self._send(data)
            if sent == len(data):
                return
            self._send = None
            data = data[sent:] if isinstance(sent, int) else data
        self.transport.write(data)

    def drain(self) -> None:
        """Take nothing new, answer what was taken, close."""
        self._end()

    def abort(self) -> None:
        """Close without answering."""
        self.closing = True
        self._blocked |= _ENDED
        self.transport.abortConnection()

    def _end(self) -> None:
        self._block(_ENDED)
        if not self._waiting and not self._accepted:
            self._close()

    def _close(self) -> None:
        if self.closing:
            return
        self.write()
        self.closing = True
        self._waiting.clear()
        self._accepted.clear()
        self._block(_ENDED)
        # Twisted closes no connection whose producer it has paused.
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    # --- flow and time

    def _block(self, reason: int) -> None:
        if not self._blocked:
            self.transport.pauseProducing()
        self._blocked |= reason

    def _unblock(self, reason: int) -> None:
        if self._blocked & reason:
            self._blocked &= ~reason
            if not self._blocked:
                self.transport.resumeProducing()

    def pauseProducing(self) -> None:
        """Too many answers are unread: make no more of them."""
        self._block(_UNREAD)

    def resumeProducing(self) -> None:
        """The sender reads again."""
        self._unblock(_UNREAD)

    def stopProducing(self) -> None:
        """Nothing can be written any more; `connectionLost` follows."""

    def tick(self, seconds: float) -> None:
        """So much time has gone by."""
        owner = self.owner
        if self.closing:
            self._closed += seconds
            if self._closed > owner.frame_timeout:
                self.transport.abortConnection()
            return
        if self._blocked & _STORE and owner.intake.open:
            kept, self._kept = self._kept, b""
            self._account()
            self._unblock(_STORE)
            self.dataReceived(kept)
        if self._blocked & (_STORE | _ENDED):
            return
        # Who waits for an answer is not silent.
        self._quiet = 0.0 if self._waiting or self._accepted else self._quiet + seconds
        if self._framer.begun and not self._blocked:
            self._begun += seconds
            if self._begun > owner.frame_timeout:
                self._record(self._framer.finish(), "timeout")
                self._account()
                self._end()
        elif self._quiet > owner.idle_timeout:
            if self._blocked & _UNREAD:
                self.abort()
            else:
                self._close()
