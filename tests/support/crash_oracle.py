"""The oracle of the crash tests: what was sent, what is in the store and what the sink has, held against each other.

It reads the tables with its own SQL, and believes no count that it has not counted.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from casecart.runtime.made import decode_made, decode_postings
from casecart.store import open_store
from casecart.store.lookup import decode_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from support.sender import Sent

__all__ = ["Evidence", "Tally", "connected", "faults", "tally"]

MESSAGES, LINES = "messages:or-mllp", "lines:or-usage"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known after a run that came to rest.

    Attributes:
        store: the store's URL.
        record: the sink's.
        sent: by control id.
        acknowledged: control ids.
        resends: how often a message was sent again.
        cuts: how many frames may have ended in their middle; the engine keeps what came of them, refused.
    """

    store: str
    record: Path
    sent: Mapping[str, Sent]
    acknowledged: AbstractSet[str]
    resends: int
    cuts: int = 0


def connected(store: str) -> closing[Any]:
    """A connection of the driver's own to a store, closed at the end of a `with`."""
    if store.startswith("sqlite:///"):
        return closing(sqlite3.connect(store.removeprefix("sqlite:///")))
    return closing(psycopg.connect(store))


def faults(evidence: Evidence) -> list[str]:
    """Every way in which the evidence contradicts the promises, as sentences; empty when all is well."""
    scan = _Scan(evidence.store)
    return [
        *_messages(evidence, scan),
        *_cut_frames(evidence, scan),
        *_lines(evidence, scan),
        *_postings(evidence, scan),
        *_counters(evidence, scan),
    ]


class Tally(NamedTuple):
    """The promises in four numbers.

    Attributes:
        acknowledged: messages.
        lost: of these, those that are not in the store, or of which a line that had to be posted did not come.
        duplicates: messages that are in the store a second time, and lines that came to the sink a second time.
        inversions: messages of a sender and lines of a case that are behind a later one: in the log, and at the sink.
    """

    acknowledged: int
    lost: int
    duplicates: int
    inversions: int


def tally(evidence: Evidence) -> Tally:
    """Counts once more what `faults` tells in words; `evidence` is of a run at rest."""
    scan = _Scan(evidence.store)
    stored = Counter(control_id for _, control_id, outcome, _ in scan.messages if outcome != "refused")
    came = list(_came(evidence, scan))
    there = set(came)
    lost = [
        control_id
        for control_id in evidence.acknowledged
        if control_id not in stored or evidence.sent[control_id].expected("posted") - there
    ]
    place = {control_id: number for number, control_id in enumerate(evidence.sent)}
    # A control id begins with the sender's number; a sender's messages were begun one after the other.
    whole = [control_id for _, control_id, outcome, _ in sorted(scan.messages) if outcome != "refused"]
    log = [(control_id[:4], place[control_id]) for control_id in whole if control_id in place]
    twice = stored.total() - len(stored) + len(came) - len(there)
    return Tally(len(evidence.acknowledged), len(lost), twice, _behind(log) + _behind(dict.fromkeys(came)))


def _came(evidence: Evidence, scan: _Scan) -> Iterator[tuple[str, str]]:
    """(case, line id) of every posting at the sink, in the order in which they came."""
    for payload in evidence.record.read_text("utf-8").splitlines():
        posted = json.loads(payload)
        yield scan.cases.get(posted["case"], posted["case"]), posted["line"]


def _behind(places: Iterable[tuple[str, Any]]) -> int:
    """How many of (key, place) come after one of the same key with a higher place."""
    highest: dict[str, Any] = {}
    behind = 0
    for key, place in places:
        behind += key in highest and place < highest[key]
        highest[key] = max(place, highest.get(key, place))
    return behind


class _Scan:
    """Everything that the tables hold, read row by row."""

    def __init__(self, store: str) -> None:
        with connected(store) as connection:
            self.messages = _rows(
                connection, "select position, control_id, outcome, data from message join body using (position)"
            )
            self.runs = {
                position: decode_made(bytes(made))
                for position, made in _rows(connection, "select position, documents from run")
            }
            self.ledger = [
                (case_key, still_open, decode_postings(bytes(postings)))
                for case_key, still_open, postings in _rows(connection, "select case_key, open, postings from ledger")
            ]
            self.cases = {
                known.token: known.value
                for (data,) in _rows(connection, "select tokens from run where tokens is not null")
                for known in decode_tokens(bytes(data))
                if known.kind == "case"
            }
            self.exceptions = _rows(connection, "select position, place, state from exception")
            self.timers = _rows(connection, "select owner, key from timer where owner not like 'restored%'")
        with closing(open_store(store, role="reader")) as reader:
            self.counters: Counter[tuple[str, str]] = Counter()
            for count in reader.counts():
                self.counters[count.scope, count.name] += count.amount
            self.waiting = sum(reader.waiting_counts().values())
            self.in_flight = sum(count.postings for count in reader.open_counts())
            self.held = reader.held_count()


def _rows(connection: Any, statement: str) -> list[tuple[Any, ...]]:  # noqa: ANN401 - either driver's
    cursor = connection.cursor()
    cursor.execute(statement)
    return [tuple(row) for row in cursor.fetchall()]


def _messages(evidence: Evidence, scan: _Scan) -> Iterator[str]:
    """Every acknowledged message is there, once, as it was sent; nothing else is, but what came of a cut frame."""
    kept = [row for row in scan.messages if row[2] != "refused"]
    stored = Counter(control_id for _, control_id, _, _ in kept)
    for control_id in sorted(evidence.acknowledged - stored.keys()):
        yield f"{control_id} was acknowledged and is not in the store"
    for control_id, times in stored.items():
        if times > 1:
            yield f"{control_id} is in the store {times} times"
    for _, control_id, outcome, body in kept:
        if control_id not in evidence.sent:
            yield f"{control_id} is in the store and was never sent"
        elif bytes(body) != evidence.sent[control_id].body:
            yield f"{control_id} is not in the store as it was sent"
        if outcome != "processed":
            yield f"{control_id} is {outcome} at rest"


def _cut_frames(evidence: Evidence, scan: _Scan) -> Iterator[str]:
    """What was refused is the first part of a message that was sent, and there are no more of these than cuts."""
    parts = [bytes(body) for _, _, outcome, body in scan.messages if outcome == "refused"]
    if len(parts) > evidence.cuts:
        yield f"{len(parts)} messages were refused, and at most {evidence.cuts} were cut"
    wholes = {sent.body for sent in evidence.sent.values()} if parts else set()
    for part in parts:
        if not any(whole.startswith(part) for whole in wholes):
            yield "a message was refused that is no part of one that was sent"


def _lines(evidence: Evidence, scan: _Scan) -> Iterator[str]:
    """Every line of every stored message was made, and became what it should."""
    if unknown := scan.runs.keys() - {position for position, _, _, _ in scan.messages}:
        yield f"{len(unknown)} runs are of no message"
    for position, control_id, _, _ in scan.messages:
        if control_id not in evidence.sent:
            continue
        made = scan.runs.get(position)
        if made is None:
            yield f"{control_id} has no run"
            continue
        sent = evidence.sent[control_id]
        documents = {(scan.cases.get(usage.case or ""), line) for _, line, usage in made.documents}
        if documents != sent.expected("posted") | sent.expected("held"):
            yield f"{control_id} has other documents than lines"
        if len(made.filtered) != len(sent.expected("filtered")):
            yield f"{control_id} has {len(made.filtered)} filtered lines"
        if len(made.held) != len(sent.expected("held")):
            yield f"{control_id} has {len(made.held)} held lines"


def _postings(evidence: Evidence, scan: _Scan) -> Iterator[str]:
    """Every line that had to be posted is in the ledger once and reached the sink, always under the same key."""
    keys: dict[str, tuple[bytes, str]] = {}
    for case_key, still_open, postings in scan.ledger:
        if still_open:
            yield f"a ledger row has {still_open} postings on their way"
        for posting in postings:
            if posting.state != "posted":
                yield f"{posting.key} is {posting.state}"
            if posting.key in keys:
                yield f"{posting.key} is in the ledger twice"
            keys[posting.key] = (bytes(case_key), posting.line)
    if len(set(keys.values())) != len(keys):
        yield "a line has several keys in the ledger"

    came: dict[str, set[str]] = defaultdict(set)
    lines: dict[tuple[str | None, str], set[str]] = defaultdict(set)
    for payload in evidence.record.read_text("utf-8").splitlines():
        posted = json.loads(payload)
        came[posted["key"]].add(payload)
        lines[scan.cases.get(posted["case"]), posted["line"]].add(posted["key"])
    yield from (f"{key} came with different payloads" for key, payloads in came.items() if len(payloads) > 1)
    yield from (f"line {line} came under {len(under)} keys" for line, under in lines.items() if len(under) > 1)
    yield from (f"{key} came and is not in the ledger" for key in came.keys() - keys.keys())
    yield from (f"{key} is in the ledger and did not come" for key in keys.keys() - came.keys())

    stored = {control_id for _, control_id, _, _ in scan.messages}
    stated = [sent.expected("posted") for control_id, sent in evidence.sent.items() if control_id in stored]
    expected = set[tuple[str | None, str]]().union(*stated)
    yield from (f"line {line} did not come" for line in expected - lines.keys())
    yield from (f"line {line} came and nobody stated it" for line in lines.keys() - expected)


def _counters(evidence: Evidence, scan: _Scan) -> Iterator[str]:
    """Both balances are exact, and every count is what a scan of the tables counts."""
    outcomes = Counter(outcome for _, _, outcome, _ in scan.messages)
    states = Counter(posting.state for _, _, postings in scan.ledger for posting in postings)
    places = [{place for place, *_ in (*made.documents, *made.filtered, *made.held)} for made in scan.runs.values()]
    held = sum(len({place for place, _, _ in made.held}) for made in scan.runs.values()) + states["held"]
    counters = scan.counters
    duplicates = counters[MESSAGES, "duplicate"]  # the one term without rows
    pairs = {
        "messages received": (counters[MESSAGES, "received"], len(scan.messages) + duplicates),
        "messages copied": (counters[MESSAGES, "copied"], len(scan.runs) - outcomes["processed"]),
        **{
            f"messages {name}": (counters[MESSAGES, name], outcomes[name])
            for name in ("processed", "unrouted", "refused", "quarantined")
        },
        "messages waiting": (scan.waiting, outcomes["waiting"]),
        "lines produced": (counters[LINES, "produced"], sum(map(len, places))),
        "lines filtered": (counters[LINES, "filtered"], sum(len(made.filtered) for made in scan.runs.values())),
        "lines held": (counters[LINES, "held"], held),
        "lines rejected": (counters[LINES, "rejected"], states["rejected"]),
        "lines posted": (counters[LINES, "posted"], states["posted"]),
        "postings on their way": (scan.in_flight, states["planned"] + states["sent"] + states["unknown"]),
        "exceptions open": (scan.held, sum(state in ("new", "assigned") for _, _, state in scan.exceptions)),
        "exceptions": (len({(position, place) for position, place, _ in scan.exceptions}), held),
        "timers at rest": (len(scan.timers), 0),
    }
    yield from (f"{name}: {said} are said, {there} are there" for name, (said, there) in pairs.items() if said != there)
    if not 0 <= duplicates <= evidence.resends:
        yield f"{duplicates} duplicates were counted, and {evidence.resends} messages were sent again"
    ends = _sum(counters, MESSAGES, "processed", "duplicate", "unrouted", "refused", "quarantined")
    if _sum(counters, MESSAGES, "received", "copied") != ends + scan.waiting:
        yield "the balance of messages is not exact"
    ends = _sum(counters, LINES, "posted", "no_change", "filtered", "held", "rejected", "waiting")
    if _sum(counters, LINES, "produced") != ends + scan.in_flight:
        yield "the balance of lines is not exact"


def _sum(counters: Counter[tuple[str, str]], scope: str, *names: str) -> int:
    return sum(counters[scope, name] for name in names)
