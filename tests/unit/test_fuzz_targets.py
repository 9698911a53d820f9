"""Fuzz targets: they can fail, and their seeds and a few changes of a fixed chance pass; `make fuzz` does the rest."""

from __future__ import annotations

import random

import pytest

from casecart.formats.hl7v2 import acknowledge
from casecart.formats.mllp import Framer
from fuzz import framing, harness, message, path, resource
from fuzz.harness import Target, mutated

TARGETS = [framing.TARGET, message.TARGET, path.TARGET, resource.TARGET]
INPUTS = 40


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_seeds_and_what_chance_makes_of_them_do_nothing_that_no_bytes_may_do(target: Target) -> None:
    for seed in target.seeds:
        target.check(seed)
    chance = random.Random(7)
    for _ in range(INPUTS):
        target.timed(mutated(target, chance))


@pytest.mark.parametrize("data", [b"", b"\0", b"0", b"00", b"\xff" * 40])
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_target_takes_inputs_that_say_nothing(target: Target, data: bytes) -> None:
    target.check(data)


def test_a_target_fails_for_a_framer_that_loses_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Framer.feed
    monkeypatch.setattr(Framer, "feed", lambda self, data: feed(self, data[1:] if len(data) == 1 else data))
    with pytest.raises(AssertionError, match="single bytes"):
        framing.TARGET.check(framing.TARGET.seeds[0])


def test_a_target_fails_for_an_answer_to_another_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        message, "acknowledge", lambda *given, **more: acknowledge(*given, **more).replace(b"F1", b"F2")
    )
    with pytest.raises(AssertionError, match="MSA-2"):
        message.TARGET.check(message.TARGET.seeds[0])


def test_a_target_fails_for_what_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "SLOWEST", 0.0)
    with pytest.raises(AssertionError, match=r"s for \d+ bytes"):
        path.TARGET.timed(path.TARGET.seeds[0])
