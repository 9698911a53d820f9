"""One message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from casecart.commands.actor import Actor
from casecart.commands.message import AmbiguousReference, ShowMessage
from casecart.commands.refusal import Refusal
from casecart.store import Change
from support.log_row import BODY, message

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.commands.desk import Desk
    from casecart.store import Store


@pytest.mark.parametrize(
    "reference",
    ["1", "#1", "00000000-0000-0000-0000-000000000001", "00000000000000000000000000000001", "MSG00001"],
)
@pytest.mark.usefixtures("worked")
def test_a_message_is_found_by_position_id_or_control_id(desk: Desk, reference: str) -> None:
    assert desk.ask(ShowMessage(reference=reference)).envelope.position == 1


@pytest.mark.parametrize(
    "reference", ["3", "", "#", "-1", "9" * 30, "MSG", "00000000-0000-0000-0000-000000000009", "²"]
)
@pytest.mark.usefixtures("worked")
def test_a_reference_to_nothing_is_refused(desk: Desk, reference: str) -> None:
    with pytest.raises(Refusal, match="no message has") as refused:
        desk.ask(ShowMessage(reference=reference))
    assert refused.value.code == "not-found"


def test_a_control_id_of_digits_is_found_where_no_position_is_meant(store: Store, desk: Desk) -> None:
    store.write(Change(messages=[message(1, control_id="700")]))
    assert desk.ask(ShowMessage(reference="700")).envelope.position == 1


def test_a_control_id_that_several_have_lists_them(store: Store, desk: Desk) -> None:
    store.write(Change(messages=[message(n, control_id="SAME", reuse=n - 1) for n in (1, 2, 3)]))
    with pytest.raises(AmbiguousReference) as several:
        desk.ask(ShowMessage(reference="SAME"))
    assert [line.position for line in several.value.messages] == [3, 2, 1]
    assert "position" in str(several.value)


@pytest.mark.usefixtures("worked")
def test_all_that_was_made_of_a_message_is_shown(desk: Desk) -> None:
    view = desk.ask(ShowMessage(reference="1"))
    (run,), (entry,), (exception,) = view.runs, view.ledger, view.exceptions
    assert [document.place for document in run.documents] == ["FT1[1]", "FT1[2]"]
    assert run.documents[0].fields == {"facility": "NORTH", "case": "case-TOKEN", "line": "770001", "action": "use"}
    assert [(place.place, place.reason) for place in run.filtered] == [("FT1[4]", "where")]
    assert [(place.place, place.reason, place.field) for place in run.held] == [
        ("FT1[3]", "code-not-in-table", "action")
    ]
    posted, planned = entry.postings
    assert (posted.state, posted.proof, posted.reference, posted.attempts) == ("posted", "acknowledged", "M-1", 1)
    assert [state.state for state in posted.history] == ["planned", "sent", "posted"]
    assert posted.payload == {"key": "aa.1", "quantity": "1"}
    assert (planned.state, entry.open) == ("planned", 1)
    assert (exception.code, exception.place, exception.state) == ("code-not-in-table", "FT1[3]", "new")


def test_messages_of_the_same_case_or_control_id_are_related(worked: Store, desk: Desk) -> None:
    (entry,) = worked.entries(1)
    later = message(3, control_id="MSG00001", reuse=1)
    worked.write(Change(messages=[later, message(4)], entries=[entry._replace(sequence=2, position=4)]))
    related = desk.ask(ShowMessage(reference="1")).related
    assert [(other.position, other.why) for other in related] == [(3, "same control id"), (4, "same case")]


@pytest.mark.usefixtures("worked")
def test_nothing_of_the_patient_is_in_the_answer_unless_asked_for(desk: Desk) -> None:
    shown = msgspec.json.encode(desk.ask(ShowMessage(reference="1"))).decode()
    for secret in ("TESTPATIENT", "HANNAH", "MRN000042", "000042", "19500101"):
        assert secret not in shown


def test_a_look_at_the_body_is_audited(worked: Store, desk: Desk) -> None:
    view = desk.ask(ShowMessage(reference="MSG00001", body=True))
    assert view.body is not None
    assert view.body.text.encode() == BODY
    (record,) = worked.audit(10)
    assert (record.actor, record.command, record.subject) == ("alice", "message.read", "message:1")


def test_without_a_body_nothing_is_audited(worked: Store, desk: Desk) -> None:
    desk.ask(ShowMessage(reference="1"))
    assert worked.audit(10) == []


def test_who_may_not_see_bodies_sees_the_rest(worked: Store, desk_of: Callable[[Actor], Desk]) -> None:
    desk = desk_of(Actor("bob", frozenset({"see"})))
    assert desk.ask(ShowMessage(reference="1")).body is None
    with pytest.raises(Refusal, match="bob") as refused:
        desk.ask(ShowMessage(reference="1", body=True))
    assert refused.value.code == "not-permitted"
    assert worked.audit(10) == []


def test_bytes_that_are_no_message_can_be_shown(store: Store, desk: Desk) -> None:
    store.write(Change(messages=[message(1, body=b"\x16\x03\x01hello", outcome="refused", control_id="", reuse=None)]))
    view = desk.ask(ShowMessage(reference="1", body=True))
    assert view.structure.problem
    assert view.body is not None
    assert view.body.text == "\x16\x03\x01hello"
