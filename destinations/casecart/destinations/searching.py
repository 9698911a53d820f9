"""Asking a REST service whether it has a posting, by its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from casecart.destinations.verdict import found
from casecart.runtime.exchange import Client
from casecart.workspace import Declared, Duration, Finding, Text, declared, key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from twisted.internet.defer import Deferred

    from casecart.runtime.destination import Answer, Posting

__all__ = ["LookUp", "Searching"]

_KEY: Final = "{key}"


@declared(name="look-up", about="How a service is asked whether it has a posting.")
class LookUp(Declared):
    """How a service is asked whether it has a posting."""

    url: Text = key(
        about=(
            "What is asked with GET; {key} stands for the posting's key. 404, 410 and an empty JSON array say that it "
            "is not there, so the url must be right; any other 2xx but 204 says that it is."
        ),
        example="https://inventory.example.org/api/consumption/{key}",
        pattern=r"https?://[!-~]+",
        form="http:// or https://, a host, and a path with {key} and without spaces",
    )
    settling: Duration = key(
        about=(
            "For how long after the sending a posting may still come to light at the service. It is not looked up "
            "before; what comes to light later may be there twice."
        ),
        example="30s",
        minimum="1s",
        maximum="1h",
    )

    def check(self) -> Iterable[Finding]:
        """There is a host, and one place for the key behind it."""
        try:
            parts = urlsplit(self.url)
            good = bool(parts.hostname) and parts.port != 0
        except ValueError:
            yield Finding(self.at("url"), "error", "bad-format", "'url' has no host, or a port that is none")
            return
        if parts.username is not None:
            words = "'url' contains a user or password; send them in a header, as {env: NAME}"
            yield Finding(self.at("url"), "error", "secret-literal", words)
        elif not good or self.url.count(_KEY) != 1 or _KEY in parts.netloc:
            words = "'url' needs a host, and {key} once, in its path or query"
            yield Finding(self.at("url"), "error", "bad-format", words)


class Searching:
    """One service.

    Args:
        reactor: Twisted's.
        settings: where it is asked.
        headers: of every request.
        connections: how many stay open.
        timeout: seconds for a request.
    """

    def __init__(
        self,
        reactor: Any,  # noqa: ANN401 - Twisted's interfaces say nothing to mypy
        settings: LookUp,
        headers: Mapping[str, str],
        *,
        connections: int,
        timeout: float,
    ) -> None:
        before, _, self._behind = settings.url.partition(_KEY)
        self._headers = headers
        self._client = Client(reactor, before, connections=connections, timeout=timeout)

    async def ask(self, posting: Posting) -> Answer:
        """``posted`` or ``retry``. Raises `NotDelivered` or `OutcomeUnknown` where that is not told."""
        path = quote(posting.key, safe="") + self._behind
        return found(await self._client.send("GET", self._headers, b"", path))

    def close(self) -> Deferred[None]:
        """Close the connections."""
        return self._client.close()
