"""Connectors to `support.erp_simulator` of the two classes for which casecart ships no general one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Literal

from twisted.internet.defer import Deferred

from casecart.runtime.destination import (
    Answer,
    Delivery,
    Destination,
    DestinationContext,
    DestinationSpec,
    NotDelivered,
    OutcomeUnknown,
    Posting,
)
from casecart.runtime.exchange import Client
from casecart.workspace import Declared, Duration, Text, declared, key

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SEARCHABLE", "TWO_STEP"]

_HEADERS: Final = {"Content-Type": "application/json"}


@declared(name="simulated ERP", about="An ERP that is made up.")
class ErpSettings(Declared):
    """What is written under `kind: erp-searchable` and `kind: erp-two-step`."""

    url: Text = key(about="Where it is.", example="http://127.0.0.1:8080")
    batch: int = key(about="Postings a call.", example=3, minimum=1)
    concurrency: int = key(about="Calls at once.", example=8, minimum=1)
    timeout: Duration = key(about="How long an answer may take.", example="1s")
    settles: Duration = key(about="Until when it may not find what it has.", example="1s", default="0s")


class _Http:
    """What both have of HTTP."""

    def __init__(self, context: DestinationContext) -> None:
        settings = context.settings
        self.settling = float(settings.settles)
        self._client = Client(context.reactor, settings.url, connections=settings.concurrency, timeout=settings.timeout)

    async def _ask(self, path: str, body: bytes, method: Literal["GET", "POST"] = "POST") -> tuple[int, bytes]:
        """Its status, below 500, and the body."""
        response = await self._client.send(method, _HEADERS, body, path)
        if response.status == 503:
            raise NotDelivered("http-503", "The ERP is down.")
        if response.status >= 500 or not response.whole:
            raise OutcomeUnknown(f"http-{response.status}", "The ERP failed.")
        return response.status, response.body

    def stop(self) -> Deferred[None]:
        """Close the connections."""
        return self._client.close()


def _array(postings: Sequence[Posting]) -> bytes:
    return b"[" + b",".join(posting.payload for posting in postings) + b"]"


def _posted(postings: Sequence[Posting]) -> list[Answer]:
    return [Answer("posted", "acknowledged")] * len(postings)


class Searchable(_Http):
    """It does what it is sent, however often; what it has can be asked for by key."""

    delivery = Delivery.SEARCHABLE

    def post(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """One request for all."""
        return Deferred.fromCoroutine(self._post(postings))

    def look_up(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Which of them are found."""
        return Deferred.fromCoroutine(self._look_up(postings))

    async def _post(self, postings: Sequence[Posting]) -> Sequence[Answer]:
        await self._ask("/postings", _array(postings))
        return _posted(postings)

    async def _look_up(self, postings: Sequence[Posting]) -> Sequence[Answer]:
        _, body = await self._ask("/known", json.dumps([posting.key for posting in postings]).encode())
        found = set(json.loads(body))
        return [
            Answer("posted", "read back") if posting.key in found else Answer("retry", code="not-found")
            for posting in postings
        ]


class TwoStep(_Http):
    """A draft for what goes out together of one row of the ledger, then its carrying out."""

    delivery = Delivery.TWO_STEP

    def groups(self, postings: Sequence[Posting]) -> Sequence[str]:
        """A reference of its own each time."""
        return [f"{postings[0].key}-{max(posting.attempts for posting in postings)}"] * len(postings)

    def post(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Draft after draft; what comes after the first trouble is not tried."""
        return Deferred.fromCoroutine(self._post(postings))

    def look_up(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Which drafts are there."""
        return Deferred.fromCoroutine(self._look_up(postings))

    def carry_out(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Those of which all is asked for; the others are cancelled, unless they are done."""
        return Deferred.fromCoroutine(self._carry_out(postings))

    async def _post(self, postings: Sequence[Posting]) -> Sequence[Answer]:
        said: dict[str, Answer] = {}
        rest = Answer("retry")
        for group, mine in _by_group(postings).items():
            try:
                await self._ask(f"/drafts/{group}", _array(mine))
            except (NotDelivered, OutcomeUnknown) as trouble:
                sure = isinstance(trouble, NotDelivered)
                if not said and sure:
                    raise
                if not sure:
                    said |= {posting.key: Answer("unknown", code=trouble.code) for posting in mine}
                rest = Answer("retry", code=trouble.code, tried=False)
                break
            said |= {posting.key: Answer("drafted", reference=group) for posting in mine}
        return [said.get(posting.key, rest) for posting in postings]

    async def _look_up(self, postings: Sequence[Posting]) -> Sequence[Answer]:
        said: dict[str, Answer] = {}
        for group in _by_group(postings):
            status, body = await self._ask(f"/drafts/{group}", b"", "GET")
            there = status == 200 and json.loads(body)["state"] != "cancelled"
            said[group] = Answer("drafted", reference=group) if there else Answer("retry", code="not-found")
        return [said[posting.group] for posting in postings]

    async def _carry_out(self, postings: Sequence[Posting]) -> Sequence[Answer]:
        said: dict[str, Answer] = {}
        for group, mine in _by_group(postings).items():
            # One of which only a part is asked for may have come to light late, when the rest had been sent anew.
            _, body = await self._ask(f"/drafts/{group}", b"", "GET")
            whole = {posting.key for posting in mine} == set(json.loads(body)["keys"])
            _, body = await self._ask(f"/{'carry-out' if whole else 'cancel'}/{group}", b"")
            done = json.loads(body)["state"] == "done"
            said[group] = Answer("posted", "read back") if done else Answer("retry", code="not-done")
        return [said[posting.group] for posting in postings]


def _by_group(postings: Sequence[Posting]) -> dict[str, list[Posting]]:
    groups: dict[str, list[Posting]] = {}
    for posting in postings:
        groups.setdefault(posting.group, []).append(posting)
    return groups


def _searchable(context: DestinationContext) -> Destination:
    return Searchable(context)


def _two_step(context: DestinationContext) -> Destination:
    return TwoStep(context)


SEARCHABLE: Final = DestinationSpec(
    kind="erp-searchable", about="A simulated ERP that can be searched.", settings=ErpSettings, make=_searchable
)
TWO_STEP: Final = DestinationSpec(
    kind="erp-two-step", about="A simulated ERP that makes drafts.", settings=ErpSettings, make=_two_step
)
