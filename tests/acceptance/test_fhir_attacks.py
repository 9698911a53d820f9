"""A FHIR server, or somebody who passes for one, leads the engine astray: it goes nowhere else, and works on."""

from __future__ import annotations

import gzip
import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest

from support.canary import Canary
from support.ehr import TOKEN, reading, uses
from support.fhir_peer import Answer
from support.open_port import until
from support.subscription import Happened, Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.ehr import AtWork, Ehr
    from support.rest_hook import RestHook
    from support.user import User

pytestmark = pytest.mark.timeout(120)

AT = "2026-11-03T10:15:00.000Z"


@pytest.fixture
def canary() -> Iterator[Canary]:
    with Canary() as port:
        yield port


def elsewhere(base: str, port: int) -> list[str]:
    """Addresses that a server's own is made to be mistaken for, and those that give an attacker something."""
    own = base.removeprefix("http://")
    hosts = [
        f"127.0.0.1:{port}", f"127.1:{port}", f"2130706433:{port}", f"0x7f000001:{port}", f"0177.0.0.1:{port}",
        f"localhost:{port}", f"[::1]:{port}", f"[::ffff:127.0.0.1]:{port}", f"[0:0:0:0:0:ffff:7f00:1]:{port}",
        f"0:{port}", f"{own}@127.0.0.1:{port}", f"127.0.0.1:{port}#@{own}", f"127.0.0.1:{port}\\@{own}",
        f"127.0.0.1%2f@{own}:{port}", "169.254.169.254", "[fd00:ec2::254]", "metadata.google.internal",
    ]  # fmt: skip
    schemes = [f"file:///etc/passwd#{own}", f"gopher://127.0.0.1:{port}/_x", f"ftp://127.0.0.1:{port}/x", f"//{own}"]
    climbing = [f"{base}/../Procedure/1", f"{base}/..%2f..%2fProcedure/1", f"{base}/%252e%252e/Procedure/1"]
    return [*(f"http://{host}/Procedure/1" for host in hosts), *schemes, *climbing]


def told_of(references: list[str], base: str, first: int = 1) -> list[bytes]:
    """A notification of each, as a server would send it."""
    made = []
    for number, reference in enumerate(references, first):
        resource = {
            "resourceType": "Subscription", "id": "astray", "criteria": "http://topic.example",
            "channel": {"endpoint": "", "_payload": {"extension": [{"valueCode": "id-only"}]}},
        }  # fmt: skip
        subscription = Subscription(resource, base)
        event = Happened(number, AT, {"resourceType": "Procedure", "id": "MARK"})
        text = json.dumps(subscription.bundle("event-notification", [event], AT))
        made.append(text.replace(json.dumps(f"{base}/Procedure/MARK"), json.dumps(reference)).encode())
    return made


def test_a_notification_leads_to_no_other_server(at_ehr: AtWork, canary: Canary) -> None:
    at_ehr.subscribe()
    addresses = elsewhere(at_ehr.hook.base, canary.port)
    assert [at_ehr.post(body) for body in told_of(addresses, at_ehr.hook.base)] == [200] * len(addresses)
    at_ehr.posts(*uses(at_ehr.operate()))
    causes = at_ehr.user.wait(
        "end", "worklist", "list", until=lambda now: sum(each["exceptions"] for each in now["causes"]) == len(addresses)
    )["causes"]
    assert {each["code"] for each in causes} == {"not-ours"}
    assert canary.came == 0
    assert len(at_ehr.asked_for("GET /Procedure")) == 1


@pytest.mark.slow
def test_a_subscription_s_address_is_not_where_its_gap_is_asked_for(at_ehr: AtWork, canary: Canary) -> None:
    at_ehr.subscribe()
    other = f"http://127.0.0.1:{canary.port}"
    first, later = told_of([f"{at_ehr.hook.base}/Procedure/none"] * 2, other)
    assert [at_ehr.post(first), at_ehr.post(later.replace(b'"2"', b'"5"'))] == [200, 200]
    at_ehr.posts(*uses(at_ehr.operate()))
    until(lambda: any("/$" in each for each in at_ehr.asked_for("GET /Subscription/astray")))
    assert canary.came == 0


def test_what_a_procedure_refers_to_elsewhere_is_left_out_and_its_line_held(at_ehr: AtWork, canary: Canary) -> None:
    at_ehr.subscribe()
    addresses = [each.replace("Procedure", "Device") for each in elsewhere(at_ehr.hook.base, canary.port)]
    action = {"coding": [{"system": "http://hl7.org/fhir/device-action", "code": "implanted"}]}
    honest = at_ehr.operate()
    devices = [{"action": action, "manipulated": {"reference": each}} for each in addresses]
    at_ehr.hook.document(honest | {"id": "astray", "focalDevice": devices, "contained": []})
    at_ehr.posts(*uses(honest, at_ehr.operate()))
    listed = at_ehr.user.wait("line", "worklist", "list", until=lambda now: now["causes"])
    assert {cause["code"] for cause in listed["causes"]} == {"reference-not-found"}
    assert canary.came == 0


@pytest.mark.slow
def test_pages_of_a_search_lead_to_no_other_server(user: User, ehr: Ehr, hook: RestHook, canary: Canary) -> None:
    led: list[str] = []

    def paged(asked: str, answer: Answer) -> Answer:
        if not asked.startswith("GET /Procedure?"):
            return answer
        link = {"link": [{"relation": "next", "url": f"http://127.0.0.1:{canary.port}/Procedure?page=2"}]}
        led.append(asked)
        return answer._replace(body=json.dumps(answer.json | link).encode())

    hook.spoil = paged
    with reading(user, ehr, hook) as work:
        work.subscribe("R4", "empty")
        procedure = work.operate()
        until(lambda: bool(led))
        work.posts(*uses(procedure))  # what the first page has is not lost with the others
        until(lambda: "This address is not below the configured one" in work.engine.log)
        hook.spoil = lambda _, answer: answer
        work.engine.kill()  # such a search is put again after minutes, and when the engine starts
        work.engine.start()
        work.posts(*uses(procedure, work.operate()))
    assert canary.came == 0


@pytest.mark.slow
def test_a_redirect_is_not_followed(at_ehr: AtWork, canary: Canary) -> None:
    def redirect(asked: str, answer: Answer) -> Answer:
        location = f"http://127.0.0.1:{canary.port}/Procedure/1"
        return Answer(307, {"location": location}, b"") if asked.startswith("GET /Procedure") else answer

    at_ehr.subscribe()
    at_ehr.hook.spoil = redirect
    procedure = at_ehr.operate()
    (cause,) = at_ehr.user.wait("question", "worklist", "list", until=lambda now: now["causes"])["causes"]
    assert (cause["code"], canary.came) == ("redirected", 0)
    at_ehr.hook.spoil = lambda _, answer: answer
    assert at_ehr.user.run("worklist", "fix", cause["id"], "--reason", "it is back").returncode == 0
    at_ehr.posts(*uses(procedure))


@pytest.mark.slow
def test_tokens_are_asked_for_nowhere_but_where_the_server_itself_is(
    user: User, ehr: Ehr, hook: RestHook, canary: Canary
) -> None:
    def configured(asked: str, answer: Answer) -> Answer:
        if not asked.endswith("smart-configuration"):
            return answer
        endpoint = {"token_endpoint": f"http://127.0.0.1:{canary.port}/token"}
        return answer._replace(body=json.dumps(answer.json | endpoint).encode())

    hook.spoil = configured
    with reading(user, ehr, hook, token_url=False) as work:
        work.subscribe()
        work.operate()
        until(lambda: len(work.asked_for("GET /.well-known/smart-configuration")) > 0)
        until(lambda: "write it as 'token_url'" in work.engine.log)  # it says what to do, and has asked nobody
        assert (work.asked_for("GET /Procedure"), work.posted) == ([], [])
    assert canary.came == 0


def bomb(_: Answer) -> Answer:
    headers = {"content-type": "application/fhir+json", "content-encoding": "gzip"}
    return Answer(200, headers, gzip.compress(bytes(50_000_000)))


def body(data: bytes) -> Callable[[Answer], Answer]:
    return lambda answer: answer._replace(body=data)


SPOILT: dict[str, Callable[[Answer], Answer]] = {
    "larger than may be": lambda answer: answer._replace(body=answer.body + b" " * 1_000_000),
    "a bomb": bomb,
    "nested too deep": body(b'{"resourceType":"Procedure","extension":' + b"[" * 50_000),
    "no JSON": body(b"\xff\xfe<html>"),
    "empty": body(b""),
    "of another type": lambda answer: answer._replace(headers={"content-type": "text/html"}),
    "another resource": body(b'{"resourceType":"Procedure","id":"another","status":"completed"}'),
    "an array": body(b"[1]"),
}


@pytest.mark.slow
def test_an_answer_that_is_none_is_a_person_s_and_the_next_one_is_posted(user: User, ehr: Ehr, hook: RestHook) -> None:
    ways: dict[str, str] = {}
    spoilt: set[str] = set()

    def spoil(asked: str, answer: Answer) -> Answer:
        how = ways.get(asked)
        spoilt.update({how} if how else ())
        return SPOILT[how](answer) if how else answer

    hook.spoil = spoil
    with reading(user, ehr, hook, server="timeout: 5s, maximum_answer: 100KB") as work:
        subscription = work.subscribe()
        procedures = []
        for how in SPOILT:
            with hook.holding():
                procedures.append(work.operate())
            ways[f"GET /Procedure/{procedures[-1]['id']}"] = how
            hook.tell(subscription, subscription.events[-1])
        honest = work.operate()
        work.posts(*uses(honest))
        user.wait(
            "end", "worklist", "list",
            until=lambda now: sum(each["exceptions"] for each in now["causes"]) == len(SPOILT),
        )  # fmt: skip
        assert spoilt == set(SPOILT)
        ways.clear()
        for cause in user.json("worklist", "list")["causes"]:
            assert user.run("worklist", "fix", cause["id"], "--reason", "the server is well").returncode == 0
        work.posts(*uses(honest, *procedures))


@pytest.mark.slow
def test_an_answer_that_drips_is_given_up_in_time_and_asked_for_again(user: User, ehr: Ehr, hook: RestHook) -> None:
    with reading(user, ehr, hook, server="timeout: 1s") as work:
        work.subscribe()
        hook.pause = 0.2
        procedure = work.operate()
        until(lambda: len(work.asked_for("GET /Procedure/")) > 1)
        hook.pause = 0.0
        work.posts(*uses(procedure))


def jwt(header: dict[str, Any]) -> str:
    """A token that says that it is the EHR's, signed by nobody."""
    parts = [json.dumps(part).encode() for part in (header, {"iss": "ehr", "sub": "ehr", "exp": 9_999_999_999})]
    return ".".join([*(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])


def test_what_is_posted_to_harm_is_refused_and_counted_and_the_next_notification_is_taken(at_ehr: AtWork) -> None:
    at_ehr.subscribe()
    honest = told_of([f"{at_ehr.hook.base}/Procedure/none"], at_ehr.hook.base)[0]
    tokens = [jwt({"alg": "none"}), jwt({"alg": "HS256", "typ": "JWT"}), "", TOKEN[:-1], f"{TOKEN}a"]
    assert [at_ehr.post(honest, token) for token in tokens] == [401] * len(tokens)
    packed = {"Content-Encoding": "gzip"}
    assert at_ehr.post(gzip.compress(bytes(50_000_000)), **packed) == 413
    assert at_ehr.post(b'{"resourceType":' + b"[" * 100_000) == 400
    assert at_ehr.post(b"{" + b" " * 11_000_000) in {0, 413}  # refused before it is sent to its end
    at_ehr.posts(*uses(at_ehr.operate()))
    listeners = {each["name"]: each["counts"] for each in at_ehr.user.json("status")["listeners"]}
    assert listeners["ehr-http"]["refused"] >= 4
