"""Notifications that a listener follows up: durable with the message, there until it is done, and nobody else's."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest

from casecart.canonical import FIELDS
from casecart.cli.main import run
from casecart.rules import Trouble
from casecart.runtime.heard import heard_in
from casecart.runtime.kinds import installed_kinds
from casecart.runtime.marks import FHIR, subscription_mark
from casecart.runtime.strays import EVERY, Strays
from casecart.store import Change, Cursor, Member, MessageFilter, Replay, open_store
from casecart.workspace import WorkspaceError, load
from support.hearing import hearing_line, hearing_workspace, restarted
from support.http_door import notification
from support.line import dft
from support.plugin import installed
from support.store import new_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.store import SharedStore
    from support.hearing import HearingLine

ROUTED = """\
channel: usage
about: Takes notifications itself.
from: [or-mllp]
accept: [Procedure]
steps:
  - map: procedures
  - route: [{post: {to: erp, as: consumption}}]
"""
MAPPING = """\
mapping: procedures
reads: {format: fhir, version: R5}
makes: Usage
says: transactions
each: Procedure.subject
fields:
  case: {path: reference, required: true, token: case}
  line: {path: "%resource.id", required: true}
  action: {value: use}
  quantity: {value: "1", type: decimal}
"""


@pytest.fixture(autouse=True)
def _kinds() -> Iterator[None]:
    with installed():
        yield


@pytest.fixture
def line(tmp_path: Path, store_url: str) -> Iterator[HearingLine]:
    made = hearing_line(tmp_path, store_url)
    yield made
    assert made.broken == []
    made.stop()


@pytest.fixture
def file_line(tmp_path: Path) -> Iterator[HearingLine]:
    """On a file, for what is the same whichever store it is."""
    made = hearing_line(tmp_path, url(tmp_path))
    yield made
    assert made.broken == []
    made.stop()


def url(root: Path) -> str:
    return f"sqlite:///{root}/casecart.db"


def scoped(line: HearingLine) -> dict[str, int]:
    """Counters of messages, and of lines, which notifications are not."""
    assert not [count for count in line.store.counts() if count.scope.startswith("lines:")]
    return dict(line.counts())


def test_a_notification_waits_until_it_is_followed_up(line: HearingLine) -> None:
    line.notify(1, 2, 3)
    assert line.waiting() == [1, 2, 3]
    line.done(1, 3)
    assert line.waiting() == [2]
    line.done(2)
    assert (line.waiting(), dict(line.store.left_counts())) == ([], {})


def test_what_waits_is_given_with_its_body_in_the_order_of_the_log_and_no_more_than_asked_for(
    line: HearingLine,
) -> None:
    line.notify(3, 1, 2)
    assert [json.loads(message.body)["id"] for message in line.notices.waiting(2)] == ["b3", "b1"]


def test_a_notification_that_no_channel_takes_counts_as_processed(line: HearingLine) -> None:
    line.notify(1)
    assert scoped(line) == {"received": 1, "processed": 1}
    (row,) = line.store.messages(MessageFilter(), None, 10)
    assert (row.outcome, row.notes) == ("processed", "followed-up")
    line.done(1)
    assert (scoped(line), line.balance()) == ({"received": 1, "processed": 1}, (0, 0))


def test_a_notification_that_a_channel_takes_is_followed_up_too(tmp_path: Path, store_url: str) -> None:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "procedures.yaml").write_text(MAPPING, "utf-8")
    line = hearing_line(tmp_path, store_url, channel=ROUTED)
    line.notify(1)
    assert line.waiting() == [1]
    counts = line.counts()
    assert (counts["received"], counts["copied"], counts["processed"], counts["produced"]) == (1, 1, 2, 1)
    assert line.balance() == (0, 0)
    line.stop()


@pytest.mark.parametrize(
    ("body", "more"),
    [
        pytest.param(b'{"resourceType":"Bundle","type":"transaction"}', {}, id="a bundle that is no notification"),
        pytest.param(b'{"resourceType":"Parameters","parameter":[]}', {}, id="parameters of something else"),
        pytest.param(notification(), {"peer": "other"}, id="of another sender"),
        pytest.param(notification(), {"schema": "json"}, id="no FHIR"),
    ],
)
def test_what_is_no_notification_of_who_is_heard_stays_unrouted(
    file_line: HearingLine, body: bytes, more: dict[str, Any]
) -> None:
    file_line.give(body, "1", **more)
    file_line.settle()
    assert file_line.waiting() == []
    assert scoped(file_line) == {"received": 1, "unrouted": 1}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"resourceType":"Procedure","id":"p1"}', id="the resource of a classic subscription"),
        pytest.param(
            b'{"resourceType":"Parameters","parameter":[{"name":"subscription","valueReference":'
            b'{"reference":"Subscription/s1"}},{"name":"type","valueCode":"query-event"}]}',
            id="parameters without a bundle",
        ),
        pytest.param(
            b'{"resourceType":"SubscriptionStatus","type":"query-event",'
            b'"subscription":{"reference":"Subscription/s1"}}',
            id="a status without a bundle",
        ),
    ],
)
def test_every_form_of_a_notification_is_left_to_the_listener(file_line: HearingLine, body: bytes) -> None:
    file_line.give(body, "1")
    file_line.settle()
    assert file_line.waiting() == [1]


def test_messages_of_others_go_their_way(file_line: HearingLine) -> None:
    file_line.send(dft("A"))
    assert (file_line.waiting(), file_line.outcomes()) == ([], {"A": "processed"})


def test_what_waits_is_there_after_the_engine_was_killed(tmp_path: Path, store_url: str) -> None:
    line = hearing_line(tmp_path, store_url)
    line.notify(1, 2)
    line.notices.done(line.notices.waiting(1)[0])  # on its way into the store, which it never reaches
    line.crash()
    again = restarted(tmp_path, store_url)
    again.wait(30)  # until the dead engine's lease is over
    assert again.waiting() == [1, 2]
    again.done(1)
    again.crash()
    last = restarted(tmp_path, store_url)
    last.wait(30)
    assert last.waiting() == [2]
    last.stop()


def test_a_message_that_waited_to_be_mapped_is_followed_up_when_it_is(tmp_path: Path) -> None:
    line = hearing_line(tmp_path, url(tmp_path))
    line.journal.store_first = True
    line.notify(1)
    assert (line.waiting(), line.outcomes()) == ([], {"Subscription/s1#1": "waiting"})
    line.crash()
    again = restarted(tmp_path, url(tmp_path))
    again.wait(1)
    assert (again.waiting(), scoped(again)) == ([1], {"received": 1, "processed": 1})
    again.stop()


def test_the_end_is_told_when_it_is_durable_and_in_order(file_line: HearingLine) -> None:
    file_line.notify(1, 2)
    told: list[object] = []
    first, second = file_line.notices.waiting(2)
    file_line.notices.note(f"{FHIR}ehr:s1", 7, 0, lambda: told.append("noted"))
    file_line.notices.done(first, lambda: told.append(len(file_line.store.left("ehr", 9))))
    file_line.notices.done(second, lambda: told.append("done"))
    assert told == []
    file_line.settle()
    assert told == ["noted", 0, "done"]


def test_what_ends_twice_does_no_harm(file_line: HearingLine) -> None:
    file_line.notify(1)
    (message,) = file_line.notices.waiting(1)
    told: list[int] = []
    for number in (1, 2):
        file_line.notices.done(message, lambda number=number: told.append(number))  # type: ignore[misc]  # the loop's
    file_line.settle()
    file_line.notices.done(message, lambda: told.append(3))
    file_line.settle()
    assert (told, file_line.waiting(), file_line.broken) == ([1, 2, 3], [], [])


def test_what_is_on_its_way_out_is_not_given_again(file_line: HearingLine) -> None:
    file_line.notify(1, 2)
    first, _ = file_line.notices.waiting(2)
    file_line.notices.done(first)
    assert file_line.waiting(1) == [2]


NO_READ = Trouble("not-found", "", "The server has no such resource.", "")


def test_what_cant_be_followed_up_waits_for_a_person_who_brings_it_back(line: HearingLine) -> None:
    line.notify(1)
    line.notices.held(line.notices.waiting(1)[0], NO_READ)
    line.settle()
    (held,) = line.store.holds(states=("new",))
    assert (held.position, held.code, held.cause, held.channel) == (1, "not-found", NO_READ.words, "follow:ehr")
    assert (line.waiting(), line.balance()) == ([], (0, 0))
    line.person(Change(replays=[Replay(held.id, 1, held.channel, held.place, line.now(), "kim", "", "{}")]))
    line.look()
    assert line.waiting() == [1]
    line.done(1)
    assert line.waiting() == []
    fixed = line.store.hold(held.id)
    assert fixed is not None
    assert fixed.state == "fixed"
    assert line.balance() == (0, 0)


def test_what_is_held_twice_is_one_exception(file_line: HearingLine) -> None:
    file_line.notify(1)
    for words in ("first", "second"):
        file_line.notices.held(file_line.notices.waiting(1)[0], Trouble("not-found", "", words, ""))
        file_line.settle()
        wish = Replay(words.encode().ljust(16), 1, "follow:ehr", "", file_line.now(), "kim", "", "{}")
        file_line.person(Change(replays=[wish]))
    assert [hold.cause for hold in file_line.store.holds(states=("new",))] == ["second"]


def test_five_thousand_notices_of_a_server_that_is_away_dont_keep_people_waiting(line: HearingLine) -> None:
    wishes = [Replay(number.to_bytes(16), 1, "follow:ehr", "", number, "orsys", "", "{}") for number in range(1, 5_001)]
    line.send(dft("A", lines=("1|CG|SCREW|1|HOLD",)))
    line.store.write(Change(replays=wishes))
    (held,) = line.store.holds(states=("new",))
    line.person(Change(replays=[Replay(held.id, 1, "usage", held.place, line.now(), "kim", "", "{}")]))
    line.look()
    assert line.store.replays(10) == []
    assert line.store.left_counts() == {"ehr": 5_000}


def test_what_is_wished_while_it_is_followed_up_is_followed_up_once_more(file_line: HearingLine) -> None:
    file_line.notify(1)
    (message,) = file_line.notices.waiting(1)
    file_line.person(Change(replays=[Replay(b"k" * 16, 1, "follow:ehr", "", file_line.now(), "kim", "", "{}")]))
    file_line.notices.done(message)
    file_line.settle()
    assert file_line.waiting() == [1]


def test_marks_are_the_listeners_own_and_those_of_who_it_hears(file_line: HearingLine) -> None:
    own = f"{FHIR}ehr:s1"
    heard = [
        subscription_mark("or-mllp", "orsys"),
        subscription_mark("or-mllp", "orsys", "Subscription/s1"),
        subscription_mark("or-mllp", "orsys", "Subscription/s1", handshake=True),
    ]
    others = [f"{FHIR}ehr2:s1", subscription_mark("or-mllp", "orsys2"), subscription_mark("or-mllp", "or", "x/1")]
    rows = [Cursor(name, 0, number, 0) for number, name in enumerate([*heard, *others], start=1)]
    file_line.store.write(Change(cursors=rows))
    file_line.notices.note(own, 7, 8, lambda: None)
    file_line.settle()
    assert file_line.notices.marks().keys() == {own, *heard}
    assert file_line.notices.marks()[own] == Cursor(own, 0, 7, 8)


def test_a_subscriptions_mark_is_the_same_however_it_is_referred_to() -> None:
    names = [
        subscription_mark("l", "p", each) for each in ("Subscription/1", "https://ehr.example/fhir/Subscription/1")
    ]
    assert names[0] == names[1] != subscription_mark("l", "p", "Subscription/2")


def test_a_listener_that_is_no_more_leaves_what_waited_for_it_to_a_person(line: HearingLine) -> None:
    line.notify(1, 2)
    strays = Strays(line.store, {"or-mllp"}, line.identifiers.mint)
    if line.store.shared:  # it is configured at an engine that is at work
        strays.look()
        assert line.waiting() == [1, 2]
        return
    for _ in range(3):
        strays.look()
    assert line.waiting() == []
    holds = line.store.holds(states=("new",))
    assert [(hold.code, hold.position) for hold in holds] == [("listener-gone", 2), ("listener-gone", 1)]
    assert line.balance() == (0, 0)


def test_a_listener_that_is_there_keeps_what_waits_for_it(file_line: HearingLine) -> None:
    file_line.notify(1)
    strays = Strays(file_line.store, {"or-mllp", "ehr"}, file_line.identifiers.mint)
    for _ in range(2 * EVERY):
        strays.look()
    assert file_line.waiting() == [1]


# --- several engines


def test_one_engine_follows_up_what_any_of_them_took(tmp_path: Path, postgresql_dsn: str) -> None:
    first = hearing_line(tmp_path, postgresql_dsn)
    second = restarted(tmp_path, postgresql_dsn)
    for _ in range(5):
        first.wait(1)
        second.wait(1)
    following, other = (first, second) if first.notices.mine() else (second, first)
    assert following.notices.mine()
    assert not other.notices.mine()
    other.notify(1)
    for _ in range(3):
        first.wait(1)
        second.wait(1)
    assert (following.waiting(), other.waiting()) == ([1], [])
    following.crash()
    for _ in range(40):
        other.wait(1)
    assert other.waiting() == [1]
    other.done(1)
    assert other.waiting() == []
    other.stop()


def test_what_an_engine_ends_after_its_lease_went_is_not_written(tmp_path: Path, postgresql_dsn: str) -> None:
    line = hearing_line(tmp_path, postgresql_dsn)
    line.notify(1)
    (message,) = line.notices.waiting(1)
    told: list[str] = []
    with closing(open_store(postgresql_dsn, role="engine")) as another:
        shared = cast("SharedStore", another)
        _, leases = shared.meet(Member(b"another".ljust(16), "", "there:1", 0))
        shared.take([lease for lease in leases if lease.name == "follow:ehr"], b"another".ljust(16))
        line.notices.done(message, lambda: told.append("done"))
        line.notices.note(f"{FHIR}ehr:s1", 7, 0, lambda: told.append("noted"))
        line.settle()
        assert told == []
        assert [wish.position for wish in another.left("ehr", 9)] == [1]
        assert f"{FHIR}ehr:s1" not in {cursor.name for cursor in another.cursors()}
    line.crash()


# --- what people see


def test_people_see_what_waits(file_line: HearingLine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file_line.notify(1, 2)
    file_line.notices.held(file_line.notices.waiting(2)[1], NO_READ)
    file_line.settle()
    assert run(["status", "-w", str(tmp_path)]) == 0
    assert "to be followed up by ehr: 1 notification\n" in capsys.readouterr().out
    assert run(["message", "show", "1", "-w", str(tmp_path)]) == 0
    assert "listener ehr is to follow it up, and hasn't yet\n" in capsys.readouterr().out
    assert run(["message", "show", "2", "-w", str(tmp_path)]) == 0
    assert "listener ehr can't follow it up: a person must see to it" in capsys.readouterr().out
    file_line.done(1)
    assert run(["message", "show", "1", "-w", str(tmp_path)]) == 0
    assert "listener ehr has followed it up\n" in capsys.readouterr().out


def test_a_person_fixes_rejects_and_replays(
    file_line: HearingLine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ["-w", str(tmp_path)]
    file_line.notify(1, 2)
    for message in file_line.notices.waiting(2):
        file_line.notices.held(message, NO_READ)
    file_line.settle()
    capsys.readouterr()
    assert run(["worklist", "list", "--json", *root]) == 0
    (cause,) = json.loads(capsys.readouterr().out)["causes"]
    run(["worklist", "show", cause["id"], *root])
    assert "follow the notifications up again" in capsys.readouterr().out
    assert run(["worklist", "fix", cause["id"], "--reason", "it is there", *root]) == 0
    assert file_line.waiting() == [1, 2]
    for message in file_line.notices.waiting(2):
        file_line.notices.held(message, NO_READ)
    file_line.settle()
    assert run(["worklist", "reject", cause["id"], "--reason", "not ours", *root]) == 0
    assert (file_line.waiting(), scoped(file_line)) == ([], {"received": 2, "processed": 2})
    assert run(["message", "replay", "2", "--reason", "the server is back", *root]) == 0
    assert file_line.waiting() == [2]


def test_a_notification_that_was_unrouted_is_followed_up_by_a_replay(tmp_path: Path) -> None:
    hearing_workspace(tmp_path, url(tmp_path), hears="or-mllp/orsys")
    settings = tmp_path / "config" / "engine.yaml"
    with_it = settings.read_text("utf-8")
    settings.write_text(with_it.replace(", hears: or-mllp/orsys", ""), "utf-8")
    new_store(url(tmp_path))
    line = restarted(tmp_path, url(tmp_path))
    line.notify(1)
    assert (line.waiting(), scoped(line)) == ([], {"received": 1, "unrouted": 1})
    line.stop()
    settings.write_text(with_it, "utf-8")
    again = restarted(tmp_path, url(tmp_path))
    assert run(["message", "replay", "1", "--reason", "it is heard now", "-w", str(tmp_path)]) == 0
    again.look()
    again.wait(1)
    assert (again.waiting(), again.balance()) == ([1], (0, 0))
    again.stop()


@pytest.mark.parametrize("hears", ["or-mllp/nobody", "nowhere/orsys", "ehr/orsys"])
def test_who_hears_somebody_that_isnt_there_is_told_where(tmp_path: Path, hears: str) -> None:
    hearing_workspace(tmp_path, url(tmp_path), hears=hears)
    workspace = load(tmp_path, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
    with pytest.raises(WorkspaceError) as raised:
        heard_in(workspace)
    (finding,) = raised.value.findings
    assert (finding.code, finding.place.file, finding.place.line) == ("unknown-name", "config/engine.yaml", 10)
