"""The audit trail: whatever is done to it behind the store's back is found."""

from __future__ import annotations

import random
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from casecart.commands.actor import Actor
from casecart.commands.audit import ListAudit, ShowAuditHead, VerifiedAudit, VerifyAudit, heads_in
from casecart.commands.desk import Desk
from casecart.commands.refusal import Refusal
from casecart.commands.site import Site
from casecart.store import AuditRecord, Change, open_store
from casecart.store.tail import chained, head_mark
from support.crash_oracle import connected
from support.damage import restored, snapshot
from support.store import NOW, new_store

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = 300


def record(number: int) -> AuditRecord:
    return AuditRecord(NOW + number * 1_000, f"user{number % 3}", "destination.pause", f"destination:{number}", "{}")


def filled(url: str) -> None:
    new_store(url)
    with closing(open_store(url, role="person")) as store:
        for first in range(1, RECORDS, 10):  # as several commits wrote them
            store.write(Change(audit=[record(number) for number in range(first, first + 10)]))


def asked(tmp_path: Path, url: str, query: Any) -> Any:  # noqa: ANN401 - of any answer
    site = Site(
        root=tmp_path, organisation="MERCY", store_url=url, store_place="a store", time_zones={}, listeners={},
        destinations={},
    )  # fmt: skip
    with closing(open_store(url, role="reader")) as store:
        return Desk(site=site, store=store, actor=Actor("alice", frozenset({"see"})), now=lambda: NOW).ask(query)


def verified(tmp_path: Path, url: str, *heads: tuple[int, str]) -> VerifiedAudit:
    found: VerifiedAudit = asked(tmp_path, url, VerifyAudit(heads=heads))
    return found


def run(cursor: Any, url: str, statement: str, *values: object) -> int:  # noqa: ANN401 - either driver's
    cursor.execute(statement.replace("?", "?" if url.startswith("sqlite") else "%s"), values)
    return int(cursor.rowcount)


def alter(cursor: Any, url: str, chance: random.Random) -> None:  # noqa: ANN401 - as above
    column = chance.choice(["actor", "command", "subject", "detail"])
    statement = f"update audit set {column} = 'mallory' where position = ?"  # noqa: S608 - our own names
    assert run(cursor, url, statement, chance.randint(1, RECORDS)) == 1


def alter_time(cursor: Any, url: str, chance: random.Random) -> None:  # noqa: ANN401 - as above
    position = chance.randint(1, RECORDS)
    assert run(cursor, url, "update audit set recorded_at = recorded_at - 1 where position = ?", position) == 1


def alter_digest(cursor: Any, url: str, chance: random.Random) -> None:  # noqa: ANN401 - as above
    digest = chance.randbytes(32)
    assert run(cursor, url, "update audit set digest = ? where position = ?", digest, chance.randint(1, RECORDS)) == 1


def delete(cursor: Any, url: str, chance: random.Random) -> None:  # noqa: ANN401 - as above
    first = chance.randint(1, RECORDS - 10)
    last = first + chance.randrange(5)
    assert run(cursor, url, "delete from audit where position between ? and ?", first, last)


def delete_and_close_up(cursor: Any, url: str, chance: random.Random) -> None:  # noqa: ANN401 - as above
    gone = chance.randint(1, RECORDS - 1)
    run(cursor, url, "delete from audit where position = ?", gone)
    for position in range(gone + 1, RECORDS + 1):
        run(cursor, url, "update audit set position = ? where position = ?", position - 1, position)


def exchange(cursor: Any, url: str, chance: random.Random) -> None:  # noqa: ANN401 - as above
    one, other = chance.sample(range(1, RECORDS + 1), 2)
    for old, new in ((one, -1), (other, one), (-1, other)):
        assert run(cursor, url, "update audit set position = ? where position = ?", new, old) == 1


def cut_off(cursor: Any, url: str, chance: random.Random) -> None:  # noqa: ANN401 - as above
    assert run(cursor, url, "delete from audit where position > ?", RECORDS - chance.randint(1, 50))


def put_before(cursor: Any, url: str, chance: random.Random) -> None:  # noqa: ANN401 - as above
    digest = chance.randbytes(32)
    statement = "insert into audit values (?, ?, 'mallory', 'nothing', 'nothing', '{}', ?)"
    assert run(cursor, url, statement, -chance.randrange(3), NOW, digest) == 1


DAMAGES = [alter, alter_time, alter_digest, delete, delete_and_close_up, exchange, cut_off, put_before]


def test_whatever_is_done_to_a_record_is_found(tmp_path: Path, store_url: str) -> None:
    filled(store_url)
    before = {"audit": snapshot(store_url)["audit"]}
    assert verified(tmp_path, store_url).sound
    for number in range(24):
        damage = DAMAGES[number % len(DAMAGES)]
        with connected(store_url) as connection:
            damage(connection.cursor(), store_url, random.Random(number))
            connection.commit()
        found = verified(tmp_path, store_url)
        assert not found.sound, (damage.__name__, number)
        restored(store_url, before)
    assert verified(tmp_path, store_url).sound


def rewritten(url: str, last: int) -> None:
    """Somebody who knows how the trail is made writes another one, and its end beside it."""
    with connected(url) as connection:
        cursor = connection.cursor()
        run(cursor, url, "delete from audit where position > ?", last)
        digest = b""
        for position in range(1, last + 1):
            told = record(position)._replace(actor="nobody") if position == 7 else record(position)
            digest = chained(digest, position, told)
            statement = "update audit set actor = ?, digest = ? where position = ?"
            run(cursor, url, statement, told.actor, digest, position)
        mark = head_mark(digest)
        assert run(cursor, url, "update cursor set position = ?, epoch = ? where name = 'audit:head'", last, mark) == 1
        connection.commit()


@pytest.mark.parametrize("last", [RECORDS, RECORDS - 20])
def test_a_trail_that_was_written_anew_is_found_by_an_exported_head_only(
    tmp_path: Path, store_url: str, last: int
) -> None:
    filled(store_url)
    head = asked(tmp_path, store_url, ShowAuditHead())
    assert (head.position, len(head.digest)) == (RECORDS, 64)
    exported = heads_in(f"{head.head} 2026-11-21T00:00:00Z\n")
    assert verified(tmp_path, store_url, *exported).compared == 1
    assert verified(tmp_path, store_url, *exported).sound
    rewritten(store_url, last)
    assert verified(tmp_path, store_url).sound  # the chain alone can't tell
    (finding,) = verified(tmp_path, store_url, *exported).findings
    assert finding.kind == ("rewritten" if last == RECORDS else "truncated")


def test_it_says_where(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/casecart.db"
    filled(url)
    with connected(url) as connection:
        connection.execute("update audit set actor = 'mallory' where position = 17")
        connection.execute("delete from audit where position in (40, 41)")
        connection.execute("delete from audit where position > 290")
        connection.commit()
    found = verified(tmp_path, url)
    assert [(each.kind, each.first, each.last) for each in found.findings] == [
        ("altered", 17, 17),
        ("missing", 40, 41),
        ("truncated", 291, 300),
    ]


def test_what_goes_on_after_a_cut_hides_nothing(tmp_path: Path, store_url: str) -> None:
    filled(store_url)
    with connected(store_url) as connection:
        connection.cursor().execute("delete from audit where position > 290")
        connection.commit()
    with closing(open_store(store_url, role="person")) as store:
        store.write(Change(audit=[record(number) for number in range(900, 920)]))
    (finding,) = verified(tmp_path, store_url).findings
    assert (finding.kind, finding.first, finding.last) == ("missing", 291, 300)


def test_records_are_listed_newest_first_by_who_and_what(tmp_path: Path, store_url: str) -> None:
    filled(store_url)
    page = asked(tmp_path, store_url, ListAudit(actor="user1", command="destination", limit=3))
    assert [each.position for each in page.records] == [298, 295, 292]
    page = asked(tmp_path, store_url, ListAudit(actor="user1", before=page.before, limit=1))
    assert [each.position for each in page.records] == [289]
    assert asked(tmp_path, store_url, ListAudit(command="dest")).records == []
    (one,) = asked(tmp_path, store_url, ListAudit(subject="destination:17")).records
    assert one.position == 17


def test_an_empty_trail_is_sound_and_has_a_head(tmp_path: Path, store_url: str) -> None:
    new_store(store_url)
    head = asked(tmp_path, store_url, ShowAuditHead())
    assert verified(tmp_path, store_url, *heads_in(head.head)).sound


def test_a_text_without_a_head_is_refused() -> None:
    with pytest.raises(Refusal, match="POSITION:DIGEST"):
        heads_in("42:abc")
