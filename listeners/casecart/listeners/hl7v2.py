"""What a listener does with an HL7 v2 message: tells its sender, fills the envelope, answers when it is told to."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from casecart.formats.hl7v2 import NO_CONTROL_ID, Problem, Refused, acknowledge, read_header, wanted, wanted_after
from casecart.listeners.completion import text_of
from casecart.listeners.control_id import ControlIds
from casecart.listeners.moment import moment
from casecart.listeners.several import batched, one_by_one
from casecart.listeners.special import OUT_OF_SEQUENCE, Specialty, with_expected
from casecart.runtime.listener import Arrival, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from casecart.formats.hl7v2 import AckCode, Header, Outcome
    from casecart.listeners.accept import Accept, Refusal
    from casecart.listeners.partition import Partition
    from casecart.listeners.peer import Peers, Sender
    from casecart.listeners.question import Question
    from casecart.runtime.listener import ListenerContext, Numbered, Special

__all__ = ["Reception"]

_UNKNOWN_PEER: Final = Problem(
    error_code="103",
    words="The sender that MSH-3 and MSH-4 name is not known to this listener.",
    segment="MSH",
    field=3,
)
_LONG_CONTROL_ID: Final = Problem(
    error_code="104", words="The control id (MSH-10) is longer than 199 characters.", segment="MSH", field=10
)
_LONG_HEADER: Final = Problem(error_code="104", words="The MSH segment is longer than 8192 bytes.", segment="MSH")
_ACKNOWLEDGEMENT: Final = Problem(
    error_code="200",
    words="An acknowledgement is not taken, and never acknowledged.",
    segment="MSH",
    field=9,
    component=1,
)
_NOT_STORED: Final = Problem(error_code="207", words="The message can't be stored now: send it again later.")

_NOT_THIS_PEER: Final = Problem(
    error_code="207",
    words="The sender that MSH-3 and MSH-4 name may not send on this connection.",
    segment="MSH",
    field=3,
)

_LATE: Final = "Stored; its processing goes on."
_WORKS: Final[tuple[Outcome, ...]] = ("accepted", "error", "rejected")

# HL7 v2.8.2 gives MSH-10 up to 199 characters, and so much of any other field goes into the envelope.
_LONGEST: Final = 199

# What is read of a header is remembered, for the next message has the same. So a header has a length, and the memory
# a size.
_LONGEST_HEADER: Final = 8192
_REMEMBERED: Final = 1024


# Sender, its name for de-duplication, message type, schema, and why none of its kind is taken.
_Envelope: TypeAlias = "tuple[Sender, str, str, str, Refusal | None]"


class Reception:
    """Makes arrivals of messages, and answers of receipts.

    Args:
        context: the listener's.
        peers: the senders that it knows.
        partition: where to find what decides the partition.
        accept: which messages are taken.
        maker: see `ControlIds`.
        takes_several: whether several messages may stand in a frame without a batch around them.
        continued_within: seconds that a part of a message may wait for the others.
        maximum: bytes that a message of several parts may have.
    """

    def __init__(
        self,
        context: ListenerContext,
        peers: Peers,
        partition: Partition,
        accept: Accept,
        maker: str,
        *,
        takes_several: bool = False,
        continued_within: float = 3600.0,
        maximum: int = 10_000_000,
    ) -> None:
        self._listener, self._organisation, self._now = context.name, context.organisation, context.now
        self._peers, self._partition, self._accept = peers, partition, accept
        self._takes_several = takes_several
        self._specialty = Specialty(self, context.name, continued_within, maximum)
        self._control_ids = ControlIds(maker)
        self._known: dict[tuple[bytes | str, ...], _Envelope] = {}
        self._allowed: Collection[Sender] | None = None
        self._elsewhere: Final = copy(peers.nobody)

    def narrowed(self, allowed: Collection[Sender]) -> Reception:
        """The same, that takes the messages of these peers and refuses those of all others.

        Nothing of a refused one is told as if it were the peer's that it says it is.
        """
        same = copy(self)
        same._known, same._allowed = {}, frozenset(allowed)  # noqa: SLF001 - they are its own
        return same

    def arrival(self, body: bytes, source: str, question: Question) -> Arrival | list[Arrival]:
        """The message as the engine takes it, or the messages where the frame has several.

        What its answer needs is put into the question.

        Args:
            body: what a frame held.
            source: where it came from, `host:port`.
            question: called with the receipt, or settled where there are several.
        """
        problem: Problem | None = None
        notes: str | None = None
        special: Special | None = None
        try:
            if len(body) > _LONGEST_HEADER and not _ends(body):
                raise Refused("long-header", _LONG_HEADER)
            header = read_header(body)
        except Refused as refused:
            if (other := self._no_message(refused, body, source, question)) is not None:
                return other
            header, problem, notes = cast("Header", refused.header), refused.problem, refused.code
        fields = header.fields
        component = header.delimiters.component
        key = (fields[2], fields[3], fields[4], fields[5], fields[8], fields[10], fields[11], component)
        sender, identity, message_type, schema, refusal = self._known.get(key) or self._learn(key, header)
        control_id = fields[9]
        if problem is None:
            if not control_id or control_id.isspace():
                problem, notes = NO_CONTROL_ID, "no-control-id"
            elif refusal is not None:
                problem, notes = refusal
            elif len(control_id) > _LONGEST:
                problem, notes = _LONG_CONTROL_ID, "long-control-id"
            elif sender.numbered or fields[13].strip() or b"DSC" in body or b"ADD" in body:
                question.sender = sender
                special, problem, notes = self._specialty.of(body, header, source, question)
        question.header, question.sender, question.problem = header, sender, problem
        arrival = Arrival(
            self._listener,
            sender.facility,
            self._organisation,
            sender.name,
            schema,
            message_type,
            identity,
            _text(control_id),
            moment(fields[6], sender.zone) if fields[6] else None,
            self._partition.of(body, header, sender.partition) if problem is None else 0,
            notes,
            source,
            sender.charset,
            body,
            question,
            problem is not None,
            None,
            special,
        )
        if sender.complete_within is not None and problem is None:
            _wait(arrival, question, header)
        return arrival

    def _sender(self, header: Header) -> Sender:
        sender = self._peers.of(header)
        return sender if self._allowed is None or not sender.known or sender in self._allowed else self._elsewhere

    def _no_message(
        self, refused: Refused, body: bytes, source: str, question: Question
    ) -> Arrival | list[Arrival] | None:
        """What a frame is in which no single message could be read; None: one whose header is enough to answer it."""
        if refused.code == "batch":
            return batched(self, body, source, question)
        if refused.code == "several-messages" and self._takes_several:
            return one_by_one(self, body, source, question, refused)
        return self.rejected(refused, body, source, question) if refused.header is None else None

    def _learn(self, key: tuple[bytes | str, ...], header: Header) -> _Envelope:
        """What all messages with the same sender, receiver, type, processing id and version share."""
        component = header.delimiters.component
        version = _text(header.version).split(component)[0].strip()
        sender = self._sender(header)
        refusal: Refusal | None = None
        if header.message_type.code == "ACK":
            # It would go on for ever between two who both do so.
            sender, refusal = sender.silent(), (_ACKNOWLEDGEMENT, "acknowledgement")
        elif sender is self._elsewhere:
            refusal = _NOT_THIS_PEER, "wrong-connection"
        elif not sender.known:
            refusal = _UNKNOWN_PEER, "unknown-peer"
        else:
            refusal = self._accept.refusal(header)
        made = (
            sender,
            f"{_text(header.sending_application)}|{_text(header.sending_facility)}",
            _text(header.event.encode()),
            f"hl7v2/{version}" if version else "hl7v2",
            refusal,
        )
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key] = made
        return made

    def refused(self, body: bytes, source: str, schema: str, notes: str, reply: Callable[[Receipt], None]) -> Arrival:
        """The record of bytes that are no message."""
        return Arrival(
            self._listener, "", self._organisation, "", schema, "", "", "", None, 0, notes, source, None, body,
            reply, refused=True,
        )  # fmt: skip

    def introduce(self, header: Header, question: Question) -> None:
        """What the answer to a frame of several messages needs, by the header around them."""
        question.header, question.sender, question.problem = header, self._sender(header), None

    def rejected(self, refused: Refused, body: bytes, source: str, question: Question) -> Arrival:
        """The record of a frame that can't be taken as a whole."""
        if refused.header is None:
            question.header, question.sender = None, self._peers.nobody
        else:
            self.introduce(refused.header, question)
        question.problem = refused.problem
        return self.refused(body, source, "hl7v2", refused.code, question)

    def signature(self, header: Header) -> tuple[bytes, bytes]:
        """Control id and time of an answer, by the clock of whom it goes to."""
        now = self._now()
        return self._control_ids.next(now), self._sender(header).stamp(now)

    def answer(self, question: Question, receipt: Receipt) -> bytes | None:
        """The acknowledgement; empty if the sender wants none, None if it must get none."""
        header, sender, problem = question.header, question.sender, question.problem
        if problem is None and receipt is Receipt.STORED and not sender.numbered:
            code = wanted(header, sender.mode, "accepted")
            if code is None:
                return b""
            now = self._now()
            return acknowledge(header, code, control_id=self._control_ids.next(now), time=sender.stamp(now))
        outcome: Outcome = "accepted" if problem is None else "rejected"
        work: Outcome = "accepted"
        problems: tuple[Problem, ...] = () if problem is None else (problem,)
        if receipt is Receipt.NOT_STORED:
            if not sender.tell_not_stored:
                return None
            outcome, problems = "error", (_NOT_STORED,)
        elif problem is OUT_OF_SEQUENCE:
            outcome = "error"
        elif receipt.completion is not None and problem is None:
            work, problems = sender.policy.told(receipt.completion)
        code = wanted(header, sender.mode, outcome, work)
        if code is None:
            return b""
        if code == "CA":
            problems = ()  # of the work, which an accept acknowledgement doesn't tell
        return self._written(question, code, receipt, problems)

    def completed(self, question: Question, receipt: Receipt) -> bytes:
        """The second of two acknowledgements; empty if the sender wants none."""
        work: Outcome = "accepted"
        problems: tuple[Problem, ...] = ()
        if receipt.completion is not None:
            work, problems = question.sender.policy.told(receipt.completion)
        code = None if question.header is None else wanted_after(question.header, work)
        return b"" if code is None else self._written(question, code, receipt, problems)

    def _written(self, question: Question, code: AckCode, receipt: Receipt, problems: tuple[Problem, ...]) -> bytes:
        now = self._now()
        answer = acknowledge(
            question.header,
            code,
            control_id=self._control_ids.next(now),
            time=question.sender.stamp(now),
            text=_LATE if receipt is Receipt.LATE else text_of(problems),
            errors=problems,
        )
        # Which number is expected only the store knows.
        if question.sender.numbered and question.header is not None and receipt is not Receipt.NOT_STORED:
            numbered: Numbered | None = getattr(question, "numbered", None)  # one that was refused early has none
            if numbered is not None:
                return with_expected(answer, question.header.separator, numbered.expected)
        return answer


def _wait(arrival: Arrival, question: Question, header: Header) -> None:
    """Have the message answered when its work is done, if need be also before."""
    sender = question.sender
    part = None if arrival.special is None else arrival.special.part
    if part is not None and part.pointer:
        return  # the work begins with the last part (HL7 v2.8.2 §2.9.2.1)
    if sender.mode == "commit-then-app":
        if not any(wanted_after(header, work) for work in _WORKS):
            return
        arrival.stored, arrival.reply = question.accepted, question.completed
    arrival.complete_within, arrival.tell = sender.complete_within, sender.policy.asks


def _ends(body: bytes) -> bool:
    """Whether the first segment with something in it ends before it is too long."""
    start = 0 if body[:3] == b"MSH" else len(body) - len(body.lstrip(b"\xef\xbb\xbf\r\n\t \0"))
    end = start + _LONGEST_HEADER
    return body.find(b"\r", start, end) >= 0 or body.find(b"\n", start, end) >= 0


def _text(field: bytes) -> str:
    """A field of the header for the envelope: in one of two encodings, bounded, without what no database keeps."""
    try:
        text = field.decode()
    except UnicodeDecodeError:
        text = field.decode("latin-1")
    return text[:_LONGEST].replace("\0", "\ufffd")
