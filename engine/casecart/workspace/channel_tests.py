"""channels/NAME.test.yaml: what is expected of channel NAME, message by message; a list of tests."""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from casecart.workspace.declaration import Declared, ExactlyOne, declared, key
from casecart.workspace.findings import Finding
from casecart.workspace.shape import Tree
from casecart.workspace.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "COUNTED",
    "NOW",
    "OTHERS",
    "SUFFIX",
    "ChannelTest",
    "ChannelTests",
    "Expect",
    "Fixtures",
    "FixturesEntry",
    "Input",
    "MasterFixture",
    "TestsFile",
    "is_inline",
    "moment_of",
]

SUFFIX: Final = ".test.yaml"
"""Behind the channel's name."""

OTHERS: Final = "..."
"""In a list that is expected: there may be others. As a value: there is one, whatever it is."""

NOW: Final = "2026-12-01T12:00:00Z"
"""The time of a test that says no other, so that its result does not depend on the day."""

COUNTED: Final = (
    "messages",
    "lines",
    "documents",
    "posted",
    "no change",
    "filtered",
    "held",
    "flagged",
    "postings",
    "exceptions",
)
"""What can be counted: messages; lines, and what became of them; documents; postings; exceptions."""

_OUTCOMES = Literal["processed", "duplicate", "unrouted", "refused", "quarantined", "part"]
_NOW = r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))?"
_YEARS: Final = range(1980, 2200)
_INLINE = ("MSH", "FHS", "BHS", "{", "[")


def moment_of(now: str) -> datetime:
    """The time that `now` says. Raises `ValueError`: there is none such, or it is none of these years."""
    at = datetime.fromisoformat(now if "T" in now else f"{now}T12:00:00Z").astimezone(UTC)
    if at.year not in _YEARS:
        raise ValueError
    return at


def _no_time(block: Declared, now: str | None) -> Iterable[Finding]:
    try:
        moment_of(now or NOW)
    except (ValueError, OverflowError):
        message = f"there is no such day or time between {_YEARS.start} and {_YEARS.stop - 1}"
        yield Finding(block.at("now"), "error", "bad-value", message)


def is_inline(message: str) -> bool:
    """Whether the text of an input is the message itself, and not the path of its file."""
    return "\n" in message or message.lstrip("\ufeff \t\x0b").startswith(_INLINE)


@declared(name="expect", about="What is expected; what is not named is not looked at.")
class Expect(Declared):
    """What is expected; what is not named is not looked at."""

    acknowledgement: tuple[Text, ...] = key(
        about=(
            "How the sender is answered: AA, AE or AR (CA, CE or CR in enhanced mode), a status of HTTP, or none. One "
            "for all messages, or a list with one for each."
        ),
        example="AA",
        default="[]",
        scalar=True,
        pattern=r"[AC][AER]|[1-5]\d\d|none",
        form="AA, AE, AR, CA, CE or CR, a status of HTTP such as 200, or none",
    )
    outcome: tuple[_OUTCOMES, ...] = key(
        about=(
            "What becomes of the message. duplicate: the same came before. unrouted: this channel does not take it. "
            "refused: the listener does not take it. quarantined: it can't be worked. part: it waits for the rest. One "
            "for all messages, or a list with one for each."
        ),
        example="[processed, duplicate]",
        default="[]",
        scalar=True,
    )
    notes: tuple[Text, ...] | None = key(
        about=(
            "The codes that the message is marked with: why a listener refuses it, such as unknown-peer, or what is "
            "odd about it, such as charset-fallback. Of several messages all of theirs; [] says that there are none."
        ),
        example="[unknown-peer]",
        default=None,
        scalar=True,
    )
    documents: tuple[Tree, ...] | None = key(
        about=(
            "The canonical documents, each as `Usage: {field: value}` (or Case, or for master data Item, Supplier, "
            "Location, Department, Dimension, Lot, Recall). Fields that are not named are not looked at; an empty "
            "value says that there is none, `...` that there is one. The list is complete, unless one of its entries "
            "is `...`; the order does not count. [] says that there are none."
        ),
        example='[{Usage: {item: HIP-STEM-12, quantity: "1", lot: }}]',
        default=None,
        entry_names="document",
    )
    filtered: tuple[Tree, ...] | None = key(
        about="The lines that the mapping's `where` leaves out, each with `place` or `reason`; otherwise as documents.",
        example='[{place: "FT1[2]"}]',
        default=None,
        entry_names="filtered",
    )
    postings: tuple[Tree, ...] | None = key(
        about=(
            "What destinations are told, each with `to`, `as`, `place`, `revision` and the fields of the posting; "
            "`body` is compared with what is sent: fields of JSON, HL7 paths of a message, or its text. Otherwise as "
            "documents."
        ),
        example='[{to: inventory, action: use, item: HIP-STEM-12, quantity: "1"}]',
        default=None,
        entry_names="posting",
    )
    exceptions: tuple[Tree, ...] | None = key(
        about=(
            "What waits for a person, each with `code`, `place`, `line`, `field`, `kind` (held, or flagged: it is "
            "posted all the same) or `words`; otherwise as documents."
        ),
        example='[{code: item-unknown, place: "FT1[1]"}]',
        default=None,
        entry_names="exception",
    )
    counts: abc.Mapping[str, int] = key(
        about=f"How many there are of: {', '.join(COUNTED)}.",
        example="{postings: 2, held: 0}",
        default="{}",
        minimum=0,
        entry_names="counted",
    )

    def check(self) -> Iterable[Finding]:
        """It says something."""
        lists = (self.notes, self.documents, self.filtered, self.postings, self.exceptions)
        if not (self.acknowledgement or self.outcome or self.counts or any(each is not None for each in lists)):
            yield Finding(self.place, "error", "too-few", "nothing is expected here: a test that can't fail is none")


@declared(name="input", about="A message that comes in.", shorthand="message")
class Input(Declared):
    """A message that comes in."""

    message: Text = key(
        about=(
            "A file of the workspace, from the folder of the test; or the message itself: HL7 v2 as a block of lines, "
            "a segment each, or FHIR as JSON. A file that holds several is several messages."
        ),
        example="../samples/hl7v2/dft-hip-stem.hl7",
    )
    listener: Text | None = key(
        about="Through which listener it comes; without it the first of the channel that takes it.",
        example="or-mllp",
        default=None,
        names="listener",
    )
    peer: Text | None = key(
        about="From whom, where the message does not tell: for FHIR. Without it the first that fits.",
        example="ehr",
        default=None,
        names="peer",
    )
    version: Literal["R4", "R4B", "R5"] | None = key(
        about="Of FHIR; without it as the peer is configured, else R4.", example="R5", default=None
    )
    expect: Expect | None = key(
        about="What is expected of this message alone.", example="{outcome: duplicate}", default=None
    )


@declared(name="master", about="Master data that a test begins with.", shorthand="files")
class MasterFixture(Declared):
    """Master data that a test begins with."""

    files: tuple[Text, ...] = key(
        about=(
            "Tables as `casecart master import` takes them, from the folder of the test: CSV files, or folders of such."
        ),
        example="[../samples/master]",
        default="[]",
        scalar=True,
    )
    rows: abc.Mapping[str, tuple[abc.Mapping[str, Text], ...]] = key(
        about="Rows written out: table → rows, each with the columns that it needs.",
        example="{items: [{item: HIP-STEM-12, unit: EA}]}",
        default="{}",
        entry_names="master table",
    )
    source: Text = key(about="The system whose word it is.", example="erp", default="erp")


@declared(name="fixtures", about="What the tests of a file share.")
class Fixtures(Declared):
    """What the tests of a file share."""

    now: Text = key(
        about="The time of the tests: a day (its noon, UTC), or a time with its zone.",
        example="2026-11-03T12:00:00Z",
        default=NOW,
        pattern=_NOW,
        form="a day such as 2026-11-03, or a time such as 2026-11-03T12:00:00Z",
    )
    master: MasterFixture | None = key(
        about="The master data that they begin with; without it there are none.",
        example="../samples/master",
        default=None,
    )

    def check(self) -> Iterable[Finding]:
        """There is such a day, or time."""
        return _no_time(self, self.now)


@declared(name="fixtures", about="An entry that says what the tests of the file share.")
class FixturesEntry(Declared):
    """An entry that says what the tests of the file share."""

    fixtures: Fixtures = key(about="What they share.", example="{master: ../samples/master}")


@declared(
    name="test",
    about="Messages that come in, and what is expected of the channel then.",
    rules=(
        ExactlyOne(("input", "inputs"), none="say what comes in: input (a message), or inputs (several, in order)"),
    ),
)
class ChannelTest(Declared):
    """Messages that come in, and what is expected of the channel then."""

    test: Text = key(about="What is tested, as a sentence.", example="an implant with a full UDI is posted once")
    input: Input | None = key(
        about="The message that comes in.", example="../samples/hl7v2/dft-hip-stem.hl7", default=None
    )
    inputs: tuple[Input, ...] = key(
        about="The messages that come in, in this order: one sent again, a correction, one that comes late.",
        example="[../samples/hl7v2/dft-screw-box.hl7, ../samples/hl7v2/dft-screw-correction.hl7]",
        default="[]",
        at_least=1,
    )
    now: Text | None = key(
        about="The time of this test; without it as `fixtures` says.",
        example="2026-11-03T12:00:00Z",
        default=None,
        pattern=_NOW,
        form="a day such as 2026-11-03, or a time such as 2026-11-03T12:00:00Z",
    )
    master: MasterFixture | None = key(
        about="Master data of this test, over those of `fixtures`.",
        example="{rows: {items: [{item: HIP-STEM-12, unit: EA}]}}",
        default=None,
    )
    expect: Expect | None = key(
        about="What is expected of all the messages together.",
        example="{postings: [{to: inventory, item: HIP-STEM-12}]}",
        default=None,
    )

    @property
    def messages(self) -> tuple[Input, ...]:
        """What comes in."""
        return (self.input,) if self.input is not None else self.inputs

    def check(self) -> Iterable[Finding]:
        """Something is expected, and there is such a day or time."""
        yield from _no_time(self, self.now)
        if self.expect is None and all(each.expect is None for each in self.messages):
            message = "nothing is expected: say what with expect"
            yield Finding(self.place, "error", "missing-key", message)


@declared(name="tests", about="What is expected of a channel: a list of tests.")
class TestsFile(Declared):
    """The whole of a file of tests: a list, which stands without a key in front of it."""

    __test__ = False  # for pytest

    tests: tuple[ChannelTest | FixturesEntry, ...] = key(
        about="The entries of the list, which stands without this key: tests, and before them what they share.",
        example="[{test: all is well, input: x.hl7, expect: {postings: []}}]",
        at_least=1,
        called="test",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTests:
    """The tests of one file."""

    channel: str
    file: str
    """Below the root of the workspace."""
    fixtures: Fixtures
    tests: tuple[ChannelTest, ...]
