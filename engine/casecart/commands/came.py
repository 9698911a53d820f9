"""What came of the messages of a test, as values that an expectation is compared with."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from casecart.canonical.consumption import Consumption
from casecart.canonical.item_change import ItemChange
from casecart.canonical.master import KINDS, SEPARATOR, decode_document
from casecart.commands.comparison import Opened
from casecart.formats.hl7v2 import Refused, decode
from casecart.formats.hl7v2.compile import compile_paths
from casecart.formats.hl7v2.path import PathError, parse_path
from casecart.formats.udi import Udi, parse
from casecart.mapping.udi import PIECES
from casecart.runtime.made import decode_made
from casecart.workspace.channel_tests import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.commands.comparison import Value
    from casecart.runtime.destination import Posting
    from casecart.runtime.dry_run import DryRun, Out, Worked
    from casecart.store import Hold, MasterVersion

__all__ = ["Came", "came_of"]

_MOST: Final = 1_000_000
_TODAY: Final = date.fromisoformat(NOW[:10])
"""By which years of two digits are read in a code that is looked into."""

_SETTLED: Final = frozenset({"fixed", "rejected"})


@dataclass(slots=True)
class Came:
    """What came of one message, or of several.

    Attributes:
        acknowledgements: of each message.
        outcomes: of each message.
        why: of each message, why it is not taken; empty: it is.
        notes: the codes that they are marked with.
    """

    acknowledgements: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    documents: list[Value] = field(default_factory=list)
    filtered: list[Value] = field(default_factory=list)
    postings: list[Value] = field(default_factory=list)
    exceptions: list[Value] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """By the names of `COUNTED`."""

    def add(self, other: Came) -> None:
        """What came of the messages behind it."""
        for name in ("acknowledgements", "outcomes", "why", "notes", "documents", "filtered", "postings", "exceptions"):
            getattr(self, name).extend(getattr(other, name))
        for name, count in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count


def came_of(dry: DryRun, channel: str, worked: Worked | None) -> Came:
    """What came of a message.

    Args:
        dry: worked it last.
        channel: the one that is tested.
        worked: what became of it; None: it was not taken.
    """
    came = Came()
    message = None if worked is None else worked.message
    posted: set[str] = set()
    if worked is not None:
        outs = {key: out for out in worked.out for key in out.preview.keys}
        came.postings = [_posting(to, posting, outs.get(posting.key)) for to, posting in worked.postings]
        posted = {posting.place for _, posting in worked.postings}
    holds: list[Hold] = []
    places: list[str] = []
    if message is not None:
        holds = dry.store.holds(position=message.position, limit=_MOST)
        holds = [hold for hold in reversed(holds) if hold.state not in _SETTLED and hold.channel in {"", channel}]
        for run in dry.store.runs(message.position):
            if run.channel != channel:
                continue
            made = decode_made(run.documents)
            came.documents += [{"Usage": fields_of(usage)} for _, _, usage in made.documents]
            came.documents += [{"Case": fields_of(case)} for _, case in made.cases]
            came.filtered += [{"place": place, "reason": reason} for place, reason in made.filtered]
            places += [place for place, _, _ in made.documents]
        came.documents += _brought(dry, message.position)
        came.exceptions = [_exception(hold) for hold in holds]
    held = {hold.place for hold in holds if hold.kind == "held"}
    filtered = {str(each["place"]) for each in came.filtered if isinstance(each, dict)}
    known = {*places, *filtered, *(hold.place for hold in holds if hold.line or hold.place)}
    came.counts = {
        "messages": 1,
        "lines": len(known),
        "documents": len(came.documents),
        "posted": len(posted & known),
        "no change": len(set(places) - posted - held),
        "filtered": len(filtered),
        "held": len(held & known),
        "flagged": len({hold.place for hold in holds if hold.kind == "flagged"}),
        "postings": len(came.postings),
        "exceptions": len(holds),
    }
    return came


def _exception(hold: Hold) -> dict[str, Value]:
    return {
        "code": hold.code,
        "place": hold.place,
        "line": hold.line,
        "field": hold.field,
        "kind": "flagged" if hold.kind == "flagged" else "held",
        "words": hold.cause,
    }


def fields_of(document: msgspec.Struct) -> dict[str, Value]:
    """The fields of a document, with their own types; those of its rows likewise."""
    return {name: _value(name, value) for name, value in msgspec.structs.asdict(document).items()}


def _value(name: str, value: Any) -> Value:  # noqa: ANN401 - whatever a document has
    if isinstance(value, msgspec.Struct):
        return fields_of(value)
    if isinstance(value, tuple | list):
        return [_value(name, each) for each in value]
    if name == "udi" and isinstance(value, str):
        return Opened(value, lambda: _pieces(value))
    known: Value = value
    return known


def _pieces(text: str) -> dict[str, Value]:
    reading = parse(text, today=_TODAY)
    return {name: getattr(reading, name) for name in PIECES} if isinstance(reading, Udi) else {}


# --- postings
def _posting(to: str, posting: Posting, out: Out | None) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    for struct in (Consumption, ItemChange):
        with suppress(msgspec.ValidationError):
            fields = fields_of(msgspec.json.decode(posting.payload, type=struct))
            break
    fields |= {"to": to, "as": posting.kind, "place": posting.place, "revision": posting.revision}
    if out is not None:
        fields["body"] = None if out.preview.code else _body(out.preview.body)
    return fields


def _body(body: bytes) -> Value:
    text = body.decode("utf-8", "backslashreplace")
    if body.startswith(b"MSH"):
        return Opened(text, lambda: _Hl7(body))
    with suppress(msgspec.DecodeError, RecursionError):
        made: Value = msgspec.json.Decoder(float_hook=Decimal).decode(body)
        if isinstance(made, dict | list):
            return made
    return Opened(text.strip(), dict)


class _Hl7(dict[str, "Value"]):
    """The values of a message by their paths, each read when it is asked for."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self._text, _ = decode(body)

    def get(self, path: str, _: Value = None) -> Value:  # type: ignore[override]  # only as it is asked here
        """What stands there; None: nothing, or it is no path."""
        try:
            rows = compile_paths([parse_path(path)])(self._text)
        except (PathError, Refused, KeyError):
            return None
        return rows[0][0] if rows else None


# --- master data
def _brought(dry: DryRun, position: int) -> Iterator[Value]:
    origin = f"message {position}"
    for version in dry.store.master(dry.catalogue.position, _MOST, current=False):  # behind what it began with
        if version.origin == origin:
            yield {KINDS[version.kind].__name__: _version(version)}


def _version(version: MasterVersion) -> dict[str, Value]:
    struct = KINDS[version.kind]
    if version.data:
        return {**fields_of(decode_document(version.kind, version.data)), "facility": version.facility, "change": "put"}
    named = zip(struct.__struct_fields__, version.key.split(SEPARATOR), strict=False)
    return {**dict(named), "facility": version.facility, "change": "remove"}
