"""The one address of a FHIR server, and which others are below it. Pure: nothing is looked up or opened.

What a server or a sender writes is never the address of a request. It is compared with the configured one, and what is
asked for is the configured address with the rest behind it. So no spelling leads to another host, and this has to see
only to it that the rest does not climb out of the base's path: by dots, by what a server may read as dots or slashes
once it has decoded them, or by parameters of a segment (`..;/`).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

__all__ = ["FhirBase", "NotAnAddress"]

_ADDRESS: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?].*)?",
    re.IGNORECASE,
)
_BEGINS_WITH_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PLAIN: Final = re.compile(r"[!-~]*")
_PORTS: Final = {"http": 80, "https": 443}
_LONGEST: Final = 8192
"""Characters of an address: what servers commonly take (RFC 9112 §3 recommends 8000)."""
_DECODED: Final = 3
"""How often an encoding within an encoding is looked into; what is still encoded then is refused."""


class NotAnAddress(Exception):
    """This can't be the address of a FHIR server. Its words say why, for a finding."""


class FhirBase:
    """The base of a server.

    Args:
        url: as it is configured, with a slash at its end or without.

    Raises:
        NotAnAddress: it isn't one.

    Attributes:
        text: the address, without a slash at its end.
        scheme: `http` or `https`.
        host: in small letters, an IPv6 address without its brackets.
        origin: scheme, host and port, as they are compared.
    """

    def __init__(self, url: str) -> None:
        taken = _taken_apart(url)
        if taken is None:
            raise NotAnAddress("'url' needs a host, a port that is one, and goes without a user")
        self.origin, rest = taken
        self.scheme, self.host, _ = self.origin
        if "?" in rest or "#" in rest:
            raise NotAnAddress("'url' goes without '?' and '#': searches are asked for behind it")
        self._path = rest.rstrip("/")
        if not _stays(self._path):
            raise NotAnAddress("the path in 'url' is written plainly, without dots, backslashes or encoded ones")
        self.text = url[: len(url) - len(rest)] + self._path

    def below(self, address: str) -> str | None:
        """What stands behind the base, as it is sent: empty, or beginning with a slash or `?`.

        Args:
            address: absolute, or relative to the base (`Device/1`, `?page=2`), or from its host on (`/fhir/r4?page=2`).

        Returns:
            None: it is not below the base, or is written so that somebody could take it for something else.
        """
        if len(address) > _LONGEST or not _PLAIN.fullmatch(address) or "\\" in address or "#" in address:
            return None
        rest = self._behind(address)
        return rest if rest is not None and _stays(rest.partition("?")[0]) else None

    def _behind(self, address: str) -> str | None:
        path = address.partition("?")[0]
        if _BEGINS_WITH_SCHEME.match(path):
            taken = _taken_apart(address)
            if taken is None or taken[0] != self.origin:
                return None
            address = taken[1]
        elif not address.startswith("/"):
            return address if address[:1] in {"?", ""} else f"/{address}"
        elif address.startswith("//"):
            return None
        rest = address[len(self._path) :]
        return rest if address.startswith(self._path) and rest[:1] in {"", "/", "?"} else None


def _taken_apart(url: str) -> tuple[tuple[str, str, int], str] | None:
    """Scheme, host and port; and what stands behind them."""
    match = _ADDRESS.fullmatch(url)
    if match is None or not _PLAIN.fullmatch(url):
        return None
    scheme = match["scheme"].lower()
    port = int(match["port"] or _PORTS[scheme])
    if not 0 < port < 65536:  # noqa: PLR2004 - a port has 16 bits
        return None
    return (scheme, match["host"].lower().strip("[]"), port), match["rest"] or ""


def _stays(path: str) -> bool:
    """Whether no reader of a path climbs by it."""
    plain = path
    for _ in range(_DECODED):
        plain = unquote(plain, errors="replace")
    if unquote(plain) != plain or not plain.isprintable() or "\\" in plain or plain.count("/") != path.count("/"):
        return False
    segments = [segment.partition(";")[0] for segment in plain.split("/")]
    return not {".", ".."} & set(segments) and "" not in segments[1:-1]
