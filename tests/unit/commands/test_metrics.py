"""What Prometheus reads, and what wakes somebody."""

from __future__ import annotations

import re
import shutil
import subprocess
from concurrent.futures import wait
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from twisted.internet.task import Clock

from casecart.cli.metrics import PATIENCE, Scraper
from casecart.commands.metrics import METRICS, Names, read_metrics, rendered
from casecart.runtime.marks import CERTIFICATE
from casecart.store import Change, Count, Cursor, Store, StoreUnavailable, Switch, Timer
from support.log_row import BEGIN, SECOND
from support.require import require

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "docs" / "reference" / "alerts.yaml"
NAMES = Names(["or-mllp"], ["or-usage"], ["erp", "inventory"])
SAMPLE = re.compile(r'[a-z_]+(\{[a-z_]+="[^"\\]*"(,[a-z_]+="[^"\\]*")*\})? -?[0-9.e+]+')


def text_of(store: Store, names: Names = NAMES) -> str:
    return rendered(read_metrics(store, names, BEGIN + 100 * SECOND, "1.2.3"))


def test_every_metric_is_there_with_what_it_means(worked: Store) -> None:
    worked.write(Change(cursors=[Cursor(f"{CERTIFICATE}listener:or-mllp", 0, BEGIN // SECOND, 0)]))
    lines = text_of(worked).splitlines()
    for name, (kind, about) in METRICS.items():
        assert f"# HELP {name} {about}" in lines
        assert f"# TYPE {name} {kind}" in lines
        assert any(line.startswith((f"{name} ", f"{name}{{")) for line in lines), name
    assert all(line.startswith("# ") or SAMPLE.fullmatch(line) for line in lines)


def test_the_time_that_certificates_have_left_is_told_of_what_is_configured(worked: Store) -> None:
    names = {"listener:or-mllp": 3700, "destination:erp": 40, "listener:gone": 9000, "listener:inventory": 0}
    worked.write(
        Change(cursors=[Cursor(f"{CERTIFICATE}{name}", 0, BEGIN // SECOND + left, 0) for name, left in names.items()])
    )
    told = [line for line in text_of(worked).splitlines() if line.startswith("casecart_certificate")]
    assert told == [
        'casecart_certificate_seconds_left{destination="erp"} -60',
        'casecart_certificate_seconds_left{listener="or-mllp"} 3600',
    ]


def test_counts_are_those_of_the_store(worked: Store) -> None:
    worked.write(
        Change(
            switches=[Switch("erp", "paused", "alice", "inventory", BEGIN)],
            timers=[Timer("dispatcher", "erp", BEGIN, "http-503")],
        )
    )
    lines = set(text_of(worked).splitlines())
    assert {
        'casecart_messages_total{listener="or-mllp",outcome="received"} 1',
        'casecart_messages_set_aside{listener="removed",outcome="unrouted"} 1',
        'casecart_lines_total{channel="or-usage",state="produced"} 4',
        'casecart_lines{channel="or-usage",state="held"} 1',
        'casecart_postings_open{destination="erp"} 1',
        'casecart_postings_oldest_seconds{destination="erp"} 100',
        'casecart_postings_open{destination="inventory"} 0',
        'casecart_destination_up{destination="erp"} 0',
        'casecart_destination_paused{destination="erp"} 1',
        'casecart_balance_difference{balance="lines"} 0',
        'casecart_balance_difference{balance="messages",listener="or-mllp"} 0',
        "casecart_exceptions_open 1",
        'casecart_build_info{version="1.2.3"} 1',
    } <= lines


def test_what_is_missing_in_a_balance_is_told(worked: Store) -> None:
    worked.write(Change(counts=[Count("NORTH", "lines:or-usage", "posted", -1)]))
    assert 'casecart_balance_difference{balance="lines"} 1\n' in text_of(worked)


def test_no_label_is_of_a_senders_choice(worked: Store) -> None:
    hostile = 'x"} 1\nevil{a="b'
    worked.write(Change(counts=[Count(hostile, f"messages:{hostile}", "received", 7)]))
    text = text_of(worked)
    assert "evil" not in text
    assert "NORTH" not in text
    assert 'casecart_messages_total{listener="removed",outcome="received"} 8\n' in text


class Reactor(Clock):
    """What a thread says is done when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[Callable[[], None]] = []

    def callFromThread(self, function: Callable[..., None], *given: Any) -> None:  # noqa: ANN401, N802 - twisted's
        self.said.append(lambda: function(*given))


def test_a_store_that_hangs_is_told_in_time_and_not_asked_twice() -> None:
    hang, opened, reactor, answers = Event(), [0], Reactor(), list[str]()

    def stuck() -> Store:
        opened[0] += 1
        hang.wait(30)
        raise StoreUnavailable("gone")

    scraper = Scraper(stuck, NAMES, reactor)
    for _ in range(3):
        scraper.ask(answers.append)
        scraper.ask(answers.append)
        reactor.advance(PATIENCE)
    hang.set()
    wait([scraper._thread.submit(lambda: None)])
    assert opened == [1]
    assert len(answers) == 6
    assert all("casecart_store_up 0\n" in answer for answer in answers)
    scraper.stop()


def test_a_store_that_comes_back_is_read_again(worked: Store) -> None:
    stores: list[Callable[[], Store]] = [lambda: worked]
    reactor, answers = Reactor(), list[str]()

    def unavailable() -> Store:
        raise StoreUnavailable("gone")

    scraper = Scraper(lambda: stores.pop()(), NAMES, reactor)  # noqa: PLW0108 - which one is known when it is called
    stores.append(unavailable)
    for _ in range(2):
        scraper.ask(answers.append)
        wait([scraper._thread.submit(lambda: None)])
        reactor.said.pop()()
    assert ["casecart_store_up 1\n" in answer for answer in answers] == [False, True]
    scraper.stop()


def test_the_alerts_speak_of_metrics_that_there_are() -> None:
    rules = [rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]]
    spoken = {name for rule in rules for name in re.findall(r"casecart_[a-z_]+", rule["expr"])}
    assert spoken <= METRICS.keys()
    assert {"casecart_balance_difference", "casecart_store_up", "casecart_destination_up"} <= spoken
    assert all(rule["annotations"].keys() == {"summary", "description"} for rule in rules)


@pytest.mark.slow
def test_the_alerts_fire_when_they_should_and_are_silent_otherwise() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        require("promtool", "it comes with Prometheus (Debian: prometheus)")
    done = subprocess.run(
        [promtool, "test", "rules", str(ROOT / "tests" / "support" / "alerts.test.yaml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_prometheus_finds_nothing_to_say_about_the_metrics(worked: Store) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        require("promtool", "it comes with Prometheus (Debian: prometheus)")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text_of(worked), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
