"""What an analyst writes of an MLLP destination."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

from casecart.formats.hl7v2 import Delimiters, Refused, codec, read_delimiters
from casecart.runtime.here import is_here
from casecart.runtime.tls import ClientTls
from casecart.workspace import Declared, Duration, Finding, Rate, Text, declared, key

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MllpSettings"]

_ROUTING: Final = r"MSH-(3|4|5|6|8|11)"


@declared(name="mllp destination", about="A receiver that takes postings as HL7 v2 messages over MLLP.")
class MllpSettings(Declared):
    """What is written under `kind: mllp`."""

    host: Text = key(
        about="Where the receiver is: a name or an address.", example="billing.example.org", pattern=r"\S+"
    )
    port: int = key(about="The receiver's port.", example=2576, minimum=1, maximum=65535)
    mapping: Text = key(
        about="The mapping that writes the messages: one with `writes`.", example="charge-dft", names="outgoing mapping"
    )
    header: Mapping[str, Text] = key(
        about=(
            "Fields of MSH that the receiver wants: who sends (MSH-3, MSH-4), who receives (MSH-5, MSH-6), MSH-8, and "
            "MSH-11, the processing id. Components are separated by ^."
        ),
        example="{MSH-5: BILLING, MSH-6: MERCY}",
        default="{MSH-3: CASECART, MSH-11: P}",
        entry_pattern=_ROUTING,
        entry_form="MSH-3, MSH-4, MSH-5, MSH-6, MSH-8 or MSH-11",
    )
    discloses: tuple[Text, ...] = key(
        about=(
            "Identifiers of patients that the receiver is told in place of a token: fields that the mapping has under "
            "`disclose`. Each disclosure stands in the audit trail."
        ),
        example="[case]",
        default="[]",
        scalar=True,
        names="field",
    )
    acknowledgement: Literal["application", "accept", "both"] = key(
        about=(
            "What the receiver answers, on the same connection. application: AA, AE or AR (original mode; MSH-15 and "
            "MSH-16 are empty). accept: CA, CE or CR alone (AL, NE). both: CA, and then AA, AE or AR (AL, AL)."
        ),
        example="accept",
        default="application",
    )
    refused: Mapping[str, Literal["hold", "reject", "retry"]] = key(
        about=(
            "What a negative acknowledgement comes to. hold: a person decides. reject: it is never sent again. "
            "retry: it is sent again, `tries` times in all, and then held."
        ),
        example="{AE: reject, AR: hold}",
        default="{AE: hold, AR: retry, CE: retry, CR: hold}",
        entry_pattern="AE|AR|CE|CR",
        entry_form="AE, AR, CE or CR",
    )
    tries: int = key(
        about=(
            "How often a message is sent that the receiver refuses, with `retry`, or doesn't answer while it answers "
            "others, before a person is asked."
        ),
        example=3,
        default=10,
        minimum=1,
        maximum=100,
    )
    delivery: Literal["keyed", "blind"] = key(
        about=(
            "`keyed` if the receiver keeps control ids (MSH-10), and acknowledges a message that comes again without "
            "doing it again; else `blind`."
        ),
        example="keyed",
        default="blind",
    )
    tls: ClientTls | None = key(
        about="TLS 1.2 or later, and how the receiver is known; without it messages go in plain text.",
        example="{authorities: config/tls/hospital-authority.pem}",
        default=None,
    )
    connections: int = key(
        about="How many connections are used at once. Each has one message under way, and a key is on one of them.",
        example=4,
        default=1,
        minimum=1,
        maximum=64,
    )
    rate: Rate | None = key(
        about="How many messages may go out in a second (`/s`), minute (`/m`) or hour (`/h`); else what it takes.",
        example="10/s",
        default=None,
    )
    timeout: Duration = key(
        about="How long a message may take, from connecting to its last acknowledgement.",
        example="10s",
        default="30s",
        minimum="100ms",
        maximum="10m",
    )
    idle_timeout: Duration = key(
        about=(
            "How long a connection stays open with nothing to send: shorter than the receiver, or a firewall on the "
            "way, allows. With 0s each message has a connection of its own."
        ),
        example="0s",
        default="1m",
        maximum="1d",
    )
    delimiters: Text = key(
        about="MSH-1 and MSH-2: the separators of field, component and repetition, the escape character, and so on.",
        example=r"'|^~\&#'",
        default=r"'|^~\&'",
    )
    charset: Text = key(
        about="The character set of the messages, as table 0211 names it; MSH-18 says it.",
        example="8859/1",
        default="UNICODE UTF-8",
    )

    @property
    def batch(self) -> int:
        """A call is one message."""
        return 1

    @property
    def concurrency(self) -> int:
        """A connection has one message under way."""
        return self.connections

    @property
    def separators(self) -> Delimiters:
        """The delimiters, told apart. Raises `Refused` where `check` has a finding."""
        return read_delimiters(self.delimiters[:1], self.delimiters[1:])

    def check(self) -> Iterable[Finding]:
        """The character set is known, a message can be read again with these delimiters, and patients are not shown."""
        if self.discloses and self.tls is None and not is_here(self.host):
            words = (
                "patients' identifiers would go to another machine in plain text: add tls, or see that the way is safe"
            )
            yield Finding(self.at("discloses"), "warning", "plain-text", words)
        if codec(self.charset) is None:
            words = f"'{self.charset}' is no character set of table 0211 that can be sent over MLLP"
            yield Finding(self.at("charset"), "error", "unknown-value", words)
        try:
            declared = self.separators
        except Refused as refused:
            yield Finding(self.at("delimiters"), "error", "bad-format", refused.words.removesuffix("."))
            return
        if not declared.escape or not declared.subcomponent or declared.encoding_characters != self.delimiters[1:]:
            words = r"write five or six characters, such as |^~\& or |^~\&#"
            yield Finding(self.at("delimiters"), "error", "bad-format", words)
