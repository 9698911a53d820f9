"""What a tap shows of messages that are worked, and what it leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from casecart.canonical import Usage
from casecart.commands.actor import Actor
from casecart.commands.desk import Desk
from casecart.commands.refusal import Refusal
from casecart.commands.tap import TapFrom, TapOn, Taps
from casecart.runtime.made import Made, encode_made
from casecart.store import Change, Event, Run, encode_channels
from support.log_row import BEGIN, message
from support.store import a_revision

if TYPE_CHECKING:
    from casecart.store import Store

DeskOf = Callable[[Actor], Desk]


def processed(store: Store, *positions: int, channel: str = "or-usage", action: Any = "use", attempt: int = 0) -> None:  # noqa: ANN401 - a literal
    """Messages that a channel made a line of, and what the engine tells of it."""
    kind = "casecart.message.replayed" if attempt else "casecart.message.processed"
    made = [Made("Usage/1", [("FT1[1]", "1", Usage(facility="NORTH", case="case-T", line="1", action=action))], [], [])]
    store.write(
        Change(
            messages=[] if attempt else [message(position) for position in positions],
            runs=[
                Run(position, channel, f"r{attempt}", BEGIN, encode_made(made[0]), attempt) for position in positions
            ],
            events=[Event(kind, str(position), "NORTH", BEGIN, {}) for position in positions],
        )
    )


def tap(desk: Desk, marks: dict[int, int], **wanted: Any) -> Taps:  # noqa: ANN401 - of whatever attribute
    return desk.ask(TapOn(channel="or-usage", marks=marks, most=wanted.pop("most", 100), **wanted))


def begin(desk: Desk) -> dict[int, int]:
    """Where a tap on a channel that there is begins."""
    (desk.site.root / "channels").mkdir(exist_ok=True)
    (desk.site.root / "channels/or-usage.yaml").write_text("not: [right", "utf-8")
    return desk.ask(TapFrom("or-usage"))


def shown(found: Taps) -> list[int]:
    return [each.envelope.position for each in found.seen]


def test_a_tap_shows_what_comes_from_now_on_and_each_message_once(store: Store, desk: Desk) -> None:
    processed(store, 1)
    marks = begin(desk)
    processed(store, 2)
    processed(store, 3, channel="other")
    processed(store, 4)
    first = tap(desk, marks)
    processed(store, 5)
    assert (shown(first), shown(tap(desk, first.marks))) == ([2, 4], [5])


def test_a_channel_that_only_what_runs_has_is_known_and_a_mistyped_one_is_told(store: Store, desk: Desk) -> None:
    store.write(Change(revisions=[a_revision(1, channels=encode_channels({"gone-usage": "r"}))]))
    assert desk.ask(TapFrom("gone-usage")) == {}
    with pytest.raises(Refusal, match=r"there is no channel 'gone-usag'\. Did you mean 'gone-usage'\?"):
        desk.ask(TapFrom("gone-usag"))


def test_a_message_that_is_worked_again_is_shown_again_by_its_new_revision(store: Store, desk: Desk) -> None:
    processed(store, 1)
    marks = begin(desk)
    processed(store, 1, attempt=1)
    (again,) = tap(desk, marks).seen
    assert again.revision == "r1"


def test_only_messages_with_a_document_for_which_the_condition_is_true_are_shown(store: Store, desk: Desk) -> None:
    processed(store, 1)
    processed(store, 2, action="reverse")
    found = tap(desk, {}, where="usage.action == 'reverse'")
    assert (shown(found), found.passed) == ([2], 0)


def test_a_condition_that_is_none_is_refused_with_what_was_meant(desk: Desk) -> None:
    with pytest.raises(Refusal, match=r"wrong at character 7: .*Did you mean 'action'"):
        tap(desk, {}, where="usage.acton == 'use'")


def test_more_than_is_wanted_is_counted_and_not_shown(store: Store, desk: Desk) -> None:
    processed(store, *range(1, 11))
    found = tap(desk, {}, most=3)
    assert (shown(found), found.passed, shown(tap(desk, found.marks))) == ([1, 2, 3], 7, [])


def test_a_look_reads_a_bounded_number_of_events(store: Store, desk: Desk) -> None:
    store.write(Change(events=[Event("casecart.exception.raised", "1", "NORTH", BEGIN, {})] * 5_000))
    processed(store, 1)
    found = tap(desk, {})
    assert (shown(found), found.passed) == ([1], 4_001)


@pytest.mark.usefixtures("worked")
@pytest.mark.parametrize(
    ("stages", "there"),
    [
        (["parse"], {"structure"}),
        (["map"], {"run"}),
        (["verify"], {"exceptions"}),
        (["derive"], {"ledger"}),
        (["map", "derive"], {"run", "ledger"}),
    ],
)
def test_what_is_asked_for_is_shown(store: Store, desk: Desk, stages: list[str], there: set[str]) -> None:
    store.write(Change(events=[Event("casecart.message.processed", "1", "NORTH", BEGIN, {})]))
    (tapped,) = tap(desk, {}, stages=frozenset(stages)).seen
    assert {name for name in ("structure", "body", "run", "ledger", "exceptions") if getattr(tapped, name)} == there


def test_patient_data_is_shown_to_whoever_may_see_bodies_and_each_look_is_audited(
    store: Store, desk: Desk, desk_of: DeskOf
) -> None:
    processed(store, 1, 2)
    with pytest.raises(Refusal, match="see bodies"):
        tap(desk_of(Actor("bob", frozenset({"see"}))), {}, body=True)
    found = tap(desk, {}, body=True)
    assert [each.body is not None and "MSH" in each.body.text for each in found.seen] == [True, True]
    assert [(each.actor, each.command, each.subject) for each in store.audit(10)] == [
        ("alice", "message.read", "message:1,2")
    ]
    tap(desk, found.marks, body=True)
    assert len(store.audit(10)) == 1  # nothing came, nothing was seen
