"""A FHIR server that never calls, searched over HTTP by a whole engine."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from support.fhir_reading import HEARS, POLLS, begun, device, procedure, reading, told, until
from support.fhir_site import Asked, FhirSite, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.fhir_reading import Reading

PAST = 'from: "2026-01-01T00:00:00Z"'
NEW_YEAR = 1_767_225_600_000_000  # µs
SECOND = 1_000_000


class Years(FhirSite):
    """A server whose clock the test sets, and that says by what it sorted."""

    def __init__(self, *, sorts: bool = True) -> None:
        self.clock = NEW_YEAR
        self.sorts = sorts
        super().__init__(now=lambda: self.clock)

    def procedures(self, *numbers: int, every: int = SECOND) -> None:
        """They are made in this order."""
        if self.current("Device", "d1") is None:
            self.put(device("d1"))
        for number in numbers:
            self.clock += every
            self.put(procedure(f"p{number}", "d1"))

    def answer(self, asked: Asked) -> Reply:
        """As any, but for the link of the search as it was understood."""
        reply = super().answer(asked)
        if self.sorts and asked.path == "Procedure" and reply.status == 200:
            understood = f'"relation": "self", "url": "{self.base}/Procedure?{urlencode(asked.query)}"'
            own = f'"relation": "self", "url": "{self.base}"'
            return Reply(200, reply.body.replace(own.encode(), understood.encode()), reply.headers)
        return reply


@contextmanager
def polling(root: Path, site: FhirSite, settings: str = f"{POLLS}, {PAST}, overlap: 5s") -> Iterator[Reading]:
    """An engine on a SQLite store that searches each second."""
    with reading(root, f"sqlite:///{root}/casecart.db", site, settings) as engine:
        yield engine


def ids(*numbers: int) -> list[str]:
    """Control ids of the first versions of procedures."""
    return [f"Procedure/p{number}/_history/1" for number in numbers]


def searches(site: FhirSite) -> list[Asked]:
    """The searches that were put, without the pages behind their first."""
    return [each for each in list(site.asked) if each.path == "Procedure"]


@pytest.mark.parametrize("sorts", [True, False], ids=["sorted", "not sorted"])
def test_all_pages_are_read_and_what_is_found_again_is_not_handed_in_again(tmp_path: Path, *, sorts: bool) -> None:
    with Years(sorts=sorts) as site:
        site.procedures(*range(1, 251))
        with polling(tmp_path, site) as engine:
            until(lambda: len(engine.control_ids) == 250)
            site.procedures(251)
            until(lambda: ids(251)[0] in engine.control_ids)
            assert (engine.received(), engine.posted()) == (251, 251)
            assert sum(each.path == "Device/d1" for each in site.asked) == 251


def test_more_of_one_moment_than_fit_on_a_page_are_all_found(tmp_path: Path) -> None:
    with Years() as site:
        site.procedures(*range(1, 241), every=0)
        site.procedures(241)
        with polling(tmp_path, site) as engine:
            until(lambda: len(engine.control_ids) == 241)


def test_what_appears_late_with_an_earlier_time_is_found_within_the_overlap(tmp_path: Path) -> None:
    with Years() as site:
        site.procedures(1, 2)
        with polling(tmp_path, site) as engine:
            until(lambda: engine.received() == 2)
            site.clock -= 4 * SECOND
            site.procedures(3)
            until(lambda: engine.control_ids == ids(1, 2, 3))


def test_a_start_goes_on_where_the_last_run_ended(tmp_path: Path) -> None:
    with Years() as site:
        site.procedures(1, every=60 * SECOND)
        with polling(tmp_path, site) as engine:
            until(lambda: engine.received() == 1)
        site.asked.clear()
        site.procedures(2, every=60 * SECOND)
        with begun(tmp_path, f"sqlite:///{tmp_path}/casecart.db") as engine:
            until(lambda: engine.control_ids == ids(1, 2))
        assert searches(site)[0].last("_lastUpdated") == "ge2026-01-01T00:00:55.000Z"


def test_without_a_time_it_begins_now(tmp_path: Path) -> None:
    with FhirSite() as site, Years() as past:
        past.procedures(1)
        with polling(tmp_path, past, POLLS) as engine:
            until(lambda: len(searches(past)) > 1)
            assert engine.received() == 0
        assert site.asked == []


def test_what_is_polled_and_told_of_is_one_message(tmp_path: Path, store_url: str) -> None:
    with FhirSite() as site, reading(tmp_path, store_url, site, f"{HEARS}, every: 1s") as engine:
        site.put(device("d1"))
        site.put(procedure("p1", "d1"))
        engine.tell(told(1))
        until(lambda: engine.left() == 0 and engine.posted() == 1)
        before = len(searches(site))
        until(lambda: len(searches(site)) > before + 1)
        assert (engine.control_ids, engine.posted()) == (ids(1), 1)


def test_a_time_far_in_the_future_does_not_move_the_mark(tmp_path: Path) -> None:
    with Years() as site:
        site.procedures(1)
        kept = site.put(procedure("p9", "d1"))
        kept["meta"]["lastUpdated"] = "9999-12-31T23:59:59.999Z"
        with polling(tmp_path, site) as engine:
            until(lambda: engine.control_ids == ids(1, 9))
            site.procedures(2)
            until(lambda: engine.control_ids == ids(1, 9, 2))
            assert engine.received() == 3


def bundle(site: FhirSite, *resources: dict[str, Any], more: str = "") -> Reply:
    """A page."""
    links = [{"relation": "next", "url": more}] if more else []
    entries = [{"resource": each} for each in resources]
    return Reply.of({"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries})


def test_pages_without_end_are_given_up_and_searched_again_later(tmp_path: Path) -> None:
    with Years() as site:
        site.put(device("d1"))
        one = site.put(procedure("p1", "d1"))
        count = iter(range(10**9))
        site.route("GET", "Procedure", lambda _: bundle(site, one, more=f"{site.base}/Procedure?page={next(count)}"))
        with polling(tmp_path, site) as engine:
            until(lambda: (engine.mark("trouble") or (0, 0))[0] > 0)
            assert engine.control_ids == ids(1)
            assert next(count) < 10


@pytest.mark.parametrize("more", ["https://other.example/fhir/Procedure", "http://127.0.0.1:1/x"])
def test_a_next_link_to_elsewhere_is_not_followed(tmp_path: Path, more: str) -> None:
    with Years() as site:
        site.put(device("d1"))
        one = site.put(procedure("p1", "d1"))
        site.route("GET", "Procedure", lambda _: bundle(site, one, more=more))
        with polling(tmp_path, site) as engine:
            until(lambda: (engine.mark("trouble") or (0, 0))[0] > 0)


def test_what_was_not_asked_for_is_left_out(tmp_path: Path) -> None:
    with Years() as site:
        site.put(device("d1"))
        old = procedure("p0", "d1") | {"meta": {"versionId": "1", "lastUpdated": "2020-01-01T00:00:00Z"}}
        nameless = {"resourceType": "Procedure", "meta": {"lastUpdated": "2026-01-01T00:00:05Z"}}
        strange = procedure("../p2")
        one = site.put(procedure("p1", "d1"))
        site.route("GET", "Procedure", lambda _: bundle(site, old, nameless, strange, device("d2"), one))
        with polling(tmp_path, site) as engine:
            until(lambda: engine.received() > 0 and len(searches(site)) > 1)
            assert engine.control_ids == ids(1)


def test_one_search_that_fails_keeps_no_other_from_its_turn(tmp_path: Path) -> None:
    with Years() as site:
        site.procedures(1)
        site.route("GET", "SupplyDelivery", lambda _: Reply.outcome(403, "forbidden"))
        both = f"{POLLS}, {PAST}".replace("[Procedure]", "[SupplyDelivery, Procedure]")
        with polling(tmp_path, site, both) as engine:
            until(lambda: engine.control_ids == ids(1))
            until(lambda: engine.mark("trouble") is not None)
            assert (engine.mark("trouble") or (0, 0))[1] == 403
