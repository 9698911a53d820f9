"""The settings of the MLLP listener: what they mean, and what is found wrong in them."""

from __future__ import annotations

import pytest

from casecart.formats.hl7v2 import read_header
from casecart.listeners.mllp_settings import MllpSettings
from casecart.listeners.peer import Peers
from support.listening import ORSYS, message, mllp_settings
from support.settings import findings_of

PORT = "port: 2575\n"


def test_the_shortest_settings_have_the_defaults_that_the_reference_tells() -> None:
    settings = mllp_settings()
    assert (settings.interface, settings.connections, settings.maximum_frame) == ("127.0.0.1", 1000, 10_000_000)
    assert (settings.frame_timeout, settings.idle_timeout) == (30.0, 3600.0)
    assert settings.partition_by == ("PV1-19.1", "PID-3.1")
    assert (settings.acknowledge.mode, settings.acknowledge.when) == ("auto", "on_store")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("port: 2575", "missing-key 'peers'"),
        (PORT + "peers: {}", "too-few"),
        (PORT + "peers: {a: {match: {}, facility: NORTH}}", "one-of a peer is told by its header"),
        (PORT + f"peers: {{{ORSYS}}}\ninterface: localhost", "bad-format 'interface'"),
        (PORT + f"peers: {{{ORSYS}}}\npartition_by: [PV1-19.1.2]", "bad-format 'partition_by'"),
        (PORT + f"peers: {{{ORSYS}}}\npartition_by: [MSH-4]", "bad-format 'partition_by'"),  # it would never decide
        (PORT + f"peers: {{{ORSYS}}}\nacknowledge: later", "unknown-value 'later'"),
        (PORT + "peers: {a: {match: {MSH-3: A}, facility: N, time_zone: Mars}}", "unknown-value 'Mars'"),
        (PORT + "peers: {a: {match: {MSH-3: A}, facility: N, charset: EBCDIC}}", "unknown-value 'EBCDIC'"),
        (
            PORT + "peers: {a: {match: {MSH-3: A}, facility: N}, b: {match: {MSH-3: A, MSH-4: B}, facility: N}}",
            "bad-value all messages of the peer 'b' match 'a'",
        ),
    ],
)
def test_a_mistake_is_found(text: str, expected: str) -> None:
    (finding,) = findings_of(MllpSettings, text)
    assert f" error {expected}" in finding


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ([], "orsys"),
        ([(3, "ORSYS^2.16.840^ISO"), (4, " NORTH ")], "orsys"),  # the first component is enough; spaces are not meant
        ([(4, "SOUTH")], "orsys-south"),
        ([(4, "WEST"), (6, "TEST")], "test"),
        ([(4, "WEST")], ""),
        ([(3, "orsys")], ""),  # names are as they are written
        ([(3, "")], ""),
    ],
)
def test_a_peer_is_told_by_its_header(header: list[tuple[int, str]], name: str) -> None:
    settings = mllp_settings(
        peers=f"{ORSYS}, orsys-south: {{match: {{MSH-3: ORSYS, MSH-4: SOUTH}}, facility: SOUTH}},"
        "test: {match: {MSH-3: ORSYS, MSH-6: TEST}, facility: NORTH}"
    )
    peers = Peers(settings.peers, settings.acknowledge, {"NORTH": "America/Chicago", "SOUTH": "Europe/Berlin"})
    sender = peers.of(read_header(message(header=header)))
    assert (sender.name, sender.known) == (name, bool(name))
    assert sender.zone.key == ("Europe/Berlin" if name == "orsys-south" else "America/Chicago" if name else "UTC")
