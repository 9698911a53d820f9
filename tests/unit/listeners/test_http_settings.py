"""The settings of an HTTP listener: what is refused, and what is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from casecart.listeners.http_peer import HttpPeers, expected
from casecart.listeners.http_settings import HttpSettings
from casecart.workspace import WorkspaceError
from support.settings import findings_of, settings_of

TOKEN = "token: {env: EHR_TOKEN}"
TLS = "tls: {certificate: a.pem, key: {file: a.key}}\n"


def findings(peers: str, more: str = "") -> list[str]:
    """Codes and places of what is wrong."""
    return [" ".join(said.split()[:3]) for said in findings_of(HttpSettings, f"port: 1\n{more}peers: {{{peers}}}\n")]


@pytest.mark.parametrize(
    ("peers", "more", "wrong"),
    [
        ("ehr: {facility: NORTH}", "", []),
        (f"ehr: {{facility: NORTH, {TOKEN}}}", f"interface: 0.0.0.0\n{TLS}", []),
        ("ehr: {facility: NORTH}", f"interface: 0.0.0.0\n{TLS}", ["warning open-to-others"]),
        (f"ehr: {{facility: NORTH, {TOKEN}}}", "interface: 0.0.0.0\n", ["warning open-to-others"]),
        ("ehr: {facility: NORTH}", f"interface: 0.0.0.0\n{TLS}networks: 10.0.0.0/8\n", []),
        ("ehr: {facility: NORTH, networks: 10.0.0.0/8}", f"interface: 0.0.0.0\n{TLS}", []),
        ("ehr: {facility: NORTH}", "interface: everywhere\n", ["error bad-format"]),
        ("ehr: {facility: NORTH, networks: 10.0.0.1/8}", "", ["error bad-format"]),
        ("ehr: {facility: NORTH, certificate: {subject: CN=ehr}}", "", ["error missing-key"]),
        ("ehr: {facility: NORTH}, lab: {facility: NORTH, path: /ehr}", "", ["error bad-value"]),
        ("ehr: {facility: NORTH, path: ehr}", "", ["error bad-format"]),
        ("ehr: {facility: NORTH, path: /}", "", ["error bad-format"]),
        ("ehr: {facility: NORTH, version: R3}", "", ["error unknown-value"]),
        ("ehr: {facility: NORTH, version: R4, format: json}", "", ["error bad-value"]),
        ("ehr: {facility: NORTH, token: a-secret-that-stands-here}", "", ["error secret-literal"]),
        ("ehr: {facility: NORTH, header: {name: 'X Y', secret: {env: A}}}", "", ["error bad-format"]),
        ("ehr: {facility: NORTH, header: {name: X-Y, secret: []}}", "", ["error too-few"]),
        ("ehr: {facility: NORTH}", "partition_by: subject reference\n", ["error bad-format"]),
    ],
)
def test_what_is_wrong_or_dangerous_is_found(peers: str, more: str, wrong: list[str]) -> None:
    assert [finding.split(" ", 1)[1] for finding in findings(peers, more)] == wrong


def senders(peers: str, environment: dict[str, str]) -> HttpPeers:
    """As configured."""
    return HttpPeers(settings_of(HttpSettings, f"port: 1\npeers: {{{peers}}}\n").peers, Path(), environment)


@pytest.mark.parametrize(("secret", "code"), [("", "secret-missing"), ("fifteen letters", "secret-short")])
def test_a_secret_that_is_missing_or_short_stops_the_start(secret: str, code: str) -> None:
    with pytest.raises(WorkspaceError, match=code):
        senders(f"ehr: {{facility: NORTH, {TOKEN}}}", {"EHR_TOKEN": secret})


OLD, NEW = "the old made-up secret", "the new made-up secret"


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({b"authorization": f"Bearer {OLD}".encode(), b"x-secret": NEW.encode()}, True),
        ({b"authorization": f"bearer  {NEW} ".encode(), b"x-secret": NEW.encode()}, True),
        ({b"authorization": f"Bearer {OLD}".encode()}, False),
        ({b"x-secret": NEW.encode()}, False),
        ({b"authorization": f"Bearer {OLD}".encode(), b"x-secret": OLD.encode()}, False),
        ({b"authorization": f"Basic {OLD}".encode(), b"x-secret": NEW.encode()}, False),
        ({b"authorization": b"Bearer", b"x-secret": NEW.encode()}, False),
        ({}, False),
    ],
)
def test_all_that_a_peer_has_to_show_must_be_right_and_an_old_token_holds_beside_the_new_one(
    headers: dict[bytes, bytes],
    known: bool,  # noqa: FBT001 - a row of a table
) -> None:
    peer = "ehr: {facility: NORTH, token: [{env: OLD}, {env: NEW}], header: {name: X-Secret, secret: {env: NEW}}}"
    [sender] = senders(peer, {"OLD": OLD, "NEW": NEW}).senders
    assert sender.known_by(headers) is known


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (b"/ehr", ("ehr", b"")),
        (b"/ehr/", ("ehr", b"")),
        (b"/ehr?a=b", ("ehr", b"")),
        (b"/ehr/Procedure/1", ("ehr", b"/Procedure/1")),
        (b"/ehr/Procedure", ("ehr", b"/Procedure")),
        (b"/ehr/lab", ("lab", b"")),
        (b"http://casecart.example/ehr/lab", ("lab", b"")),
    ],
)
def test_a_peer_is_told_by_the_address(target: bytes, found: tuple[str, bytes]) -> None:
    known = senders("ehr: {facility: NORTH}, lab: {facility: NORTH, path: /ehr/lab, format: json}", {})
    sender, rest = known.at(target)
    assert (sender.name, rest) == found


@pytest.mark.parametrize(
    ("peer", "headers", "otherwise"),
    [
        ("facility: NORTH, token: {env: OLD}", [("Authorization", [f"Bearer {OLD}"])], False),
        # while it is changed, the newest is the last
        ("facility: NORTH, token: [{env: OLD}, {env: NEW}]",
         [("Authorization", [f"Bearer {OLD}", f"Bearer {NEW}"])], False),
        ("facility: NORTH, token: {env: OLD}, header: {name: X-Secret, secret: {env: NEW}}",
         [("Authorization", [f"Bearer {OLD}"]), ("X-Secret", [NEW])], False),
        ("facility: NORTH, networks: 10.0.0.0/8", [], True),
        ("facility: NORTH", [], False),
    ],
)  # fmt: skip
def test_it_is_told_what_a_subscription_must_show(
    peer: str,
    headers: list[tuple[str, list[str]]],
    otherwise: bool,  # noqa: FBT001 - a row of a table
    tmp_path: Path,
) -> None:
    of = settings_of(HttpSettings, f"port: 0\npeers: {{ehr: {{{peer}}}}}\n").peers["ehr"]
    told = expected(of, "ehr", tmp_path, {"OLD": OLD, "NEW": NEW})
    assert (told.path, told.headers(), told.otherwise) == ("/ehr", headers, otherwise)


def test_a_secret_that_is_missing_is_missed_when_it_is_wanted(tmp_path: Path) -> None:
    of = settings_of(HttpSettings, f"port: 0\npeers: {{ehr: {{facility: NORTH, {TOKEN}}}}}\n").peers["ehr"]
    told = expected(of, "ehr", tmp_path, {})
    with pytest.raises(WorkspaceError, match="EHR_TOKEN"):
        told.headers()
