"""Searches for what changed at a FHIR server, by `_lastUpdated`, each from where it was last time and a little before.

How far a search is, is the highest `meta.lastUpdated` of what it found: the server's clock, not ours. It is kept after
what was found is stored. Where the server sorts by it, page after page is asked for by a search of its own that begins
with the last time of the page before: what changes meanwhile moves nothing out of sight, as it may between the pages of
one search.
"""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from twisted.logger import Logger

from casecart.formats.fhir.envelope import changed_at
from casecart.listeners.fhir_answer import of_the_server
from casecart.listeners.fhir_whole import identity_of, name_of
from casecart.runtime.fhir_server import FhirTrouble
from casecart.runtime.marks import FHIR, FHIR_SEARCHED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from casecart.formats.fhir import Resource
    from casecart.listeners.fhir_handover import Handover
    from casecart.listeners.fhir_whole import Wholes
    from casecart.runtime.fhir_server import FhirServer
    from casecart.runtime.notices import Notices

__all__ = ["Reach", "Searches", "moment_of"]

_COUNT: Final = 100  # resources of a page that are asked for at first
_SLICE: Final = 20  # resources that are handed in at once
_DAY: Final = 86_400_000_000  # µs
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far searches go.

    Attributes:
        overlap: µs before the last time that are searched again: a server may show later what changed earlier.
        start: µs since 1970, where the first search begins; None: now.
        regular: whether the searches are put at intervals, so that they need no other to tell them since when.
    """

    overlap: int
    start: int | None
    regular: bool


class Searches:
    """All searches of a listener.

    Args:
        name: the listener's.
        queries: such as `Procedure?status=completed`.
        reach: how far they go.
        server: is searched.
        wholes: makes messages of what is found.
        handover: hands them in.
        notices: keeps how far each is.
        now: µs since 1970.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        queries: Sequence[str],
        reach: Reach,
        *,
        server: FhirServer,
        wholes: Wholes,
        handover: Handover,
        notices: Notices,
        now: Callable[[], int],
    ) -> None:
        self._name, self._reach, self._now = name, reach, now
        self._server, self._wholes, self._handover, self._notices = server, wholes, handover, notices
        self._searches = [_Search(query) for query in queries]

    def begin(self, marks: Mapping[str, Any]) -> None:
        """Take up where the marks say; a search that is new begins where one of the same type is, else at the start."""
        prefix = f"{FHIR}{self._name}:{FHIR_SEARCHED}"
        start = self._now() if self._reach.start is None else self._reach.start
        for search in self._searches:
            own = marks.get(f"{prefix}{search.name}")
            others = [mark.position for name, mark in marks.items() if name.startswith(f"{prefix}{search.type}:")]
            if own is not None:
                search.mark = own.position
            else:
                search.mark = max(others, default=start)
                self._keep(search)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._searches)

    async def sweep(self, since: int | None = None) -> None:
        """Hand in all that changed.

        Args:
            since: µs by our clock, since when all was known to be here by notifications. A day before that is early
                enough whatever the server's clock says; None: that is not known.

        Fails with the trouble of the first search that had any, after all were tried; and with `NotStored`.
        """
        failed: list[FhirTrouble] = []
        for search in self._searches:
            start = search.mark if since is None or self._reach.regular else max(search.mark, since - _DAY)
            try:
                await self._sweep(search, start)
            except FhirTrouble as trouble:
                if of_the_server(trouble):
                    raise
                failed.append(trouble)
        if failed:
            raise failed[0]

    async def _sweep(self, search: _Search, start: int) -> None:
        sweep = _Sweep(start - self._reach.overlap, latest=self._now() + _DAY, joins=start == search.mark)
        while sweep.more:
            sweep.more = False
            try:
                await self._pages(search, sweep)
            except FhirTrouble as trouble:
                if trouble.code != "too-large" or sweep.count == 1:
                    raise
                sweep.begin_again()
        self._moved(search, sweep)
        if sweep.strange:
            words = "{name}: the search for {type} found {count} that it did not ask for: they are left out"
            self.log.warn(words, name=self._name, type=search.type, count=sweep.strange)  # noqa: G010 - the logger is Twisted's

    async def _pages(self, search: _Search, sweep: _Sweep) -> None:
        query = f"_lastUpdated=ge{moment_of(sweep.low)}&_sort=_lastUpdated&_count={sweep.count}"
        pages = self._server.search(f"{search.query}{'&' if '?' in search.query else '?'}{query}")
        async with aclosing(_generated(pages)) as each:
            async for page in each:
                await self._page(search, sweep, page.resource)
                if sweep.more:
                    break

    async def _page(self, search: _Search, sweep: _Sweep, page: Resource) -> None:
        """Hand in what is on a page; says by `sweep.more` that a new search shall go on."""
        found = sweep.take(page, search.type)
        for begin in range(0, len(found), _SLICE):
            wholes = [
                await self._wholes.of(resource)
                for resource in found[begin : begin + _SLICE]
                if not self._handover.knows(identity_of(resource))
            ]
            await self._handover.give(wholes)
        if sweep.in_order:
            self._moved(search, sweep)
            sweep.go_on(page)

    def _moved(self, search: _Search, sweep: _Sweep) -> None:
        if sweep.joins and sweep.highest > search.mark:
            search.mark = sweep.highest
            self._keep(search)

    def _keep(self, search: _Search) -> None:
        name = f"{FHIR}{self._name}:{FHIR_SEARCHED}{search.name}"
        self._notices.note(name, search.mark, 0, _nothing)


class _Search:
    """One of them, and how far it is."""

    def __init__(self, query: str) -> None:
        self.query, self.type = query, query.partition("?")[0]
        self.name = f"{self.type}:{hashlib.blake2b(query.encode(), digest_size=8).hexdigest()}"
        self.mark = 0


class _Sweep:
    """What is known while pages come.

    Args:
        low: µs; what changed before it is not asked for.
        latest: µs; a later time is none: it does not move the mark.
        joins: whether it begins where all that changed is here. One that began later, by what one subscription knows,
            moves no mark: of what another one is about, something may be missing in between.
    """

    def __init__(self, low: int, latest: int, *, joins: bool) -> None:
        self.low, self._latest, self.joins = low, latest, joins
        self.highest = self._previous = -1
        self.strange = 0
        """Resources that are of another type, changed before, or have no id."""
        self.in_order = True
        """Whether all that came was sorted, and the server says that it sorts."""
        self.count = _COUNT
        """Resources of a page; fewer behind one that was too large to be read."""
        self.more = True
        self._last: list[str] = []

    def take(self, page: Resource, kind: str) -> list[Resource]:
        """What was found on a page. Fails with `FhirTrouble`: there is no end of pages."""
        found, names = [], []
        self.in_order = self.in_order and _sorts(page)
        for resource in _matches(page):
            changed = changed_at(resource)
            if resource.get("resourceType") != kind or not name_of(resource) or _before(changed, self.low):
                self.strange += 1
                continue
            found.append(resource)
            names.append(f"{name_of(resource)} {changed}")
            if changed is None or changed < self._previous:
                self.in_order = False
            else:
                self._previous = changed
            if changed is not None and self.highest < changed <= self._latest:
                self.highest = changed
        if names and names == self._last:
            words = "The pages of a search are all the same: see what the server's next links are."
            raise FhirTrouble("paging-loop", words, status=200)
        self._last = names
        return found

    def begin_again(self) -> None:
        """Have a new search go on where this one was, with smaller pages; what is found again is known."""
        self.count, self.more, self._last = max(1, self.count // 5), True, []

    def go_on(self, page: Resource) -> None:
        """Have a new search go on behind this page, if there is more and all of it is not of one moment."""
        if self.highest > self.low and _has_next(page):
            self.low, self.more, self._last = self.highest, True, []
            self.count = min(2 * self.count, _COUNT)


async def _generated(pages: Any) -> AsyncGenerator[Any, None]:  # noqa: ANN401 - any async iterator
    """So that it can be closed."""
    async for page in pages:
        yield page


def _sorts(page: Resource) -> bool:
    """Whether the server says, by the link of the search as it understood it, that it sorted."""
    return any("_sort=_lastUpdated" in unquote(url) for relation, url in _links(page) if relation == "self")


def _has_next(page: Resource) -> bool:
    return any(relation == "next" for relation, _ in _links(page))


def _links(page: Resource) -> list[tuple[str, str]]:
    links = page.get("link")
    found = [each for each in (links if isinstance(links, list) else ()) if isinstance(each, dict)]
    told = [(each.get("relation"), each.get("url")) for each in found]
    return [(relation, url) for relation, url in told if isinstance(relation, str) and isinstance(url, str)]


def _matches(page: Resource) -> list[Resource]:
    """What was searched for, without what came with it."""
    entries = page.get("entry")
    found = []
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        search = entry.get("search") if isinstance(entry, dict) else None
        mode = search.get("mode", "match") if isinstance(search, dict) else "match"
        if isinstance(resource, dict) and mode == "match":
            found.append(resource)
    return found


_SECOND: Final = 1_000_000


def _before(changed: int | None, low: int) -> bool:
    """Whether it changed before; servers that know seconds only know less."""
    return changed is not None and changed < low - _SECOND


def moment_of(time: int) -> str:
    """µs since 1970 as FHIR writes an instant, to be put into a query."""
    moment = _EPOCH + timedelta(microseconds=max(time, 0))
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _nothing() -> None:
    """Wanted by nobody."""
