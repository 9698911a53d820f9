"""A site with a real store that has a few messages in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.canonical import Usage
from casecart.commands.actor import Actor
from casecart.commands.desk import Desk
from casecart.commands.site import Site
from casecart.runtime.destination import Posting
from casecart.runtime.made import Made, encode_made, encode_postings
from casecart.store import Change, Count, Entry, Hold, Run, Store, open_store
from support.log_row import BEGIN, SECOND, message
from support.store import new_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EVERYTHING = Actor("alice", frozenset({"see", "see bodies", "operate"}))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A workspace's names, and a store that is empty."""
    url = f"sqlite:///{tmp_path}/casecart.db"
    new_store(url)
    return Site(
        root=tmp_path,
        organisation="MERCY",
        store_url=url,
        store_place="a file",
        time_zones={"NORTH": "America/Chicago"},
        listeners={"or-mllp": "mllp"},
        destinations={"erp": "rest", "inventory": "file"},
    )


@pytest.fixture
def store(site: Site) -> Iterator[Store]:
    """The site's store, to write to."""
    opened = open_store(site.store_url, role="engine")
    yield opened
    opened.close()


@pytest.fixture
def desk_of(site: Site, store: Store) -> Callable[[Actor], Desk]:
    """Makes an actor's desk; its clock stands still."""
    return lambda actor: Desk(site=site, store=store, actor=actor, now=lambda: BEGIN + 3_600 * SECOND)


@pytest.fixture
def desk(desk_of: Callable[[Actor], Desk]) -> Desk:
    """The desk of somebody who may do everything."""
    return desk_of(EVERYTHING)


@pytest.fixture
def worked(store: Store) -> Store:
    """The store after a message with three lines: one posted, one on its way, one held."""
    posted = Posting(
        "aa.1", "770001", 1, "FT1[1]", "consumption", b'{"key":"aa.1","quantity":"1"}', "posted", 1, "", "",
        "acknowledged", "M-1", [(BEGIN, "planned"), (BEGIN + 1, "sent"), (BEGIN + 2, "posted")],
    )  # fmt: skip
    planned = Posting("bb.1", "770002", 1, "FT1[2]", "consumption", b'{"key":"bb.1"}')
    planned.history = [(BEGIN, "planned")]
    postings = encode_postings([posted, planned])
    used = Usage(facility="NORTH", case="case-TOKEN", line="770001", action="use")
    made = Made(
        "Usage/1",
        [("FT1[1]", "770001", used), ("FT1[2]", "770002", used)],
        [("FT1[4]", "where")],
        [("FT1[3]", "code-not-in-table", "action")],
    )
    store.write(
        Change(
            messages=[message(1), message(2, outcome="unrouted", listener="adt")],
            runs=[Run(1, "or-usage", "0123abcd", BEGIN, encode_made(made))],
            entries=[
                Entry(1, 1, "or-usage", "NORTH", b"c" * 16, b"c" * 16, "erp", 1, BEGIN, postings),
            ],
            holds=[
                Hold(
                    b"h" * 16, "MERCY", "NORTH", 1, BEGIN, "engine", "or-usage", "FT1[3]", "770003",
                    "code-not-in-table", "The code is not in the table transaction-type", "", "", "new",
                )
            ],
            counts=[
                Count("NORTH", "messages:or-mllp", "received", 1),
                Count("NORTH", "messages:or-mllp", "processed", 1),
                Count("NORTH", "messages:adt", "received", 1),
                Count("NORTH", "messages:adt", "unrouted", 1),
                Count("NORTH", "lines:or-usage", "produced", 4),
                Count("NORTH", "lines:or-usage", "posted", 1),
                Count("NORTH", "lines:or-usage", "filtered", 1),
                Count("NORTH", "lines:or-usage", "held", 1),
            ],
        )
    )  # fmt: skip
    return store
