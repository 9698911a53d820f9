"""Legal holds: by person and reason, on what is there, in the audit trail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from casecart.commands.legal_hold import AddLegalHold, ListLegalHolds, ReleaseLegalHold
from casecart.commands.message import ShowMessage
from casecart.commands.message_replay import ReplayMessage
from casecart.commands.refusal import Refusal
from casecart.store import Change, Due, Settlement, Store, lookup_key
from support.log_row import BEGIN, SECOND

if TYPE_CHECKING:
    from casecart.commands.desk import Desk

DAY = 86_400 * SECOND
SPANS = dict.fromkeys(("processed", "unrouted", "refused", "quarantined"), 30 * DAY)
DUE = Due(now=BEGIN + 40 * DAY, bodies=SPANS, channels={}, documents=400 * DAY, events=400 * DAY, exceptions=400 * DAY)


def test_a_hold_is_listed_with_who_and_why_and_is_in_the_audit_trail(worked: Store, desk: Desk) -> None:
    done = desk.do(AddLegalHold(kind="message", value="#1", reason=" a lawsuit "), key="k")
    (hold,), (record,) = desk.ask(ListLegalHolds()), worked.audit(10)
    assert (hold.kind, hold.value, hold.reason, hold.actor) == ("message", "1", "a lawsuit", "alice")
    assert (record.command, record.subject) == ("retention.hold", "message:#1")
    assert json.loads(record.detail) == {"key": "k", "reason": "a lawsuit"}
    assert hold.id in done.words


def test_a_hold_is_released_by_the_beginning_of_its_id(worked: Store, desk: Desk) -> None:
    desk.do(AddLegalHold(kind="facility", value="NORTH", reason="a lawsuit"), key="k1")
    (hold,) = desk.ask(ListLegalHolds())
    desk.do(ReleaseLegalHold(reference=hold.id[:5], reason="settled"), key="k2")
    assert desk.ask(ListLegalHolds()) == []
    assert worked.audit(10)[0].command == "retention.release"


def test_a_case_is_held_by_its_token(worked: Store, desk: Desk) -> None:
    worked.write(Change(lookups=[(lookup_key("token", "case-TOKEN"), 1)]))
    desk.do(AddLegalHold(kind="case", value="case-TOKEN", reason="a lawsuit"), key="k")
    assert [hold.value for hold in desk.ask(ListLegalHolds())] == ["case-TOKEN"]


@pytest.mark.usefixtures("worked")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (AddLegalHold(kind="message", value="99", reason="why"), "not-found"),
        (AddLegalHold(kind="case", value="case-NOBODY", reason="why"), "not-found"),
        (AddLegalHold(kind="facility", value="NORHT", reason="why"), "not-found"),
        (AddLegalHold(kind="message", value="1", reason="  "), "bad-value"),
        (AddLegalHold(kind="message", value="1", reason="x" * 501), "bad-value"),
        (ReleaseLegalHold(reference="00", reason="why"), "not-found"),
        (ReleaseLegalHold(reference="", reason="why"), "not-found"),
    ],
)
def test_what_can_t_be_held_or_released_is_refused(desk: Desk, command: AddLegalHold, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        desk.do(command, key="k")
    assert refused.value.code == code


def test_a_message_whose_body_is_deleted_says_when_and_by_which_rule_and_can_t_be_worked_again(
    worked: Store, desk: Desk
) -> None:
    worked.write(Change(settlements=[Settlement(0, worked.entries(1)[0].postings, 1)]))
    list(worked.expire(DUE, lambda: 100))  # the first has an open exception, the second was not wanted by any channel
    assert desk.ask(ShowMessage(reference="1")).body_deleted is None
    gone = desk.ask(ShowMessage(reference="2")).body_deleted
    assert gone is not None
    assert (gone.rule, gone.at is not None) == ("unrouted", True)
    with pytest.raises(Refusal, match="by the rule for unrouted") as refused:
        desk.do(ReplayMessage(reference="2", reason="why"), key="k")
    assert refused.value.code == "deleted"
