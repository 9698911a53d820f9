"""Consumptions for a Tryton, and a connector that posts them as the dispatcher would."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import msgspec

from casecart.canonical.consumption import Consumption
from casecart.destinations.tryton import SPEC, TrytonSettings
from casecart.runtime.destination import Answer, DestinationContext, Posting
from support.reactor import in_reactor, reactor
from support.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from casecart.destinations.tryton import TrytonDestination
    from support.tryton.server import Tryton

__all__ = ["SCREW", "STEM", "codes", "destination", "look_up", "lot_of", "post", "posting", "refer"]

SCREW, STEM = "SCREW-65-30", "HIP-STEM-12"
numbers = itertools.count(1)


def lot_of(tryton: Tryton, quantity: str = "20", item: str = SCREW, expiry: dt.date | None = None) -> str:
    """A lot that no other test moves."""
    spare = _spare.setdefault(tryton, {}).setdefault((quantity, item, expiry), _Spare())
    if not spare.lots:
        spare.made = min(2 * spare.made or 1, _MOST_SPARE)
        spare.lots = [f"L-{next(numbers)}" for _ in range(spare.made)]
        tryton.new_lots(item, spare.lots, quantity, expiry=expiry)
    return spare.lots.pop()


class _Spare:
    """Lots that are made ahead: the more, the more a server was asked for."""

    def __init__(self) -> None:
        self.lots: list[str] = []
        self.made = 0


_MOST_SPARE = 16
_spare: WeakKeyDictionary[Tryton, dict[tuple[str, str, dt.date | None], _Spare]] = WeakKeyDictionary()


def posting(lot: str | None = None, quantity: str = "1", **fields: object) -> Posting:
    """One consumption, with a key of its own."""
    key = f"{next(numbers):032x}.1"
    values: Any = {
        "facility": "NORTH", "case": "case-1", "line": "1", "action": "use", "item": SCREW, "unit": "EA",
        "used_on": dt.date(2026, 11, 3), "location": "OR-CORE", "cost_center": "7100", "lot": lot, **fields,
    }  # fmt: skip
    document = Consumption(key=key, revision=1, quantity=Decimal(quantity), **values)
    return Posting(key, "1", 1, "FT1[1]", "consumption", msgspec.json.encode(document), attempts=1)


def destination(url: str, tmp_path: Path, key: str, more: str = "", timeout: str = "10s") -> TrytonDestination:
    """A connector; its key is in a file of the folder."""
    (tmp_path / "key").write_text(key)
    settings = settings_of(TrytonSettings, f"url: {url}\nkey: {{file: key}}\ntimeout: {timeout}\n{more}")
    made: Any = SPEC.make(DestinationContext(name="erp", settings=settings, reactor=reactor, root=tmp_path))
    return made


def refer(erp: TrytonDestination, *postings: Posting) -> None:
    """Gives each the reference that it goes out under."""
    for each, reference in zip(postings, erp.groups(postings), strict=True):
        each.group = reference


def post(erp: TrytonDestination, *postings: Posting) -> list[Answer]:
    """As the dispatcher does it: references first, then the drafts, then their effect."""
    refer(erp, *postings)
    return _to_the_end(erp, postings, in_reactor(erp.post, postings), "sent")


def look_up(erp: TrytonDestination, *postings: Posting) -> list[Answer]:
    """As the dispatcher asks after an unknown outcome; what is found is carried out."""
    return _to_the_end(erp, postings, in_reactor(erp.look_up, postings), "unknown")


def _to_the_end(
    erp: TrytonDestination, postings: Sequence[Posting], answers: Sequence[Answer], state: Literal["sent", "unknown"]
) -> list[Answer]:
    drafted = []
    for each, answer in zip(postings, answers, strict=True):
        if answer.state == "drafted":
            each.state, each.reference = state, answer.reference
            drafted.append(each)
    ends = iter(in_reactor(erp.carry_out, drafted) if drafted else ())
    return [next(ends) if answer.state == "drafted" else answer for answer in answers]


def codes(answers: Sequence[Answer]) -> list[str]:
    """State and code of each."""
    return [f"{answer.state} {answer.code}".strip() for answer in answers]
