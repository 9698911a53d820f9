"""The database's server is killed and its standby promoted: nothing is lost, and everything goes on by itself."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from support.crash_oracle import faults, tally
from support.engine_process import EngineProcess, free_port
from support.postgresql import Server, Standby
from support.under_load import UnderLoad

if TYPE_CHECKING:
    from pathlib import Path

    from support.trial import Trial

STALL = 15.0
"""Seconds without an acknowledgement around the promotion, which takes a second by itself."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_standby_that_is_promoted_takes_over_and_nothing_is_lost(tmp_path: Path, trial: Trial) -> None:
    with ExitStack() as stack:
        primary = stack.enter_context(Server())
        standby = stack.enter_context(Standby(primary))
        standby.follow()
        url = f"postgresql://casecart@/postgres?host={primary.folder},{standby.folder}"
        port, other = free_port(), free_port()
        with UnderLoad(tmp_path, url, port=port, to=[port, other]) as scene:
            arguments = ["--port", f"or-mllp={other}"]
            second = stack.enter_context(EngineProcess(scene.workspace, other, name="second", arguments=arguments))
            second.start()
            scene.begin()
            time.sleep(trial.chance.uniform(1.0, 2.0))
            primary.kill()
            time.sleep(trial.chance.uniform(0.2, 1.0))
            standby.promote()
            promoted = time.monotonic()
            time.sleep(6.0)
            scene.come_to_rest()
            assert second.stop() == 0, second.log
            heard = scene.senders.heard
            stall = next(moment for moment in heard if moment > promoted) - promoted
            counted = tally(scene.evidence())
            trial.tell("a standby is promoted", counted, store=url, cycles=1, **{"stall s": round(stall, 2)})
            assert faults(scene.evidence()) == []
            assert counted[1:] == (0, 0, 0)
            assert stall < trial.limit(STALL)
