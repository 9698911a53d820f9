"""The metrics of an engine, in Prometheus' text format, read from the store's counters when they are asked for.

Labels are names of the configuration and words of this module, never anything that a sender chose; no metric says
anything of a patient. What no longer stands in the configuration is counted under `removed`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from casecart.commands.balance import LINES, MESSAGES, balances, read_counters
from casecart.commands.status import certificates_end
from casecart.runtime.marks import DISPATCHER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from casecart.commands.balance import Reading
    from casecart.store import Store

__all__ = ["CONTENT_TYPE", "METRICS", "Names", "Sample", "read_metrics", "rendered"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

REMOVED: Final = "removed"

METRICS: Final[Mapping[str, tuple[Literal["counter", "gauge"], str]]] = {
    "casecart_build_info": ("gauge", "1; which version this is."),
    "casecart_store_up": ("gauge", "1: the store answered in time; 0: it did not, and all that it tells is missing."),
    "casecart_messages_total": (
        "counter",
        "Messages of a listener, by what became of them.",
    ),
    "casecart_messages_set_aside": ("gauge", "Messages that no channel wanted, or that were put aside."),
    "casecart_messages_waiting": ("gauge", "Messages that are stored and not mapped yet."),
    "casecart_notifications_waiting": ("gauge", "Notifications that a listener has not followed up yet."),
    "casecart_lines_total": ("counter", "Lines of usage of a channel, by what became of them; produced came in."),
    "casecart_lines": ("gauge", "Lines of usage of a channel that are left out, or that wait."),
    "casecart_postings_open": ("gauge", "Postings on their way to a destination."),
    "casecart_postings_oldest_seconds": ("gauge", "Age of the oldest posting on its way; 0 where there is none."),
    "casecart_destination_up": ("gauge", "1; 0 while a destination is being waited for."),
    "casecart_destination_paused": ("gauge", "1 while a person has it paused."),
    "casecart_exceptions_open": ("gauge", "Exceptions that wait for a person."),
    "casecart_certificate_seconds_left": (
        "gauge",
        "Until the certificate that a listener or destination shows ends; below zero, since it has ended.",
    ),
    "casecart_balance_difference": (
        "gauge",
        "What came in and is nowhere; below zero, what is somewhere twice. Missing while the counters move.",
    ),
}
"""Name → type and what it means."""

_Metrics = tuple[tuple[str, str, tuple[str, ...]], ...]
"""Metric, its label for a term of the balance, and the terms. What a replay can take back is no counter."""

_MESSAGES: Final[_Metrics] = (
    (
        "casecart_messages_total",
        "outcome",
        ("received", "copied", "assembled", "processed", "duplicate", "refused", "joined"),
    ),
    ("casecart_messages_set_aside", "outcome", ("unrouted", "quarantined", "part")),
)
_LINES: Final[_Metrics] = (
    ("casecart_lines_total", "state", ("produced", "posted", "no_change")),
    ("casecart_lines", "state", ("filtered", "held", "rejected", "waiting")),
)

Sample = tuple[str, tuple[tuple[str, str], ...], float]
"""Name, labels, value."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the configuration names."""

    listeners: Collection[str]
    channels: Collection[str]
    destinations: Collection[str]


@dataclass(slots=True)
class _Samples:
    """Added up where several names of the store go under one label."""

    values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)

    def add(self, name: str, value: float, **labels: str) -> None:
        key = (name, tuple(labels.items()))
        self.values[key] = self.values.get(key, 0) + value


def read_metrics(store: Store, names: Names, now: int, version: str) -> list[Sample]:
    """All of them. Reads counters and partial indexes: its time does not grow with the log.

    Args:
        store: opened to read.
        names: of the configuration.
        now: wall clock, µs since 1970.
        version: of casecart.
    """
    samples = _Samples()
    samples.add("casecart_build_info", 1, version=version)
    samples.add("casecart_store_up", 1)
    reading = read_counters(store)
    _counted(reading, names, samples)
    _balances(reading, names, samples)
    waited = {timer.key for timer in store.timers() if timer.owner == DISPATCHER}
    paused = {switch.destination for switch in store.switches() if switch.state == "paused"}
    open_ = {each.destination: each for each in reading.open}
    for name in names.destinations:
        each = open_.get(name)
        age = max(0.0, (now - each.oldest) / 1e6) if each is not None else 0.0
        samples.add("casecart_postings_open", each.postings if each is not None else 0, destination=name)
        samples.add("casecart_postings_oldest_seconds", age, destination=name)
        samples.add("casecart_destination_up", int(name not in waited), destination=name)
        samples.add("casecart_destination_paused", int(name in paused), destination=name)
    gone = [each for name, each in open_.items() if name not in names.destinations]
    if gone:
        oldest = max(0.0, (now - min(each.oldest for each in gone)) / 1e6)
        samples.add("casecart_postings_open", sum(each.postings for each in gone), destination=REMOVED)
        samples.add("casecart_postings_oldest_seconds", oldest, destination=REMOVED)
    for name in names.listeners:
        samples.add("casecart_notifications_waiting", 0, listener=name)
    for listener, left in store.left_counts().items():
        samples.add("casecart_notifications_waiting", left, listener=_known(listener, names.listeners))
    samples.add("casecart_exceptions_open", store.held_count())
    configured = {"listener": names.listeners, "destination": names.destinations}
    for (sort, name), ends in certificates_end(store.cursors()).items():
        if name in configured.get(sort, ()):
            samples.add("casecart_certificate_seconds_left", ends - now // 1_000_000, **{sort: name})
    return [(name, labels, value) for (name, labels), value in samples.values.items()]


def _counted(reading: Reading, names: Names, samples: _Samples) -> None:
    for label, known, metrics in (("listener", names.listeners, _MESSAGES), ("channel", names.channels, _LINES)):
        for each in known:
            for metric, term, words in metrics:
                for word in words:
                    samples.add(metric, 0, **{label: each, term: word})
    for _, scope, name, amount in reading.counts:
        if scope.startswith(MESSAGES):
            listener = _known(scope.removeprefix(MESSAGES), names.listeners)
            _count(_MESSAGES, name, amount, {"listener": listener}, samples)
        elif scope.startswith(LINES) and ":" not in scope.removeprefix(LINES):
            channel = _known(scope.removeprefix(LINES), names.channels)
            _count(_LINES, name, amount, {"channel": channel}, samples)
    for name in names.listeners:
        samples.add("casecart_messages_waiting", 0, listener=name)
    for listener, waiting in reading.waiting.items():
        samples.add("casecart_messages_waiting", waiting, listener=_known(listener, names.listeners))


def _count(metrics: _Metrics, name: str, amount: int, labels: dict[str, str], samples: _Samples) -> None:
    for metric, term, words in metrics:
        if name in words:
            samples.add(metric, amount, **labels, **{term: name})


def _balances(reading: Reading, names: Names, samples: _Samples) -> None:
    if not reading.steady:
        return
    both = balances(reading, names.listeners)
    for balance in both.messages:
        listener = _known(balance.of, names.listeners)
        samples.add("casecart_balance_difference", balance.difference, balance="messages", listener=listener)
    samples.add("casecart_balance_difference", both.lines.difference, balance="lines")


def _known(name: str, names: Collection[str]) -> str:
    return name if name in names else REMOVED


def rendered(samples: list[Sample]) -> str:
    """In Prometheus' text format, with what each metric means."""
    lines = []
    for metric, (kind, about) in METRICS.items():
        its_own = [(labels, value) for name, labels, value in samples if name == metric]
        if its_own:
            lines += [f"# HELP {metric} {about}", f"# TYPE {metric} {kind}"]
            lines += [f"{metric}{_labels(labels)} {value:.15g}" for labels, value in its_own]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
