"""The yardstick for HTTP: a bare twisted.web server that gives back what was posted. It is fixed, as `bare_ack` is.

A Site on the epoll reactor with one resource that reads the body and returns it: no check, nothing kept.

    python tests/bench/http_echo.py        prints its port
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.web.resource import Resource
from twisted.web.server import Site

if TYPE_CHECKING:
    from twisted.internet.address import IPv4Address

__all__ = ["Echo"]


class Echo(Resource):
    """All addresses."""

    isLeaf = True  # noqa: N815 - the name is Twisted's

    def render_POST(self, request: Any) -> bytes:  # noqa: ANN401, N802 - the signature is Twisted's
        """The body."""
        return cast("bytes", request.content.read())


class _Quiet(Site):
    noisy = False

    def log(self, request: Any) -> None:  # noqa: ANN401 - the signature is Twisted's
        """No access log: casecart's listener writes none."""


def main() -> None:
    """Serve until killed."""
    reactor = EPollReactor()
    installReactor(reactor)
    port = reactor.listenTCP(0, _Quiet(Echo(), reactor=reactor), backlog=256, interface="127.0.0.1")
    print(cast("IPv4Address", port.getHost()).port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
