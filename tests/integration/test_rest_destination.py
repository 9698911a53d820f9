"""The REST destination against a real web server that plays every answer, good and bad."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from twisted.internet.protocol import Factory, Protocol
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from casecart.destinations.rest import SPEC, RestSettings
from casecart.runtime.destination import Answer, DestinationContext, NotDelivered, OutcomeUnknown, Posting
from support.reactor import in_reactor, reactor
from support.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from twisted.web.http import Request

    from casecart.runtime.destination import Destination

Trouble = TypeVar("Trouble", NotDelivered, OutcomeUnknown)

ACKNOWLEDGED = Answer("posted", proof="acknowledged")


def postings(count: int) -> list[Posting]:
    return [
        Posting(
            f"{number:032x}.1", f"L{number}", 1, "FT1[1]", "consumption",
            json.dumps({"key": f"{number:032x}.1", "quantity": "2.50"}).encode(),
        )
        for number in range(count)
    ]  # fmt: skip


class Service(Resource):
    """A web server: remembers requests, and answers each as the test says; 200 when nothing is said."""

    isLeaf = True  # noqa: N815 - the name is Twisted's

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections: set[object] = set()
        self.answer: Callable[[Request, bytes], Any] = lambda _request, _body: b""

    def render(self, request: Request) -> Any:  # noqa: ANN401 - as Twisted has it
        """Remember the request, answer it."""
        assert request.content is not None
        body = request.content.read()
        headers = {
            name.decode().lower(): values[0].decode() for name, values in request.requestHeaders.getAllRawHeaders()
        }
        self.requests.append((request.method.decode(), headers, body))
        self.connections.add(request.transport)
        return self.answer(request, body)

    def status(self, code: int, body: bytes = b"", **headers: str) -> None:
        """Answer everything with this status."""

        def answer(request: Request, _body: bytes) -> bytes:
            request.setResponseCode(code)
            for name, value in headers.items():
                request.setHeader(name.replace("_", "-"), value)
            return body

        self.answer = answer


@contextmanager
def serving(factory: Any) -> Iterator[int]:  # noqa: ANN401 - factories as Twisted has them
    """A port that a factory's protocols answer on."""
    port: Any = in_reactor(lambda: reactor.listenTCP(0, factory, interface="127.0.0.1"))
    try:
        yield port.getHost().port
    finally:
        in_reactor(port.stopListening)


@contextmanager
def destination(
    port: int, root: Path, more: str = "timeout: 2s", *, at: str = "http://127.0.0.1"
) -> Iterator[Destination]:
    """A destination for that port."""
    settings = settings_of(RestSettings, f"url: {at}:{port}/in\n{more}\n")
    made = in_reactor(SPEC.make, DestinationContext("inventory", settings, reactor, root))
    try:
        yield made
    finally:
        in_reactor(made.stop)


@pytest.fixture
def service() -> Iterator[tuple[Service, int]]:
    """A web server and its port."""
    made = Service()
    site = Site(made)
    site.noisy = False
    with serving(site) as port:
        yield made, port


def post(made: Destination, count: int) -> Sequence[Answer]:
    answers: Sequence[Answer] = in_reactor(made.post, postings(count))
    return answers


def trouble(made: Destination, kind: type[Trouble]) -> Trouble:
    with pytest.raises(kind) as raised:
        post(made, 3)
    return raised.value


def test_a_batch_is_one_request_with_a_json_array_and_a_key(service: tuple[Service, int], tmp_path: Path) -> None:
    server, port = service
    with destination(port, tmp_path) as made:
        assert post(made, 3) == [ACKNOWLEDGED] * 3
        assert post(made, 3) == [ACKNOWLEDGED] * 3
        assert post(made, 2) == [ACKNOWLEDGED] * 2
        assert post(made, 1) == [ACKNOWLEDGED]
    ((method, headers, body), again, other, single) = server.requests
    assert method == "POST"
    assert json.loads(body) == [json.loads(posting.payload) for posting in postings(3)]
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "casecart"
    assert again[1]["idempotency-key"] == headers["idempotency-key"]
    assert other[1]["idempotency-key"] != headers["idempotency-key"]
    assert single[1]["idempotency-key"] == postings(1)[0].key


def test_a_connection_is_kept_for_the_next_request(service: tuple[Service, int], tmp_path: Path) -> None:
    server, port = service
    with destination(port, tmp_path) as made:
        for _ in range(10):
            post(made, 1)
    assert len({id(connection) for connection in server.connections}) == 1


def test_headers_method_and_template_are_the_analysts(
    service: tuple[Service, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, port = service
    monkeypatch.setenv("TEST_TOKEN", "Bearer 123")
    (tmp_path / "site").write_text("NORTH\n")
    (tmp_path / "body.xml.j2").write_text(
        "<usage>{% for posting in postings %}<line kind='{{ posting.kind }}'>{{ posting.key | e }}</line>{% endfor %}"
        "</usage>"
    )
    more = (
        "method: PUT\nkey_header: X-Request-ID\ncontent_type: application/xml\nbody: {file: body.xml.j2}\n"
        "headers: {X-Plain: as it is, Authorization: {env: TEST_TOKEN}, X-Site: {file: site}}"
    )
    with destination(port, tmp_path, more) as made:
        assert post(made, 1) == [ACKNOWLEDGED]
    ((method, headers, body),) = server.requests
    assert method == "PUT"
    assert body == f"<usage><line kind='consumption'>{postings(1)[0].key}</line></usage>".encode()
    assert (headers["x-plain"], headers["authorization"], headers["x-site"]) == ("as it is", "Bearer 123", "NORTH")
    assert (headers["content-type"], headers["x-request-id"]) == ("application/xml", postings(1)[0].key)


def test_a_template_for_one_posting_has_it_by_name(service: tuple[Service, int], tmp_path: Path) -> None:
    server, port = service
    with destination(port, tmp_path, "batch: 1\nbody: '{{ posting.quantity }}'") as made:
        assert post(made, 1) == [ACKNOWLEDGED]
    assert server.requests[0][2] == b"2.50"
    # With several in a request the name would hide all but one.
    with destination(port, tmp_path, "body: '{{ posting.quantity }}'") as made:
        assert [answer.code for answer in post(made, 2)] == ["template-error"] * 2
    assert len(server.requests) == 1


def test_a_posting_that_the_template_cant_render_is_held_and_the_others_go(
    service: tuple[Service, int], tmp_path: Path
) -> None:
    server, port = service
    batch = postings(3)
    batch[1].payload = b'{"key":"x"}'
    body = "body: |\n  {% for posting in postings %}\n  {{ posting.quantity }}\n  {% endfor %}\n"
    with destination(port, tmp_path, body) as made:
        answers: Sequence[Answer] = in_reactor(made.post, batch)
    assert [answer.state for answer in answers] == ["posted", "held", "posted"]
    assert answers[1].code == "template-error"
    assert answers[1].words == "Line 2 of the body's template: it needs 'quantity', which is not there."
    assert len(server.requests) == 2


def test_a_refused_batch_is_sent_one_by_one_to_find_the_one(service: tuple[Service, int], tmp_path: Path) -> None:
    server, port = service
    bad = postings(3)[1].key

    def answer(request: Request, body: bytes) -> bytes:
        request.setResponseCode(422 if bad.encode() in body else 200)
        return b"Doe is not known"

    server.answer = answer
    with destination(port, tmp_path) as made:
        answers = post(made, 3)
    assert [(answer.state, answer.code) for answer in answers] == [
        ("posted", ""),
        ("rejected", "http-422"),
        ("posted", ""),
    ]
    assert "Doe" not in answers[1].words
    assert [len(json.loads(body)) for _, _, body in server.requests] == [3, 1, 1, 1]
    assert [headers["idempotency-key"] for _, headers, _ in server.requests[1:]] == [p.key for p in postings(3)]


@pytest.mark.parametrize(
    ("then", "states"),
    [
        (429, [("posted", ""), ("retry", "http-429"), ("retry", "http-429")]),
        (401, [("posted", ""), ("retry", "not-authorised"), ("retry", "not-authorised")]),
        (500, [("posted", ""), ("unknown", "http-500"), ("retry", "http-500")]),
    ],
)
def test_trouble_in_between_leaves_each_posting_its_own_answer(
    then: int, states: list[tuple[str, str]], service: tuple[Service, int], tmp_path: Path
) -> None:
    server, port = service
    script = [400, 200, then]

    def answer(request: Request, _body: bytes) -> bytes:
        request.setResponseCode(script.pop(0))
        return b""

    server.answer = answer
    with destination(port, tmp_path) as made:
        assert [(said.state, said.code) for said in post(made, 3)] == states


def test_trouble_before_any_answer_is_the_batchs(service: tuple[Service, int], tmp_path: Path) -> None:
    server, port = service
    script = [400, 503]

    def answer(request: Request, _body: bytes) -> bytes:
        request.setResponseCode(script.pop(0))
        request.setHeader("Retry-After", "7")
        return b""

    server.answer = answer
    with destination(port, tmp_path) as made:
        found = trouble(made, NotDelivered)
    assert (found.code, found.retry_after) == ("http-503", 7.0)


def test_an_address_where_nothing_is_found_rejects_no_posting(service: tuple[Service, int], tmp_path: Path) -> None:
    server, port = service
    server.status(404)
    with destination(port, tmp_path) as made:
        assert trouble(made, NotDelivered).code == "http-404"


def test_redirects_are_not_followed(service: tuple[Service, int], tmp_path: Path) -> None:
    server, port = service
    server.status(307, location=f"http://127.0.0.1:{port}/elsewhere")
    with destination(port, tmp_path) as made:
        assert trouble(made, NotDelivered).code == "http-307"
    assert len(server.requests) == 1


def test_a_service_that_answers_for_each_posting_is_heard(service: tuple[Service, int], tmp_path: Path) -> None:
    server, port = service

    def answer(_request: Request, body: bytes) -> bytes:
        keys = [entry["key"] for entry in json.loads(body)]
        return json.dumps(
            [{"key": keys[1], "status": "held", "message": "Period is closed"}, {"key": keys[0], "status": "posted"}]
        ).encode()

    server.answer = answer
    with destination(port, tmp_path) as made:
        first, second = post(made, 2)
    assert first == ACKNOWLEDGED
    assert (second.state, second.words) == ("held", "The service says: Period is closed")


def test_an_answer_without_end_is_read_to_a_bound(service: tuple[Service, int], tmp_path: Path) -> None:
    server, port = service

    def more(request: Request) -> None:
        if not request._disconnected:
            request.write(b" " * 65_536)
            reactor.callLater(0, more, request)

    def answer(request: Request, _body: bytes) -> Any:  # noqa: ANN401 - as Twisted has it
        more(request)
        return NOT_DONE_YET

    server.answer = answer
    with destination(port, tmp_path) as made:
        start = time.monotonic()
        assert post(made, 2) == [ACKNOWLEDGED] * 2
        assert time.monotonic() - start < 2


def test_no_answer_in_time_after_sending_is_an_unknown_outcome(service: tuple[Service, int], tmp_path: Path) -> None:
    server, port = service
    server.answer = lambda _request, _body: NOT_DONE_YET
    with destination(port, tmp_path, "timeout: 2s\nmethod: PUT") as made:
        start = time.monotonic()
        assert trouble(made, OutcomeUnknown).code == "timeout"
        assert 1.5 < time.monotonic() - start < 4
    assert len(server.requests) == 1


def test_an_answer_that_stops_in_its_body_counts_by_its_status(service: tuple[Service, int], tmp_path: Path) -> None:
    server, port = service

    def answer(request: Request, _body: bytes) -> Any:  # noqa: ANN401 - as Twisted has it
        request.setHeader("Content-Length", "1000")
        request.write(b"{")
        return NOT_DONE_YET

    server.answer = answer
    with destination(port, tmp_path) as made:
        assert post(made, 2) == [ACKNOWLEDGED] * 2


class Rude(Protocol):
    """Reads a request, and then does something that no web server should."""

    transport: Any

    def __init__(self, reply: bytes) -> None:
        self.reply = reply

    def dataReceived(self, data: bytes) -> None:
        """Answer the request's end."""
        if data.endswith(b"]"):
            self.transport.write(self.reply)
            self.transport.loseConnection()


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 20", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"\0\xff\r\n" * 100])
def test_a_connection_lost_before_the_answer_is_an_unknown_outcome(reply: bytes, tmp_path: Path) -> None:
    factory = Factory.forProtocol(lambda: Rude(reply))
    with serving(factory) as port, destination(port, tmp_path) as made:
        assert trouble(made, OutcomeUnknown).code == "connection-lost"


def test_a_refused_connection_is_not_delivered(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with destination(port, tmp_path) as made:
        assert trouble(made, NotDelivered).code == "connection-refused"


def test_a_host_that_isnt_known_is_not_delivered(tmp_path: Path) -> None:
    with destination(80, tmp_path, at="http://no-such-host.invalid") as made:
        assert trouble(made, NotDelivered).code in ("host-unknown", "connect-timeout")


def test_a_connection_that_isnt_made_in_time_is_not_delivered(tmp_path: Path) -> None:
    # A full queue of connections: the kernel answers nothing more.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            each = socket.socket()
            each.setblocking(False)  # noqa: FBT003 - the socket module's own
            each.connect_ex(full.getsockname())
            waiting.append(each)
        time.sleep(0.1)
        with destination(full.getsockname()[1], tmp_path, "timeout: 500ms") as made:
            assert trouble(made, NotDelivered).code == "connect-timeout"
        for each in waiting:
            each.close()


# --- searchable
SEARCHED = """\
timeout: 2s
batch: 1
delivery: searchable
headers: {X-Site: NORTH}
look_up: {url: "http://127.0.0.1:%d/in?key={key}&all=1", settling: 30s}
"""


def looked_up(port: int, root: Path) -> Answer:
    with destination(port, root, SEARCHED % port) as made:
        (answer,) = in_reactor(made.look_up, postings(1))
    assert isinstance(answer, Answer)
    return answer


def test_a_searchable_service_is_asked_by_the_key(service: tuple[Service, int], tmp_path: Path) -> None:
    server, port = service
    uris: list[bytes] = []

    def answer(request: Request, _: bytes) -> bytes:
        uris.append(request.uri)
        return b"{}"

    server.answer = answer
    assert looked_up(port, tmp_path) == Answer("posted", proof="read back")
    ((method, headers, body),) = server.requests
    assert (method, headers["x-site"], "content-type" in headers, body) == ("GET", "NORTH", False, b"")
    assert uris == [f"/in?key={postings(1)[0].key}&all=1".encode()]


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (200, b'{"id": 7}', "posted"),
        (200, b'[{"id": 7}]', "posted"),
        (200, b" []\n", "retry"),
        (404, b"", "retry"),
        (410, b"gone", "retry"),
    ],
)
def test_a_look_up_tells_whether_it_is_there(
    service: tuple[Service, int], tmp_path: Path, *, status: int, body: bytes, state: str
) -> None:
    server, port = service
    server.status(status, body)
    assert looked_up(port, tmp_path).state == state


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(204, False), (400, True), (401, True), (301, True), (429, False), (500, False), (503, False)],
)
def test_a_look_up_that_tells_nothing_is_trouble_of_the_service(
    service: tuple[Service, int], tmp_path: Path, *, status: int, permanent: bool
) -> None:
    server, port = service
    server.status(status)
    with pytest.raises(NotDelivered) as raised:
        looked_up(port, tmp_path)
    assert raised.value.permanent is permanent
