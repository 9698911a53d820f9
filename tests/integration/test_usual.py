"""The short way of usual messages makes what the long way makes, of whatever comes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from casecart.runtime.pipeline import Pipeline, Result
from casecart.runtime.usual import Usual
from casecart.store import MessageFilter
from support.line import CHANNEL, Line, dft, new_line

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.runtime.copy import Copy
    from casecart.runtime.pipeline import Taken
    from casecart.runtime.serials import Serials
    from casecart.runtime.statements import Statements
    from casecart.runtime.window import Work
    from casecart.store import Change, Message

ORDERED = CHANNEL.replace("steps:", "key: department\nsteps:")


def some_messages(seed: int) -> list[list[bytes]]:
    """Groups of messages about a few cases and lines, some of them wrong, so that much is said twice."""
    chance = random.Random(seed)

    def line() -> str:
        kind = chance.choice(["CG"] * 6 + ["CD", "PY", "XX"])
        quantity = chance.choice(["1"] * 6 + ["2", "0", "-1", "x", ""])
        department = chance.choice(["OR"] * 5 + ["HOLD", ""])
        return f"{chance.choice(['1', '2', '3', ''])}|{kind}|{chance.choice('AB')}|{quantity}|{department}"

    numbers = iter(range(10_000))
    return [
        [
            dft(f"M{next(numbers)}", f"V{chance.randrange(40)}", lines=[line() for _ in range(chance.randint(1, 3))])
            for _ in range(chance.randint(1, 8))
        ]
        for _ in range(40)
    ]


def told(line: Line) -> list[object]:
    """All that the store has, but for the ids of exceptions."""
    rows = sorted(line.store.messages(MessageFilter(), None, 1000), key=lambda row: row.position)
    return [
        line.counts(),
        [(row.control_id, row.outcome, row.notes) for row in rows],
        [line.store.runs(row.position) for row in rows],
        [line.store.entries(row.position) for row in rows],
        [sorted(hold._replace(id=b"") for hold in line.store.holds(position=row.position, limit=100)) for row in rows],
    ]


@pytest.mark.parametrize("channel", [CHANNEL, ORDERED], ids=["by case", "by department"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_made_the_short_way_is_what_the_long_way_makes(
    tmp_path: Path, seed: int, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = new_line(tmp_path / "short", f"sqlite:///{tmp_path}/short.db", channel=channel)
    long = new_line(tmp_path / "long", f"sqlite:///{tmp_path}/long.db", channel=channel)
    taken = []
    apply = Usual.apply

    def counted(usual: Usual, message: Message, copy: Copy) -> list[Work] | None:
        works = apply(usual, message, copy)
        taken.append(works is not None)
        return works

    for line, way in ((short, counted), (long, lambda *_: None)):
        monkeypatch.setattr(Usual, "apply", way)
        for group in some_messages(seed):
            for body in group:
                line.take(body)
            line.settle()
    assert told(short) == told(long)
    assert 10 < sum(taken) < len(taken) - 10
    assert short.balance() == (0, 0)
    short.stop()
    long.stop()


class Failing(Pipeline):
    """Has a fault of the engine behind the effect of each second message."""

    def _effect(
        self,
        message: Message,
        mapped: Taken,
        usual: Usual,
        about: tuple[Statements, Serials],
        change: Change,
    ) -> Result:
        result = super()._effect(message, mapped, usual, about, change)
        if message.position % 2:
            raise ZeroDivisionError
        return result


def test_a_fault_behind_a_usual_message_takes_back_all_of_it(tmp_path: Path) -> None:
    line = new_line(tmp_path, f"sqlite:///{tmp_path}/casecart.db", pipeline_class=Failing)
    for number in range(6):
        line.take(dft(f"M{number}", "V1", lines=["1|CG|A|1|OR"]))
    line.settle()
    (posting,) = line.postings()
    assert posting.state == "posted"
    assert line.outcomes() == {f"M{n}": "processed" if n % 2 else "quarantined" for n in range(6)}
    assert line.balance() == (0, 0)
    line.stop()
