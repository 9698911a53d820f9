"""Serves the engine's metrics over HTTP, without ever keeping the engine waiting."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from twisted.internet.error import CannotListenError
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from twisted.web.server import Site as WebSite

from casecart.cli.exit import Exit
from casecart.cli.failure import Stop, explained
from casecart.commands.metrics import CONTENT_TYPE, Names, Sample, read_metrics, rendered
from casecart.runtime.clock import wall_clock
from casecart.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.commands.site import Site
    from casecart.store import Store
    from casecart.workspace import Workspace
    from casecart.workspace.metrics import Metrics

__all__ = ["MetricsServer", "Scraper"]

log = logging.getLogger(__name__)

PATIENCE = 3.0
"""Seconds that the store has to answer; Prometheus waits ten."""

IDLE = 30.0
"""Seconds of silence after which a connection is closed."""


class Scraper:
    """Reads the metrics in a thread of its own, with a session of its own to the store.

    Args:
        store: opens the store to read; called in that thread.
        names: of the configuration.
        reactor: gives the time limit.
    """

    def __init__(self, store: Callable[[], Store], names: Names, reactor: Any) -> None:  # noqa: ANN401 - zope interfaces say nothing to mypy
        self._open, self.names, self._reactor = store, names, reactor
        self._store: Store | None = None
        self._thread = ThreadPoolExecutor(1, "metrics")
        self._asking: list[Callable[[str], None]] = []
        self._reading = False
        self._version = version("casecart")
        self._failed = False

    def ask(self, answer: Callable[[str], None]) -> None:
        """Calls back with the text, after `PATIENCE` at the latest; who asks meanwhile gets the same."""
        self._asking.append(answer)
        if len(self._asking) > 1:
            return
        self._limit = self._reactor.callLater(PATIENCE, self._answer, None)
        if not self._reading:  # else the last reading still hangs: it is not asked a second time
            self._reading = True
            self._thread.submit(self._read)

    def stop(self) -> None:
        """Answer nobody any more."""
        self._asking = []
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _read(self) -> None:
        """In the thread."""
        samples: list[Sample] | None = None
        try:
            if self._store is None:
                self._store = self._open()
            samples = read_metrics(self._store, self.names, wall_clock(), self._version)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the thread, and the next scrape tries anew
            if not self._failed:
                log.warning("metrics: %s", explained(error)[1])
            if self._store is not None:
                try:
                    self._store.close()
                except Exception:  # noqa: BLE001 - it is gone either way
                    log.debug("metrics: the store could not be closed")
                self._store = None
        self._failed = samples is None
        self._reactor.callFromThread(self._was_read, samples)

    def _was_read(self, samples: list[Sample] | None) -> None:
        self._reading = False
        self._answer(samples)

    def _answer(self, samples: list[Sample] | None) -> None:
        asking, self._asking = self._asking, []
        if not asking:
            return
        if self._limit.active():
            self._limit.cancel()
        if samples is None:
            samples = [("casecart_build_info", (("version", self._version),), 1), ("casecart_store_up", (), 0)]
        text = rendered(samples)
        for answer in asking:
            answer(text)


class _Page(Resource):
    """What is at /metrics."""

    isLeaf = True  # noqa: N815 - twisted's name

    def __init__(self, scraper: Scraper) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # twisted.web tells no types
        self._scraper = scraper

    def render_GET(self, request: Any) -> int:  # noqa: ANN401, N802 - twisted's name, and it tells no types
        gone: list[bool] = []
        request.notifyFinish().addErrback(lambda _: gone.append(True))

        def answer(text: str) -> None:
            if not gone:
                request.setHeader("Content-Type", CONTENT_TYPE)
                request.write(text.encode())
                request.finish()

        self._scraper.ask(answer)
        return NOT_DONE_YET


class MetricsServer:
    """The HTTP server.

    Args:
        site: tells the store.
        workspace: tells the names.
        settings: where to listen.
        reactor: Twisted's.
        port: in place of the one of the settings.
    """

    def __init__(
        self,
        site: Site,
        workspace: Workspace,
        settings: Metrics,
        reactor: Any,  # noqa: ANN401 - as above
        *,
        port: int | None = None,
    ) -> None:
        self._settings, self._reactor = settings, reactor
        self._scraper = Scraper(lambda: open_store(site.store_url, role="reader"), _names(workspace), reactor)
        self._wanted = settings.port if port is None else port
        self._port: Any = None
        self.address = ""
        """Where the metrics are, once it is started."""

    def tell_of(self, workspace: Workspace) -> None:
        """From now on of the names in this one."""
        self._scraper.names = _names(workspace)

    def start(self) -> None:
        """Opens the port. `Stop`: it is taken."""
        root: Any = Resource()  # type: ignore[no-untyped-call]  # twisted.web tells no types
        root.putChild(b"metrics", _Page(self._scraper))
        web: Any = WebSite(root, timeout=IDLE)  # type: ignore[no-untyped-call]  # as above
        web.log = lambda _: None  # who reads metrics, each quarter of a minute, is no news
        interface, port = str(self._settings.interface), self._wanted
        try:
            self._port = self._reactor.listenTCP(port, web, interface=interface)
        except CannotListenError as error:
            raise Stop(Exit.NETWORK, f"metrics: {error}") from error
        host = f"[{interface}]" if ":" in interface else interface
        self.address = f"http://{host}:{self._port.getHost().port}/metrics"

    def stop(self) -> None:
        """Closes it."""
        self._scraper.stop()
        if self._port is not None:
            self._port.stopListening()


def _names(workspace: Workspace) -> Names:
    return Names(
        tuple(map(str, workspace.engine.listeners)),
        tuple(map(str, workspace.channels)),
        tuple(map(str, workspace.engine.destinations)),
    )
