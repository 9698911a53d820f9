"""From a dry run to what is shown of it: the lines of a message, each with its fields and where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from casecart.canonical.master import Item, decode_document
from casecart.commands.content import body_of
from casecart.commands.element_place import element_at
from casecart.commands.moment import moment
from casecart.commands.segment import Segments
from casecart.commands.try_view import (
    TriedBody,
    TriedCase,
    TriedField,
    TriedFinding,
    TriedHold,
    TriedLine,
    TriedMessage,
    TriedPosting,
    TriedRoute,
    TriedSource,
)
from casecart.commands.value_place import ValuePlaces
from casecart.formats.hl7v2.path import Path
from casecart.runtime.fhir_body import FHIR
from casecart.runtime.made import PLACE, decode_made
from casecart.workspace import MapStep, OtherwiseStep, RouteStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.canonical import Usage
    from casecart.runtime.destination import Posting
    from casecart.runtime.dry_run import DryRun, Out, Worked
    from casecart.runtime.listener import Arrival
    from casecart.runtime.made import Made
    from casecart.runtime.trace import LineTrace
    from casecart.store import Hold, Message
    from casecart.workspace import Channel, Workspace
    from casecart.workspace.mapping import FieldMapping

__all__ = ["shown_message"]

_AFTER_MAP = ("source", "facility")
"""Fields that the engine sets, and no step finds."""

_OUTCOMES = {
    "quarantined": "it can't be worked, and is put aside for a person",
    "part": "it is a part of a longer message, which is worked when all parts are there",
}

_MOST_HOLDS = 1_000_000


def shown_message(  # noqa: PLR0917 - what it is shown with
    workspace: Workspace,
    declared: Channel,
    dry: DryRun,
    number: int,
    arrival: Arrival,
    worked: Worked | None,
    not_taken: tuple[str, str] | None,
) -> TriedMessage:
    """One message.

    Args:
        workspace: whose channel it is.
        declared: the channel.
        dry: worked it last.
        number: of the message.
        arrival: as it came in.
        worked: what became of it; None: nothing, since it is not taken.
        not_taken: why, code and words.
    """
    code, why = not_taken or ("", "")
    message = None if worked is None else worked.message
    if worked is not None and message is None:
        code, why = "duplicate", f"the same came before, as message {worked.repeats}: nothing more is done"
    shown = _Shown(workspace, declared, dry, worked, message)
    held = shown.held("")
    if message is not None and message.outcome in _OUTCOMES:
        code, why = message.outcome, _OUTCOMES[message.outcome]
    return TriedMessage(
        number=number,
        listener=arrival.listener,
        peer=arrival.peer,
        facility=arrival.facility,
        schema=arrival.schema,
        message_type=arrival.message_type,
        sender=arrival.sender,
        control_id=arrival.control_id,
        occurred_at=None if arrival.occurred_at is None else moment(arrival.occurred_at),
        size=len(arrival.body),
        notes=((message.notes if message is not None else arrival.notes) or "").split(),
        accepted=not code,
        code=code,
        why=why,
        lines=shown.lines(),
        cases=shown.cases(),
        changes=shown.changes(),
        held=held,
        postings=shown.postings(None),
        out=[_body(out, arrival.charset) for out in worked.out] if worked is not None else [],
        milliseconds={step: round(seconds * 1000, 3) for step, seconds in dry.trace.spent.items()},
    )


class _Shown:
    """One message that was worked."""

    def __init__(
        self, workspace: Workspace, declared: Channel, dry: DryRun, worked: Worked | None, message: Message | None
    ) -> None:
        self._workspace, self._declared, self._dry = workspace, declared, dry
        self._worked, self._message = worked, message
        steps = {type(step): step for step in declared.steps}
        step = cast("MapStep | None", steps.get(MapStep))
        self._route = cast("RouteStep | None", steps.get(RouteStep))
        mapping = None if step is None else workspace.mappings.get(step.map)
        self._declarations: Mapping[str, FieldMapping] = {} if mapping is None else mapping.fields
        self._hl7 = message is not None and message.schema.startswith("hl7v2")
        self._fhir = message is not None and message.schema.startswith(FHIR)
        self._body, self._charset = (message.body, message.charset) if message is not None else (b"", None)
        self._segments = Segments(self._body, self._charset) if self._hl7 else None
        self._values = ValuePlaces(self._body, self._charset) if self._hl7 else None
        raised = dry.store.holds(position=message.position, limit=_MOST_HOLDS) if message is not None else []
        self._holds: dict[str, list[Hold]] = {}
        for hold in reversed(raised):
            self._holds.setdefault(hold.place, []).append(hold)
        self._posted: dict[str, list[tuple[str, Posting]]] = {}
        for to, posting in worked.postings if worked is not None else ():
            self._posted.setdefault(posting.place, []).append((to, posting))
        self._items: dict[str, str] = {}
        self._made: list[tuple[str, Made]] = (
            [(run.channel, decode_made(run.documents)) for run in dry.store.runs(message.position)]
            if message is not None
            else []
        )

    def cases(self) -> list[TriedCase]:
        """What is noted of cases."""
        return [
            TriedCase(channel=channel, place=place, fields=_given(msgspec.to_builtins(case)))
            for channel, made in self._made
            for place, case in made.cases
        ]

    def changes(self) -> list[str]:
        """What is brought into the master data."""
        if self._declared.bring is None or self._message is None:
            return []
        origin = f"message {self._message.position}"
        versions = self._dry.store.master(0, _MOST_HOLDS, current=False)
        return [f"{each.kind} {each.key}" for each in versions if each.origin == origin]

    def held(self, place: str) -> list[TriedHold]:
        """What waits because of a line; of no place: because of the message as a whole."""
        places = (place,) if place else ("", PLACE) if not self._dry.trace.lines else ("",)
        return [self._hold(hold) for each in places for hold in self._holds.get(each, ())]

    def _hold(self, hold: Hold) -> TriedHold:
        declared = self._declarations.get(hold.field)
        path = "" if declared is None else ", ".join(map(str, (*declared.path, *declared.agree, *declared.join)))
        kind: Literal["held", "flagged"] = "flagged" if hold.kind == "flagged" else "held"
        return TriedHold(kind=kind, code=hold.code, field=hold.field, path=path, words=hold.cause)

    def postings(self, place: str | None) -> list[TriedPosting]:
        """Those of a line, or with None those of no line of this message: what became due of others."""
        if self._worked is None:
            return []
        if place is not None:
            return [_posting(posting, to) for to, posting in self._posted.get(place, ())]
        own = self._dry.trace.lines
        return [_posting(posting, to) for to, posting in self._worked.postings if posting.place not in own]

    def lines(self) -> list[TriedLine]:
        """All of them, as they stand in the message."""
        documents: dict[str, tuple[str, Usage]] = {}
        filtered: dict[str, str] = {}
        places: dict[str, None] = dict.fromkeys(self._dry.trace.lines) if self._message is not None else {}
        for channel, made in self._made:
            if channel != self._declared.channel or made.cases:
                continue
            documents |= {place: (line, usage) for place, line, usage in made.documents}
            filtered |= dict(made.filtered)
            places |= dict.fromkeys(filtered)
        return [self._line(place, documents.get(place), filtered.get(place, "")) for place in places]

    def _line(self, place: str, made: tuple[str, Usage] | None, reason: str) -> TriedLine:
        trace = self._dry.trace.at(place)
        held, postings = self.held(place), self.postings(place)
        became: Literal["posted", "no change", "filtered", "held"] = "posted" if postings else "no change"
        if reason:
            became = "filtered"
        elif any(hold.kind == "held" for hold in held):
            became = "held"
        last = made[1] if made is not None else trace.resolved or trace.filled or trace.mapped
        return TriedLine(
            place=place,
            segment=None if self._segments is None else self._segments.at(place),
            element=element_at(self._body, place) if self._fhir else None,
            became=became,
            reason=reason,
            line=made[0] if made is not None else "",
            fields=self._fields(place, trace, last),
            item="" if last is None or trace.resolved is None else self._item(last.item or ""),
            findings=[
                TriedFinding(code=each.code, field=each.field, words=each.words, then=each.then)
                for each in trace.findings
            ],
            route=self._taken_by(trace),
            held=held,
            postings=postings,
        )

    def _item(self, number: str) -> str:
        if number not in self._items:
            self._items[number] = self._described(number)
        return self._items[number]

    def _described(self, number: str) -> str:
        versions = self._dry.store.master_history("item", number)
        if not versions or not versions[0].data:
            return ""
        item = decode_document("item", versions[0].data)
        if not isinstance(item, Item):
            return ""
        valid = [f"from {item.valid_from}" if item.valid_from else "", f"to {item.valid_to}" if item.valid_to else ""]
        spans = " ".join(filter(None, valid))
        return ", ".join(filter(None, [item.description, item.status, f"valid {spans}" if spans else ""]))

    def _taken_by(self, trace: LineTrace) -> TriedRoute | None:
        decision = trace.decision
        if decision is None or self._route is None:
            return None
        when = ""
        if trace.entry:
            entry = self._route.route[trace.entry - 1]
            when = "otherwise" if isinstance(entry, OtherwiseStep) else str(entry.when or "")
        return TriedRoute(entry=trace.entry, when=when, to=decision.to, kind=str(decision.kind), hold=decision.hold)

    # --- fields
    def _fields(self, place: str, trace: LineTrace, last: Usage | None) -> list[TriedField]:
        mapped, filled = _texts(trace.mapped), _texts(trace.filled or trace.mapped)
        resolved, shown = _texts(trace.resolved or trace.filled or trace.mapped), _texts(last)
        asked = self._asked(place, trace)
        names = dict.fromkeys([*self._declarations, *shown])
        fields: list[TriedField] = []
        for name in names:
            value, sources = shown.get(name, ""), asked.get(name, [])
            if name in _AFTER_MAP or not (value or any(source.told for source in sources)):
                continue
            by: Literal["map", "hook or fill", "resolve", "verify"] = "map"
            for step, before, after in (("hook or fill", mapped, filled), ("resolve", filled, resolved)):
                if before.get(name, "") != after.get(name, ""):
                    by = cast("Literal['hook or fill', 'resolve']", step)
            if resolved.get(name, "") != value:
                by = "verify"
            declared = self._declarations.get(name)
            fields.append(
                TriedField(
                    name=str(name),
                    value=value,
                    by=by,
                    before=mapped.get(name, "") if by != "map" else "",
                    sources=sources,
                    table="" if declared is None else str(declared.table or ""),
                    token=declared is not None and declared.token is not None,
                )
            )
        return fields

    def _asked(self, place: str, trace: LineTrace) -> dict[str, list[TriedSource]]:
        """By field. What is the same for all lines was asked at the first of them."""
        found: dict[str, list[TriedSource]] = {}
        first = next(iter(self._dry.trace.lines.values()), trace)
        own = {each.field for each in trace.asked}
        for each in (*trace.asked, *(other for other in first.asked if other.field not in own)):
            if each.field not in own and not self._shared(each.source):
                continue
            told = _told(each.told)
            at = None
            if told and isinstance(each.source, Path) and self._values is not None:
                at = self._values.at(place, each.source, told[0])
            found.setdefault(each.field, []).append(TriedSource(path=str(each.source), told=told, at=at))
        return found

    def _shared(self, source: object) -> bool:
        """Whether a source is asked once for all lines of a message."""
        return isinstance(source, Path) and self._hl7


def _told(told: object) -> list[str]:
    if told is None:
        return []
    if isinstance(told, tuple | list):
        return [str(each) for each in told if each is not None]
    return [str(told)]


def _texts(usage: Usage | None) -> dict[str, str]:
    if usage is None:
        return {}
    return {name: str(value) for name, value in _given(msgspec.to_builtins(usage)).items()}


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _posting(posting: Posting, destination: str) -> TriedPosting:
    return TriedPosting(
        key=posting.key,
        line=posting.line,
        revision=posting.revision,
        kind=posting.kind,
        destination=destination,
        place=posting.place,
        payload=msgspec.json.decode(posting.payload, type=dict[str, Any]),
    )


def _body(out: Out, charset: str | None) -> TriedBody:
    preview = out.preview
    return TriedBody(
        destination=out.destination,
        to=preview.to,
        keys=list(preview.keys),
        body=body_of(preview.body, charset).text if preview.body.startswith(b"MSH") else _text(preview.body),
        code=preview.code,
        words=preview.words or out.words,
    )


def _text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")
