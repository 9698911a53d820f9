"""Fills a store with made-up messages as the engine leaves them: stored, mapped, and their lines posted.

The pipeline is the engine's own, without sockets: what arrives is built, mapped and settled by the same code. Only the
commits are larger (`BATCH`), and what goes to random places of a tree is sorted first, because a million messages in
groups of 64 would write each page of these trees a hundred times. So an event row holds a whole batch's events.

Of 1,000 messages one is of a type that no channel takes. Of 100, one has a line that waits for a person, who has
rejected it in 17 cases of 20. 10,000 messages are a day's.

    PYTHONPATH=tests python tests/bench/fill.py MESSAGES FOLDER    makes a workspace in FOLDER, and leaves it there
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from bench.varied import DIGITS, control_id_of, item_of, varied_charge
from casecart.canonical import FIELDS
from casecart.commands.site import read_site
from casecart.master.catalogue import Catalogue
from casecart.rules import Keys, Tokens
from casecart.runtime.compiled import compile_workspace
from casecart.runtime.group import Group, Grouping
from casecart.runtime.identifier import Identifiers
from casecart.runtime.kinds import installed_kinds
from casecart.runtime.listener import Arrival
from casecart.runtime.marks import FINGERPRINT
from casecart.runtime.pipeline import Pipeline
from casecart.runtime.settlement import Settling
from casecart.runtime.states import after
from casecart.runtime.window import Batch
from casecart.store import Change, Count, Cursor, migrate, open_store
from casecart.workspace import load
from support.workspace import Settings, write

if TYPE_CHECKING:
    from casecart.runtime.window import Work
    from casecart.store import Hold, Store
    from support.charge import Line

__all__ = ["ITEMS", "NOBODYS", "STEP", "UNROUTED", "digits_of", "fill"]

BATCH = 8_192
"""Messages a commit."""
TURN = 16
"""Messages that are recorded at the same moment."""
STEP = 8_640_000
"""µs between two messages: 10,000 a day."""
UNROUTED, HELD = 1_000, 100
"""One message of so many."""
NOBODYS = "SIU^S12"
"""A message type that no channel takes."""
STATES = ("new", "assigned", "parked")
OF_STATES = 20
"""Of so many exceptions there is one in each of these states; the rest was rejected."""

ITEMS = 1_000
"""Of each line."""

_MARK = "0" * DIGITS
_ITEM = item_of(0, 0)[:-1].encode()
_LINES: dict[str, tuple[Line, ...]] = {
    "usual": ("posted", "posted", "posted"),
    "held": ("posted", "posted", "held"),
}
_PIECES = {kind: varied_charge(_MARK, lines).split(_MARK.encode()) for kind, lines in _LINES.items()}


def digits_of(number: int) -> str:
    """What sets a filled message apart, also from those of the load generator."""
    return f"9{number:0{DIGITS - 1}}"


def fill(root: Path, numbers: range, *, began: int) -> None:
    """Adds messages to a workspace's store, which no engine uses; makes it where there is none.

    Args:
        root: a workspace of `support.workspace`.
        numbers: of the messages; none may be in the store already.
        began: µs since 1970; message `number` is recorded about `number` * `STEP` later.
    """
    url = read_site(root).store_url
    migrate(url)
    with closing(open_store(url, role="engine")) as store:
        filler = _Filler(root, store, began)
        for first in range(numbers.start, numbers.stop, BATCH):
            store.write(filler.change(range(first, min(first + BATCH, numbers.stop))))


class _Filler:
    """The engine's rooms, put together for one workspace, and a clock that goes with the messages."""

    def __init__(self, root: Path, store: Store, began: int) -> None:
        self._began = self._now = began
        workspace = load(root, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
        secrets = workspace.engine.secrets
        keys = Keys(secrets.keys.reveal(os.environ, root).encode())
        # As an engine does that starts on it, and refuses to with another secret later.
        store.write(Change(cursors=[Cursor(FINGERPRINT, 0, keys.fingerprint, 0)]))
        identifiers = Identifiers(self._clock, os.urandom)
        pipeline = Pipeline(
            store=store,
            catalogue=Catalogue(),
            keys=keys,
            tokens=Tokens(secrets.tokens.reveal(os.environ, root).encode()),
            identifier=identifiers.mint,
            clock=time.monotonic,
            by=compile_workspace(workspace),
        )
        self._grouping = Grouping(
            store=store,
            pipeline=pipeline,
            identifiers=identifiers,
            now=self._clock,
            seconds=time.monotonic,
            budget=float("inf"),
        )
        self._organisation = str(workspace.engine.organisation)
        self._settling = Settling(
            destination="inventory",
            organisation=self._organisation,
            now=self._clock,
            identifier=identifiers.mint,
        )

    def _clock(self) -> int:
        return self._now

    def change(self, numbers: range) -> Change:
        """All that becomes of these messages."""
        change = Change()
        for first in range(numbers.start, numbers.stop, TURN):
            turn = range(first, min(first + TURN, numbers.stop))
            self._now = self._began + turn[-1] * STEP
            group = Group([], [self._arrival(number) for number in turn])
            self._grouping.build(group, change, store_first=False)
            self._settle(group.works, change)
        change.holds = [self._worked(hold, change) for hold in change.holds]
        change.lookups.sort()
        return change

    def _arrival(self, number: int) -> Arrival:
        digits = digits_of(number)
        kind, message_type = "held" if number % HELD == 0 else "usual", "DFT^P03"
        item = item_of(number % ITEMS, 0)[:-1].encode()
        body = digits.encode().join(_PIECES[kind]).replace(_ITEM, item)
        if number % UNROUTED == 1:
            message_type = NOBODYS
            body = body.replace(b"DFT^P03^DFT_P03", b"SIU^S12^SIU_S12")
        return Arrival(
            listener="or-mllp", facility="NORTH", organisation=self._organisation, peer="orsys", schema="hl7v2/2.8.2",
            message_type=message_type, sender="ORSYS|NORTH", control_id=control_id_of(digits), occurred_at=self._now,
            partition=number % 64, notes=None, source="127.0.0.1:40001", charset=None, body=body, reply=_nobody,
        )  # fmt: skip

    def _settle(self, works: list[Work], change: Change) -> None:
        """What the dispatcher does with a destination that takes everything at once."""
        items = [(work, posting) for work in works for posting in work.postings]
        for _, posting in items:
            posting.state = after(posting.state, "send")
            posting.attempts += 1
            posting.history.append((self._now, posting.state))
            posting.state, posting.proof = after(posting.state, "taken"), "acknowledged"
            posting.history.append((self._now, posting.state))
        self._settling.record(Batch(items), change)

    def _worked(self, hold: Hold, change: Change) -> Hold:
        """What a person did about an exception."""
        turn = hold.position // HELD % OF_STATES
        at = hold.recorded_at + STEP
        if turn < len(STATES):
            state = STATES[turn]
            return hold if state == "new" else hold._replace(state=state, assignee="kim", reason="", changed_at=at)
        scope = f"lines:{hold.channel}"
        change.counts += [Count(hold.facility, scope, "held", -1), Count(hold.facility, scope, "rejected", 1)]
        return hold._replace(state="rejected", assignee="kim", reason="not ours", changed_at=at)


def _nobody(_: object) -> None:
    """Nobody waits for an answer."""


def workspace(root: Path, *, port: int = 2575, destination: str = "http://127.0.0.1:1/postings") -> Path:
    """A workspace of `support.workspace` with its store in it."""
    return write(root, Settings(store=f"sqlite:///{root}/casecart.db", port=port, destination=destination))


def main(arguments: list[str]) -> None:
    """Fills, and says how long it took."""
    count, root = int(arguments[0]), Path(arguments[1]).absolute()
    began = time.time_ns() // 1000 - (count + TURN) * STEP
    wall, cpu = time.perf_counter(), time.process_time()
    fill(workspace(root), range(1, count + 1), began=began)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    size = sum(path.stat().st_size for path in root.glob("casecart.db*"))
    print(f"{count:,} messages in {wall:.0f} s ({cpu / count * 1e6:.0f} µs CPU each), {size / count:,.0f} bytes each")


if __name__ == "__main__":
    main(sys.argv[1:])
