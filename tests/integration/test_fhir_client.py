"""The FHIR client against a real HTTP server that plays every answer, good and bad."""

from __future__ import annotations

import json
import socket
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import CancelledError

from casecart.runtime.fhir_server import FhirTrouble
from support.fhir_asking import Asking, asking, trouble_of
from support.fhir_site import FhirSite, Reply
from support.reactor import in_reactor
from support.require import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROCEDURE = {"resourceType": "Procedure", "id": "p1", "status": "completed"}
HTML = {"Content-Type": "text/html"}


@pytest.fixture
def site() -> Iterator[FhirSite]:
    """With one procedure."""
    with FhirSite(page=2) as made:
        made.put(PROCEDURE)
        yield made


@pytest.fixture
def ehr(site: FhirSite, tmp_path: Path) -> Iterator[Asking]:
    """The client."""
    with asking(site.base, root=tmp_path) as made:
        yield made


def paths(site: FhirSite) -> list[str]:
    return [asked.path for asked in site.asked]


def test_a_resource_is_read_as_it_was_written(site: FhirSite, ehr: Asking) -> None:
    site.next(Reply(body=b'{"resourceType": "Procedure", "id": "p1", "x": 2.50}'))
    read = ehr.read("Procedure/p1")
    assert str(read.resource["x"]) == "2.50"
    assert read.body == b'{"resourceType": "Procedure", "id": "p1", "x": 2.50}'


def test_the_version_that_is_named_is_read_and_else_the_last_one(site: FhirSite, ehr: Asking) -> None:
    site.put(PROCEDURE | {"status": "entered-in-error"})
    assert ehr.read("Procedure/p1/_history/1").resource["status"] == "completed"
    assert ehr.read("Procedure/p1").resource["status"] == "entered-in-error"
    assert ehr.read(f"{site.base}/Procedure/p1/_history/1").resource["status"] == "completed"


def test_it_says_who_it_is_and_asks_for_plain_json(site: FhirSite, ehr: Asking) -> None:
    ehr.read("Procedure/p1")
    headers = site.asked[0].headers
    assert (headers["user-agent"], headers["accept"]) == ("casecart", "application/fhir+json")
    assert not {"accept-encoding", "authorization", "cookie", "referer"} & set(headers)


def test_what_has_not_changed_is_not_sent_again(site: FhirSite, ehr: Asking) -> None:
    first, second = ehr.read("Procedure/p1"), ehr.read("Procedure/p1")
    assert second == first
    assert second.resource is not first.resource
    assert [asked.headers.get("if-none-match") for asked in site.asked] == [None, 'W/"1"']
    site.put(PROCEDURE | {"status": "entered-in-error"})
    assert ehr.read("Procedure/p1").resource["status"] == "entered-in-error"
    assert ehr.read("Procedure/p1").resource["status"] == "entered-in-error"


@pytest.mark.parametrize(
    "reference",
    [
        "https://evil.example/fhir/r4/Procedure/p1",
        "http://169.254.169.254/latest/Meta/data",
        "{origin}/fhir/r4evil/Procedure/p1",
        "{origin}/fhir/Procedure/p1",
        "{origin}/fhir/r4/tenant/Procedure/p1",
        "{base}/../r4/Procedure/p1",
        "{base}/Procedure/p1?x=1",
        "http://user@127.0.0.1/fhir/r4/Procedure/p1",
        "http://localhost:{port}/fhir/r4/Procedure/p1",
        "Procedure/..",
        "Procedure?identifier=1",
        "#p1",
        "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
        "file:///etc/passwd",
        "",
    ],
)
def test_what_is_not_the_servers_is_not_asked_for(reference: str, site: FhirSite, ehr: Asking) -> None:
    with pytest.raises(FhirTrouble) as raised:
        ehr.read(reference.format(origin=site.origin, base=site.base, port=site.port))
    assert (raised.value.code, raised.value.passing) == ("not-ours", False)
    assert site.asked == []


def half(body: bytes) -> Reply:
    return Reply(body=body, length=len(body) * 2)


@pytest.mark.parametrize(
    ("reply", "code", "passing"),
    [
        (Reply.outcome(400), "refused", False),
        (Reply.outcome(401), "unauthorised", False),
        (Reply.outcome(403), "unauthorised", False),
        (Reply.outcome(404), "not-found", False),
        (Reply.outcome(406), "refused", False),
        (Reply.outcome(408), "throttled", True),
        (Reply.outcome(410), "gone", False),
        (Reply.outcome(422), "refused", False),
        (Reply.outcome(429), "throttled", True),
        (Reply.outcome(500), "server-error", True),
        (Reply.outcome(502), "server-error", True),
        (Reply.outcome(503), "throttled", True),
        (Reply(404, b"<html>Jane Made-Up</html>", HTML), "not-found", False),
        # The status says enough, however much of the body comes.
        (Reply(503, b"Jane", HTML, length=100), "throttled", True),
        (Reply(500, b" " * 20_000, HTML), "server-error", True),
        # Nothing that could be trusted is said by these, though they say that all is well.
        (Reply(200, b"<html>Jane Made-Up</html>", HTML), "not-fhir", False),
        (Reply(200, json.dumps(PROCEDURE).encode(), HTML), "not-fhir", False),
        (Reply(200, json.dumps(PROCEDURE).encode(), {}), "not-fhir", False),
        (Reply(200, b"\x1f\x8b", {"Content-Type": "application/json", "Content-Encoding": "gzip"}), "not-fhir", False),
        (Reply(200, b'{"resourceType": "Procedure", "id": "Jane'), "not-fhir", False),
        (Reply(200, b"[]"), "not-fhir", False),
        (Reply(200, b'{"id": "p1"}'), "not-fhir", False),
        (Reply(200, b'{"resourceType": "Procedure", "id": "p1", "id": "p1"}'), "not-fhir", False),
        (Reply(200, b'{"resourceType": "Procedure", "id": "p1", "x": 1E999999999}'), "not-fhir", False),
        (Reply(200, b'{"resourceType": "Procedure", "id": "p1", "x": ' + b"[" * 5000), "not-fhir", False),
        (Reply(200, b""), "not-asked-for", False),
        (Reply(204, b"", {}), "not-asked-for", False),
        (Reply.outcome(200), "not-asked-for", False),
        (Reply.of(PROCEDURE | {"id": "p2"}), "not-asked-for", False),
        (Reply.of(PROCEDURE | {"resourceType": "Patient"}), "not-asked-for", False),
        (Reply(304, b"", {}), "redirected", False),
        (half(json.dumps(PROCEDURE).encode()), "connection-lost", True),
        (Reply(200, b" " * 20_000), "too-large", False),
        (Reply(200, b" " * 20_000, length=-1), "too-large", False),
        (Reply(200, b" " * 20_000, length=10**15), "too-large", False),
    ],
)
def test_an_answer_that_is_no_help_is_told_by_what_it_is_and_not_by_what_it_says(
    reply: Reply,
    code: str,
    passing: bool,  # noqa: FBT001 - a row of a table
    site: FhirSite,
    tmp_path: Path,
) -> None:
    site.next(reply)
    with asking(site.base, "maximum_answer: 10KB", root=tmp_path) as ehr, pytest.raises(FhirTrouble) as raised:
        ehr.read("Procedure/p1")
    trouble = raised.value
    assert (trouble.code, trouble.passing, trouble.asked) == (code, passing, True)
    assert trouble.status in {reply.status, 200}
    assert "Jane" not in f"{trouble.words}{trouble!r}"
    assert paths(site) == ["Procedure/p1"]


def test_a_version_that_was_not_asked_for_is_no_answer(site: FhirSite, ehr: Asking) -> None:
    site.next(Reply.of(PROCEDURE | {"meta": {"versionId": "2"}}))
    with pytest.raises(FhirTrouble, match="another version"):
        ehr.read("Procedure/p1/_history/1")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_not_even_to_the_same_server(status: int, site: FhirSite, ehr: Asking) -> None:
    with FhirSite() as other:
        for target in (f"{other.base}/Procedure/p1", f"{site.base}/Procedure/p1"):
            site.next(Reply.outcome(status, Location=target))
            with pytest.raises(FhirTrouble) as raised:
                ehr.read("Procedure/p1")
            assert raised.value.code == "redirected"
        assert other.asked == []
    assert len(site.asked) == 2


@pytest.mark.parametrize(
    ("reply", "code"), [(Reply(silent=True), "timeout"), (Reply(body=b"{}", after=60.0), "connection-lost")]
)
def test_an_answer_that_does_not_come_in_time_is_not_waited_for(
    reply: Reply, code: str, site: FhirSite, tmp_path: Path
) -> None:
    site.next(reply)
    with asking(site.base, "timeout: 200ms", root=tmp_path) as ehr, pytest.raises(FhirTrouble) as raised:
        ehr.read("Procedure/p1")
    assert (raised.value.code, raised.value.passing) == (code, True)


def test_a_server_that_is_not_there_is_told_so(site: FhirSite, ehr: Asking) -> None:
    site.stop()
    with pytest.raises(FhirTrouble) as raised:
        ehr.read("Procedure/p1")
    assert (raised.value.code, raised.value.passing, raised.value.status) == ("connection-refused", True, 0)
    site.start()
    assert ehr.read("Procedure/p1").resource["id"] == "p1"


def test_what_the_server_asks_for_by_retry_after_holds_for_every_call(site: FhirSite, ehr: Asking) -> None:
    site.next(Reply.outcome(429, "throttled", Retry_After="120"))
    for asked in (True, False):
        with pytest.raises(FhirTrouble) as raised:
            ehr.read("Procedure/p1") if asked else ehr.search("Procedure")
        assert (raised.value.code, raised.value.asked) == ("throttled", asked)
        assert raised.value.retry_after == pytest.approx(120.0, abs=2.0)
    assert len(site.asked) == 1


def test_a_date_in_retry_after_is_taken_by_the_servers_own_clock(site: FhirSite, ehr: Asking) -> None:
    now, later = formatdate(1_000_000_000, usegmt=True), formatdate(1_000_000_090, usegmt=True)
    site.next(Reply.outcome(503, "transient", Date=now, Retry_After=later))
    with pytest.raises(FhirTrouble) as raised:
        ehr.read("Procedure/p1")
    assert raised.value.retry_after == 90.0


def test_one_resource_that_is_not_there_keeps_no_other_waiting(site: FhirSite, ehr: Asking) -> None:
    site.put(PROCEDURE | {"id": "p2"})
    site.delete("Procedure", "p2")
    for reference, code in (("Procedure/none", "not-found"), ("Procedure/p2", "gone")):
        with pytest.raises(FhirTrouble) as raised:
            ehr.read(reference)
        assert raised.value.code == code
    assert ehr.read("Procedure/p1").resource["id"] == "p1"


def test_no_more_requests_than_configured_are_under_way_and_the_end_tells_all_who_wait(
    site: FhirSite, tmp_path: Path
) -> None:
    site.next(*[Reply(silent=True)] * 5)
    with asking(site.base, "connections: 2", root=tmp_path) as ehr:
        calls = ehr.reading(*["Procedure/p1"] * 5)
        while len(site.asked) < 2:
            in_reactor(lambda: None)
        ehr.stop()
        assert [trouble_of(call).code for call in calls] == ["stopped"] * 5
        with pytest.raises(FhirTrouble, match="stops"):
            ehr.read("Procedure/p1")
    assert len(site.asked) == 2


def test_a_call_that_is_given_up_is_no_trouble_of_the_server(site: FhirSite, ehr: Asking) -> None:
    site.next(Reply(silent=True))
    (call,) = ehr.reading("Procedure/p1")
    while not site.asked:
        in_reactor(lambda: None)
    in_reactor(call.cancel)
    with pytest.raises(CancelledError):
        in_reactor(lambda: call)
    assert ehr.server._gate._backoff.failures == 0  # type: ignore[attr-defined]  # of the class
    assert ehr.read("Procedure/p1").resource["id"] == "p1"


def ids(pages: list[Any]) -> list[list[str]]:
    return [[entry["resource"]["id"] for entry in page.resource.get("entry", [])] for page in pages]


def test_the_pages_of_a_search_come_one_after_the_other(site: FhirSite, ehr: Asking) -> None:
    for number in range(2, 6):
        site.put(PROCEDURE | {"id": f"p{number}"})
    site.put(PROCEDURE | {"id": "other", "status": "preparation"})
    pages = ehr.search("Procedure?status=completed,entered-in-error")
    assert ids(pages) == [["p1", "p2"], ["p3", "p4"], ["p5"]]
    assert ids(ehr.search("Procedure?status=not-done")) == [[]]


def bundle(*links: object) -> Reply:
    return Reply.of({"resourceType": "Bundle", "type": "searchset", "link": list(links)})


def next_(url: object) -> dict[str, object]:
    return {"relation": "next", "url": url}


@pytest.mark.parametrize(
    "link", ["?page=2", "Procedure?page=2", "/fhir/r4/Procedure?page=2", "{base}/Procedure?page=2"]
)
def test_a_link_to_the_next_page_may_be_relative(link: str, site: FhirSite, ehr: Asking) -> None:
    site.next(bundle({"relation": "self", "url": "https://elsewhere.example/"}, next_(link.format(base=site.base))))
    site.next(bundle())
    assert len(ehr.search("Procedure")) == 2
    assert site.asked[1].query == (("page", "2"),)


@pytest.mark.parametrize(
    ("links", "code"),
    [
        ([next_("https://evil.example/fhir/r4?page=2")], "not-ours"),
        ([next_("//evil.example/fhir/r4?page=2")], "not-ours"),
        ([next_("../../admin")], "not-ours"),
        ([next_("/admin")], "not-ours"),
        ([next_("Procedure")], "paging-loop"),
        ([next_(None), next_("?page=2")], "not-asked-for"),
        ([{"relation": "next"}], "not-asked-for"),
        ([{}], "not-asked-for"),
        (["next"], "not-asked-for"),
    ],
)
def test_links_that_lead_elsewhere_back_or_nowhere_end_the_search_with_a_trouble(
    links: list[object], code: str, site: FhirSite, ehr: Asking
) -> None:
    site.next(bundle(*links))
    with pytest.raises(FhirTrouble) as raised:
        ehr.search("Procedure")
    assert raised.value.code == code
    assert len(site.asked) == 1


def test_pages_that_lead_round_in_a_circle_are_an_end(site: FhirSite, ehr: Asking) -> None:
    site.next(bundle(next_("?page=2")), bundle(next_("?page=3")), bundle(next_("?page=2")))
    with pytest.raises(FhirTrouble) as raised:
        ehr.search("Procedure")
    assert (raised.value.code, len(site.asked)) == ("paging-loop", 3)


@pytest.mark.parametrize("reply", [Reply.of(PROCEDURE), Reply.outcome(200), Reply(204, headers={})])
def test_a_search_that_is_answered_with_no_bundle_is_a_trouble(reply: Reply, site: FhirSite, ehr: Asking) -> None:
    site.next(reply)
    with pytest.raises(FhirTrouble) as raised:
        ehr.search("Procedure")
    assert raised.value.code == "not-asked-for"


def test_a_resource_is_created_with_what_the_caller_says_in_headers(site: FhirSite, ehr: Asking) -> None:
    made = ehr.ask("POST", "Subscription", {"resourceType": "Subscription"}, If_None_Exist="a=1")
    assert made is not None
    assert made.resource["id"] == "subscription-1"
    (asked,) = site.asked
    assert asked.headers["content-type"] == "application/fhir+json"
    assert asked.headers["if-none-exist"] == "a=1"
    assert asked.resource == {"resourceType": "Subscription"}


def test_a_server_that_says_only_where_it_made_something_is_asked_for_it(site: FhirSite, ehr: Asking) -> None:
    site.next(Reply(201, headers={"Location": f"{site.base}/Procedure/p1/_history/1"}))
    made = ehr.ask("POST", "Procedure", {"resourceType": "Procedure"})
    assert made is not None
    assert made.resource["id"] == "p1"


def test_a_place_elsewhere_is_not_asked_for_though_something_was_made(site: FhirSite, ehr: Asking) -> None:
    site.next(Reply(201, headers={"Location": "https://evil.example/fhir/r4/Procedure/1"}))
    assert ehr.ask("POST", "Procedure", {"resourceType": "Procedure"}) is None
    assert len(site.asked) == 1


def test_an_empty_answer_is_none(site: FhirSite, ehr: Asking) -> None:
    assert ehr.ask("DELETE", "Procedure/p1") is None


def test_nothing_is_asked_outside_the_base(site: FhirSite, ehr: Asking) -> None:
    with pytest.raises(FhirTrouble) as raised:
        ehr.ask("POST", "../admin", {"resourceType": "Parameters"})
    assert raised.value.code == "not-ours"
    assert site.asked == []


def test_a_server_at_an_ipv6_address_is_asked(tmp_path: Path) -> None:
    try:
        with socket.socket(socket.AF_INET6) as listening:
            listening.bind(("::1", 0))
            port = listening.getsockname()[1]
    except OSError as missing:
        require("ipv6", f"needs the address ::1: {missing}")
    with asking(f"http://[::1]:{port}/fhir", root=tmp_path) as ehr, pytest.raises(FhirTrouble) as raised:
        ehr.read("Procedure/p1")
    assert raised.value.code == "connection-refused"
