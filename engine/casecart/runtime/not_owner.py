"""What a system says that another one owns: an exception for a person, with the change that was not made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from casecart.store import OPEN_STATES, Hold
from casecart.store.seal import sealed_text
from casecart.workspace.findings import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from casecart.master.import_plan import Conflict
    from casecart.store import Store

__all__ = ["MOST_CONFLICTS", "NOT_OWNER", "new_conflicts"]

NOT_OWNER: Final = "not-owner"

MOST_CONFLICTS: Final = 1_000
"""More than these are a mistake in what is brought in or in the ownership, and no work for people."""


def new_conflicts(
    store: Store,
    conflicts: Iterable[Conflict],
    *,
    organisation: str,
    actor: str,
    identifier: Callable[[], bytes],
    now: int,
) -> list[Hold]:
    """Exceptions for those that no open one tells already.

    Args:
        store: has the open ones.
        conflicts: of a plan.
        organisation: whose master data they are.
        actor: who brings the data in.
        identifier: mints ids.
        now: µs since 1970.
    """
    made = [_hold(each, organisation, actor, identifier, now) for each in conflicts]
    if not made:
        return made
    open_ = store.holds(states=OPEN_STATES, limit=1_000_000, code=NOT_OWNER)
    # One of an earlier version has no seal.
    known = {(hold.subject, said) for hold in open_ for said in (hold.proposal, sealed_text(hold.proposal))}
    return [hold for hold in made if (hold.subject, hold.proposal) not in known]


def _hold(conflict: Conflict, organisation: str, actor: str, identifier: Callable[[], bytes], now: int) -> Hold:
    key = conflict.key
    owners = listed(sorted(conflict.owners))
    cause = f"{conflict.source} says something about the {conflict.group} of {key.kind}s, which {owners} owns"
    proposal = {
        "kind": key.kind,
        "facility": key.facility,
        "key": key.key,
        "group": conflict.group,
        "source": conflict.source,
        "fields": conflict.proposal,
    }
    return Hold(
        id=identifier(),
        organisation=organisation,
        facility=key.facility,
        position=0,
        recorded_at=now,
        actor=actor,
        channel="",
        place="",
        line="",
        code=NOT_OWNER,
        cause=cause,
        destination="",
        key="",
        state="new",
        field=conflict.group,
        subject=f"{key.kind}/{conflict.group}/{conflict.source}",
        proposal=sealed_text(msgspec.json.encode(proposal).decode()),
    )
