"""The oracle of the simulation: what senders said, what the store has and what destinations did, at rest."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from casecart.runtime.backlog import DEATHS
from casecart.runtime.dispatcher import Limits
from casecart.runtime.states import OPEN
from casecart.store import MessageFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.simulation.world import World

__all__ = ["faults"]

PERIODIC = {"Engine._look", "Retention._turn"}
"""All that an engine at rest may have in front of it."""

ALL = 1_000_000


def faults(world: World) -> list[str]:
    """Every way in which the world contradicts the promises, as sentences; empty when all is well."""
    excused = _excused(world)
    return [*_messages(world), *_postings(world, excused), *_lines(world, excused), *_balances(world), *_rest(world)]


def _excused(world: World) -> set[str]:
    """Lines of which a posting was given to a person, because its destination failed on it so often."""
    excused = set()
    for stored in world.ledger.values():
        posting = stored.posting
        if posting.state == "held" and world.erps[stored.row[0]].troubled[posting.key] >= Limits().tries:
            excused.add(posting.line)
    # Neither is a message worked that had the process die three times.
    bodies = {
        message.body for head in _heads(world) if (message := world.store.message(head[0])) and head[1] == "quarantined"
    }
    excused |= {line for line, stated in world.plan.stated_in.items() if bodies.intersection(stated)}
    world.counts["excused"] = len(excused)
    return excused


def _heads(world: World) -> list[tuple[int, str]]:
    return [(head.position, head.outcome) for head in world.store.messages(MessageFilter(), None, ALL)]


def _messages(world: World) -> Iterator[str]:
    """Each is there once, and became what it should."""
    stored: Counter[bytes] = Counter()
    kinds = {message.body: message.kind for messages in world.plan.senders for message in messages}
    for position, outcome in _heads(world):
        message = world.store.message(position)
        assert message is not None
        stored[message.body] += 1
        should = "processed" if kinds.get(message.body) == "DFT^P03" else "unrouted"
        if outcome == "quarantined" and world.counts["crashes"] >= DEATHS:
            continue
        if outcome != should:
            yield f"{message.control_id} is {outcome}"
    wanted = Counter(message.body for messages in world.plan.senders for message in messages)
    if stored != wanted:
        yield f"{(wanted - stored).total()} messages are missing, and {(stored - wanted).total()} are too many"


def _postings(world: World, excused: set[str]) -> Iterator[str]:
    """The ledger says of each what its destination did."""
    for key, stored in world.ledger.items():
        posting, erp = stored.posting, world.erps[stored.row[0]]
        done = erp.effects[key]
        item = erp.verdict(posting).state
        if posting.state in OPEN:
            yield f"{key} is {posting.state} at rest"
        elif posting.state == "posted" and not done:
            yield f"{key} is posted, and {erp.name} has not done it"
        elif posting.state != "posted" and done and not posting.unsure:
            yield f"{key} is {posting.state}, and {erp.name} has done it"
        elif posting.state not in {item, "posted"} and posting.line not in excused:
            yield f"{key} is {posting.state} ({posting.code}) without need"
        if done > 1 and erp.name in {"keyed", "two-step"}:
            yield f"{erp.name} has done {key} {done} times"
    for name, erp in world.erps.items():
        yield from (
            f"{name} has done {key}, which is not in the ledger" for key in erp.effects if key not in world.ledger
        )


def _lines(world: World, excused: set[str]) -> Iterator[str]:
    """What was used is what was stated."""
    for (name, line), quantity in world.plan.used.items():
        used = world.erps[name].used[line]
        if used != quantity and line not in excused:
            yield f"{used} of {line} are used at {name}, and {quantity} were stated"
    for name, line in world.plan.refused:
        if world.erps[name].used[line]:
            yield f"{line} was refused by {name}, and is used"


def _balances(world: World) -> Iterator[str]:
    """Both are exact, and say what is there."""
    counts: Counter[str] = Counter()
    for count in world.store.counts():
        counts[count.name] += count.amount
    outcomes = Counter(outcome for _, outcome in _heads(world))
    for outcome in ("processed", "unrouted", "refused", "quarantined"):
        if counts[outcome] != outcomes[outcome]:
            yield f"{counts[outcome]} messages are counted as {outcome}, and {outcomes[outcome]} are"
    ends = sum(counts[name] for name in ("processed", "duplicate", "unrouted", "refused", "quarantined"))
    if counts["received"] + counts["copied"] != ends + sum(world.store.waiting_counts().values()):
        yield "the balance of messages is not exact"
    ends = sum(counts[name] for name in ("posted", "no_change", "filtered", "held", "rejected", "waiting"))
    if counts["produced"] != ends + sum(row.postings for row in world.store.open_counts()):
        yield f"the balance of lines is not exact: {dict(counts)}"
    states = Counter(stored.posting.state for stored in world.ledger.values())
    for state in ("posted", "rejected"):
        if counts[state] != states[state]:
            yield f"{counts[state]} postings are counted as {state}, and {states[state]} are"
    if not outcomes["quarantined"] and counts["filtered"] != world.plan.filtered:
        yield f"{counts['filtered']} lines are filtered, and {world.plan.filtered} should be"
    open_exceptions = [hold for hold in world.store.holds(states=["new"], limit=ALL) if hold.kind == "held"]
    for_people = counts["held"] + counts["rejected"] + counts["quarantined"]
    if len(open_exceptions) != for_people:
        yield f"{len(open_exceptions)} exceptions are open, and {for_people} lines and messages wait for people"


def _rest(world: World) -> Iterator[str]:
    """Nothing is left over."""
    if waiting := [name for name in world.life.waiting() if name not in PERIODIC]:
        yield f"the engine is at rest, and {waiting} is still to come"
    if world.unanswered:
        yield f"{world.unanswered} arrivals were never answered"
    troubled = {stored.row[0] for stored in world.ledger.values() if stored.posting.state == "held"}
    if timers := [timer.key for timer in world.store.timers() if timer.key not in troubled]:
        yield f"timers of {timers} are left"
