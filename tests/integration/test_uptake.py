"""The revision that is wanted: an engine takes it up, or says why not, and begins with it the next time."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from casecart.cli.exit import Exit
from casecart.runtime.clock import wall_clock
from casecart.store import Change, migrate, open_store
from support import forked
from support.answered import Sender
from support.applied import applied, running, until_run
from support.at_rest import rest
from support.engine_process import EngineProcess, free_port
from support.line import dft
from support.reactor import in_reactor
from support.swapping import Swapping, made_under, swapping, write_revision

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.store import Running


LAB = "  lab: {{kind: mllp, port: {port}, peers: {{lab: {{match: {{MSH-3: LAB}}, facility: NORTH}}}}}}\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Swapping]:
    """An engine on revision A, which looks ten times a second."""
    monkeypatch.setattr("casecart.runtime.engine.LOOK", 0.1)
    with swapping(tmp_path) as made:
        yield made


def one(port: int, control_id: str) -> None:
    """One message, of a case of its own."""
    with Sender(port) as sender:
        sender.send(dft(control_id, control_id))
        assert sender.codes(1) == [f"AA {control_id}"]


def test_what_was_applied_runs_within_seconds(site: Swapping) -> None:
    site.written("B")
    number = applied(site.root, site.url)
    until_run(site.url, number)
    one(site.port, "M1")
    rest(site.url)
    assert [made[:3] for made in site.made()] == [("M1", "B", "B")]


def test_what_is_due_later_runs_later(site: Swapping) -> None:
    site.written("B")
    applied(site.root, site.url, due_at=wall_clock() + 600_000)
    time.sleep(0.4)
    assert site.engine.workspace.mappings["usage"].fields["cost_center"].value == "A"
    until_run(site.url, 1)


def test_what_was_cancelled_never_runs(site: Swapping) -> None:
    site.written("B")
    number = applied(site.root, site.url, due_at=wall_clock() + 400_000)
    with closing(open_store(site.url, role="person")) as person:
        person.write(Change(cancellations=[(wall_clock(), number)]))
    time.sleep(0.8)
    assert site.engine.workspace.mappings["usage"].fields["cost_center"].value == "A"


def test_what_cannot_be_taken_is_refused_with_the_reason_once(site: Swapping) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        site.written("B", listeners=LAB.format(port=other.getsockname()[1]))
        number = applied(site.root, site.url)
        said = until_refused(site.url)
    assert (said.number, said.refused) == (0, number)
    assert said.reason.startswith("lab can't listen on 127.0.0.1:")
    one(site.port, "M1")
    assert [made[1] for made in site.made()] == ["A"]
    time.sleep(0.3)  # the port is free now, and it is not tried again by itself
    assert running(site.url) == [said]


def test_files_that_are_run_whatever_was_applied_run_on_when_what_they_kept_out_is_cancelled(site: Swapping) -> None:
    site.written("B")
    until_run(site.url, applied(site.root, site.url))
    files = site.written("F")
    site.change_to(files)
    in_reactor(site.engine.uptake.saved, files)
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        site.written("C", listeners=LAB.format(port=other.getsockname()[1]))
        number = applied(site.root, site.url)
        until_refused(site.url)
    with closing(open_store(site.url, role="person")) as person:
        person.write(Change(cancellations=[(wall_clock(), number)]))
    end = time.monotonic() + 5.0
    while running(site.url)[0].refused and time.monotonic() < end:
        time.sleep(0.02)
    assert site.engine.workspace is files


def test_what_runs_is_not_refused_because_nobody_can_be_told(site: Swapping) -> None:
    def broken(_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    site.engine.changed = broken
    site.written("B")
    number = applied(site.root, site.url)
    until_run(site.url, number)
    assert running(site.url)[0].refused == 0


def test_an_engine_begins_with_what_was_applied_and_not_with_what_is_in_the_folder(tmp_path: Path) -> None:
    port, store = free_port(), f"sqlite:///{tmp_path}/casecart.db"
    write_revision(tmp_path, "A", port=port)
    with EngineProcess(tmp_path, port) as engine:
        engine.start()
        (first,) = running(store)
        assert first.number == 1  # what it found in the folder was kept
        write_revision(tmp_path, "B", port=port)
        number = applied(tmp_path, store)
        until_run(store, number)
        engine.stop()
        write_revision(tmp_path, "C", port=port)
        engine.start()
        one(port, "M1")
        rest(store)
        engine.stop()
    assert f"files differ from revision {number}, which runs: casecart plan" in engine.log
    with closing(open_store(store, role="reader")) as reader:
        assert [made[:3] for made in made_under(reader)] == [("M1", "B", "B")]


def test_apply_waits_until_it_runs_and_tells_why_an_engine_would_not_take_it(tmp_path: Path) -> None:
    port = free_port()
    write_revision(tmp_path, "A", port=port)
    with EngineProcess(tmp_path, port) as engine, closing(socket.create_server(("127.0.0.1", 0))) as other:
        engine.start()
        write_revision(tmp_path, "B", port=port)
        taken = forked.run("apply", "-w", str(tmp_path), "--yes")
        assert taken.returncode == Exit.FINE, taken.stdout + taken.stderr
        one(port, "M1")
        write_revision(tmp_path, "C", port=port, listeners=LAB.format(port=other.getsockname()[1]))
        refused = forked.run("apply", "-w", str(tmp_path), "--yes")
        assert refused.returncode == Exit.WRONG
        assert "lab can't listen on 127.0.0.1:" in refused.stdout + refused.stderr
        one(port, "M2")
        engine.stop()
        engine.start()  # on what it ran
        one(port, "M3")
        rest(f"sqlite:///{tmp_path}/casecart.db")
        engine.stop()
    with closing(open_store(f"sqlite:///{tmp_path}/casecart.db", role="reader")) as reader:
        assert [made[:3] for made in made_under(reader)] == [(name, "B", "B") for name in ("M1", "M2", "M3")]


def test_what_needs_a_restart_is_refused_by_name_and_taken_by_the_next_start(tmp_path: Path) -> None:
    port, store = free_port(), f"sqlite:///{tmp_path}/casecart.db"
    write_revision(tmp_path, "A", port=port)
    with EngineProcess(tmp_path, port) as engine:
        engine.start()
        settings = tmp_path / "config/engine.yaml"
        settings.write_text(settings.read_text("utf-8").replace("MERCY", "GRACE"), "utf-8")
        wanted = applied(tmp_path, store)  # by another program, or for a later time
        refused = until_refused(store)
        assert "organisation can't be changed while the engine runs" in refused.reason
        engine.stop()
        engine.start()
        assert [(each.number, each.refused) for each in running(store)] == [(wanted, 0)]
        engine.stop()
    assert "casecart runs for GRACE" in engine.log


def test_the_same_files_are_kept_once(tmp_path: Path) -> None:
    port, store = free_port(), f"sqlite:///{tmp_path}/casecart.db"
    write_revision(tmp_path, "A", port=port)
    with EngineProcess(tmp_path, port) as engine:
        for _ in range(2):
            engine.start()
            engine.stop()
    with closing(open_store(store, role="reader")) as reader:
        assert [head.number for head in reader.revisions(None, 10)] == [1]


def test_a_folder_that_cannot_be_run_makes_no_store(tmp_path: Path) -> None:
    port = free_port()
    write_revision(tmp_path, "A", port=port)
    (tmp_path / "mappings/usage.yaml").write_text("mapping: usage\n", "utf-8")
    with EngineProcess(tmp_path, None) as engine:
        engine.launch()
        assert engine.wait(20) == Exit.CONFIGURATION
    assert not (tmp_path / "casecart.db").exists()


def test_a_save_is_taken_into_use_and_a_broken_one_is_told(tmp_path: Path) -> None:
    port, store = free_port(), f"sqlite:///{tmp_path}/casecart.db"
    write_revision(tmp_path, "A", port=port)
    with EngineProcess(tmp_path, port, arguments=["--watch"]) as engine:
        engine.start()
        with Sender(port) as sender:
            sender.send(dft("M1", "M1"))
            assert sender.codes(1) == ["AA M1"]
            write_revision(tmp_path, "B", port=port)
            until_said(engine, "saved: channel usage changed (")
            sender.send(dft("M2", "M2"))
            assert sender.codes(1) == ["AA M2"]
            mapping = tmp_path / "mappings/usage.yaml"
            good = mapping.read_text("utf-8")
            mapping.write_text(good.replace("FT1-7.1", "FT1-7.1.1.1.1"), "utf-8")
            until_said(engine, "saved, and not taken: what ran runs on")
            assert "mappings/usage.yaml:" in engine.log
            sender.send(dft("M3", "M3"))
            assert sender.codes(1) == ["AA M3"]
        engine.stop()
    migrate(store)
    with closing(open_store(store, role="reader")) as reader:
        assert [made[:3] for made in made_under(reader)] == [("M1", "A", "A"), ("M2", "B", "B"), ("M3", "B", "B")]


def until_said(engine: EngineProcess, words: str) -> None:
    """Waits for words in its log."""
    end = time.monotonic() + 15
    while words not in engine.log:
        assert time.monotonic() < end, engine.log
        time.sleep(0.02)


def until_refused(store: str) -> Running:
    """Waits until the engine says that it did not take something."""
    end = time.monotonic() + 10
    while not (said := running(store)) or not said[0].refused:
        assert time.monotonic() < end
        time.sleep(0.02)
    return said[0]
