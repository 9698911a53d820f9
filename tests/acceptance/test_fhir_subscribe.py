"""A person has a FHIR server notify an engine that runs: the handshake is a real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.engine_process import EngineProcess, free_port
from support.fhir_site import FhirSite, Reply
from support.fhir_subscriptions import TOPIC, Subscriptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.user import User

TOKEN, WRONG = "made-up-token-of-the-ehr", "made-up-token-of-nobody-here"
LISTENERS = """\
  fhir-http:
    kind: http
    port: {port}
    peers: {{ehr: {{facility: NORTH, token: {{env: EHR_TOKEN}}}}}}
  ehr:
    kind: fhir
    facility: NORTH
    server: {{url: "{url}", version: R5}}
    hears: fhir-http/ehr
    searches: ["Procedure?status=completed"]
"""


class Subscriber:
    """A user whose engine hears a server."""

    def __init__(self, user: User, site: FhirSite) -> None:
        self.user, self.there = user, Subscriptions(site, counted=0, calls=True)
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}/ehr"
        settings = user.ws / "config" / "engine.yaml"
        listeners = LISTENERS.format(port=port, url=site.base)
        text = settings.read_text("utf-8").replace("\ndestinations:", f"{listeners}\ndestinations:")
        settings.write_text(text, "utf-8")

    def fhir(self, *typed: str, stdin: bytes = b"") -> tuple[int, str, str]:
        """Exit code, output and errors of `casecart fhir`."""
        done = self.user.run("fhir", *typed, stdin=stdin)
        assert TOKEN not in done.stdout + done.stderr
        assert WRONG not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr

    def subscribe(self, *typed: str) -> tuple[int, str, str]:
        """With what is usual."""
        return self.fhir("subscribe", "ehr", "--endpoint", self.endpoint, "--topic", TOPIC, *typed)


@pytest.fixture
def site() -> Iterator[FhirSite]:
    with FhirSite(version="5.0.0", path="/fhir/r5") as started:
        yield started


@pytest.fixture
def subscriber(user: User, site: FhirSite, monkeypatch: pytest.MonkeyPatch) -> Subscriber:
    monkeypatch.setenv("EHR_TOKEN", TOKEN)
    return Subscriber(user, site)


@pytest.fixture
def at_work(subscriber: Subscriber) -> Iterator[Subscriber]:
    """The engine runs."""
    with EngineProcess(subscriber.user.ws, subscriber.user.port) as engine:
        engine.start()
        yield subscriber
        assert engine.stop() == 0


def test_a_subscription_is_made_shown_and_ended(at_work: Subscriber) -> None:
    code, shown, _ = at_work.subscribe()
    assert (code, shown.splitlines()) == (0, [
        "Dialect R5: the server speaks FHIR 5.0.0.",
        f"Subscription subscription-1 ({TOPIC}) was created, and is active.",
    ])  # fmt: skip
    assert at_work.subscribe()[1].splitlines()[1].endswith("is there already, and is active.")
    code, shown, _ = at_work.fhir("status", "ehr")
    assert code == 0
    assert f"subscription-1  active  R5  {TOPIC}" in shown
    assert f"to {at_work.endpoint}" in shown
    assert "last heard 20" in shown  # the engine noted the handshake
    code, shown, _ = at_work.fhir("unsubscribe", "ehr", "--yes")
    assert (code, shown) == (0, f"Subscription subscription-1 ({TOPIC}) was switched off and deleted.\n")
    code, shown, _ = at_work.fhir("status", "ehr")
    assert code == 1
    assert shown.endswith("No subscription leads to an address that ends in /ehr: `casecart fhir subscribe ehr`.\n")
    trail = at_work.user.json("audit", "list", "--command", "fhir")["records"]
    assert [each["command"] for each in trail] == ["fhir.unsubscribe", "fhir.subscribe", "fhir.subscribe"]
    assert TOKEN not in str(trail)


def test_a_wrong_secret_is_found_at_the_handshake_and_mended(
    at_work: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_TOKEN", WRONG)
    code, shown, _ = at_work.subscribe("--secret-env", "OTHER_TOKEN")
    assert code == 1
    assert "and is error: it is error: its handshake was not answered well" in shown
    code, _, words = at_work.fhir("resume", "ehr")
    assert (code, "say by --endpoint where it leads" in words) == (1, True)
    code, shown, _ = at_work.fhir("resume", "ehr", "--endpoint", at_work.endpoint)
    assert (code, "was asked for again, and is active" in shown) == (0, True)


def test_who_says_no_ends_nothing(subscriber: Subscriber) -> None:
    code, shown, asked = subscriber.fhir("unsubscribe", "ehr", stdin=b"n\n")
    assert (code, shown, subscriber.there.site.asked) == (130, "", [])
    assert "End the only subscription that leads here, at the server of ehr?" in asked


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (Reply.outcome(401, "login"), 3, "(unauthorised)"),
        (Reply.outcome(503), 5, "(throttled)"),
        (Reply.of({"resourceType": "OperationOutcome"}), 1, "is no CapabilityStatement"),
    ],
)
def test_a_server_that_does_not_answer_well_is_one_line_and_an_exit_code(
    subscriber: Subscriber, reply: Reply, code: int, words: str
) -> None:
    subscriber.there.site.route("GET", "metadata", lambda _: reply)
    for told in (subscriber.fhir("status", "ehr"), subscriber.subscribe()):
        assert (told[0], told[1], told[2].count("\n"), words in told[2]) == (code, "", 1, True)


def test_a_server_that_is_not_there_is_the_network(subscriber: Subscriber) -> None:
    subscriber.there.site.stop()
    code, shown, words = subscriber.fhir("status", "ehr")
    assert (code, shown, words.count("\n")) == (5, "", 1)


def test_the_document_is_for_programs(subscriber: Subscriber) -> None:
    found = subscriber.user.run("fhir", "status", "ehr", "--json")
    assert found.returncode == 1
    assert '"searchable": true' in found.stdout
    made = subscriber.user.run(
        "fhir", "subscribe", "ehr", "--endpoint", subscriber.endpoint, "--topic", TOPIC, "--dry-run", "--json"
    )
    assert made.returncode == 0
    assert '"done": "would be created"' in made.stdout
