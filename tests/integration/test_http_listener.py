"""The HTTP listener over real sockets: what is stored, what is noted, and what its sender is told."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import struct
import time
import zlib
from typing import TYPE_CHECKING

import pytest

from casecart.listeners.http import HttpListener
from casecart.runtime.listener import ListenerContext, Receipt
from support.http_door import TOKEN, Notes, connected, door, http_settings, notification, post, received
from support.listening import Intake
from support.open_port import Turn, until
from support.reactor import in_reactor, reactor

if TYPE_CHECKING:
    from pathlib import Path

PROCEDURE = json.dumps({"resourceType": "Procedure", "id": "p1", "subject": {"reference": "Patient/1"}}).encode()


def status(root: Path, request: bytes, intake: Intake | None = None, more: str = "", **options: str) -> tuple[int, str]:
    """Status and code of the answer to one request."""
    with door(intake or Turn(), http_settings(more, **options), root=root) as listener, connected(listener) as sender:
        sender.sendall(request)
        answer = received(sender)[0]
        return answer.status, answer.code if answer.body else ""


def test_a_notification_is_stored_and_then_answered(tmp_path: Path) -> None:
    intake = Turn()
    with door(intake, root=tmp_path) as listener:
        client = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=10)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/fhir+json; charset=UTF-8"}
        for number in range(1, 21):
            client.request("POST", "/ehr", notification(number), headers)
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
        client.close()
    assert intake.control_ids == [f"Subscription/s1#{number}" for number in range(1, 21)]
    arrival = intake.last
    assert (arrival.facility, arrival.organisation, arrival.peer, arrival.sender) == ("NORTH", "MERCY", "ehr", "ehr")
    assert (arrival.schema, arrival.message_type, arrival.body) == ("fhir/5.0.0", "Bundle", notification(20))
    assert len({arrival.partition for arrival in intake.arrivals}) == 1


def test_nothing_is_answered_before_it_is_stored(tmp_path: Path) -> None:
    intake = Intake(None)
    with door(intake, root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(post(PROCEDURE))
        until(lambda: bool(intake.arrivals))
        sender.settimeout(0.1)
        with pytest.raises(TimeoutError):
            sender.recv(1)
        sender.settimeout(10)
        reactor.callFromThread(intake.last.reply, Receipt.STORED)
        assert received(sender)[0].status == 200


@pytest.mark.parametrize("receipt", [Receipt.DUPLICATE, Receipt.STORED])
def test_what_is_stored_already_is_answered_again(tmp_path: Path, receipt: Receipt) -> None:
    assert status(tmp_path, post(PROCEDURE), Intake(receipt)) == (200, "")


def test_what_could_not_be_stored_is_to_be_sent_again(tmp_path: Path) -> None:
    with door(Intake(Receipt.NOT_STORED), root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(post(PROCEDURE) * 2)
        for answer in received(sender, 2):
            assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "not-stored", "30")


def test_while_nothing_can_be_stored_no_body_is_asked_for(tmp_path: Path) -> None:
    intake = Turn()
    with door(intake, root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(post(PROCEDURE))
        assert received(sender)[0].status == 200
        intake.open = False
        sender.sendall(post(PROCEDURE, headers=("Expect: 100-continue",)).removesuffix(PROCEDURE))
        assert received(sender)[0].status == 503
    assert len(intake.arrivals) == 1


@pytest.mark.parametrize("kind", ["handshake", "heartbeat", "query-status"])
def test_a_sign_of_life_is_noted_and_is_no_message(tmp_path: Path, kind: str) -> None:
    intake, notes = Turn(), Notes()
    with door(intake, root=tmp_path, notes=notes) as listener, connected(listener) as sender:
        sender.sendall(post(notification(7, kind)))
        assert received(sender)[0].status == 200
    assert not intake.arrivals
    [(name, counted)] = notes.marks
    assert name.startswith("subscription:ehr-http:ehr:")
    assert counted == 7


@pytest.mark.parametrize("kind", ["handshake", "heartbeat", "query-status"])
@pytest.mark.parametrize("resource", [{"resourceType": "Procedure", "id": "p1"}, {"resourceType": []}])
def test_a_sign_of_life_that_brings_a_resource_is_stored(
    tmp_path: Path, kind: str, resource: dict[str, object]
) -> None:
    intake = Turn()
    sign = {"resourceType": "SubscriptionStatus", "type": kind, "subscription": {"reference": "Subscription/s1"}}
    bundle = {
        "resourceType": "Bundle",
        "type": "subscription-notification",
        "entry": [{"resource": sign}, {"resource": {"resourceType": "Subscription"}}, {"resource": resource}],
    }
    assert status(tmp_path, post(json.dumps(bundle).encode()), intake) == (200, "")
    assert len(intake.arrivals) == 1


def test_the_empty_body_of_a_classic_subscription_is_noted(tmp_path: Path) -> None:
    intake, notes = Turn(), Notes()
    with door(intake, root=tmp_path, notes=notes) as listener, connected(listener) as sender:
        sender.sendall(post(content_type=None) + post())
        assert [answer.status for answer in received(sender, 2)] == [200, 200]
    assert (intake.arrivals, notes.marks) == ([], [("subscription:ehr-http:ehr", 0)] * 2)


def test_a_note_that_does_not_become_durable_is_not_answered_as_if_it_were(tmp_path: Path) -> None:
    notes = Notes(later=True)
    with (
        door(Turn(), http_settings("request_timeout: 1s"), root=tmp_path, notes=notes) as listener,
        connected(listener) as sender,
    ):
        sender.sendall(post())
        assert received(sender)[0].status == 503


def test_an_update_of_a_resource_goes_to_its_own_address(tmp_path: Path) -> None:
    intake = Turn()
    with door(intake, root=tmp_path) as listener, connected(listener) as sender:
        for target in ("/ehr/Procedure/p1", "/ehr/Procedure/p2", "/ehr/Device/p1", "/ehr/Procedure/p1/_history/1"):
            sender.sendall(post(PROCEDURE, target, method="PUT"))
        codes = [(answer.status, answer.code if answer.body else "") for answer in received(sender, 4)]
    assert codes == [(200, ""), (422, "other-resource"), (422, "other-resource"), (404, "not-found")]


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (post(PROCEDURE, token=None), (401, "no-credentials")),
        (post(PROCEDURE, token="made-up-token-of-the-eh"), (401, "no-credentials")),
        (post(PROCEDURE, token=f"{TOKEN}r"), (401, "no-credentials")),
        (post(PROCEDURE, token=None, headers=(f"Authorization: Basic {TOKEN}",)), (401, "no-credentials")),
        (post(PROCEDURE, headers=(f"Authorization: Bearer {TOKEN}",)), (401, "no-credentials")),  # twice
        (post(PROCEDURE, "/"), (404, "not-found")),
        (post(PROCEDURE, "/eh"), (404, "not-found")),
        (post(PROCEDURE, "/ehr/a/b/c"), (404, "not-found")),
        (post(PROCEDURE, "/ehr/../admin"), (422, "other-resource")),
        (post(PROCEDURE, method="GET"), (405, "method")),
        (post(PROCEDURE, method="DELETE"), (405, "method")),
        (post(PROCEDURE, method="TRACE"), (405, "method")),
        (post(PROCEDURE, length=False), (411, "no-length")),
        (post(PROCEDURE, content_type="application/fhir+xml"), (415, "media-type")),
        (post(PROCEDURE, content_type="text/html"), (415, "media-type")),
        (post(PROCEDURE, content_type="application/fhir+json; charset=utf-16"), (415, "media-type")),
        (post(PROCEDURE, headers=("Content-Encoding: br",)), (415, "content-encoding")),
        (post(PROCEDURE, headers=("Content-Encoding: gzip, gzip",)), (415, "content-encoding")),
        (post(PROCEDURE, headers=("Expect: a miracle",)), (417, "expectation")),
        (post(PROCEDURE, headers=("Content-Encoding: gzip",)), (400, "bad-encoding")),
        (post(b"{"), (400, "not-json")),
        (post(b"<a/>"), (400, "not-json")),
        (post(b'{"resourceType": "Procedure", "id": "\xff"}'), (400, "encoding")),
        (post(b"[]"), (422, "not-an-object")),
        (post(b'{"resourceType": 7}'), (422, "no-resource-type")),
        (post(b'{"resourceType": "Device", "id": "1", "id": "2"}'), (400, "duplicate-member")),
        (post(notification(1, "gossip")), (422, "bad-notification")),
        (post(b"", "/ehr/Procedure/p1", method="PUT"), (400, "empty")),
    ],
)
def test_what_is_not_taken_is_answered_with_its_reason(
    tmp_path: Path, request_: bytes, answer: tuple[int, str]
) -> None:
    assert status(tmp_path, request_) == answer


def test_the_answer_to_head_has_no_body_that_the_next_answer_could_be_taken_for(tmp_path: Path) -> None:
    with door(Turn(), root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(post(method="HEAD") + post(PROCEDURE, headers=("Connection: close",)))
        data = b""
        while part := sender.recv(65_536):
            data += part
    first, second, rest = data.split(b"\r\n\r\n")
    assert (first[:12], second[:12], rest) == (b"HTTP/1.1 405", b"HTTP/1.1 200", b"")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/fhir+json",
        "APPLICATION/FHIR+JSON;charset=utf-8",
        "application/json+fhir",
        'application/json; charset="UTF-8"',
        "application/fhir+json; fhirVersion=4.0",
        None,
    ],
)
def test_the_media_types_that_are_sent_are_taken(tmp_path: Path, content_type: str | None) -> None:
    assert status(tmp_path, post(PROCEDURE, content_type=content_type)) == (200, "")


def test_an_error_is_an_operation_outcome_without_anything_of_the_request(tmp_path: Path) -> None:
    body = notification(1, "canary-4711")
    with door(Turn(), root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(post(body) + post(b'{"canary-4711": ') + post(b"{}", "/canary-4711"))
        for answer in received(sender, 3):
            outcome = json.loads(answer.body)
            assert (answer.headers["content-type"], outcome["resourceType"]) == (
                "application/fhir+json",
                "OperationOutcome",
            )
            assert {"severity", "code", "details", "diagnostics"} <= outcome["issue"][0].keys()
            assert b"4711" not in answer.body


def test_an_error_names_its_place(tmp_path: Path) -> None:
    with door(Turn(), root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(post(notification(1, "gossip")))
        [issue] = json.loads(received(sender)[0].body)["issue"]
    assert issue["expression"] == ["Bundle.entry[0].resource.type"]


def test_what_can_not_be_read_is_recorded_with_its_bytes(tmp_path: Path) -> None:
    intake = Turn()
    assert status(tmp_path, post(b'{"resourceType"'), intake) == (400, "not-json")
    assert (intake.last.refused, intake.last.notes, intake.last.body) == (True, "not-json", b'{"resourceType"')


def test_what_can_not_be_read_nor_recorded_is_to_be_sent_again(tmp_path: Path) -> None:
    assert status(tmp_path, post(b"{"), Intake(Receipt.NOT_STORED)) == (503, "not-stored")


def test_strangers_are_recorded_once_a_minute_and_never_with_what_they_send(tmp_path: Path) -> None:
    intake = Turn()
    with door(intake, root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(post(PROCEDURE, token="wrong") * 5)
        assert [answer.status for answer in received(sender, 5)] == [401] * 5
        sender.sendall(post(PROCEDURE))
        assert received(sender)[0].status == 200
    assert [(arrival.refused, arrival.notes) for arrival in intake.arrivals] == [
        (True, "no-credentials"),
        (False, None),
    ]
    assert intake.arrivals[0].body == b""


@pytest.mark.parametrize(
    "body",
    [gzip.compress(PROCEDURE), gzip.compress(PROCEDURE[:9]) + gzip.compress(PROCEDURE[9:])],
    ids=["at once", "in two members"],
)
def test_a_packed_body_is_stored_unpacked(tmp_path: Path, body: bytes) -> None:
    intake = Turn()
    assert status(tmp_path, post(body, headers=("Content-Encoding: gzip",)), intake) == (200, "")
    assert intake.last.body == PROCEDURE


def test_a_deflated_body_is_taken(tmp_path: Path) -> None:
    assert status(tmp_path, post(zlib.compress(PROCEDURE), headers=("Content-Encoding: deflate",))) == (200, "")


@pytest.mark.parametrize(
    ("peer", "request_", "expected"),
    [
        ("format: json", post(b'{"a": 1.10}', content_type="application/json"), (200, "")),
        ("format: json", post(b"[1]", content_type="application/vnd.site+json"), (200, "")),
        ("format: json", post(b"{", content_type="application/json"), (400, "json-broken")),
        ("format: json", post(b"", content_type="application/json"), (400, "empty")),
        ("format: json", post(b"{}", content_type="application/fhir+xml"), (415, "media-type")),
        ("format: json", post(b"{}", "/ehr/Procedure/p1", content_type="application/json"), (404, "not-found")),
        ("format: xml", post(b"<usage/>", content_type="text/xml"), (200, "")),
        ("format: xml", post(b"<usage>", content_type="application/xml"), (400, "xml-broken")),
        (
            "format: xml",
            post(b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', content_type="text/xml"),
            (400, "xml-dtd"),
        ),
        ("format: xml", post(b"<a>" * 1000, content_type="text/xml"), (400, "xml-too-deep")),
    ],
)
def test_other_json_and_xml_are_taken_where_the_peer_sends_them(
    tmp_path: Path, peer: str, request_: bytes, expected: tuple[int, str]
) -> None:
    peers = f"ehr: {{facility: NORTH, token: {{file: ehr.token}}, {peer}}}"
    assert status(tmp_path, request_, peers=peers) == expected


def test_json_and_xml_have_their_format_as_schema_and_short_json_as_errors(tmp_path: Path) -> None:
    intake = Turn()
    peers = "ehr: {facility: NORTH, token: {file: ehr.token}, format: xml}"
    with door(intake, http_settings(peers=peers), root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(post(b'<u:usage xmlns:u="urn:site"/>', content_type="text/xml"))
        sender.sendall(post(b"<usage>", content_type="text/xml"))
        _, answer = received(sender, 2)
    assert (intake.arrivals[0].schema, intake.arrivals[0].message_type) == ("xml", "usage")
    assert json.loads(answer.body).keys() == {"error", "message"}


@pytest.mark.parametrize(
    ("peer", "content_type", "body", "schema"),
    [
        ("", "application/fhir+json", PROCEDURE, "fhir/4.0.1"),
        ("", "application/fhir+json; fhirVersion=4.3", PROCEDURE, "fhir/4.3.0"),
        ("", 'application/fhir+json; fhirVersion="5.0"', PROCEDURE, "fhir/5.0.0"),
        ("", "application/fhir+json", notification(), "fhir/5.0.0"),
        ("version: R5", "application/fhir+json; fhirVersion=4.0", PROCEDURE, "fhir/5.0.0"),
        ("version: R4B", "application/fhir+json", notification(), "fhir/4.3.0"),
    ],
)
def test_the_version_is_as_configured_else_as_it_was_said_else_as_it_looks(
    tmp_path: Path, peer: str, content_type: str, body: bytes, schema: str
) -> None:
    intake = Turn()
    peers = f"ehr: {{facility: NORTH, token: {{file: ehr.token}}, {peer}}}"
    assert status(tmp_path, post(body, content_type=content_type), intake, peers=peers) == (200, "")
    assert intake.last.schema == schema


def test_the_same_state_again_is_no_resend_unless_it_has_a_version(tmp_path: Path) -> None:
    intake = Turn()
    versioned = PROCEDURE.replace(b'"id"', b'"meta": {"versionId": "3"}, "id"')
    with door(intake, root=tmp_path) as listener, connected(listener) as sender:
        for body in (PROCEDURE, PROCEDURE, versioned, versioned):
            sender.sendall(post(body))
            received(sender)
    plain, again, *told = intake.control_ids
    assert plain != again
    assert told == ["Procedure/p1/_history/3"] * 2


# --- connections


def test_requests_on_one_connection_are_answered_in_their_order(tmp_path: Path) -> None:
    intake = Turn()
    with door(intake, root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(b"".join(post(notification(number)) if number % 2 else post(b"{") for number in range(200)))
        answers = received(sender, 200)
    assert [answer.status for answer in answers] == [400, 200] * 100


def test_a_request_in_single_bytes_comes_through(tmp_path: Path) -> None:
    with door(Turn(), root=tmp_path) as listener, connected(listener) as sender:
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post(PROCEDURE):
            sender.sendall(bytes([byte]))
        assert received(sender)[0].status == 200


def test_a_body_in_chunks_comes_through(tmp_path: Path) -> None:
    intake = Turn()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (PROCEDURE[:10], PROCEDURE[10:])) + b"0\r\n\r\n"
    request = post(length=False, headers=("Transfer-Encoding: chunked",)) + chunks
    assert status(tmp_path, request, intake) == (200, "")
    assert intake.last.body == PROCEDURE


def test_who_waits_for_it_is_told_to_go_on(tmp_path: Path) -> None:
    with door(Turn(), root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(post(PROCEDURE, headers=("Expect: 100-continue",)).removesuffix(PROCEDURE))
        assert sender.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sender.sendall(PROCEDURE)
        assert received(sender)[0].status == 200


@pytest.mark.parametrize(
    "request_", [post(PROCEDURE, headers=("Connection: close",)), post(PROCEDURE).replace(b"1.1", b"1.0", 1)]
)
def test_who_wants_no_more_is_answered_and_the_connection_closed(tmp_path: Path, request_: bytes) -> None:
    with door(Turn(), root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(request_)
        assert received(sender)[0].headers["connection"] == "close"
        assert sender.recv(1) == b""


def test_a_half_closing_sender_gets_its_answer(tmp_path: Path) -> None:
    with door(Turn(), root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(post(PROCEDURE))
        sender.shutdown(socket.SHUT_WR)
        assert received(sender)[0].status == 200
        assert sender.recv(1) == b""


def test_half_a_body_is_never_stored_as_a_message(tmp_path: Path) -> None:
    intake = Turn()
    with door(intake, root=tmp_path) as listener, connected(listener) as other:
        for linger in (0, 1):  # closed in order, and reset
            with connected(listener) as bad:
                bad.sendall(post(PROCEDURE)[:-5])
                time.sleep(0.05)
                bad.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", linger, 0))
        other.sendall(post(PROCEDURE))
        assert received(other)[0].status == 200
        until(lambda: len(intake.arrivals) == 2)
    assert sorted((arrival.refused, arrival.notes or "") for arrival in intake.arrivals) == [(False, ""), (True, "cut")]


def test_who_goes_away_before_the_answer_leaves_nothing_behind(tmp_path: Path) -> None:
    intake = Intake(None)
    with door(intake, root=tmp_path) as listener:
        with connected(listener) as bad:
            bad.sendall(post(PROCEDURE))
            until(lambda: bool(intake.arrivals))
            bad.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        until(lambda: not listener._connections)
        in_reactor(intake.last.reply, Receipt.STORED)
        with connected(listener) as again:
            intake.receipt = Receipt.DUPLICATE
            again.sendall(post(PROCEDURE))
            assert received(again)[0].status == 200


def test_stopping_answers_what_was_taken_and_closes_the_port(tmp_path: Path) -> None:
    intake = Intake(None)
    with door(intake, root=tmp_path) as listener, connected(listener) as sender, connected(listener) as idle:
        port = listener.port
        sender.sendall(post(PROCEDURE))
        until(lambda: bool(intake.arrivals))
        reactor.callFromThread(reactor.callLater, 0.2, intake.arrivals[0].reply, Receipt.STORED)
        in_reactor(listener.stop)
        answer = received(sender)[0]
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert (sender.recv(1), idle.recv(1)) == (b"", b"")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=10)


def test_stopping_tells_who_is_in_the_middle_of_a_body_to_send_again(tmp_path: Path) -> None:
    with door(Turn(), root=tmp_path) as listener, connected(listener) as sender:
        sender.sendall(post(PROCEDURE)[:-5])
        until(lambda: any(getattr(each, "_reads_body", False) for each in listener._connections))
        in_reactor(listener.stop)
        assert (received(sender)[0].status, sender.recv(1)) == (503, b"")


def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    with door(Turn(), root=tmp_path) as listener:
        settings = http_settings()
        context = ListenerContext(
            name="second", settings=settings, reactor=reactor, intake=Turn(), now=lambda: 0, organisation="",
            time_zones={}, root=tmp_path, port=listener.port,
        )  # fmt: skip
        with pytest.raises(OSError, match=r"second can't listen on 127.0.0.1"):
            in_reactor(HttpListener(context).start)
