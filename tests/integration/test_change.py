"""An engine goes over to another workspace while it runs: what stays, what goes over, and what when it can't be."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import gatherResults

from casecart.commands.actor import Actor
from casecart.commands.worklist_fix import FixCause, fix_cause
from casecart.runtime.change_over import Stopped
from casecart.runtime.clock import wall_clock
from casecart.runtime.revision import loaded
from casecart.store import Change, Switch, open_store
from casecart.workspace import WorkspaceError
from support.answered import Sender
from support.at_rest import rest
from support.engine_process import free_port, must_balance
from support.line import dft
from support.reactor import in_reactor
from support.sink import Sink
from support.swapping import HOOK, Swapping, swapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LAB = """\
  lab:
    kind: mllp
    port: {port}
    peers:
      lab: {{match: {{MSH-3: LAB}}, facility: NORTH}}
"""
FOLDER = "{kind: file, folder: var/erp}"
REST = '{{kind: rest, url: "http://127.0.0.1:{port}/", delivery: keyed{more}}}'


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Swapping]:
    """An engine on revision A."""
    with swapping(tmp_path) as made:
        yield made


def one(site: Swapping, control_id: str, case: str = "V1", line: str = "1") -> None:
    """One message over a connection of its own."""
    with Sender(site.port) as sender:
        sender.send(dft(control_id, case, lines=[f"{line}|CG|SCREW|1|OR"]))
        assert sender.codes(1) == [f"AA {control_id}"]


def until(condition: Any, within: float = 10.0) -> None:  # noqa: ANN401 - anything that can be asked
    """Waits for it."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextmanager
def occupied() -> Iterator[int]:
    """A port that somebody else has."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def refused(port: int) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except ConnectionRefusedError:
        return True
    return False


# --- messages


def test_a_message_is_mapped_by_the_workspace_that_runs_when_it_is_mapped(site: Swapping) -> None:
    before = site.engine.workspace.revision("usage")
    one(site, "M1", "V1")
    found = site.change("B")
    one(site, "M2", "V2")
    assert site.made() == [
        ("M1", "A", "A", before),
        ("M2", "B", "B", site.engine.workspace.revision("usage")),
    ]
    assert found.words == "channel usage changed"


def test_what_waits_in_the_backlog_is_mapped_by_the_workspace_that_runs_when_its_turn_comes(site: Swapping) -> None:
    in_reactor(site.engine._backlog._stop)
    in_reactor(site.engine._journal.defer)
    one(site, "M1", "V1")
    assert site.made() == []
    site.change("B")
    site.engine._backlog._stopped = False
    in_reactor(site.engine._backlog._start)
    rest(site.url)
    assert [made[:3] for made in site.made()] == [("M1", "B", "B")]


def test_lines_that_a_table_did_not_know_are_worked_again_when_it_does(tmp_path: Path) -> None:
    with swapping(tmp_path) as site:
        with Sender(site.port) as sender:
            sender.send(dft("M1", "V1", lines=["1|CG|SCREW|1|LAB"]))
            assert sender.codes(1) == ["AA M1"]
        rest(site.url)
        with closing(open_store(site.url, role="reader")) as reader:
            (held,) = reader.holds(states=("new",))
        wish = FixCause(reference=held.id.hex(), reason="the laboratory", value="A")
        fix_cause(tmp_path, wish, Actor("tester", frozenset({"see", "operate"})))
        site.change_to(loaded(tmp_path))
        until(lambda: [made[:3] for made in site.made()] == [("M1", "A", "A")])


# --- listeners


def test_a_listener_that_is_not_changed_keeps_its_connections(site: Swapping) -> None:
    with Sender(site.port) as sender:
        for number, name in enumerate("BABAB"):
            site.change(name)
            sender.send(dft(f"M{number}", f"V{number}"))
            assert sender.codes(1) == [f"AA M{number}"]
    assert [made[1] for made in site.made()] == list("BABAB")


def test_a_listener_that_is_added_is_opened_and_one_that_is_gone_is_closed(site: Swapping) -> None:
    port = free_port()
    site.change("A", listeners=LAB.format(port=port))
    with Sender(port) as sender:
        assert set(site.engine.listeners) == {"or-mllp", "lab"}
        site.change("A")
        assert sender.closed()
    assert refused(port)
    assert set(site.engine.listeners) == {"or-mllp"}


def test_a_listener_that_is_changed_closes_and_opens_on_its_port(site: Swapping) -> None:
    port = free_port()
    site.change("A", listeners=LAB.format(port=port))
    with Sender(port) as lab, Sender(site.port) as sender:
        site.change("A", listeners=LAB.format(port=port) + "    idle_timeout: 5m\n")
        assert lab.closed()
        sender.send(dft("M1"))
        assert sender.codes(1) == ["AA M1"]
    with Sender(port) as lab:
        lab.send(dft("L1").replace(b"ORSYS", b"LAB"))
        assert lab.codes(1) == ["AA L1"]


def test_a_listener_may_take_the_port_of_one_that_is_gone(site: Swapping) -> None:
    port = free_port()
    site.change("A", listeners=LAB.format(port=port))
    site.change("A", listeners=LAB.format(port=port).replace("  lab:\n", "  other:\n", 1))
    assert set(site.engine.listeners) == {"or-mllp", "other"}
    assert not refused(port)


def test_a_changed_listener_that_cannot_open_is_opened_as_it_was(site: Swapping) -> None:
    port = free_port()
    site.change("A", listeners=LAB.format(port=port))
    with occupied() as other, pytest.raises(OSError, match="lab can't listen on"):
        site.change("B", listeners=LAB.format(port=other))
    with Sender(port) as lab:
        lab.send(dft("L1").replace(b"ORSYS", b"LAB"))
        assert lab.codes(1) == ["AA L1"]
    one(site, "M1")
    assert [made[:2] for made in site.made()] == [("M1", "A")]


# --- what can't be


def taken_port(port: int) -> dict[str, object]:
    return {"listeners": LAB.format(port=port)}


def no_certificate(_: int) -> dict[str, object]:
    tls = "    tls: {certificate: none.pem, key: {file: none.key}}\n"
    return {"listeners": LAB.format(port=free_port()) + tls}


def no_secret(_: int) -> dict[str, object]:
    return {"destination": REST.format(port=9, more=", headers: {X-Token: {file: none}}")}


def bad_hook(_: int) -> dict[str, object]:
    return {"hook": True}


BAD_HOOK = "raise ValueError({name!r})\n\n\ndef hook(lines):\n    return lines\n"


@pytest.mark.parametrize("trouble", [taken_port, no_certificate, no_secret, bad_hook])
def test_what_cannot_be_had_leaves_everything_as_it_was(
    site: Swapping, trouble: Callable[[int], dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if trouble is bad_hook:
        monkeypatch.setattr(
            "support.swapping.HOOK", "raise ValueError({name!r})\n\n\ndef hook(lines):\n    return lines\n"
        )
    with Sender(site.port) as sender, occupied() as port:
        listeners, dispatchers = dict(site.engine.listeners), dict(site.engine.dispatchers)
        with pytest.raises((WorkspaceError, OSError)):
            site.change("B", **trouble(port))
        assert (site.engine.listeners, site.engine.dispatchers) == (listeners, dispatchers)
        sender.send(dft("M1"))
        assert sender.codes(1) == ["AA M1"]
    assert [made[:3] for made in site.made()] == [("M1", "A", "A")]
    assert processes() == []
    assert site.change("B").channels.changed == {"usage"}


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("organisation: MERCY", "organisation: OTHER", "organisation"),
        ("tokens: {file: tokens}", "tokens: {file: keys}", "secrets"),
        ("secrets:", "metrics: {port: 9464}\nsecrets:", "metrics"),
    ],
)
def test_what_needs_a_restart_is_named(site: Swapping, old: str, new: str, name: str) -> None:
    path = site.root / "config/engine.yaml"
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(WorkspaceError, match=f"{name} can't be changed while the engine runs") as refusal:
        site.change_to(loaded(site.root))
    assert [finding.code for finding in refusal.value.findings] == ["needs-restart"]


# --- destinations


def test_a_queue_goes_over_to_a_destination_that_is_changed(tmp_path: Path, store_url: str) -> None:
    with swapping(tmp_path, url=store_url, destination=REST.format(port=free_port(), more="")) as site:
        one(site, "M1", "V1")
        one(site, "M2", "V2")
        until(lambda: site.engine.dispatchers["erp"].trouble)
        site.change("A")  # to a folder
        rest(site.url)
        assert len(site.files()) == 2
    must_balance(tmp_path)


def test_a_destination_that_is_added_is_sent_to(tmp_path: Path, store_url: str) -> None:
    with swapping(tmp_path, url=store_url) as site:
        site.change("B", destination=f"{FOLDER}\n  other: {{kind: file, folder: var/other}}", to="other")
        one(site, "M1")
        rest(site.url)
        assert (len(site.files()), len(site.files("other"))) == (0, 1)


def test_what_is_planned_for_a_destination_that_is_gone_stays_planned_until_it_is_back(
    tmp_path: Path, store_url: str
) -> None:
    other = f"{FOLDER}\n  other: {REST.format(port=free_port(), more='')}"
    with swapping(tmp_path, url=store_url, destination=other, to="other") as site:
        one(site, "M1")
        until(lambda: site.engine.dispatchers["other"].trouble)
        site.change("B")
        assert set(site.engine.dispatchers) == {"erp"}
        one(site, "M2", "V2")
        until(lambda: len(site.files()) == 1)
        with closing(open_store(site.url, role="reader")) as reader:
            until(lambda: [count.destination for count in reader.open_counts()] == ["other"])
        time.sleep(1.2)  # the lease goes, where there is one
        site.change("B", destination=f"{FOLDER}\n  other: {{kind: file, folder: var/other}}")
        rest(site.url)
        assert (len(site.files()), len(site.files("other"))) == (1, 1)
    must_balance(tmp_path)


def test_a_destination_that_somebody_paused_stays_paused(site: Swapping) -> None:
    with closing(open_store(site.url, role="person")) as person:
        person.write(Change(switches=[Switch("erp", "paused", "tester", "", wall_clock())]))
    until(lambda: site.engine.dispatchers["erp"].paused)
    site.change("A", destination="{kind: file, folder: var/other}")
    one(site, "M1")
    time.sleep(0.1)
    assert site.engine.dispatchers["erp"].paused
    assert site.files("other") == []


def test_what_is_on_its_way_is_seen_to_its_end_before_the_new_one_begins(tmp_path: Path) -> None:
    record = tmp_path / "sink.jsonl"
    record.touch()
    with Sink(record, delay=0.4) as sink:
        more = ", timeout: 10s, batch: 1"
        with swapping(tmp_path, destination=REST.format(port=sink.port, more=more)) as site:
            one(site, "M1", "V1", "1")
            one(site, "M2", "V1", "2")
            until(lambda: sink.counts().postings == 1)
            site.change("A")
            assert site.files() == []  # the first one is not answered yet
            rest(site.url)
            assert len(site.files()) == 1
        assert sink.counts().postings == 1


def test_a_destination_that_is_waited_for_is_tried_at_once_with_its_new_settings(tmp_path: Path) -> None:
    with swapping(tmp_path, destination=REST.format(port=9, more="")) as site:
        one(site, "M1")
        until(lambda: in_reactor(site.store.timers))
        (timer,) = in_reactor(site.store.timers)
        later = timer._replace(due_at=wall_clock() + 60_000_000)
        in_reactor(site.store.write, Change(timers=[later]))
        site.change("A")
        until(lambda: len(site.files()) == 1, 30.0)


def test_a_destination_that_is_not_changed_stays(site: Swapping) -> None:
    before = site.engine.dispatchers["erp"]
    site.change("B")
    assert site.engine.dispatchers["erp"] is before


# --- hooks


def processes() -> list[int]:
    """Of hooks."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"hook_child" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found


def test_a_hooks_process_ends_with_its_workspace(tmp_path: Path) -> None:
    with swapping(tmp_path, hook=True) as site:
        (first,) = processes()
        one(site, "M1", "V1")
        site.change("B", hook=True)
        (second,) = processes()
        one(site, "M2", "V2")
        rest(site.url)
        assert first != second
        assert sorted(line["lot"] for line in site.files()) == ["A", "B"]  # type: ignore[type-var]  # they are texts
        site.change("B")
        assert processes() == []


def test_a_change_waits_for_a_hook_that_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = "import time\n\n\n" + HOOK.replace("lines):\n", "lines):\n    time.sleep(0.5)\n", 1)
    monkeypatch.setattr("support.swapping.HOOK", slow)
    with swapping(tmp_path, hook=True) as site:
        later = site.written("B", hook=True)
        one(site, "M1", "V1")  # answered before the hook is called
        site.change_to(later)
        one(site, "M2", "V2")
        rest(site.url)
        assert [made[:2] for made in site.made()] == [("M1", "A"), ("M2", "B")]
        assert sorted(str(line["lot"]) for line in site.files()) == ["A", "B"]


def test_a_hook_that_stays_keeps_its_process(tmp_path: Path) -> None:
    with swapping(tmp_path, hook=True) as site:
        before = processes()
        site.change("A", hook=True, destination="{kind: file, folder: var/other}")
        assert processes() == before


# --- several at once


def test_who_asks_during_a_change_comes_behind_it(site: Swapping) -> None:
    both = [site.written("B"), site.written("C")]

    def at_once() -> Any:  # noqa: ANN401 - Deferreds
        return gatherResults([site.engine.change_to(workspace) for workspace in both])

    in_reactor(at_once)
    one(site, "M1")
    assert [made[:3] for made in site.made()] == [("M1", "C", "C")]


def test_a_change_during_a_stop_is_refused_and_the_stop_goes_on(tmp_path: Path) -> None:
    came: list[object] = []
    with swapping(tmp_path) as site:
        workspace = site.written("B")

        def at_once() -> Any:  # noqa: ANN401 - a Deferred
            site.engine.change_to(workspace).addErrback(lambda failure: came.append(failure.value))
            return site.engine.stop()

        in_reactor(at_once)
        site.engine.stop = lambda: None  # type: ignore[method-assign,assignment,return-value]  # it has
    assert [type(each) for each in came] == [Stopped]


# --- under load


class Sending(threading.Thread):
    """One sender, one connection: it is never closed."""

    def __init__(self, site: Swapping, number: int) -> None:
        super().__init__(daemon=True)
        self._site, self._number, self.sent, self.over, self.trouble = site, number, 0, False, ""

    def run(self) -> None:
        try:
            with Sender(self._site.port) as sender:
                while not self.over:
                    control_id = f"S{self._number}-{self.sent}"
                    lines = [f"{self.sent * 2 + place}|CG|SCREW|1|OR" for place in (0, 1)]
                    sender.send(dft(control_id, f"V{self._number}-{self.sent // 5}", lines=lines))
                    assert sender.codes(1) == [f"AA {control_id}"]
                    self.sent += 1
        except BaseException as fault:  # noqa: BLE001 - told by the test
            self.trouble = repr(fault)


def test_changes_under_load_lose_nothing_and_no_message_is_half_the_one_and_half_the_other(tmp_path: Path) -> None:
    with swapping(tmp_path) as site:
        revisions = {name: site.written(name) for name in "AB"}
        digests = {name: workspace.revision("usage") for name, workspace in revisions.items()}
        senders = [Sending(site, number) for number in range(16)]
        for sender in senders:
            sender.start()
        for number in range(50):
            site.change_to(revisions["BA"[number % 2]])
        for sender in senders:
            sender.over = True
        for sender in senders:
            sender.join(20)
        assert [sender.trouble for sender in senders] == [""] * 16
        rest(site.url)
        made = site.made()
        sent = {f"S{number}-{each}" for number, sender in enumerate(senders) for each in range(sender.sent)}
        assert {control_id for control_id, *_ in made} == sent
        assert len(made) == 2 * len(sent)
        assert {(first, second, digest) for _, first, second, digest in made} == {
            (name, name, digest) for name, digest in digests.items()
        }
        by_message: dict[str, set[str]] = {}
        for control_id, name, *_ in made:
            by_message.setdefault(control_id, set()).add(name)
        assert all(len(names) == 1 for names in by_message.values())
        assert len(site.files()) == len(made)
    must_balance(tmp_path)


def test_a_hundred_changes_leave_nothing_behind(tmp_path: Path) -> None:
    with swapping(tmp_path) as site:
        port = free_port()
        revisions = [
            site.written(name, listeners=listeners, hook=False)
            for name, listeners in (("B", LAB.format(port=port)), ("A", ""))
        ]

        def measured() -> tuple[int, int]:
            in_reactor(gc.collect)
            rss = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            return len(list(Path("/proc/self/fd").iterdir())), rss

        for number in range(20):
            site.change_to(revisions[number % 2])
        files, memory = measured()
        for number in range(100):
            site.change_to(revisions[number % 2])
        until(lambda: measured()[0] <= files)
        assert measured()[1] < memory + 4_000_000
