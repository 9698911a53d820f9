"""A message that takes too long: it is stopped and put aside, and nobody else waits for it for longer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from casecart.runtime.pipeline import Pipeline
from casecart.store import Change, Replay
from support.line import Line, dft, new_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from casecart.runtime.compiled import Compiled

LONG = [f"{number}|CG|SCREW|1|OR" for number in range(400)]
CREDITS = [f"{number % 200}|{'CG' if number < 200 else 'CD'}|SCREW|1|OR" for number in range(400)]
STRANGE = [f"{number}|XX|SCREW|1|OR" for number in range(400)]
HELD = [f"{number}|CG|SCREW|1|HOLD" for number in range(400)]


class Slow(Pipeline):
    """Its clock goes on by 2 ms each time it is asked: a line of a long message takes so long in each loop."""

    limit = 0.7

    def __init__(self, *, clock: Callable[[], float], by: Compiled, **options: Any) -> None:  # noqa: ANN401 - as the pipeline has them
        self.asked = 0

        def slow() -> float:
            self.asked += 1
            return clock() + self.asked * 0.002

        super().__init__(clock=slow, by=replace(by, time_limit=self.limit), **options)


class Patient(Slow):
    """Has time for long messages, but not in the turn in which they come."""

    limit = 60.0


@pytest.mark.parametrize("lines", [LONG, CREDITS, STRANGE, HELD], ids=["charges", "credits", "unreadable", "held"])
def test_a_message_that_overruns_is_put_aside_and_the_others_go_on(tmp_path: Path, lines: list[str]) -> None:
    line = new_line(tmp_path, f"sqlite:///{tmp_path}/casecart.db", pipeline_class=Slow)
    for body in (dft("M1", "V1"), dft("LONG", "V2", lines=lines), dft("M2", "V3")):
        line.take(body)
    line.settle()
    assert line.outcomes() == {"M1": "processed", "LONG": "quarantined", "M2": "processed"}
    (held,) = line.store.holds()
    assert (held.code, held.position) == ("overran", 2)
    assert "Have its sender divide it, or allow more time" in held.cause
    assert [posting.state for posting in line.postings()] == ["posted", "posted"]
    assert line.balance() == (0, 0)
    line.stop()


def test_the_sender_of_a_long_message_is_answered_before_it_is_mapped(tmp_path: Path, store_url: str) -> None:
    line = new_line(tmp_path, store_url, pipeline_class=Patient, budget=0.2)
    line.take(dft("M1", "V1"))
    line.take(dft("LONG", "V2", lines=LONG))
    line.take(dft("M2", "V3"))
    line.clock.advance(0)
    # The turn's end is by the line's clock: by that of the pipeline it comes soon.
    assert line.at_reply == {"M1": "processed", "LONG": "waiting", "M2": "waiting"}
    line.settle()
    assert line.outcomes() == {"M1": "processed", "LONG": "processed", "M2": "processed"}
    assert len(line.postings()) == len(LONG) + 2
    assert line.balance() == (0, 0)
    line.stop()


def test_a_message_that_was_stopped_is_worked_whole_when_it_is_replayed_with_more_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/casecart.db"
    line = new_line(tmp_path, url, pipeline_class=Slow)
    line.send(dft("LONG", lines=LONG))
    assert line.outcomes() == {"LONG": "quarantined"}
    line.stop()
    again = Line(tmp_path, url, pipeline_class=Patient).start()
    again.store.write(Change(replays=[Replay(b"r" * 16, 1, "", "", again.now(), "ann", "", "{}")]))
    again.look()
    again.wait(1)
    assert again.outcomes() == {"LONG": "processed"}
    assert len(again.postings()) == len(LONG)
    assert again.balance() == (0, 0)
    again.stop()
