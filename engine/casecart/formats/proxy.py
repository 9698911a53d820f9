"""The PROXY protocol, version 2: by which a proxy says whose connection it passes on (HAProxy's proxy-protocol.txt)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

__all__ = ["LONGEST", "Announced", "NotAnnounced", "read_proxy_header"]

_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_VERSION_1: Final = b"PROXY "
_FIXED: Final = 16  # bytes before what has a length of its own

LONGEST: Final = 4096
"""Of what follows the fixed part: the addresses, and what proxies add of a certificate or a name; usually under 100."""

_LOCAL, _PROXY = 0x20, 0x21
_STREAM: Final = {0x11: (4, IPv4Address), 0x21: (16, IPv6Address)}
"""TCP over IPv4, over IPv6: bytes of an address, and what it is."""


class NotAnnounced(Exception):
    """What came first is no header as it should be.

    Attributes:
        code: `proxy-missing`, `proxy-version-1`, `proxy-too-long` or `proxy-broken`.
        words: the same for a person.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


@dataclass(frozen=True, slots=True)
class Announced:
    """A header.

    Attributes:
        host: whose connection it is; None: the proxy's own, as for a look whether somebody is there.
        port: of that host; 0 with None.
        rest: the bytes behind the header, which are the connection's.
    """

    host: str | None
    port: int
    rest: bytes


def read_proxy_header(data: bytes) -> Announced | None:
    """The header that a connection began with.

    Args:
        data: all that came so far.

    Returns:
        None when more must come first.

    Raises:
        NotAnnounced: however much came, it would be none.
    """
    if not data.startswith(_SIGNATURE[: len(data)]):
        if data.startswith(_VERSION_1):
            raise NotAnnounced("proxy-version-1", "it speaks version 1 of the PROXY protocol, and 2 is taken here")
        raise NotAnnounced("proxy-missing", "it doesn't begin with a header of the PROXY protocol, version 2")
    if len(data) < _FIXED:
        return None
    command, length = data[12], int.from_bytes(data[14:16], "big")
    if length > LONGEST:
        raise NotAnnounced("proxy-too-long", f"its PROXY header has more than {LONGEST} bytes")
    if command not in {_LOCAL, _PROXY}:
        raise NotAnnounced("proxy-broken", "its PROXY header has a version or command that is not known")
    if len(data) < _FIXED + length:
        return None
    rest = data[_FIXED + length :]
    return Announced(None, 0, rest) if command == _LOCAL else _announced(data[13], data[_FIXED : _FIXED + length], rest)


def _announced(family: int, body: bytes, rest: bytes) -> Announced:
    """Source address, destination's, source port, destination's; behind them what nobody here reads."""
    if family not in _STREAM:
        raise NotAnnounced("proxy-broken", "its PROXY header is for something else than TCP over IPv4 or IPv6")
    size, address = _STREAM[family]
    if len(body) < 2 * size + 4:
        raise NotAnnounced("proxy-broken", "its PROXY header is too short for the addresses that it should have")
    return Announced(str(address(body[:size])), int.from_bytes(body[2 * size : 2 * size + 2], "big"), rest)
