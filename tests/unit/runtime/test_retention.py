"""The engine deletes a little at a time, says once a day what went, and is not carried away by a clock."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from twisted.internet.task import Clock

from casecart.runtime.marks import TODAY
from casecart.runtime.retention import AGAIN, HURRY, ROUND, Retention
from casecart.store import Change, Due, Store, StoreUnavailable
from casecart.store.memory import MemoryStore
from support.store import NOW, a_hold, a_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from casecart.store import Freed

DAY = 86_400_000_000


def due(today: int) -> Due:
    spans = dict.fromkeys(("processed", "unrouted", "refused", "quarantined"), 30 * DAY)
    return Due(now=today, bodies=spans, channels={}, documents=400 * DAY, events=400 * DAY, exceptions=400 * DAY)


class Site:
    """A store, a clock on the wall and one that nobody sets."""

    def __init__(self, store: Store) -> None:
        self.store, self.clock, self.wall = store, Clock(), NOW
        self.faults: list[Exception] = []
        self.retention = Retention(
            store=store, due=due, reactor=self.clock, now=lambda: self.wall, broken=self.faults.append
        )

    def go_on(self, seconds: float) -> None:
        """Time goes by, on both."""
        step = ROUND if seconds < 86_400 else 3_600.0
        for _ in range(round(seconds / step)):
            self.wall += round(step * 1_000_000)
            self.clock.pump([step / 2, step / 2])

    def there(self, position: int) -> bool:
        message = self.store.message(position)
        assert message is not None
        return bool(message.body)

    @property
    def today(self) -> int:
        return next(cursor.position for cursor in self.store.cursors() if cursor.name == TODAY)


@pytest.fixture
def site() -> Site:
    store = MemoryStore()
    store.write(Change(messages=[a_message(1, recorded_at=NOW)]))
    return Site(store)


def test_a_body_goes_when_its_time_is_over_and_not_before(site: Site) -> None:
    site.retention.start()
    site.go_on(29 * 86_400)
    assert site.there(1)
    site.go_on(2 * 86_400)
    assert not site.there(1)
    assert site.faults == []


def test_a_clock_that_jumps_two_years_ahead_deletes_nothing_at_once(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.retention.start()
    site.go_on(600)
    site.wall += 730 * DAY
    with caplog.at_level(logging.WARNING):
        site.go_on(24 * 3_600)
    assert site.there(1)
    assert [record.message for record in caplog.records if "if the clock is wrong" in record.message] != []
    assert len(caplog.records) == 1  # it is said once
    site.wall -= 730 * DAY  # somebody mended it
    site.go_on(3_600)
    assert site.there(1)
    assert site.today <= site.wall


def test_an_engine_that_was_off_for_long_catches_up_at_a_day_an_hour(site: Site) -> None:
    site.retention.start()
    site.go_on(600)
    site.retention.stop()
    later = Site(site.store)
    later.wall = NOW + 50 * DAY
    later.retention.start()
    later.go_on(29 * 3_600)
    assert later.there(1)
    later.go_on(3 * 3_600)
    assert not later.there(1)


def test_a_clock_that_is_set_back_keeps_things_longer(site: Site) -> None:
    site.retention.start()
    site.go_on(20 * 86_400)
    site.wall -= 20 * DAY
    site.go_on(12 * 86_400)
    assert site.there(1)


def test_what_went_is_told_in_log_events_and_audit_once_a_day(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.store.write(Change(messages=[a_message(number, recorded_at=NOW + 2 * DAY) for number in (2, 3)]))
    site.retention.start()
    with caplog.at_level(logging.INFO):
        site.go_on(34 * 86_400)
    told = [record.message for record in caplog.records if record.message.startswith("retention: ")]
    assert len(told) == 2
    assert told[0].startswith("retention: 1 bodies (processed), 0.0 MB")
    assert [record.command for record in site.store.audit(10)] == ["retention.delete"] * 2
    assert [event.type for _, event in site.store.events(0, 10)] == ["casecart.retention.deleted"] * 2


def test_what_was_needed_is_looked_at_again_within_hours(site: Site) -> None:
    site.store.write(Change(holds=[a_hold(1)]))
    site.retention.start()
    site.go_on(31 * 86_400)
    assert site.there(1)
    site.store.write(Change(holds=[a_hold(1, id=a_hold(2).id, position=9)]))
    site.store._holds.clear()  # type: ignore[attr-defined]  # it was fixed
    site.go_on(AGAIN + 2 * ROUND)
    assert not site.there(1)


class Away(MemoryStore):
    """A store that is away for a while when it is to delete."""

    away = True

    def expire(self, due: Due, limit: Callable[[], int]) -> Iterator[list[Freed]]:
        if self.away:
            raise StoreUnavailable("away")
        yield from super().expire(due, limit)


def test_a_store_that_was_away_is_asked_again() -> None:
    store = Away()
    store.write(Change(messages=[a_message(1, recorded_at=NOW)]))
    site = Site(store)
    site.retention.start()
    site.go_on(31 * 86_400)
    assert site.there(1)
    store.away = False
    site.go_on(2 * ROUND)
    assert not site.there(1)
    assert site.faults == []


def test_today_goes_on_no_faster_than_it_may() -> None:
    site = Site(MemoryStore())
    site.retention.start()
    site.go_on(ROUND)
    before, site.wall = site.today, site.wall + 100 * DAY
    site.go_on(10 * ROUND)
    assert site.today - before <= (10 * ROUND + ROUND / 2) * HURRY * 1_000_000  # the first look is before its end
