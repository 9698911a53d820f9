"""A tap beside an engine that runs: what is typed, and what a program reads."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.user import User


def tapped(user: User, *typed: str) -> list[str]:
    """What a tap shows of a message that comes while it runs; its last line is of that message."""
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.extend(user.run("tap", *typed).stdout.splitlines()))
    thread.start()
    end = time.monotonic() + 30
    number = 0
    while thread.is_alive() and time.monotonic() < end:  # until it is there, and has seen one
        number += 1
        assert user.send("--new-ids", "samples/hl7v2/dft-hip-stem.hl7").returncode == 0
        time.sleep(0.2)
    thread.join(30)
    assert not thread.is_alive()
    return said


def test_a_tap_shows_the_next_message_as_people_read_it_without_a_patient_s_name(at_work: User) -> None:
    lines = tapped(at_work, "or-usage", "--stage", "parse", "--stage", "map", "--limit", "1")
    shown = "\n".join(lines)
    assert "DFT^P03" in lines[0]
    assert "processed by revision" in lines[0]
    assert any(line.startswith("  FT1[1]  facility NORTH, case case-") for line in lines)
    assert "TESTPATIENT" not in shown


def test_a_program_reads_a_document_a_line(at_work: User) -> None:
    (line,) = tapped(at_work, "or-usage", "--json", "--stage", "derive", "--limit", "1")
    document = json.loads(line)
    assert (document["channel"], document["envelope"]["outcome"], "run" in document) == ("or-usage", "processed", False)


def test_a_channel_that_is_not_there_is_told_with_the_one_that_was_meant(user: User) -> None:
    done = user.run("tap", "or-usge")
    assert (done.returncode, done.stderr) == (1, "Error: There is no channel 'or-usge'. Did you mean 'or-usage'?\n")
