"""Legal holds: what must be kept whatever its age, by whom and why."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from casecart.commands.desk import Command, Query
from casecart.commands.message import find_message
from casecart.commands.moment import moment
from casecart.commands.refusal import Refusal
from casecart.store import LegalHold, lookup_key
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.commands.actor import Actor
    from casecart.commands.desk import View
    from casecart.store import Change

__all__ = ["AddLegalHold", "LegalHoldView", "ListLegalHolds", "ReleaseLegalHold", "legal_hold_view"]

LONGEST_REASON = 500
SHORT = 8
"""Hexadecimal digits of an id that are shown."""


class LegalHoldView(msgspec.Struct, frozen=True, kw_only=True):
    """A legal hold."""

    id: str
    kind: Literal["facility", "case", "message"]
    value: str
    reason: str
    actor: str
    since: datetime


def legal_hold_view(hold: LegalHold) -> LegalHoldView:
    """Of a row."""
    return LegalHoldView(
        id=hold.id.hex()[:SHORT],
        kind=hold.kind,
        value=hold.value,
        reason=hold.reason,
        actor=hold.actor,
        since=moment(hold.recorded_at),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLegalHolds(Query[list[LegalHoldView]]):
    """What must be kept?"""

    def answer(self, view: View) -> list[LegalHoldView]:
        """Oldest first."""
        return [legal_hold_view(hold) for hold in view.store.legal_holds()]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddLegalHold(Command):
    """From now on nothing of it is deleted; what is deleted already does not come back.

    Attributes:
        kind: what `value` names.
        value: a facility; the token of a case; a message by position, id or control id.
        reason: shown to whoever wants to release it.
    """

    name: ClassVar[str] = "retention.hold"
    kind: Literal["facility", "case", "message"]
    value: str
    reason: str

    @property
    def subject(self) -> str:
        """What is held."""
        return f"{self.kind}:{self.value}"

    @property
    def detail(self) -> Mapping[str, str]:
        """Why."""
        return {"reason": self.reason.strip()}

    def change(self, view: View, change: Change, actor: Actor) -> str:
        """Refuses what is not there."""
        reason = _reason(self.reason)
        value, words = self.value.strip(), ""
        if self.kind == "facility" and value not in view.site.time_zones:
            known = view.site.time_zones
            raise Refusal(
                "not-found",
                f"no facility is called '{value}'; the workspace has {listed(sorted(known)) or 'none'}",
                did_you_mean(value, known),
            )
        if self.kind == "case" and not view.store.looked_up([lookup_key("token", value)], limit=1):
            raise Refusal(
                "not-found", f"nothing is known of a case with the token '{value}'; `casecart line show` tells tokens"
            )
        if self.kind == "message":
            message = find_message(view.store, value)
            value, words = str(message.position), "; its body is deleted already" if message.body_gone else ""
        change.legal_holds.append(LegalHold(os.urandom(16), self.kind, value, reason, actor.name, view.now))
        identifier = change.legal_holds[-1].id.hex()[:SHORT]
        return f"{self.kind} {value} is held from now on, as {identifier}{words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseLegalHold(Command):
    """What is past its time may go again."""

    name: ClassVar[str] = "retention.release"
    reference: str
    """The id, or as much of its beginning as no other one has."""
    reason: str

    @property
    def subject(self) -> str:
        """The hold."""
        return f"hold:{self.reference}"

    @property
    def detail(self) -> Mapping[str, str]:
        """Why."""
        return {"reason": self.reason.strip()}

    def change(self, view: View, change: Change, actor: Actor) -> str:  # noqa: ARG002 - the signature of all commands
        """Raises `Refusal`: there is none, or several."""
        _reason(self.reason)
        wanted = self.reference.strip().lower()
        found = [hold for hold in view.store.legal_holds() if wanted and hold.id.hex().startswith(wanted)]
        if not found:
            raise Refusal("not-found", f"no legal hold has the id '{self.reference}'; `casecart retention hold list`")
        if len(found) > 1:
            raise Refusal("ambiguous", f"{len(found)} legal holds have an id that begins with '{self.reference}'")
        change.releases.append((found[0].id,))
        return (
            f"{found[0].kind} {found[0].value} is held no longer: what of it is past its time is deleted within hours"
        )


def _reason(given: str) -> str:
    reason = given.strip()
    if not reason:
        raise Refusal("bad-value", "say why with --reason: it is shown to whoever finds the hold")
    if len(reason) > LONGEST_REASON:
        raise Refusal("bad-value", f"the reason has {len(reason)} characters, and may have {LONGEST_REASON}")
    return reason
