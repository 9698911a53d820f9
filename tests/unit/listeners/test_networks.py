"""Networks and what else says who may connect: read, held against addresses, and found wrong in the configuration."""

from __future__ import annotations

import re

import pytest

from casecart.listeners.mllp_settings import MllpSettings
from casecart.listeners.networks import Networks
from casecart.listeners.turned_away import TurnedAway
from casecart.workspace import Text
from support.listening import ORSYS, Door, Intake, mllp_settings
from support.settings import findings_of

PORT = "port: 2575\n"
PEERS = f"peers: {{{ORSYS}}}\n"
TLS = "tls: {certificate: a.pem, key: {file: a.key}}\n"
MUTUAL = "tls: {certificate: a.pem, key: {file: a.key}, authorities: b.pem}\n"
OPEN = "interface: 0.0.0.0\n"


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("10.1.2.3", True),
        ("10.1.2.4", False),
        ("10.2.255.255", True),
        ("::ffff:10.1.2.3", True),  # as a listener on :: sees it
        ("2001:db8::1", True),
        ("fe80::1%eth0", False),
        ("2001:db9::1", False),
        ("", False),
        ("orsys.example.org", False),
    ],
)
def test_an_address_is_in_a_network_or_not(host: str, *, inside: bool) -> None:
    networks = Networks([Text("10.1.2.3"), Text("10.2.0.0/16"), Text("2001:db8::/32")])
    assert (host in networks) is inside


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("networks: [10.1.2.3/8]", "error bad-format a network is .*; the network .* is written 10.0.0.0/8"),
        ("networks: orsys.example.org", "error bad-format a network is an address such as"),
        ("proxies: [10.1.0.0/33]", "error bad-format a network is an address such as"),
        (OPEN, "warning open-to-others this listens on 0.0.0.0 without TLS .* add 'tls', or say by 'networks' which"),
        (OPEN + TLS, "warning open-to-others .* add 'authorities' to 'tls', or say by 'networks' which"),
        ("interface: '::'", "warning open-to-others this listens on :: without TLS"),
    ],
)
def test_what_is_wrong_with_who_may_connect_is_found(text: str, expected: str) -> None:
    (finding,) = findings_of(MllpSettings, PORT + PEERS + text)
    assert re.search(expected, finding), finding


@pytest.mark.parametrize("text", ["", MUTUAL, OPEN + MUTUAL, OPEN + "networks: 10.0.0.0/8", "interface: '::1'", TLS])
def test_who_says_who_may_connect_is_not_warned(text: str) -> None:
    assert findings_of(MllpSettings, PORT + PEERS + text) == []


@pytest.mark.parametrize("tls", ["", TLS])
def test_a_peers_certificate_needs_authorities(tls: str) -> None:
    bound = ORSYS.replace("}, facility", "}, certificate: {subject: CN=orsys}, facility")
    (finding,) = findings_of(MllpSettings, f"{PORT}{tls}peers: {{{bound}}}")
    assert "error missing-key senders show no certificate here: the listener needs 'tls' with 'authorities'" in finding


def test_a_peers_networks_are_looked_at_too() -> None:
    (finding,) = findings_of(
        MllpSettings, f"{PORT}peers: {{{ORSYS.replace('}, facility', '}, networks: here, facility')}}}"
    )
    assert "error bad-format a network is" in finding


def test_a_host_is_told_of_once_a_minute_for_each_reason_and_hosts_without_number_are_not() -> None:
    now = 0.0
    intake = Intake(None)
    away = TurnedAway("or-mllp", Door(settings=mllp_settings()).listener.reception, intake, lambda: now)
    for _ in range(10):
        away.record("192.0.2.7:1", "tls-cut", "words")
        away.record("192.0.2.7:2", "no-peer", "words")
    assert [each.notes for each in intake.arrivals] == ["tls-cut", "no-peer"]
    now = 61.0
    away.record("192.0.2.7:3", "tls-cut", "words")
    assert len(intake.arrivals) == 3
    for number in range(3000):
        away.record(f"2001:db8::{number:x}:1", "tls-cut", "words")
    assert len(intake.arrivals) < 1100
    assert len(away._told) <= 1025
    intake.open = False
    now = 200.0
    away.record("192.0.2.7:4", "tls-cut", "words")  # nothing can be stored: only the log has it
    assert len(intake.arrivals) < 1100
