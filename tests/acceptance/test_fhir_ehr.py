"""From an EHR with FHIR to postings, over real HTTP: notified, fetched with a token, posted once, nothing missed."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.ehr import STEM, Ehr, changed, implants, reading, uses
from support.fhir_peer import Medplum, SmartServer
from support.rest_hook import RestHook
from support.user import SAMPLE, User

if TYPE_CHECKING:
    from support.ehr import AtWork
    from support.fhir_peer import Answer
    from support.subscription import Content, Dialect
    from support.tryton.server import Tryton

pytestmark = pytest.mark.timeout(120)


def test_a_notification_that_names_a_procedure_has_it_fetched_with_a_token_and_posted_once(at_ehr: AtWork) -> None:
    at_ehr.subscribe()
    procedure = at_ehr.operate()
    at_ehr.posts(*uses(procedure))
    number = procedure["id"].removeprefix("proc-")
    assert at_ehr.asked_for("GET /Procedure", "GET /Device") == [
        f"GET /Procedure/proc-{number}",
        f"GET /Device/stem-{number}",
    ]


def test_the_same_notification_again_posts_nothing_also_after_a_kill(at_ehr: AtWork) -> None:
    subscription = at_ehr.subscribe()
    procedure = at_ehr.operate()
    at_ehr.posts(*uses(procedure))
    at_ehr.hook.tell(subscription, *subscription.events)
    at_ehr.engine.kill()
    at_ehr.engine.start()
    at_ehr.hook.tell(subscription, *subscription.events)
    at_ehr.posts(*uses(procedure, at_ehr.operate()))


WAYS: list[tuple[Dialect, Content]] = [
    ("classic", "empty"),
    ("classic", "full-resource"),
    *[(dialect, content) for dialect in ("R4", "R4B", "R5") for content in ("empty", "id-only", "full-resource")],
]
QUICK = {("classic", "empty"), ("R4", "id-only"), ("R4B", "full-resource"), ("R5", "empty")}
"""Each dialect and each content once; the others are for the reliability suite."""


@pytest.mark.parametrize(
    ("dialect", "content"), [way if way in QUICK else pytest.param(*way, marks=pytest.mark.slow) for way in WAYS]
)
def test_each_dialect_and_each_content_comes_to_the_same_postings(
    user: User, ehr: Ehr, dialect: Dialect, content: Content
) -> None:
    version = "R4" if dialect == "classic" else dialect
    with RestHook(ehr.medplum, version) as hook, reading(user, ehr, hook, version=version) as work:
        work.subscribe(dialect, content)
        work.posts(*uses(work.operate(version)))


def test_what_was_entered_in_error_is_taken_back(at_ehr: AtWork) -> None:
    at_ehr.subscribe()
    procedure, other = at_ehr.operate(), at_ehr.operate()
    at_ehr.posts(*uses(procedure, other))
    at_ehr.hook.document(procedure | {"status": "entered-in-error"})
    at_ehr.posts(*uses(procedure, other), *uses(procedure, action="reverse"))


def test_three_events_that_were_lost_are_asked_for_and_posted_once(at_ehr: AtWork) -> None:
    subscription = at_ehr.subscribe()
    first = at_ehr.operate()
    with at_ehr.hook.losing():
        lost = [at_ehr.operate() for _ in range(3)]
    last = at_ehr.operate()
    at_ehr.posts(*uses(first, *lost, last))
    assert at_ehr.asked_for(f"GET /Subscription/{subscription.id}/$events") == [
        f"GET /Subscription/{subscription.id}/$events?eventsSinceNumber=2&eventsUntilNumber=4"
    ]
    assert at_ehr.asked_for("GET /Procedure?") == []


@pytest.mark.parametrize(
    ("operations", "keeps"),
    [
        ({"status"}, None),
        pytest.param(set(), None, marks=pytest.mark.slow),
        pytest.param({"status", "events"}, 1, marks=pytest.mark.slow),
    ],
)
def test_events_that_the_server_can_not_give_again_are_found_by_a_search(
    user: User, ehr: Ehr, operations: set[str], keeps: int | None
) -> None:
    with (
        RestHook(ehr.medplum, operations=frozenset(operations), keeps=keeps) as hook,
        reading(user, ehr, hook) as work,
    ):
        work.subscribe()
        first = work.operate()
        with hook.losing():
            lost = [work.operate() for _ in range(3)]
        work.posts(*uses(first, *lost, work.operate()))
        assert len(work.asked_for("GET /Procedure?")) == 1


@pytest.mark.slow
def test_events_that_overtake_each_other_are_posted_once_and_nobody_is_asked(at_ehr: AtWork) -> None:
    subscription = at_ehr.subscribe()
    first = at_ehr.operate()
    with at_ehr.hook.holding():
        late = [at_ehr.operate() for _ in range(3)]
    at_ehr.hook.send(*reversed(at_ehr.hook.held))
    at_ehr.posts(*uses(first, *late))
    assert at_ehr.asked_for(f"GET /Subscription/{subscription.id}/$") == []


@pytest.mark.slow
def test_a_server_that_counts_anew_is_heard_from_its_first_event_on(at_ehr: AtWork) -> None:
    subscription = at_ehr.subscribe()
    before = [at_ehr.operate() for _ in range(3)]
    at_ehr.posts(*uses(*before))
    at_ehr.hook.restart(subscription)
    after = at_ehr.operate()
    with at_ehr.hook.losing():
        lost = at_ehr.operate()
    last = at_ehr.operate()
    at_ehr.posts(*uses(*before, after, lost, last))


def test_a_heartbeat_that_stays_away_has_the_server_asked_for_its_status_and_what_was_missed(at_ehr: AtWork) -> None:
    subscription = at_ehr.subscribe(heartbeat=1)
    first = at_ehr.operate()
    at_ehr.posts(*uses(first))
    status = f"GET /Subscription/{subscription.id}/$status"
    with at_ehr.hook.losing():
        lost = at_ehr.operate()
    at_ehr.posts(*uses(first, lost))
    assert at_ehr.asked_for(status)


@pytest.mark.slow
def test_heartbeats_that_come_leave_the_server_in_peace(at_ehr: AtWork) -> None:
    subscription = at_ehr.subscribe(heartbeat=2)
    at_ehr.posts(*uses(at_ehr.operate()))
    before = len(at_ehr.asked_for(f"GET /Subscription/{subscription.id}/$"))
    for _ in range(20):
        at_ehr.hook.heartbeat(subscription)
        at_ehr.user.json("status")
        time.sleep(0.2)
    assert len(at_ehr.asked_for(f"GET /Subscription/{subscription.id}/$")) == before


@pytest.mark.slow
def test_what_was_told_while_the_engine_was_down_is_posted_once_when_it_is_up(at_ehr: AtWork) -> None:
    at_ehr.subscribe()
    first = at_ehr.operate()
    at_ehr.posts(*uses(first))
    at_ehr.engine.kill()
    missed = [at_ehr.operate() for _ in range(2)]
    at_ehr.engine.start()
    at_ehr.posts(*uses(first, *missed))


@pytest.mark.slow
def test_a_token_that_ended_is_asked_for_again(user: User, ehr: Ehr) -> None:
    with (
        SmartServer(ehr.key, lifetime=2) as smart,
        Medplum(smart) as medplum,
        RestHook(medplum) as hook,
        reading(user, Ehr(ehr.key, smart, medplum), hook) as work,
    ):
        work.subscribe()
        first = work.operate()
        work.posts(*uses(first))
        time.sleep(2.5)  # no event tells that a token has ended
        work.posts(*uses(first, work.operate()))


def charge(user: User, procedure: dict[str, Any], kind: str = "CG") -> bytes:
    """The sample's DFT^P03, of the visit and the stem of a procedure."""
    number = procedure["id"].removeprefix("proc-")
    text = (user.ws / SAMPLE).read_bytes().decode()
    for before, after in (
        ("V100231", f"V-{number}"),
        ("SN-4711", f"SN-{number}"),
        ("(10)21A11F4855", ""),
        ("|21A11F4855|", "||"),
        ("|CG^Charge^", f"|{kind}^Charge^"),
        ("ORSYS-000001", f"{kind}-{number}"),
    ):
        assert before in text, before
        text = text.replace(before, after)
    return text.encode()


@pytest.mark.parametrize("first", ["HL7", pytest.param("FHIR", marks=pytest.mark.slow)])
def test_what_hl7_and_fhir_tell_of_one_case_is_moved_once(user: User, ehr: Ehr, hook: RestHook, first: str) -> None:
    told = user.ws / "mappings" / "fhir-procedure-devices.yaml"
    text, count = re.subn(
        r'( case: +\{path: )"[^"]+"', r'\1"%resource.encounter.identifier.value"', told.read_text("utf-8")
    )
    assert count == 1
    told.write_text(text, "utf-8")
    for name in ("or-usage", "fhir-procedures"):
        changed(user.ws / "channels" / f"{name}.yaml", ("\nsteps:", "\nline: serial\nsteps:"))
    with reading(user, ehr, hook) as work:
        work.subscribe()
        device, procedure = implants()
        hook.document(device)
        expected = uses(procedure)
        if first == "HL7":
            assert " AA " in user.send("-", stdin=charge(user, procedure)).stdout
            work.posts(*(each for each in expected if each.item == STEM))
            hook.document(procedure)
            work.posts(*expected)
        else:
            hook.document(procedure)
            work.posts(*expected)
            assert " AA " in user.send("-", stdin=charge(user, procedure)).stdout
            work.posts(*expected)
        assert user.json("worklist", "list")["causes"] == []


def test_a_procedure_moves_stock_in_a_real_tryton_once_and_back_when_it_was_an_error(
    user: User, ehr: Ehr, hook: RestHook, tryton: Tryton
) -> None:
    (user.ws / "var" / "secrets" / "tryton").write_text(tryton.key)
    erp = f'kind: tryton, url: "{tryton.url}", key: {{file: var/secrets/tryton}}'
    changed(user.ws / "config" / "engine.yaml", ("kind: file, folder: var/inventory", erp))
    device, procedure = implants()
    procedure |= {"focalDevice": procedure["focalDevice"][:1], "contained": []}
    serial = device["serialNumber"]
    tryton.new_lot(STEM, serial, "1")
    with reading(user, ehr, hook) as work:
        subscription = work.subscribe()
        hook.document(device)
        hook.document(procedure)
        user.wait("movement", "status", until=lambda _: tryton.on_hand(serial) == 0)
        hook.tell(subscription, *subscription.events)
        hook.document(procedure | {"status": "entered-in-error"})
        user.wait("way back", "status", until=lambda _: tryton.on_hand(serial) == 1)
        user.rest()
        assert user.json("worklist", "list")["causes"] == []
    assert (tryton.on_hand(serial, "7100-USED"), len(tryton.moves(serial))) == (0, 2)


def test_a_device_that_is_not_there_yet_holds_its_line_until_the_notification_is_replayed(at_ehr: AtWork) -> None:
    at_ehr.subscribe()
    device, procedure = implants()
    at_ehr.hook.document(procedure)
    stem, cup = uses(procedure)
    at_ehr.posts(cup)
    (cause,) = at_ehr.user.wait("line", "worklist", "list", until=lambda now: now["causes"])["causes"]
    assert cause["code"] == "reference-not-found"
    assert "the Device that manipulated.resolve() leads to" in cause["words"]
    assert device["id"] not in cause["words"]
    at_ehr.hook.document(device)
    at_ehr.user.run("message", "replay", "1", "--reason", "The device is there now")  # the notification
    at_ehr.posts(stem, cup)


def test_a_procedure_entered_in_error_is_taken_back_though_its_device_is_gone(at_ehr: AtWork) -> None:
    def gone(asked: str, answer: Answer) -> Answer:
        return answer._replace(status=410) if asked.startswith("GET /Device/") else answer

    at_ehr.subscribe()
    procedure = at_ehr.operate()
    at_ehr.posts(*uses(procedure))
    at_ehr.hook.spoil = gone
    at_ehr.hook.document(procedure | {"status": "entered-in-error"})
    at_ehr.posts(*uses(procedure), *uses(procedure, action="reverse"))
    assert at_ehr.user.json("worklist", "list")["causes"] == []
