"""What the reliability tests tell is kept, and becomes the page's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.crash_oracle import Tally
from support.trial import Trial, kept_rows
from support.trial_page import BEGIN, END, with_tables

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "var" / "latest.json"
    monkeypatch.setenv("RELIABILITY_FILE", str(path))
    return path


def test_a_trial_keeps_the_newest_row_of_each_test_and_store(kept: Path) -> None:
    for acknowledged in (5, 7):
        for store in ("sqlite:///x.db", "postgresql://x"):
            Trial("a::b").tell("kill -9", Tally(acknowledged, 0, 0, 0), store=store, cycles=3, resent=1)
    rows = kept_rows(kept)
    assert [(row["store"], row["acknowledged"], row["resent"]) for row in rows] == [
        ("PostgreSQL", 7, 1),
        ("SQLite", 7, 1),
    ]


def test_a_given_seed_gives_the_same_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELIABILITY_SEED", "47")
    first, second = Trial("a::b"), Trial("a::b")
    assert first.seed == second.seed == 47
    assert first.chance.random() == second.chance.random()


def test_a_long_run_breaks_things_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Trial("a::b").times(20, 200) == 20
    monkeypatch.setenv("RELIABILITY", "long")
    assert Trial("a::b").times(20, 200) == 200


def test_the_page_has_the_counts_between_its_marks_and_keeps_the_rest(kept: Path) -> None:
    Trial("a::b").tell("kill -9", Tally(12_000, 0, 0, 0), store="sqlite:///x.db", cycles=3, resent=1)
    page = with_tables(f"before\n{BEGIN}\nold\n{END}\nafter\n", kept_rows(kept))
    assert page.startswith(f"before\n{BEGIN}\n| what |")
    assert "| kill -9 | SQLite | 3 | 12,000 | 0 | 0 | 0 | resent 1 |" in page
    assert page.endswith(f"\n{END}\nafter\n")
    assert "old" not in page
