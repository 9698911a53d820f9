"""A bad network between senders and engine, and between engine and destination: nothing lost, nothing doubled."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.crash_oracle import faults, tally
from support.engine_process import free_port
from support.fault_proxy import FaultProxy, Faults
from support.under_load import UnderLoad

if TYPE_CHECKING:
    from pathlib import Path

    from support.trial import Trial

BAD = Faults(reset=0.02, cut=0.02, split=0.1, lag=0.1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_resets_cuts_splits_and_lags_lose_nothing(store_url: str, tmp_path: Path, trial: Trial) -> None:
    port = free_port()
    with (
        FaultProxy(port, trial.chance, BAD) as outside,
        FaultProxy(0, trial.chance, BAD) as inside,
        UnderLoad(tmp_path, store_url, port=port, to=outside.port, before_sink=inside) as scene,
    ):
        scene.begin()
        time.sleep(trial.times(15, 120))
        outside.faults = inside.faults = Faults()
        evidence = replace(scene.come_to_rest(), cuts=outside.seen["cut"])
        counted = tally(evidence)
        broken = outside.seen + inside.seen
        more = {"resent": evidence.resends, **broken}
        trial.tell("network", counted, store=store_url, cycles=broken["reset"] + broken["cut"], **more)
        assert faults(evidence) == []
    assert counted[1:] == (0, 0, 0)
    assert min(outside.seen[name] for name in ("reset", "cut", "split", "lag")) > 5
