"""A byte of the store becomes another one: what it was in is found on read and held, and never posted."""

from __future__ import annotations

import logging
import random
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import pytest

from casecart.canonical.master import Item
from casecart.commands.actor import Actor
from casecart.commands.desk import Desk
from casecart.commands.site import Site
from casecart.commands.store_verify import VerifiedStore, VerifyStore
from casecart.runtime.copy import decode_decision, encode_decision
from casecart.store import Change, Count, Damaged, HoldChange, Replay, open_store
from support.damage import Stored, blobs, flip, restored, snapshot
from support.line import CHANNEL, Line, dft, new_line, write_workspace
from support.master import publish

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from casecart.runtime.destination import Posting

COLUMNS = (
    ("body", "data"),
    ("message", "digest"),
    ("run", "documents"),
    ("run", "tokens"),
    ("ledger", "postings"),
    ("ledger", "statements"),
    ("replay", "decision"),
)

KINDS = {"message": "message", "body": "message", "run": "run", "ledger": "ledger", "replay": "decision"}
"""Table → what `casecart store verify` calls it."""


class Outcome(NamedTuple):
    """What an engine that found the store like this did."""

    posted: list[tuple[str, bytes]]
    held: int
    balance: tuple[int, int]


def filled(root: Path, url: str) -> None:
    """A store with all that an engine reads when it starts: what was posted, what is to be, what is to be worked."""
    line = new_line(root, url)
    line.send(
        dft("M1", "V1", lines=["1|CG|SCREW|1|OR", "2|CG|PLATE|2|OR"]),
        dft("M2", "V2", lines=["1|CG|STEM|1|OR", "2|CG|CUP|1|HOLD"]),
        dft("M3", "V1", lines=["1|CD|SCREW|1|OR"]),
    )
    line.dispatcher.pause(paused=True)
    line.send(dft("M4", "V4", lines=["1|CG|NAIL|1|OR"]), dft("M5", "V5", lines=["1|CG|MESH|1|OR", "2|CG|PIN|3|OR"]))
    line.send(dft("M6", "V5", lines=["1|CD|MESH|1|OR"]))  # waits for what became of M5
    line.journal.store_first = True
    line.take(dft("M7", "V7", lines=["1|CG|LINER|1|OR"]))
    line.take(dft("M8", "V1", lines=["2|CD|PLATE|2|OR"]))
    line.journal.flush()
    (held,) = line.store.holds()
    line.store.write(
        Change(
            hold_changes=[HoldChange("fixed", "", "mended", line.now(), held.id)],
            replays=[
                Replay(held.id, held.position, held.channel, held.place, line.now(), "alice", "", encode_decision({}))
            ],
        )
    )
    line.crash()
    # Today the route posts what it held.
    write_workspace(root, channel=CHANNEL.replace("'HOLD'", "'NEVER'"))


def worked(root: Path, url: str) -> Outcome:
    """An engine starts, works what it finds, and gets one more message about a case that it knows."""
    line = Line(root, url)
    posted: list[tuple[str, bytes]] = []

    def seen(postings: Sequence[Posting]) -> None:
        posted.extend((posting.key, posting.payload) for posting in postings)

    line.script.seen = seen
    line.start()
    line.wait(1)
    line.look()
    line.send(dft("M9", "V2", lines=["1|CD|STEM|1|OR"]))
    line.look()
    line.wait(1)
    line.look()
    line.wait(1)
    assert line.broken == []
    outcome = Outcome(sorted(posted), line.store.held_count(), line.balance())
    assert line.store.waiting(0, 9) == []
    assert line.store.open_counts() == []
    line.stop()
    assert verified(root, url).counted
    return outcome


def verified(root: Path, url: str) -> VerifiedStore:
    """What `casecart store verify` says."""
    site = Site(
        root=root, organisation="MERCY", store_url=url, store_place="a store", time_zones={}, listeners={},
        destinations={},
    )  # fmt: skip
    with closing(open_store(url, role="reader")) as store:
        return Desk(site=site, store=store, actor=Actor("alice", frozenset({"see"})), now=lambda: 0).ask(VerifyStore())


def check(root: Path, url: str, examples: int, seed: int) -> None:
    chance = random.Random(seed)
    filled(root, url)
    before = snapshot(url)
    whole = worked(root, url)
    assert verified(root, url).findings == []
    assert whole.balance == (0, 0)
    assert len(whole.posted) == 8
    restored(url, before)
    stored = blobs(url, COLUMNS)
    assert {(each.table, each.column) for each in stored} == set(COLUMNS)
    for number in range(examples):
        one = stored[number % len(stored)]
        at, mask = chance.randrange(len(one.value)), chance.randrange(1, 256)
        if one.column == "decision":
            mask = 1  # a text stays one
        flip(url, one, at, mask)
        told = f"seed {seed}, {one}, byte {at} ^ {mask}"
        found = verified(root, url)
        assert [finding.kind for finding in found.findings] == [KINDS[one.table]], told
        damaged = worked(root, url)
        assert damaged.balance == (0, 0), told
        assert set(damaged.posted) <= set(whole.posted), told
        assert len(set(damaged.posted)) == len(damaged.posted), told
        missing = len(whole.posted) - len(damaged.posted)
        assert missing == 0 or damaged.held > whole.held, told
        restored(url, before)


def test_a_flipped_byte_is_posted_nowhere(tmp_path: Path, store_url: str) -> None:
    check(tmp_path, store_url, 14, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [2, 3])
def test_thousands_of_flipped_bytes_are_posted_nowhere(tmp_path: Path, store_url: str, seed: int) -> None:
    check(tmp_path, store_url, 2_000, seed=seed)


def one_of(url: str, table: str, column: str, number: int = 0) -> Stored:
    return blobs(url, [(table, column)])[number]


def test_a_damaged_message_is_put_aside_and_the_others_go_on(
    tmp_path: Path, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    line = new_line(tmp_path, store_url)
    line.journal.store_first = True
    line.take(dft("M1", "V1"))
    line.take(dft("M2", "V2"))
    line.journal.flush()
    line.crash()
    flip(store_url, one_of(store_url, "body", "data"), 100, 4)
    with caplog.at_level(logging.ERROR):
        line = Line(tmp_path, store_url).start()
    line.wait(1)
    assert line.outcomes() == {"M1": "quarantined", "M2": "processed"}
    (held,) = line.store.holds()
    assert (held.code, held.position) == ("body-damaged", 1)
    assert [posting.state for posting in line.postings()] == ["posted"]
    assert line.balance() == (0, 0)
    assert len(caplog.records) == 1
    line.stop()


def test_a_damaged_row_of_the_outbox_is_held_and_the_others_go_out(
    tmp_path: Path, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    line = new_line(tmp_path, store_url)
    line.dispatcher.pause(paused=True)
    line.send(dft("M1", "V1", lines=["1|CG|A|1|OR", "2|CG|B|1|OR"]), dft("M2", "V2"))
    line.crash()
    flip(store_url, one_of(store_url, "ledger", "postings"), 40, 1)
    for _ in range(2):  # told once, whatever the number of starts
        line = Line(tmp_path, store_url, script=line.script).start()
        line.wait(1)
        assert line.balance() == (0, 0)
        line.crash()
    line = Line(tmp_path, store_url, script=line.script).start()
    holds = line.store.holds()
    assert [(hold.code, hold.position, hold.subject) for hold in holds] == [
        ("posting-damaged", 1, "posting:damaged")
    ] * 2
    assert len([record for record in caplog.records if "damaged" in record.message]) == 1
    assert list(line.script.effects.values()) == [1]
    line.stop()


def test_a_line_of_a_case_with_a_damaged_row_is_held_and_those_of_other_cases_go_on(
    tmp_path: Path, store_url: str
) -> None:
    line = new_line(tmp_path, store_url)
    line.send(dft("M1", "V1"))
    line.crash()
    flip(store_url, one_of(store_url, "ledger", "postings"), 30, 1)
    line = Line(tmp_path, store_url, script=line.script).start()
    line.send(dft("M2", "V1", lines=["1|CD|SCREW|1|OR", "9|CG|NEW|1|OR"]), dft("M3", "V3"))
    assert [(hold.code, hold.place) for hold in line.store.holds()] == [
        ("ledger-damaged", "FT1[2]"),
        ("ledger-damaged", "FT1[1]"),
    ]
    assert len(line.script.effects) == 2
    assert line.balance() == (0, 0)
    line.stop()


@pytest.mark.parametrize("at", range(len(encode_decision({"item": "A"}))))
def test_a_damaged_decision_is_never_another_one(at: int) -> None:
    whole = encode_decision({"item": "A"})
    for mask in (1, 2, 4, 32):
        damaged = whole[:at] + chr(ord(whole[at]) ^ mask) + whole[at + 1 :]
        try:
            decided = decode_decision(damaged)
        except Damaged:
            continue
        assert decided == decode_decision(whole)


def test_a_counter_that_is_not_what_the_rows_come_to_is_found(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url)
    line.send(dft("M1"), dft("M1"), dft("M2", "V2", lines=["1|CG|CUP|1|HOLD"]))
    assert verified(tmp_path, store_url).findings == []
    line.stop()
    with closing(open_store(store_url, role="engine")) as store:
        store.write(
            Change(
                counts=[
                    Count("NORTH", "lines:usage", "posted", 1),
                    Count("NORTH", "messages:or-mllp", "refused", 2),
                ]
            )
        )
    assert [(finding.kind, finding.words) for finding in verified(tmp_path, store_url).findings] == [
        ("balance", "refused: the counters say 2, and 0 are there"),
        ("balance", "posted: the counters say 2, and 1 are there"),
    ]


def test_no_line_is_resolved_while_a_document_of_the_master_data_is_damaged(
    tmp_path: Path, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    line = new_line(tmp_path, store_url)
    publish(line.store, Item(number="SCREW", description="a screw", unit="EA"))
    line.crash()
    flip(store_url, one_of(store_url, "master", "data"), 9, 1)
    line = Line(tmp_path, store_url).start()
    line.send(dft("M1"))
    line.wait(1)
    assert line.outcomes() == {"M1": "waiting"}  # acknowledged, and safe
    assert [receipt.value for _, receipt in line.replies] == ["stored"]
    assert [finding.kind for finding in verified(tmp_path, store_url).findings] == ["master"]
    publish(line.store, Item(number="SCREW", description="a screw", unit="EA"))
    line.look()
    line.wait(1)
    assert line.outcomes() == {"M1": "processed"}
    assert len([record for record in caplog.records if "damaged" in record.message]) == 1
    assert line.broken == []
    line.stop()
