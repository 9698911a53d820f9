"""Hooks in their processes: what one may do with a message's lines, and everything that one can do wrong."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from casecart.canonical import FIELDS
from casecart.runtime.fault import NotWorkable
from casecart.runtime.hook_process import HookProcess
from casecart.runtime.hooks import Hooks
from casecart.runtime.kinds import installed_kinds
from casecart.runtime.pipeline import Pipeline
from casecart.workspace import WorkspaceError, load
from support.at_rest import rest
from support.charge import charge
from support.engine_process import EngineProcess, free_port
from support.flood import flood
from support.line import CHANNEL, Line, dft, new_line, write_workspace
from support.sink import Sink
from support.workspace import Settings, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.runtime.compiled import Compiled

LIMIT = 0.5

HOOKED = CHANNEL.replace("  - map: usage\n", "  - map: usage\n  - hook: {file: hooks/ours.py, limit: 500ms}\n")

BAD = "if any(line['item'] == 'BAD' for line in lines):\n        "
"""The hook does something odd with one message, and nothing with all others."""


def hook(body: str) -> str:
    """The source of a hook."""
    return f"def hook(lines):\n    {body}\n    return lines\n"


@contextmanager
def hooked(root: Path, source: str, url: str | None = None) -> Iterator[Line]:
    """An engine without sockets whose channel has a hook."""
    (root / "hooks").mkdir()
    (root / "hooks/ours.py").write_text(source, "utf-8")
    write_workspace(root, channel=HOOKED)
    workspace = load(root, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
    hooks = Hooks(workspace.channels, workspace.hooks, time.monotonic)
    hooks.start()

    class Hooked(Pipeline):
        def __init__(self, *, by: Compiled, **options: Any) -> None:  # noqa: ANN401 - as the pipeline has them
            super().__init__(by=replace(by, hooks=hooks), **options)

    line = new_line(root, url or f"sqlite:///{root}/casecart.db", channel=HOOKED, pipeline_class=Hooked)
    try:
        yield line
        assert line.balance() == (0, 0)
        line.stop()
    finally:
        hooks.stop()


def item(control_id: str, item: str = "SCREW") -> bytes:
    return dft(control_id, f"V-{control_id}", lines=[f"1|CG|{item}|2|OR", f"2|CG|{item}|3|OR"])


def test_a_hook_changes_lines(tmp_path: Path, store_url: str) -> None:
    source = "from decimal import Decimal\n\n\n" + hook(
        "for line in lines:\n        line['quantity'] = Decimal(line['quantity']) * 10\n        line['lot'] = 'L1'"
    )
    with hooked(tmp_path, source, store_url) as line:
        line.send(item("M1"))
        payloads = [posting.payload for posting in line.postings()]
    assert [b'"quantity":"20"' in payloads[0], b'"quantity":"30"' in payloads[1]] == [True, True]
    assert all(b'"lot":"L1"' in payload for payload in payloads)


def test_a_hook_holds_a_line_and_the_others_go_on(tmp_path: Path) -> None:
    with hooked(tmp_path, hook("return [{'hold': 'Ask the storeroom'}, *lines[1:]]")) as line:
        line.send(item("M1"))
        (held,) = line.store.holds()
        assert (held.code, held.cause, held.place) == ("held-by-hook", "Ask the storeroom", "FT1[1]")
        assert [posting.place for posting in line.postings()] == ["FT1[2]"]


def test_a_hook_sees_tokens_and_no_identifiers(tmp_path: Path) -> None:
    source = hook("return [{'hold': 'seen'} if 'V-M1' in str(line) or 'MRN' in str(line) else line for line in lines]")
    with hooked(tmp_path, source) as line:
        line.send(item("M1"))
        assert (line.store.holds(), len(line.postings())) == ([], 2)


def test_a_sender_is_answered_before_a_hook_is_called(tmp_path: Path) -> None:
    with hooked(tmp_path, hook("pass")) as line:
        line.take(item("M1"))
        line.clock.advance(0)
        assert line.at_reply == {"M1": "waiting"}
        line.settle()
        assert line.outcomes() == {"M1": "processed"}


@pytest.mark.parametrize(
    ("does", "code"),
    [
        ("while True: pass", "hook-overran"),
        ("kept = bytearray(2**30)", "hook-failed"),
        ("__import__('os').kill(__import__('os').getpid(), 11)", "hook-died"),
        ("raise SystemExit", "hook-failed"),
        ("raise ValueError(lines)", "hook-failed"),
        ("lines = 'nonsense'", "hook-answer"),
        ("lines[0] = {**lines[0], 'quantity': 'many'}", "hook-answer"),
        ("lines[0] = float('nan')", "hook-failed"),
        # Whoever finds the socket can answer with anything.
        ("[__import__('os').write(number, b'nonsense\\n') for number in range(3, 6) if _open(number)]", "hook-answer"),
        ("__import__('socket').create_connection(('127.0.0.1', 9))", "hook-failed"),
        ("__import__('subprocess').run(['true'])", "hook-failed"),
        ("open('/etc/hostname').read()", "hook-failed"),
        ("open('/tmp/casecart-hook', 'w').write('x')", "hook-failed"),
    ],
)
def test_a_message_at_which_a_hook_fails_is_put_aside_and_the_others_go_on(
    tmp_path: Path, does: str, code: str
) -> None:
    opened = (
        "import os\n\n\ndef _open(number):\n    try:\n        os.fstat(number)\n    except OSError:\n"
        "        return False\n    return True\n\n\n"
    )
    with hooked(tmp_path, opened + hook(BAD + does)) as line:
        line.send(item("M1"), item("M2", "BAD"), item("M3"))
        assert line.outcomes() == {"M1": "processed", "M2": "quarantined", "M3": "processed"}
        (held,) = line.store.holds()
        assert held.code == code
        assert "replay the message" in held.cause
        assert not any(word in held.cause for word in ("SCREW", "BAD", "V-M2", "many", "another", "lott"))
        assert len(line.postings()) == 4


def test_what_a_hook_prints_goes_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with hooked(tmp_path, hook("print(lines, flush=True); __import__('sys').stderr.write(str(lines))")) as line:
        line.send(item("M1"))
        assert len(line.postings()) == 2
    assert capfd.readouterr() == ("", "")


def test_a_hook_has_nothing_of_the_engines_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRYTON_KEY", "secret")
    with hooked(tmp_path, hook("lines[0]['lot'] = ' '.join(sorted(__import__('os').environ))")) as line:
        line.send(item("M1"))
        payload = line.postings()[0].payload
    assert b"TRYTON_KEY" not in payload
    assert b"PATH" in payload


def test_a_hook_that_overruns_every_time_is_left_alone_for_a_while() -> None:
    now = [0.0]

    def clock() -> float:
        return now[0] + time.monotonic()

    process = HookProcess("hooks/slow.py", hook("while True: pass"), 0.05, clock)
    process.start()
    codes = []
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(NotWorkable) as failed:
            process.call(b"[]")
        codes.append(failed.value.trouble.words.partition(";")[0])
    assert len([words for words in codes if "took longer" in words]) == 3
    assert time.monotonic() - began < 10
    now[0] = 60.0
    with pytest.raises(NotWorkable) as failed:
        process.call(b"[]")
    assert "took longer" in failed.value.trouble.words  # it is tried again
    process.stop()


def test_a_hook_that_died_between_two_messages_is_started_anew() -> None:
    process = HookProcess("hooks/ours.py", hook("pass"), 5.0, time.monotonic)
    process.start()
    assert bytes(process.call(b"[1]")) == b"[1]"
    assert process._process is not None
    process._process.kill()
    process._process.wait()
    assert bytes(process.call(b"[2]")) == b"[2]"
    process.stop()


def test_nothing_of_a_hook_is_left_when_it_is_stopped() -> None:
    process = HookProcess("hooks/ours.py", hook("pass"), 5.0, time.monotonic)
    process.start()
    running = process._process
    assert running is not None
    process.stop()
    assert running.returncode == -9


def test_a_hook_that_cannot_be_loaded_is_told_at_its_place_in_the_channel(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError) as error, hooked(tmp_path, "import nowhere\n\n\n" + hook("pass")):
        pass
    (finding,) = error.value.findings
    assert (finding.place.file, finding.code) == ("channels/usage.yaml", "bad-hook")
    assert "ModuleNotFoundError in hooks/ours.py:1" in finding.message


EXAMPLE = (Path(__file__).parents[2] / "docs/how-to/write-a-hook.md").read_text("utf-8")


def test_the_example_of_the_manual_does_what_it_says(tmp_path: Path) -> None:
    source = EXAMPLE.partition("```python\n")[2].partition("```")[0]
    body = dft("M1", lines=["1|CG|SUTURE-3-0|2|OR", "2|CG|SCREW|2|OR", "3|CG|SCREW|2|TRAINING"])
    with hooked(tmp_path, source) as line:
        line.send(body)
        assert [held.cause for held in line.store.holds()] == ["The training room uses nothing: reject it"]
        payloads = [posting.payload for posting in line.postings()]
    assert [b'"quantity":"20"' in payloads[0], b'"quantity":"2"' in payloads[1]] == [True, True]


def test_the_engine_runs_a_hook_and_leaves_none_behind(tmp_path: Path) -> None:
    record, port = tmp_path / "sink.jsonl", free_port()
    with Sink(record) as sink:
        store = f"sqlite:///{tmp_path}/casecart.db"
        workspace = write(tmp_path / "ws", Settings(store=store, port=port, destination=sink.url))
        channel = workspace / "channels/or-usage.yaml"
        step = "  - map: dft-usage\n"
        channel.write_text(channel.read_text("utf-8").replace(step, f"{step}  - hook: hooks/ours.py\n"), "utf-8")
        (workspace / "hooks").mkdir()
        source = "lines[0]['lot'] = str(__import__('os').getpid())"
        (workspace / "hooks/ours.py").write_text(hook(source), "utf-8")
        with EngineProcess(workspace, port) as engine:
            engine.start()
            assert flood(port, [charge(f"M{number}", f"V{number}") for number in range(200)]) == 200
            rest(store)
            assert engine.stop() == 0, engine.log
        assert sink.counts().keys == 600
    lots = {json.loads(row)["lot"] for row in record.read_text("utf-8").splitlines()}
    (process,) = {lot for lot in lots if lot.isdigit()}  # one, for all messages
    assert not Path(f"/proc/{process}").exists()
