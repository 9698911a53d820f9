"""Subscribing at a real HTTP server: each dialect, twice, resumed and ended; and servers that won't."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import Deferred, succeed

from casecart.commands.actor import Actor
from casecart.commands.desk import Desk
from casecart.commands.fhir_change import At, Changed
from casecart.commands.fhir_listener import FhirListener
from casecart.commands.fhir_status import FhirStatus, fhir_status
from casecart.commands.fhir_subscription import Subscribe, resume, subscribe, unsubscribe
from casecart.commands.refusal import Refusal
from casecart.commands.site import Site
from casecart.formats.fhir import FINE, validate
from casecart.listeners.fhir_client import client_of
from casecart.listeners.fhir_server_settings import FhirServerSettings
from casecart.runtime.fhir_reading import Expected, FhirReading
from casecart.runtime.fhir_server import FhirTrouble
from casecart.runtime.marks import FHIR, FHIR_EVENTS, FHIR_TROUBLE, subscription_mark
from casecart.store import Change, Cursor, open_store
from support.fhir_site import FhirSite, Reply
from support.fhir_subscriptions import TOPIC, Subscriptions
from support.reactor import in_reactor, reactor
from support.settings import settings_of
from support.store import new_store

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from casecart.store import Store

ENDPOINT = "https://casecart.mercy.example:8443/ehr"
SECRET, OLD = "Bearer made-up-token-of-the-ehr", "Bearer made-up-token-of-last-year"
SEARCH = "Procedure?status=completed"
ALICE = Actor("alice", frozenset({"see", "operate"}))
VERSIONS = {"4.0.1": "R4", "4.3.0": "R4B", "5.0.0": "R5"}


@dataclass
class Person:
    """Somebody who works with the subscriptions of a server."""

    store: Store
    root: Path
    site: FhirSite
    searches: tuple[str, ...] = (SEARCH, "SupplyDelivery")
    expected: Expected | None = field(
        default_factory=lambda: Expected("/ehr", lambda: [("Authorization", [OLD, SECRET])], otherwise=False)
    )
    actor: Actor = ALICE
    pauses: int = 0

    def at(self) -> At:
        """What a command works with."""
        settings = settings_of(
            FhirServerSettings, f"{{url: '{self.site.base}', version: {VERSIONS[self.site.version]}}}"
        )
        reading = FhirReading(
            lambda reactor, now, root: client_of(settings, reactor=reactor, now=now, root=root), self.searches
        )
        hears = None if self.expected is None else ("ehr-http", "ehr")
        listener = FhirListener("ehr", self.root, reading, hears, self.expected)
        site = Site(
            root=self.root, organisation="MERCY", store_url="", store_place="", time_zones={}, listeners={},
            destinations={},
        )  # fmt: skip
        desk = Desk(site=site, store=self.store, actor=self.actor, now=lambda: 1_000_000)
        return At(listener.server(reactor), listener, desk, self._pause)

    def does(self, command: Callable[[At], Coroutine[Deferred[Any], Any, Any]]) -> Any:  # noqa: ANN401 - its answer
        """What a command comes to."""

        async def done() -> Any:  # noqa: ANN401 - the same
            at = self.at()
            try:
                return await command(at)
            finally:
                await at.server.stop()

        return in_reactor(lambda: Deferred.fromCoroutine(done()))

    def subscribe(self, **wish: Any) -> Changed:  # noqa: ANN401 - any attribute
        """Have it notify us."""
        made: Changed = self.does(lambda at: subscribe(at, Subscribe(**{"endpoint": ENDPOINT, **wish})))
        return made

    def resume(self, identifier: str | None = None, endpoint: str | None = None) -> Changed:
        """Ask it to go on."""
        made: Changed = self.does(lambda at: resume(at, identifier, endpoint))
        return made

    def unsubscribe(self, identifier: str | None = None, endpoint: str | None = None) -> Changed:
        """Have it notify us no more."""
        made: Changed = self.does(lambda at: unsubscribe(at, identifier, endpoint))
        return made

    def status(self, endpoint: str | None = None) -> FhirStatus:
        """How it stands."""
        cursors = self.store.cursors()
        made: FhirStatus = self.does(lambda at: fhir_status(at.server, at.listener, cursors, endpoint))
        return made

    @property
    def trail(self) -> list[tuple[str, dict[str, Any]]]:
        """What the audit trail has, oldest first: commands, and their details without keys."""
        records = [(each.command, json.loads(each.detail)) for each in reversed(self.store.audit(100))]
        return [
            (command, {name: told for name, told in detail.items() if name != "key"}) for command, detail in records
        ]

    def _pause(self) -> Deferred[None]:
        self.pauses += 1
        return succeed(None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/casecart.db"
    new_store(url)
    opened = open_store(url, role="engine")
    yield opened
    opened.close()


@pytest.fixture(params=["4.0.1"])
def site(request: pytest.FixtureRequest) -> Iterator[FhirSite]:
    with FhirSite(version=request.param) as started:
        yield started


@pytest.fixture
def person(store: Store, tmp_path: Path, site: FhirSite) -> Person:
    return Person(store, tmp_path, site)


def of_version(version: str) -> pytest.MarkDecorator:
    """The site speaks this one."""
    return pytest.mark.parametrize("site", [version], indirect=True)


# --- each dialect


def test_a_classic_server_gets_a_subscription_for_each_search_and_is_asked_once(person: Person) -> None:
    there = Subscriptions(person.site)
    done = person.subscribe()
    assert (done.dialect, done.why) == (
        "classic", "the server speaks FHIR 4.0.1, and does not say that it has subscriptions to topics",
    )  # fmt: skip
    assert [(each.id, each.about, each.status, each.done) for each in done.subscriptions] == [
        ("subscription-1", SEARCH, "active", "created"),
        ("subscription-2", "SupplyDelivery?", "active", "created"),
    ]
    assert done.fine
    assert there.one()["channel"] == {"type": "rest-hook", "endpoint": ENDPOINT, "header": [f"Authorization: {SECRET}"]}
    again = person.subscribe(endpoint=ENDPOINT + "/")
    assert [(each.id, each.done) for each in again.subscriptions] == [
        ("subscription-1", "there"), ("subscription-2", "there"),
    ]  # fmt: skip
    assert again.fine
    assert there.changes == ["POST", "POST"]


@pytest.mark.parametrize("site", ["4.0.1", "4.3.0"], indirect=True)
def test_a_server_with_topics_gets_one_of_the_backport(person: Person) -> None:
    there = Subscriptions(person.site, backport=True)
    done = person.subscribe(topic=TOPIC)
    assert (done.dialect, len(done.subscriptions), done.fine) == ("backport", 1, True)
    made = there.one()
    assert made["criteria"] == TOPIC
    assert "_criteria" not in made  # the searches are no filters: a topic says what can be filtered by
    assert made["channel"]["_payload"]["extension"][0]["valueCode"] == "id-only"
    assert made["channel"]["extension"][0]["valueUnsignedInt"] == 60
    assert validate(made, person.site.version) is FINE
    assert person.subscribe(topic=TOPIC).subscriptions[0].done == "there"
    assert person.subscribe(topic=TOPIC, criteria=(SEARCH,)).subscriptions[0].done == "created"


@of_version("5.0.0")
def test_a_server_of_r5_gets_one_of_its_own(person: Person) -> None:
    there = Subscriptions(person.site)
    done = person.subscribe(topic=TOPIC, criteria=(SEARCH,), content="full-resource", heartbeat=0)
    assert (done.dialect, done.fine) == ("R5", True)
    made = there.one()
    assert (made["topic"], made["content"], "heartbeatPeriod" in made) == (TOPIC, "full-resource", False)
    assert made["parameter"] == [{"name": "Authorization", "value": SECRET}]
    assert validate(made, "5.0.0") is FINE
    again = person.subscribe(topic=TOPIC, criteria=(SEARCH,))
    assert again.subscriptions[0].done == "there"


def test_what_is_done_is_in_the_audit_trail_and_no_secret_is(person: Person) -> None:
    Subscriptions(person.site)
    person.searches = (SEARCH,)
    shown = repr(person.subscribe())
    person.resume("subscription-1", ENDPOINT)
    person.unsubscribe()
    named = "Subscription/subscription-1"
    assert person.trail == [
        ("fhir.subscribe", {"endpoint": ENDPOINT, "dialect": "classic", "about": SEARCH}),
        ("fhir.subscribe", {"subscription": named, "done": "created"}),
        ("fhir.unsubscribe", {"subscription": named, "endpoint": ENDPOINT}),
    ]
    assert "made-up-token" not in shown + repr(person.trail)


def test_a_dry_run_says_what_it_would_do_and_asks_for_no_change(person: Person) -> None:
    there = Subscriptions(person.site)
    person.actor = Actor("bob", frozenset({"see"}))
    done = person.subscribe(dry_run=True)
    assert [each.done for each in done.subscriptions] == ["would be created"] * 2
    assert done.fine
    assert (there.changes, person.trail) == ([], [])


def test_who_may_only_see_changes_nothing(person: Person) -> None:
    there = Subscriptions(person.site)
    person.actor = Actor("bob", frozenset({"see"}))
    for refused in (person.subscribe, person.resume, person.unsubscribe):
        with pytest.raises(Refusal, match="operate"):
            refused()
    assert person.site.asked == []
    assert there.changes == []


def test_a_secret_of_the_environment_takes_the_place_of_the_peers(person: Person) -> None:
    there = Subscriptions(person.site)
    person.subscribe(token="another-made-up-token", criteria=(SEARCH,))
    assert there.one()["channel"]["header"] == ["Authorization: Bearer another-made-up-token"]


def test_of_a_peer_that_shows_nothing_it_is_told_that_anybody_could_post(person: Person) -> None:
    Subscriptions(person.site)
    person.expected = Expected("/ehr", list, otherwise=False)
    assert "a stranger's" in person.subscribe(dry_run=True).notes[0]
    person.expected = Expected("/ehr", list, otherwise=True)
    assert person.subscribe(dry_run=True).notes == []


# --- the handshake


def test_a_handshake_that_fails_is_told_with_what_may_be_the_matter(person: Person) -> None:
    Subscriptions(person.site, becomes="error")
    done = person.subscribe(criteria=(SEARCH,))
    assert not done.fine
    (line,) = done.subscriptions
    assert (line.status, "whether the engine runs" in line.words) == ("error", True)


def test_one_that_waits_for_its_handshake_is_left_alone_after_some_seconds(person: Person) -> None:
    Subscriptions(person.site, becomes="requested")
    done = person.subscribe(criteria=(SEARCH,))
    assert not done.fine
    assert (done.subscriptions[0].status, person.pauses) == ("requested", 15)


def test_one_that_is_there_and_in_error_is_told_with_how_to_go_on(person: Person) -> None:
    there = Subscriptions(person.site, becomes="error")
    person.subscribe(criteria=(SEARCH,))
    again = person.subscribe(criteria=(SEARCH,))
    assert not again.fine
    assert "casecart fhir resume ehr subscription-1" in again.subscriptions[0].words
    assert there.changes == ["POST"]


def test_a_server_that_says_only_where_it_made_it_is_asked_for_it(person: Person) -> None:
    there = Subscriptions(person.site)
    person.site.put({"resourceType": "Subscription", "id": "x9", "status": "active", "criteria": SEARCH,
                     "channel": {"type": "rest-hook", "endpoint": "https://elsewhere.example"}})  # fmt: skip
    person.site.route("POST", "Subscription", lambda _: Reply(201, headers={"Location": "Subscription/x9"}))
    done = person.subscribe(criteria=(SEARCH,))
    assert done.subscriptions[0].done == "created"
    assert there.changes == ["POST"]


# --- what can't be wanted, and servers that won't


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"endpoint": "http://casecart.mercy.example/ehr"}, "begins with https"),
        ({"endpoint": "casecart.mercy.example/ehr"}, "no address"),
        ({"endpoint": "https://casecart.mercy.example/ehr x"}, "no address"),
        ({"endpoint": "https://casecart.mercy.example:99999/ehr"}, "no address"),
        ({"endpoint": "https://user:secret@casecart.mercy.example/ehr"}, "without user"),
        ({"endpoint": "https://casecart.mercy.example/ehr?a=b"}, "without user"),
        ({"criteria": ("Procedure/1",)}, "a criterion is a search"),
        ({"heartbeat": 60}, "neither a topic nor a heartbeat"),
        ({"content": "id-only"}, "sends nothing"),
        ({"topic": TOPIC}, "say --dialect backport"),
        ({"dialect": "backport"}, "does not say which it offers"),
        ({"token": "two\nlines"}, "can't be in a header"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_changed(
    person: Person, wish: dict[str, Any], words: str
) -> None:
    there = Subscriptions(person.site)
    with pytest.raises(Refusal, match=words):
        person.subscribe(**wish)
    assert (there.changes, person.trail) == ([], [])


def test_a_server_with_topics_wants_one_named_and_is_asked_which_it_has(person: Person) -> None:
    Subscriptions(person.site, backport=True)
    with pytest.raises(Refusal, match=f"it offers {TOPIC}; or, without counted events, say --dialect classic"):
        person.subscribe()
    assert person.subscribe(dialect="classic").fine


@of_version("5.0.0")
def test_topics_are_read_where_they_are_resources_too(person: Person) -> None:
    Subscriptions(person.site, more={"rest": [{"resource": [
        {"type": "Subscription", "interaction": [{"code": "create"}]}, {"type": "SubscriptionTopic"},
    ]}]})  # fmt: skip
    person.site.put({"resourceType": "SubscriptionTopic", "id": "t1", "url": TOPIC, "status": "active"})
    with pytest.raises(Refusal, match=f"say by --topic which; it offers {TOPIC}"):
        person.subscribe()


def test_a_server_without_subscriptions_is_searched_instead(person: Person) -> None:
    Subscriptions(person.site, does=())
    with pytest.raises(Refusal, match="no subscription can be made there; without notifications the listener finds"):
        person.subscribe()


def test_a_version_of_which_no_dialect_is_known_wants_one_named(person: Person) -> None:
    Subscriptions(person.site, more={"fhirVersion": "3.0.2"})
    with pytest.raises(Refusal, match=r"speaks FHIR 3\.0\.2, of which no dialect"):
        person.subscribe()
    Subscriptions(person.site, more={"fhirVersion": None})
    with pytest.raises(Refusal, match="says no FHIR version"):
        person.subscribe()
    assert person.subscribe(dialect="classic").fine


def test_a_listener_that_hears_nobody_can_not_be_notified(person: Person) -> None:
    Subscriptions(person.site)
    person.expected = None
    with pytest.raises(Refusal, match="hears nobody"):
        person.subscribe()


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply.outcome(401, "login"), "unauthorised"),
        (Reply.outcome(403, "forbidden"), "unauthorised"),
        (Reply.outcome(422, "processing"), "refused"),
        (Reply.outcome(500), "server-error"),
    ],
)
def test_a_server_that_refuses_is_told_without_its_words(person: Person, reply: Reply, code: str) -> None:
    Subscriptions(person.site)
    person.site.route("POST", "Subscription", lambda _: reply)
    with pytest.raises(FhirTrouble) as trouble:
        person.subscribe()
    assert (trouble.value.code, "Made-Up" in trouble.value.words) == (code, False)
    # it was wished, and the trail says so
    assert [command for command, _ in person.trail] == ["fhir.subscribe"]


@pytest.mark.parametrize(
    "statement",
    [
        {"resourceType": "OperationOutcome"},
        {"resourceType": "CapabilityStatement", "rest": 5, "fhirVersion": {}},
        {
            "resourceType": "CapabilityStatement",
            "rest": [{"resource": [[[[]]]] * 100}] * 500,
            "fhirVersion": "4" * 9999,
        },
    ],
)
def test_a_statement_that_says_nothing_changes_nothing(person: Person, statement: dict[str, Any]) -> None:
    person.site.route("GET", "metadata", lambda _: Reply.of(statement))
    with pytest.raises(Refusal):
        person.subscribe()
    assert [asked.path for asked in person.site.asked] == ["metadata"]


@pytest.mark.parametrize("reply", [Reply.outcome(404), Reply.of({"resourceType": "Bundle", "type": "searchset"})])
def test_a_server_that_says_nothing_of_itself_is_asked_in_the_dialect_that_a_person_knows(
    person: Person, reply: Reply
) -> None:
    Subscriptions(person.site)
    person.site.route("GET", "metadata", lambda _: reply)
    done = person.subscribe(dialect="classic", criteria=(SEARCH,))
    assert (done.why, done.fine) == ("as you said", True)
    assert person.unsubscribe().fine


def test_a_statement_that_is_too_large_or_too_deep_is_no_answer(person: Person) -> None:
    deep = b'{"resourceType":"CapabilityStatement","rest":' + b"[" * 5000 + b"]" * 5000 + b"}"
    huge = b'{"resourceType":"CapabilityStatement","name":"' + b"x" * 60_000_000 + b'"}'
    for body in (deep, huge):
        person.site.route("GET", "metadata", lambda _, body=body: Reply(200, body))  # type: ignore[misc]  # a default
        with pytest.raises(FhirTrouble):
            person.subscribe()


# --- resume


def broken(person: Person, status: str = "error", **more: Any) -> Subscriptions:  # noqa: ANN401 - any attribute
    """A server on which our subscription does not work any more."""
    there = Subscriptions(person.site, becomes=status, **more)
    person.subscribe(criteria=(SEARCH,))
    there.becomes = "active"
    person.site.asked.clear()
    return there


@pytest.mark.parametrize("status", ["error", "off"])
@pytest.mark.parametrize("identifier", [None, "subscription-1", "Subscription/subscription-1"])
def test_one_that_does_not_work_is_asked_for_again(person: Person, status: str, identifier: str | None) -> None:
    there = broken(person, status)
    done = person.resume(identifier)
    assert (done.subscriptions[0].done, done.subscriptions[0].status, done.fine) == ("resumed", "active", True)
    assert "found when the listener searches" in done.subscriptions[0].words
    (put,) = [asked for asked in person.site.asked if asked.method == "PUT"]
    assert (put.headers["if-match"], put.resource["status"]) == ('W/"1"', "requested")
    assert there.one()["channel"]["header"] == [f"Authorization: {SECRET}"]
    assert person.resume().subscriptions[0].done == "there"


@of_version("5.0.0")
def test_of_one_that_is_counted_the_engine_asks_for_what_was_missed(person: Person) -> None:
    there = Subscriptions(person.site, becomes="error")
    person.subscribe(topic=TOPIC)
    there.becomes = "active"
    done = person.resume(endpoint=ENDPOINT)
    assert "asks first for what was missed" in done.subscriptions[0].words
    assert there.one()["parameter"] == [{"name": "Authorization", "value": SECRET}]


def test_the_secret_is_written_anew_only_for_an_address_that_is_named(person: Person) -> None:
    there = broken(person, hides=True)
    with pytest.raises(Refusal, match="say by --endpoint where it leads"):
        person.resume()
    there.hides = False
    assert person.resume(None, ENDPOINT).fine
    assert there.one()["channel"]["header"] == [f"Authorization: {SECRET}"]


def test_a_secret_that_was_changed_is_written_into_one_that_works(person: Person) -> None:
    there = Subscriptions(person.site)
    person.subscribe(criteria=(SEARCH,), token=OLD.removeprefix("Bearer "))
    assert person.resume().subscriptions[0].done == "there"  # the older one holds as well
    assert person.resume(None, ENDPOINT).subscriptions[0].done == "resumed"
    assert there.one()["channel"]["header"] == [f"Authorization: {SECRET}"]


def test_what_somebody_else_changed_meanwhile_is_left_alone(person: Person) -> None:
    there = broken(person)
    person.site.route("PUT", "Subscription/.*", lambda _: Reply.outcome(412, "conflict"))
    with pytest.raises(Refusal, match="changed by somebody else"):
        person.resume()
    assert there.one()["status"] == "error"


def test_one_that_leads_elsewhere_is_not_ours_to_change(person: Person) -> None:
    there = Subscriptions(person.site)
    person.site.put({"resourceType": "Subscription", "id": "subscription-7", "status": "error", "criteria": SEARCH,
                     "channel": {"type": "rest-hook", "endpoint": "https://elsewhere.example/other"}})  # fmt: skip
    for change in (person.resume, person.unsubscribe):
        with pytest.raises(Refusal, match="somebody else's"):
            change("subscription-7")
        with pytest.raises(Refusal, match="no subscription there leads to"):
            change()
        with pytest.raises(Refusal, match="this is no id"):
            change("../Patient/1")
    assert there.changes == []


def test_of_several_one_must_be_named(person: Person) -> None:
    there = Subscriptions(person.site)
    person.subscribe()
    with pytest.raises(Refusal, match="name one of subscription-1 and subscription-2"):
        person.unsubscribe()
    assert person.unsubscribe("subscription-2").fine
    assert there.changes == ["POST", "POST", "PUT", "DELETE"]


def test_a_server_that_can_not_be_searched_wants_an_id(person: Person) -> None:
    there = broken(person)
    person.site.route("GET", "Subscription", lambda _: Reply.outcome(405, "not-supported"))
    with pytest.raises(Refusal, match="name the subscription's id"):
        person.resume()
    assert person.resume("subscription-1").fine
    assert "isn't known" in person.subscribe(criteria=(SEARCH,)).notes[0]
    assert there.changes == ["PUT", "POST"]


# --- unsubscribe


def test_one_that_is_ended_is_switched_off_and_deleted(person: Person) -> None:
    there = Subscriptions(person.site)
    person.subscribe(criteria=(SEARCH,))
    done = person.unsubscribe()
    assert (done.subscriptions[0].done, done.fine) == ("deleted", True)
    assert there.changes == ["POST", "PUT", "DELETE"]
    assert person.status().subscriptions == []


def test_where_nothing_can_be_deleted_it_stays_switched_off(person: Person) -> None:
    there = Subscriptions(person.site, does=("read", "search-type", "create", "update"))
    person.subscribe(criteria=(SEARCH,))
    done = person.unsubscribe()
    assert (done.subscriptions[0].done, done.fine) == ("off", True)
    assert there.one()["status"] == "off"


def test_where_nothing_can_be_updated_it_is_deleted(person: Person) -> None:
    Subscriptions(person.site, does=("read", "search-type", "create", "delete"))
    person.subscribe(criteria=(SEARCH,))
    assert person.unsubscribe().subscriptions[0].done == "deleted"


def test_one_that_can_be_neither_switched_off_nor_deleted_is_trouble(person: Person) -> None:
    Subscriptions(person.site, does=("read", "search-type", "create"))
    person.subscribe(criteria=(SEARCH,))
    with pytest.raises(FhirTrouble):
        person.unsubscribe()


# --- status


def noted(person: Person, known: int, counted: int) -> None:
    """The engine was heard of the subscription, and came so far."""
    reference = "Subscription/subscription-1"
    sign = Cursor(subscription_mark("ehr-http", "ehr", reference), 0, 1_700_000_000_000_000, counted)
    person.store.write(Change(cursors=[sign, Cursor(f"{FHIR}ehr:{FHIR_EVENTS}{reference}", 0, known, 0)]))


@of_version("5.0.0")
def test_the_status_tells_how_far_the_server_and_we_are(person: Person) -> None:
    Subscriptions(person.site, counted=7)
    person.subscribe(topic=TOPIC)
    person.searches = (SEARCH,)
    noted(person, 7, 7)
    found = person.status()
    (one,) = found.subscriptions
    assert (found.trouble, found.version, found.dialects, found.hears) == ([], "5.0.0", ["R5"], "ehr-http/ehr")
    assert (one.status, one.counted, one.here, one.topic, one.heartbeat) == ("active", 7, 7, TOPIC, 60)
    assert one.last_sign is not None
    assert f"{one.last_sign:%Y-%m-%d}" == "2023-11-14"


@of_version("5.0.0")
def test_events_that_are_not_here_are_trouble(person: Person) -> None:
    Subscriptions(person.site, counted=9)
    person.subscribe(topic=TOPIC)
    person.searches = ()
    noted(person, 7, 7)
    assert person.status().trouble == [
        "of subscription-1 2 events of 9 are not here yet: a running engine asks for what is missing"
    ]


def test_what_troubles_the_engine_is_told_and_its_end_too(person: Person) -> None:
    Subscriptions(person.site)
    person.searches = (SEARCH,)
    person.subscribe()
    mark = Cursor(f"{FHIR}ehr:{FHIR_TROUBLE}", 0, 1_700_000_000_000_000, 401)
    person.store.write(Change(cursors=[mark]))
    since = "2023-11-14 22:13:20 UTC"
    words = f"the engine gets no answer that helps since {since} (HTTP 401): its log says more"
    assert person.status().trouble == [words]
    person.store.write(Change(cursors=[mark._replace(position=0)]))
    assert person.status().trouble == []


@pytest.mark.parametrize(
    ("becomes", "words"),
    [
        ("error", "subscription-1 is error: find out why, then `casecart fhir resume ehr subscription-1`"),
        ("off", "subscription-1 is off: find out why, then `casecart fhir resume ehr subscription-1`"),
        ("requested", f"subscription-1 waits for its handshake: the server has not reached {ENDPOINT} yet"),
        ("wild", "subscription-1 does not say how it is: find out why, then `casecart fhir resume ehr subscription-1`"),
    ],
)
def test_one_that_is_not_active_is_trouble(person: Person, becomes: str, words: str) -> None:
    Subscriptions(person.site, becomes=becomes)
    person.searches = (SEARCH,)
    person.subscribe()
    assert person.status().trouble == [words]


def test_what_the_server_does_not_do_is_trouble(person: Person) -> None:
    Subscriptions(person.site, more={"fhirVersion": "4.3.0"})
    found = person.status()
    assert found.trouble == [
        "the server speaks FHIR 4.3.0, and its configuration says 4.0.1: mend 'version'",
        "the server says that it has no search for SupplyDelivery, which 'ehr' is to make",
        "no subscription leads to an address that ends in /ehr: `casecart fhir subscribe ehr`",
    ]


def test_a_listener_that_only_searches_needs_no_subscription(person: Person) -> None:
    Subscriptions(person.site, does=())
    person.searches, person.expected = (SEARCH,), None
    found = person.status()
    assert (found.trouble, found.hears, found.dialects) == ([], None, [])


def test_the_same_path_at_another_host_is_told_apart_by_the_endpoint(person: Person) -> None:
    Subscriptions(person.site)
    person.searches = (SEARCH,)
    person.subscribe(endpoint="https://test.mercy.example/ehr")
    assert len(person.status().subscriptions) == 1
    assert person.status(ENDPOINT).subscriptions == []
    assert person.subscribe().subscriptions[0].done == "created"
