"""Headers of the PROXY protocol: the right ones, however they come, and all others."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.formats.proxy import LONGEST, Announced, NotAnnounced, read_proxy_header

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def header(command: int = 0x21, family: int = 0x11, body: bytes | None = None, length: int | None = None) -> bytes:
    """As a proxy makes one: from 192.0.2.7:40000 to 192.0.2.1:2575."""
    if body is None:
        body = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 40000, 2575)
    return SIGNATURE + bytes([command, family]) + struct.pack("!H", len(body) if length is None else length) + body


IPV6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + struct.pack("!HH", 40001, 2575)


@pytest.mark.parametrize(
    ("data", "host", "port"),
    [
        (header(), "192.0.2.7", 40000),
        (header(family=0x21, body=IPV6), "2001:db8::7", 40001),
        (header(body=header()[16:] + b"\x04\x00\x03abc"), "192.0.2.7", 40000),  # with a TLV behind
        (header(command=0x20), None, 0),  # LOCAL: the addresses are not to be looked at
        (header(command=0x20, family=0, body=b""), None, 0),
        (header(command=0x20, family=0, body=b"x" * LONGEST), None, 0),
    ],
)
def test_a_header_says_whose_connection_it_is_and_what_follows_is_the_connections(
    data: bytes, host: str | None, port: int
) -> None:
    assert read_proxy_header(data + b"\x0bMSH") == Announced(host, port, b"\x0bMSH")
    for end in range(len(data)):  # however it is cut
        assert read_proxy_header(data[:end]) is None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x0bMSH|^~\\&|", "proxy-missing"),
        (b"\x16\x03\x01", "proxy-missing"),  # TLS at once
        (b"\r\n\r\n\x00\r\nQUIT\r", "proxy-missing"),
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 2575\r\n", "proxy-version-1"),
        (header(command=0x11), "proxy-broken"),  # version 1 in version 2's form
        (header(command=0x22), "proxy-broken"),
        (header(family=0x12), "proxy-broken"),  # UDP
        (header(family=0x31, body=bytes(216)), "proxy-broken"),  # a UNIX socket
        (header(family=0x00), "proxy-broken"),  # PROXY of nobody
        (header(family=0x21), "proxy-broken"),  # too short for IPv6
        (header(body=b"\xc0\x00"), "proxy-broken"),
        (header(length=LONGEST + 1), "proxy-too-long"),  # at once: its bytes are not waited for
        (header(length=65_535), "proxy-too-long"),
    ],
)
def test_what_is_no_header_is_told_by_a_code(data: bytes, code: str) -> None:
    with pytest.raises(NotAnnounced) as raised:
        read_proxy_header(data)
    assert raised.value.code == code


@given(st.sampled_from([b"", SIGNATURE, SIGNATURE + b"\x21\x11\x00"]), st.binary(max_size=200))
def test_any_bytes_are_a_header_or_the_beginning_of_one_or_none(beginning: bytes, rest: bytes) -> None:
    data = beginning + rest
    try:
        found = read_proxy_header(data)
    except NotAnnounced:
        return
    assert found is None or data.endswith(found.rest)
