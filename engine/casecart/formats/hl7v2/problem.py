"""What is wrong with a message, in the words and codes that its sender gets in an acknowledgement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from casecart.formats.hl7v2.header import Header

__all__ = ["ERROR_TEXTS", "NO_CONTROL_ID", "Problem", "Refused"]

# Table 0357, message error condition codes.
ERROR_TEXTS: Final = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "104": "Value too long",
    "198": "Non-conformant cardinality",
    "199": "Other HL7 error",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error, as an ERR segment tells it.

    Attributes:
        error_code: of table 0357.
        words: for the person at the sender. Never message content: they end up in the sender's logs.
        severity: of table 0516: `E` error, `F` fatal, `I` information, `W` warning.
        segment: the segment type at fault, empty when none can be named.
        occurrence, field, component: counted from 1; 0 = not said.
        application_code: our own, stable, where it says more than table 0357 can.
    """

    error_code: str
    words: str
    severity: str = "E"
    segment: str = ""
    occurrence: int = 1
    field: int = 0
    component: int = 0
    application_code: str = ""

    @property
    def place(self) -> str:
        """The place as a path (`MSH-10`), empty when none can be named."""
        nth = f"[{self.occurrence}]" if self.occurrence > 1 else ""
        field = f"-{self.field}" if self.field else ""
        component = f".{self.component}" if self.component else ""
        return f"{self.segment}{nth}{field}{component}"


NO_CONTROL_ID: Final = Problem(
    error_code="101", words="The message has no control id (MSH-10).", segment="MSH", field=10
)


class Refused(Exception):
    """These bytes can't be taken as an HL7 v2 message.

    Attributes:
        code: stable: `no-header`, `delimiters`, `utf-16`, `several-messages` or `batch`.
        ack_code: what original mode answers (enhanced mode has CR for AR).
        problem: what to say about it, with its code of table 0357 and its place.
        header: of the message if it could be read, to address the answer; else None.
    """

    def __init__(self, code: str, problem: Problem, *, ack_code: str = "AR", header: Header | None = None) -> None:
        super().__init__(problem.words)
        self.code = code
        self.ack_code = ack_code
        self.problem = problem
        self.header = header

    @property
    def error_code(self) -> str:
        """The code of table 0357."""
        return self.problem.error_code

    @property
    def location(self) -> str:
        """The place as a path, for example `MSH-2`."""
        return self.problem.place

    @property
    def words(self) -> str:
        """What is wrong, for a person."""
        return self.problem.words
