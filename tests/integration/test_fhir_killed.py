"""Engines that read at a FHIR server, killed while they do: nothing is lost, and nothing counts twice."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import psycopg
import pytest

from casecart.runtime.marks import FOLLOW
from casecart.store import MessageFilter, migrate, open_store
from support.engine_process import EngineProcess, free_port
from support.fhir_reading import HEARS, HTTP, device, procedure, told, until, workspace
from support.fhir_site import Asked, FhirSite, Reply
from support.http_door import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)

MANY = 60
PATIENCE = 60.0  # seconds, on a machine with much else to do


@pytest.fixture
def site() -> Iterator[FhirSite]:
    """A server that takes its time."""
    with FhirSite() as made:
        made.put(device("d1"))
        for number in range(1, MANY + 1):
            made.put(procedure(f"p{number}", "d1"))

        def slowly(asked: Asked) -> Reply:
            kept = made.current("Procedure", asked.groups["id"])
            assert kept is not None
            return Reply(body=json.dumps(kept).encode(), delay=0.05)

        made.route("GET", "Procedure/(?P<id>p[0-9]+)", slowly)
        yield made


def tell(port: int, number: int) -> None:
    """The server calls: an event."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/fhir+json"}
        connection.request("POST", "/ehr", json.dumps(told(number)), headers)
        assert connection.getresponse().status == 200


def handed_in(url: str) -> list[str]:
    """Control ids of what was handed in."""
    with closing(open_store(url, role="person")) as store:
        rows = store.messages(MessageFilter(listener="ehr"), None, 1000)
        return sorted(row.control_id for row in rows)


def all_done(url: str) -> bool:
    """Whether nothing is left to follow up, and nothing waits to be worked."""
    with closing(open_store(url, role="person")) as store:
        return not store.left("ehr", 1) and not any(store.waiting_counts().values())


def lines(url: str) -> int:
    """Lines that were made of procedures."""
    with closing(open_store(url, role="person")) as store:
        counts = store.counts()
        return sum(count.amount for count in counts if (count.scope, count.name) == ("lines:procedures", "produced"))


def terms(url: str) -> int:
    """How many times it was some engine's turn to read."""
    with psycopg.connect(url) as session:
        (told,) = session.execute("select epoch from lease where name = %s", (f"{FOLLOW}ehr",)).fetchall()
    return int(told[0])


WANTED = sorted(f"Procedure/p{number}/_history/1" for number in range(1, MANY + 1))


def test_an_engine_that_is_killed_at_it_goes_on_with_the_rest(tmp_path: Path, site: FhirSite) -> None:
    url, port = f"sqlite:///{tmp_path}/casecart.db", free_port()
    workspace(tmp_path, url, site, HEARS, http=HTTP.replace("port: 0", f"port: {port}"))
    migrate(url)
    with EngineProcess(tmp_path, port) as engine:
        engine.start()
        for number in range(1, MANY + 1):
            tell(port, number)
        for share in (1, MANY // 3, MANY // 2):
            until(lambda share=share: len(handed_in(url)) >= share, limit=PATIENCE)  # type: ignore[misc]  # mypy knows no defaults here
            engine.kill()
            engine.start()
        until(lambda: all_done(url) and len(handed_in(url)) == MANY, limit=PATIENCE)
        assert (handed_in(url), lines(url)) == (WANTED, MANY)
        assert engine.stop() == 0, engine.log


def test_where_two_engines_share_the_work_one_reads_and_the_other_takes_over(
    tmp_path: Path, postgresql_dsn: str, site: FhirSite
) -> None:
    url, ports = postgresql_dsn, (free_port(), free_port())
    workspace(tmp_path, url, site, HEARS)
    migrate(url)
    with ExitStack() as stack:
        engines = [
            stack.enter_context(EngineProcess(tmp_path, port, name=name, arguments=["--port", f"ehr-http={port}"]))
            for port, name in zip(ports, ("first", "second"), strict=True)
        ]
        for engine in engines:
            engine.start()
        for number in range(1, MANY + 1):
            tell(ports[number % 2], number)
        until(lambda: len(handed_in(url)) >= MANY // 3, limit=PATIENCE)
        engines[0].kill()
        until(lambda: all_done(url) and len(handed_in(url)) == MANY, limit=PATIENCE)
        assert (handed_in(url), lines(url)) == (WANTED, MANY)
        reads = [each.path for each in site.asked if each.path.startswith("Procedure/")]
        # What is under way when the reading passes on is read again, and nothing else: four that are being read, and
        # four that were and are not noted yet. It passes on when the engines have met, and with the kill.
        assert len(reads) <= MANY + 8 * (terms(url) - 1)
        assert engines[1].stop() == 0, engines[1].log
