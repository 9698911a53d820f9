"""What a listener does with an HL7 v2 message: tells its sender, fills the envelope, answers when it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, cast

from casecart.formats.hl7v2 import NO_CONTROL_ID, Problem, Refused, acknowledge, read_header, wanted
from casecart.listeners.control_id import ControlIds
from casecart.listeners.moment import moment
from casecart.listeners.question import Question
from casecart.listeners.several import batched, one_by_one
from casecart.listeners.special import OUT_OF_SEQUENCE, Specialty, with_expected
from casecart.runtime.listener import Arrival, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.formats.hl7v2 import Header, Outcome
    from casecart.listeners.partition import Partition
    from casecart.listeners.peer import Peers, Sender
    from casecart.runtime.listener import ListenerContext, Special

__all__ = ["Question", "Reception"]

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
_NOT_STORED: Final = Problem(error_code="207", words="The message can't be stored now: send it again later.")

# HL7 v2.8.2 gives MSH-10 up to 199 characters, and so much of any other field goes into the envelope.
_LONGEST: Final = 199

# What is read of a header is remembered, for the next message has the same. So a header has a length, and the memory
# a size.
_LONGEST_HEADER: Final = 8192
_REMEMBERED: Final = 1024


# Sender, its name for de-duplication, message type, schema.
_Envelope: TypeAlias = "tuple[Sender, str, str, str]"


class Reception:
    """Makes arrivals of messages, and answers of receipts.

    Args:
        context: the listener's.
        peers: the senders that it knows.
        partition: where to find what decides the partition.
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
        maker: str,
        *,
        takes_several: bool = False,
        continued_within: float = 3600.0,
        maximum: int = 10_000_000,
    ) -> None:
        self._listener, self._organisation, self._now = context.name, context.organisation, context.now
        self._peers, self._partition = peers, partition
        self._takes_several = takes_several
        self._specialty = Specialty(self, context.name, continued_within, maximum)
        self._control_ids = ControlIds(maker)
        self._known: dict[tuple[bytes | str, ...], _Envelope] = {}
        self.nobody: Final = peers.nobody
        """Stands for all who are no peer."""

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
        key = (fields[2], fields[3], fields[4], fields[5], fields[8], fields[11], header.delimiters.component)
        sender, identity, message_type, schema = self._known.get(key) or self._learn(key, header)
        control_id = fields[9]
        if problem is None:
            if not control_id or control_id.isspace():
                problem, notes = NO_CONTROL_ID, "no-control-id"
            elif not sender.known:
                problem, notes = _UNKNOWN_PEER, "unknown-peer"
            elif len(control_id) > _LONGEST:
                problem, notes = _LONG_CONTROL_ID, "long-control-id"
            elif sender.numbered or fields[13].strip() or b"DSC" in body or b"ADD" in body:
                question.sender = sender
                special, problem, notes = self._specialty.of(body, header, source, question)
        question.header, question.sender, question.problem = header, sender, problem
        return Arrival(
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
            sender.complete_within,
            special,
        )

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
        """What all messages with the same sender, receiver, type and version share."""
        component = header.delimiters.component
        version = _text(header.version).split(component)[0].strip()
        made = (
            self._peers.of(header),
            f"{_text(header.sending_application)}|{_text(header.sending_facility)}",
            _text(header.event.encode()),
            f"hl7v2/{version}" if version else "hl7v2",
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
        question.header, question.sender, question.problem = header, self._peers.of(header), None
        question.numbered = None

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
        return self._control_ids.next(now), self._peers.of(header).stamp(now)

    def answer(self, question: Question, receipt: Receipt) -> bytes | None:
        """The acknowledgement; empty if the sender wants none, None if it must get none."""
        header, sender, problem = question.header, question.sender, question.problem
        outcome: Outcome = "accepted" if problem is None else "rejected"
        if receipt is Receipt.NOT_STORED:
            if not sender.tell_not_stored:
                return None
            outcome, problem = "error", _NOT_STORED
        elif problem is OUT_OF_SEQUENCE:
            outcome = "error"
        code = wanted(header, sender.mode, outcome)
        if code is None:
            return b""
        now = self._now()
        text = "" if problem is None else problem.words
        if receipt is Receipt.LATE:
            text = "Stored; its processing goes on."
        answer = acknowledge(
            header,
            code,
            control_id=self._control_ids.next(now),
            time=sender.stamp(now),
            text=text,
            errors=() if problem is None else (problem,),
        )
        if sender.numbered and header is not None and (numbered := question.numbered) is not None:
            return with_expected(answer, header.separator, numbered.expected)
        return answer


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
