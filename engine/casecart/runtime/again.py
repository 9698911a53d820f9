"""To look again what is due on a line: what was on its way has been answered, or a person has had the cause removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.runtime.effect import hold
from casecart.runtime.ledger import Ledger
from casecart.runtime.stated import Statement, Verdict
from casecart.runtime.statements import Statements, records_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.rules import Keys
    from casecart.runtime.copy import Decision
    from casecart.runtime.statements import Record
    from casecart.runtime.window import Work
    from casecart.store import Change, Entry, Message, Replay, Store

__all__ = ["look_again"]


def look_again(
    *,
    store: Store,
    message: Message,
    wish: Replay,
    decision: Decision,
    keys: Keys,
    reserve: Callable[[], int],
    identifier: Callable[[], bytes],
    change: Change,
) -> list[Work] | None:
    """Adds what is due on a line to a change.

    Args:
        store: has the ledger, and the exception that the wish may be about.
        message: that the line's statement stands in.
        wish: which one.
        decision: with an outcome.
        keys: derives the keys of postings.
        reserve: gives the sequence of a new ledger row.
        identifier: mints ids.
        change: is added to.

    Returns:
        Work for destinations, or None: a posting of the line is still on its way; look again later.
    """
    raised = store.hold(wish.hold)
    key = raised.key if raised is not None else ""
    found = _find(store, wish, key)
    if found is None:
        return []
    row, record = found
    name = record.what.line
    statements = Statements.of_case(store, row.facility, row.case_key)
    line = statements.case(row.case_key).lines[name]
    if line.on_its_way:
        return None
    ledger = Ledger(
        message=message,
        channel=wish.channel,
        order_key=lambda _, __: row.order_key,
        store=store,
        statements=statements,
        keys=keys,
        reserve=reserve,
        identifier=identifier,
        change=change,
    )
    own = 1
    if raised is None:
        ledger.count("waiting", -1)
    else:
        posted = next(movement for movement in line.movements if movement.key == key)
        ledger.count(posted.state, -1)
        if decision.outcome != "again":
            ledger.verdict(
                row.case_key, row.destination, Verdict(key, name, decision.outcome or "posted"), row.order_key
            )
        if decision.outcome == "posted":
            ledger.count("posted", 1)
            own = 0
    trouble = ledger.settle(row.case_key, name, wish.place, own)
    if trouble is not None:
        ledger.count("produced", 1 - own)
        ledger.count("held", 1)
        raised_now = hold(message, identifier(), trouble, channel=wish.channel, place=wish.place, line=name)
        change.holds.append(raised_now)
    return ledger.works()


def _find(store: Store, wish: Replay, key: str) -> tuple[Entry, Record] | None:
    """The row of the statement, or of the posting, that the wish is about."""
    for row in store.entries(wish.position):
        if row.channel != wish.channel:
            continue
        for record in records_of(row):
            what = record.what
            if isinstance(what, Verdict) or what.place != wish.place or (key and key != getattr(what, "key", "")):
                continue
            if not (isinstance(what, Statement) and (what.waits or what.position != wish.position)):
                return row, record
    return None
