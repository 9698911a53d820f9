"""What the engine must know of parts of messages, and of messages with sequence numbers; how it is answered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from casecart.formats.hl7v2 import CONTINUED, Problem, Refused, join_fragments, may_continue, read_fragment
from casecart.listeners.question import Question
from casecart.runtime.listener import Numbered, Part, Special

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.formats.hl7v2 import Header
    from casecart.listeners.hl7v2 import Reception
    from casecart.runtime.listener import Arrival

__all__ = ["OUT_OF_SEQUENCE", "Specialty", "with_expected"]

OUT_OF_SEQUENCE: Final = Problem(
    error_code="207", words="The sequence number (MSH-13) is not the one that MSA-4 expects.", segment="MSH", field=13
)
_TOO_MANY_PARTS: Final = Problem(
    error_code="207", words="Too many parts of this sender's messages wait for others: nothing more of them is taken."
)
_NO_NUMBER: Final = Problem(
    error_code="102", words="The sequence number (MSH-13) is not a number from -1 on.", segment="MSH", field=13
)
_PROBLEMS: Final = {"sequence-number": OUT_OF_SEQUENCE, "too-many-parts": _TOO_MANY_PARTS}

_NUMBER: Final = re.compile(rb"-1|[0-9]{1,15}")
_MSA_4: Final = 4


class Specialty:
    """Tells what is special about a message.

    Args:
        reception: makes the arrival of a whole message.
        listener: its name.
        within: seconds that a part may wait for the others.
        maximum: bytes that a whole message may have.
    """

    def __init__(self, reception: Reception, listener: str, within: float, maximum: int) -> None:
        self._reception, self._listener = reception, listener
        self._within, self._maximum = round(within * 1_000_000), maximum

    def of(
        self, body: bytes, header: Header, source: str, question: Question
    ) -> tuple[Special | None, Problem | None, str | None]:
        """What is special, why the message can't be taken, and its note; None each where there is nothing.

        Args:
            body: one message.
            header: its own.
            source: where it came from.
            question: gets the sequence number; its sender is set.
        """
        numbered: Numbered | None = None
        part: Part | None = None
        sender = question.sender
        if sender.numbered:
            number = header.sequence_number.strip()
            if _NUMBER.fullmatch(number):
                numbered = Numbered(f"{self._listener}:{sender.name}", int(number))
            elif number and number != b'""':
                return None, _NO_NUMBER, "sequence-number"
            question.numbered = numbered
        note: str | None = None
        if (sender.pointed and header.continuation_pointer.strip()) or may_continue(body):
            try:
                fragment = read_fragment(body, header, pointed=sender.pointed)
            except Refused as refused:
                return None, refused.problem, refused.code
            if fragment is None:
                note = CONTINUED
            else:
                part = Part(
                    self._chain(header, sender.name),
                    fragment.follows,
                    fragment.pointer,
                    self._within,
                    self._maximum,
                    lambda bodies: self._whole(bodies, source),
                )
        special = Special(lambda code: _reject(question, code), part, numbered) if part or numbered else None
        return special, None, note

    def _chain(self, header: Header, peer: str) -> str:
        """Only what has the same sender, receiver, type, version, separators and character set is put together."""
        fields = header.fields
        said = (header.separator, fields[1], *fields[2:6], fields[8], fields[11], fields[17])
        return f"{self._listener}:{peer}:" + header.separator.join(said).decode("latin-1")

    def _whole(self, bodies: Sequence[bytes], source: str) -> Arrival:
        body, question = join_fragments(bodies), Question()
        whole = self._reception.arrival(body, source, question)
        if isinstance(whole, list):  # two halves of a header made a second one: nothing of it is taken
            return self._reception.refused(body, source, "hl7v2", "several-messages", question)
        return whole


def _reject(question: Question, code: Literal["sequence-number", "too-many-parts"]) -> None:
    question.problem = _PROBLEMS[code]


def with_expected(answer: bytes, separator: bytes, expected: int) -> bytes:
    """An acknowledgement with the expected sequence number in MSA-4."""
    start = answer.index(b"\rMSA") + 1
    end = answer.index(b"\r", start)
    fields = answer[start:end].split(separator)
    fields += [b""] * (_MSA_4 + 1 - len(fields))
    fields[_MSA_4] = b"%d" % expected
    return answer[:start] + separator.join(fields) + answer[end:]
