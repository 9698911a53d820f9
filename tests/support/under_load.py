"""The scene of the reliability tests: senders, an engine and a sink on one store, and the evidence that they leave."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from support.at_rest import rest, status
from support.crash_oracle import Evidence
from support.engine_process import EngineProcess, free_port
from support.sender import Load, Senders
from support.sink import Counts, Sink
from support.workspace import Settings, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from support.fault_proxy import FaultProxy

__all__ = ["UnderLoad"]

SENDERS = 6
REST_LIMIT = 90.0
DELAY = 0.02  # seconds that the sink takes its time, so that at any moment something is on its way
BATCH = 20  # postings a request; for the same reason they are few
CASE = 4  # messages of one case one after the other: there is an order to keep


class UnderLoad:
    """A context manager: the engine and the sink are up within it; `begin` lets the senders begin.

    Args:
        root: an empty folder for the workspace and the sink's record.
        store: the store's URL.
        senders: how many.
        load: how much each sends.
        to: the port where they send, or several; None: the engine's own.
        port: the engine's; None: any that is free.
        before_sink: stands between the engine and the sink.
        keyed: whether the sink refuses a second posting with the same key.
        plant: see `EngineProcess`.
        environment: see `EngineProcess`.

    Attributes:
        engine: the process; the test kills and starts it as it likes.
        senders: those who send.
        sink: where the postings go.
        counts: the sink's, at rest.
        workspace: its folder.
        port: the engine's.
    """

    def __init__(
        self,
        root: Path,
        store: str,
        *,
        senders: int = SENDERS,
        load: Load | None = None,
        to: int | Sequence[int] | None = None,
        port: int | None = None,
        before_sink: FaultProxy | None = None,
        keyed: bool = True,
        plant: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.store, self.record = store, root / "sink.jsonl"
        self.port = port or free_port()
        self.workspace = root / "workspace"
        self.counts = Counts(0, 0, 0, 0)
        self._stack = ExitStack()
        self.sink = self._stack.enter_context(Sink(self.record, delay=DELAY, keyed=keyed))
        url = self.sink.url
        if before_sink is not None:
            before_sink.target = self.sink.port
            url = url.replace(f":{self.sink.port}/", f":{before_sink.port}/")
        write(self.workspace, Settings(store=store, port=self.port, destination=url, batch=BATCH))
        self.engine = EngineProcess(self.workspace, self.port, plant=plant, environment=environment)
        self.senders = Senders(senders, to or self.port, load or Load(messages_a_case=CASE))

    def __enter__(self) -> Self:
        self._stack.enter_context(self.engine)
        try:
            self.engine.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self) -> None:
        """Let the senders begin."""
        self._stack.enter_context(self.senders)

    @property
    def last_heard(self) -> float:
        """When the last acknowledgement came, on the monotonic clock; 0.0: none came."""
        return max(self.senders.heard, default=0.0)

    def hear(self, limit: float) -> float:
        """Waits for an acknowledgement that comes from now on, and gives the seconds until it came."""
        began = time.monotonic()
        while self.last_heard <= began:
            assert time.monotonic() < began + limit, f"nobody was acknowledged for {limit:.0f} s: {self.engine.log}"
            time.sleep(0.02)
        return self.last_heard - began

    def come_to_rest(self) -> Evidence:
        """Lets the senders finish and the engine work off what waits, and stops it in order.

        Fails where a sender met something that no sender expects, where it does not come to rest, where a balance is
        not exact, and where the engine told a traceback.
        """
        self.senders.finish()
        rest(self.store, within=REST_LIMIT)
        said = status(self.workspace)
        assert said["balances"]["exact"] is True, said
        assert self.engine.stop() == 0, self.engine.log
        assert "Traceback" not in self.engine.log, self.engine.log
        self.counts = self.sink.counts()
        return self.evidence()

    def evidence(self) -> Evidence:
        """What is known now."""
        senders = self.senders
        return Evidence(self.store, self.record, senders.sent, senders.acknowledged, senders.resends)

    def ready_after(self) -> list[float]:
        """Of each start that was seen to the first acknowledgement after it: the seconds between, in rising order."""
        heard = self.senders.heard
        ends = [*self.engine.began[1:], float("inf")]
        firsts = [
            (began, end, next((moment for moment in heard if moment > began), None))
            for began, end in zip(self.engine.began, ends, strict=True)
        ]
        return sorted(moment - began for began, end, moment in firsts if moment is not None and moment < end)
