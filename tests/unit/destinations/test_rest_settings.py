"""The settings of the REST destination: what they mean, and what is found wrong in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.destinations.rest import RestDestination, RestSettings
from casecart.runtime.destination import Delivery, DestinationContext
from casecart.workspace import WorkspaceError
from support.reactor import reactor
from support.settings import findings_of, settings_of

if TYPE_CHECKING:
    from pathlib import Path

URL = "url: http://127.0.0.1/in\n"
SEARCHED = URL + 'delivery: searchable\nlook_up: {url: "http://127.0.0.1/in/{key}", settling: 30s}\n'


def test_the_shortest_settings_have_the_defaults_that_the_reference_tells() -> None:
    settings = settings_of(RestSettings, URL)
    assert (settings.method, settings.batch, settings.concurrency, settings.timeout) == ("POST", 100, 1, 30.0)
    assert (settings.key_header, settings.content_type) == ("Idempotency-Key", "application/json")
    assert (settings.accept, settings.delivery, settings.body) == (("2xx",), "blind", None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("batch: 10", "missing-key 'url'"),
        ("url: ftp://host/", "bad-format 'url'"),
        ("url: http:///in", "bad-format 'url' needs a host"),
        ("url: http://host:99999/", "bad-format 'url' has no host, or a port"),
        ("url: http://host/#here", "bad-format 'url' needs a host, and goes without"),
        ("url: http://user:pw@host/", "secret-literal 'url' contains a user"),
        (URL + "headers: {Authorization: Bearer 123}", "secret-literal 'Authorization' looks like"),
        (URL + "headers: {X-Api-Key: '123'}", "secret-literal 'X-Api-Key' looks like"),
        (URL + "headers: {Content-Length: '1'}", "bad-value 'Content-Length' is set by the engine"),
        (URL + "headers: {'bad name': x}", "bad-name 'bad name'"),
        (URL + "headers: {X: {text: a, env: B}}", "one-of 'text' and 'env'"),
        (URL + "accept: [ok]", "bad-format 'accept'"),
        (URL + "delivery: exactly-once", "unknown-value 'exactly-once'"),
        (URL + "body: '{% for %}'", "bad-template line 1 of the body's template"),
        (URL + "batch: 0", "out-of-range 'batch'"),
        (SEARCHED + "batch: 10", "bad-value 'delivery: searchable' needs 'batch: 1'"),
        (URL + "batch: 1\ndelivery: searchable", "one-of 'look_up' and"),
        (SEARCHED.replace("delivery: searchable\n", "") + "batch: 1", "one-of 'look_up' and"),
        (SEARCHED.replace("{key}", "key") + "batch: 1", "bad-format 'url' needs a host, and {key} once"),
        (
            SEARCHED.replace("127.0.0.1/in/{key}", "{key}/in") + "batch: 1",
            "bad-format 'url' needs a host",
        ),
        (
            SEARCHED.replace("http://127.0.0.1/in/", "http://a:pw@b/") + "batch: 1",
            "secret-literal 'url' contains a user",
        ),
        (URL + "rate: 10", "bad-value '10' is not a value of 'rate'; write how many in which time"),
        (URL + "rate: 0/s", "bad-value '0/s' is not a value of 'rate'"),
        (URL + "rate: 10/d", "bad-value '10/d' is not a value of 'rate'"),
    ],
)
def test_a_mistake_is_found(text: str, expected: str) -> None:
    (finding,) = findings_of(RestSettings, text)
    assert f" error {expected}" in finding
    assert "123" not in finding
    assert "pw" not in finding


@pytest.mark.parametrize(("text", "rate"), [("10/s", 10.0), ("600/m", 10.0), ("0.5/s", 0.5), ("36/h", 0.01)])
def test_a_rate_is_so_many_a_second(text: str, rate: float) -> None:
    assert settings_of(RestSettings, f"{URL}rate: {text}").rate == rate


def destination(text: str, root: Path) -> RestDestination:
    return RestDestination(DestinationContext("inventory", settings_of(RestSettings, text), reactor, root))


def test_delivery_is_what_the_analyst_says(tmp_path: Path) -> None:
    assert destination(URL, tmp_path).delivery is Delivery.BLIND
    assert destination(URL + "delivery: keyed", tmp_path).delivery is Delivery.KEYED


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "unreadable-file"), (b"\xff", "unreadable-file"), (b"a\n{{ x", "bad-template line 2")],
)
def test_a_template_file_that_cant_be_read_is_found_at_the_start(
    content: bytes | None, code: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "body.j2").write_bytes(content)
    with pytest.raises(WorkspaceError, match=code):
        destination(URL + "body: {file: body.j2}", tmp_path)


def test_a_secret_that_isnt_there_is_found_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="secret-missing"):
        destination(URL + "headers: {Authorization: {file: token}}", tmp_path)
