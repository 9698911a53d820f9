"""What a channel makes of messages, as they come: followed along the events of the store, beside the engine.

Nothing of it touches the engine: a look reads what was committed since the last one. So a tap goes on over a start of
the engine, or a change of what it runs, and each message tells the revision that it ran under.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from casecart.canonical import Usage
from casecart.commands.content import Body, Structure, body_of, structure_of
from casecart.commands.desk import Query
from casecart.commands.message_view import (
    Envelope,
    ExceptionView,
    LedgerView,
    RunView,
    envelope_view,
    exception_view,
    ledger_view,
    run_view,
)
from casecart.commands.refusal import Refusal
from casecart.commands.running import heads_of
from casecart.commands.stage import STAGES
from casecart.mapping.expression import ExpressionError, compile_expression, record_of
from casecart.runtime.made import decode_made
from casecart.store import Damaged, decode_channels
from casecart.workspace.files import Folder, listing
from casecart.workspace.findings import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.commands.actor import Permission
    from casecart.commands.desk import View
    from casecart.commands.stage import Stage
    from casecart.store import Message, Run, Store

__all__ = ["Marks", "TapFrom", "TapOn", "Tapped", "Taps"]

Marks = Mapping[int, int]
"""How far each partition of the events was read."""

_EVENTS: Final = ("casecart.message.processed", "casecart.message.replayed")
_REVISIONS: Final = 50
"""The newest, of which the channels are known."""

_MOST_EVENTS = 1_000
"""Of a partition, that a look reads: what came beyond is passed by, so that a look takes no longer on a busy day."""


class Tapped(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message that the channel took; what was not asked for is left out."""

    envelope: Envelope
    channel: str
    revision: str
    structure: Structure | None = None
    """Values are masked."""
    body: Body | None = None
    run: RunView | None = None
    ledger: list[LedgerView] = []
    exceptions: list[ExceptionView] = []


class Taps(msgspec.Struct, frozen=True, kw_only=True):
    """What one look found."""

    seen: list[Tapped]
    passed: int
    """Messages of the channel, or events, that came and are not shown: there were too many for one look."""
    marks: dict[int, int]


@dataclass(frozen=True, slots=True)
class TapFrom(Query[dict[int, int]]):
    """Where a tap begins that shows what comes from now on.

    Attributes:
        channel: that will be asked for.
    """

    channel: str

    def answer(self, view: View) -> dict[int, int]:
        """The ends of the events. Raises `Refusal`: no engine ever ran such a channel, and no file has its name."""
        known = _channels(view)
        if self.channel not in known:
            words = f"there is no channel '{self.channel}'"
            raise Refusal("not-found", words, did_you_mean(self.channel, known))
        return dict(view.store.event_heads())


@dataclass(frozen=True, slots=True, kw_only=True)
class TapOn(Query[Taps]):
    """What a channel made since the last look.

    Attributes:
        channel: its name.
        marks: of the last look.
        most: messages that are shown at most.
        stages: what is shown of them.
        where: a condition over a document, as in a route: `usage.action == 'reverse'`. Messages without such a document
            are not shown, nor counted. Empty: none.
        body: shows what the messages say of a patient, too: needs the permission, and each look is audited.
    """

    channel: str
    marks: Marks
    most: int
    stages: frozenset[Stage] = frozenset(STAGES[1:])
    where: str = ""
    body: bool = False

    @property
    def permission(self) -> Permission:
        """`see bodies` for the body."""
        return "see bodies" if self.body else "see"

    def audited(self, answer: Taps) -> tuple[str, str] | None:
        """Each message whose body is shown."""
        if not self.body or not answer.seen:
            return None
        return "message.read", f"message:{','.join(str(each.envelope.position) for each in answer.seen)}"

    def answer(self, view: View) -> Taps:
        """Raises `Refusal`: the condition is none."""
        fits = _condition(self.where)
        positions, marks, passed = self._since(view.store)
        seen: list[Tapped] = []
        # From one of them to the last: one question, since positions lie close together.
        runs = self._runs(view.store, positions)
        for position in positions:
            run = runs.get(position)
            if run is None or not fits(run):
                continue
            message = view.store.message(position) if len(seen) < self.most else None
            if message is None:
                passed += 1
            else:
                seen.append(self._tapped(view.store, message, run))
        return Taps(seen=seen, passed=passed, marks=marks)

    def _since(self, store: Store) -> tuple[list[int], dict[int, int], int]:
        """Positions of messages that were worked since, in the order of each partition; marks; what was passed by."""
        positions: dict[int, None] = {}
        marks, passed = dict(self.marks), 0
        for partition, head in store.event_heads().items():
            after = marks.get(partition, 0)
            passed += max(0, head - after - _MOST_EVENTS)
            marks[partition] = max(head, after)
            for _, event in store.events(max(after, head - _MOST_EVENTS), _MOST_EVENTS, partition=partition):
                if event.type in _EVENTS:
                    positions[int(event.subject)] = None
        return list(positions), marks, passed

    def _runs(self, store: Store, positions: list[int]) -> dict[int, Run]:
        """The last run of the channel of each message."""
        wanted, runs = set(positions), {}
        if positions and max(positions) - min(positions) <= 2 * _MOST_EVENTS:
            found = store.runs_between(min(positions), max(positions))
        else:
            found = [run for position in positions for run in store.runs(position)]
        for run in sorted(found, key=lambda each: each.attempt):
            if run.channel == self.channel and run.position in wanted:
                runs[run.position] = run
        return runs

    def _tapped(self, store: Store, message: Message, run: Run) -> Tapped:
        stages = self.stages
        entries = store.entries(message.position) if "derive" in stages else []
        holds = store.holds(position=message.position) if "verify" in stages else []
        return Tapped(
            envelope=envelope_view(message),
            channel=run.channel,
            revision=run.revision,
            structure=structure_of(message.body, message.charset) if "parse" in stages and not self.body else None,
            body=body_of(message.body, message.charset) if self.body else None,
            run=run_view(run, heads_of(store)) if "map" in stages else None,
            ledger=[ledger_view(entry) for entry in entries if entry.channel == run.channel and entry.destination],
            exceptions=[exception_view(hold) for hold in holds if hold.channel == run.channel],
        )


def _channels(view: View) -> set[str]:
    """Those of the files, whatever is wrong in them, and those that ran: what runs need not be what the files say."""
    known = {name for name, _ in listing(Folder(view.site.root), "channels", ".yaml", [])}
    for head in view.store.revisions(None, _REVISIONS):
        with suppress(Damaged):
            known |= decode_channels(head.channels).keys()
    return known


def _condition(text: str) -> Callable[[Run], bool]:
    """Whether a run has a document for which a condition is true."""
    if not text:
        return lambda _run: True
    try:
        function = compile_expression(text, {"usage": record_of(Usage)}).function
    except ExpressionError as error:
        mistake = error.mistakes[0]
        words = f"the condition is wrong at character {mistake.column}: {mistake.message}"
        raise Refusal("bad-value", words, mistake.suggestion) from None

    def fits(run: Run) -> bool:
        try:
            return any(function(document) for _, _, document in decode_made(run.documents).documents)
        except Damaged:
            return True  # nobody knows: it is shown as damaged

    return fits
