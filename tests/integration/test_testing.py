"""`casecart test`: tests beside the channels, the same result wherever and whenever they are run."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from casecart.cli.main import run
from casecart.commands.refusal import Refusal
from casecart.commands.testing import RunTests
from casecart.workspace import WorkspaceError, initialise, reference
from support.forked import CASECART

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from casecart.commands.tested_view import TestedView, TestsView

FILE = "channels/or-usage.test.yaml"
HEAD = "- fixtures: {master: ../samples/master}\n"
STEM = "../samples/hl7v2/dft-hip-stem.hl7"


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `casecart init` makes, without its store, and without tests."""
    root = tmp_path_factory.mktemp("new") / "ws"
    initialise(root)
    for path in (root / "channels").glob("*.test.yaml"):
        path.unlink()
    return root


@pytest.fixture
def ws(new: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(new, tmp_path / "ws")
    return tmp_path / "ws"


def write(root: Path, text: str, file: str = FILE) -> None:
    (root / file).write_text(text, "utf-8")


def results(root: Path, *wanted: str, **more: Any) -> TestsView:  # noqa: ANN401 - as `RunTests` takes it
    return RunTests(root=root, wanted=wanted, **more).run()


def only(root: Path, text: str, file: str = FILE) -> TestedView:
    """The result of the one test."""
    write(root, text, file)
    (result,) = results(root).tests
    return result


def differences(result: TestedView) -> list[tuple[str, str, str]]:
    return [(each.path, each.expected, each.received) for each in result.differences]


def expecting(expect: str, message: str = STEM) -> str:
    return f"{HEAD}- test: a\n  input: {message}\n  expect: {expect}\n"


# --- the tests that are shipped
def test_the_shipped_channels_pass_their_tests_and_each_has_three(tmp_path: Path) -> None:
    initialise(tmp_path / "ws")
    done = results(tmp_path / "ws", coverage=True)
    assert [each.differences for each in done.tests if each.result != "passed"] == []
    channels = [path.stem for path in (reference.root() / "channels").glob("*.yaml") if ".test" not in path.name]
    counts = {channel: sum(each.channel == channel for each in done.tests) for channel in channels}
    assert min(counts.values()) >= 3, counts


def test_a_hundred_tests_of_a_shipped_channel_take_less_than_three_seconds(ws: Path) -> None:
    one = "- test: {}\n  input: ../samples/hl7v2/dft-three-lines.hl7\n  expect: {{counts: {{postings: 3}}}}\n"
    write(ws, HEAD + "".join(map(one.format, range(100))))
    began = time.process_time()
    assert results(ws).passed == 100
    assert time.process_time() - began < 3


def test_the_result_is_the_same_each_time_with_or_without_secrets_and_a_store(ws: Path) -> None:
    write(ws, expecting("{documents: [{Usage: {case: x}}], postings: [{key: x}]}"))
    first = differences(results(ws).tests[0])
    shutil.rmtree(ws / "var")
    assert differences(results(ws).tests[0]) == first
    assert [path for path, _, _ in first] == ["documents[0].Usage.case", "postings[0].key"]


def test_a_test_begins_with_nothing_but_what_it_names(ws: Path) -> None:
    one = "- test: {}\n  input: ../samples/hl7v2/dft-hip-stem.hl7\n  expect: {{postings: [{{revision: 1}}]}}\n"
    write(ws, HEAD + one.format("a") + one.format("b"))
    assert results(ws).passed == 2
    write(ws, one.format("without master data").replace("[{revision: 1}]", "[]"))
    assert results(ws).passed == 1


# --- what is compared
FITTING = [
    "{acknowledgement: AA, outcome: processed, notes: []}",
    '{documents: [{Usage: {quantity: "1.0", expiry: 2028-12-31, udi: {lot: 21A11F4855}, unit: EA}}]}',
    "{documents: [{Usage: ...}], filtered: [], exceptions: []}",
    '{postings: [{to: inventory, as: consumption, action: use, place: "FT1[1]", udi: {serial: SN-4711}}]}',
    "{postings: [{body: {item: HIP-STEM-12, quantity: 1, lot: 21A11F4855}}]}",
    "{counts: {messages: 1, lines: 1, documents: 1, posted: 1, no change: 0, filtered: 0, held: 0, flagged: 0}}",
    "{counts: {postings: 1, exceptions: 0}}",
    "{documents: [...], postings: [...]}",
]
OTHER = [
    ("{acknowledgement: AE}", [("acknowledgement", "AE", "AA")]),
    ("{outcome: duplicate}", [("outcome", "duplicate", "processed")]),
    ("{notes: unknown-peer}", [("notes", "unknown-peer", "nothing")]),
    ("{outcome: [processed, duplicate]}", [("outcome", "2: processed, duplicate", "1: processed")]),
    ("{documents: []}", None),
    ('{documents: [{Usage: {quantity: "2"}}]}', [("documents[0].Usage.quantity", "2", "1")]),
    ("{documents: [{Case: {}}]}", [("documents[0].Case", "{}", "nothing")]),
    ("{documents: [{Usage: {lot: }}]}", [("documents[0].Usage.lot", "nothing", "21A11F4855")]),
    ("{documents: [{Usage: {udi: {serial: SN-1}}}]}", [("documents[0].Usage.udi.serial", "SN-1", "SN-4711")]),
    ("{postings: [{item: HIP-STEM-12, serial: SN-4712}]}", [("postings[0].serial", "SN-4712", "SN-4711")]),
    ("{postings: [{body: {item: X, serial: SN-4711}}]}", [("postings[0].body.item", "X", "HIP-STEM-12")]),
    ("{exceptions: [{code: item-unknown}]}", [("exceptions[0]", "{code: item-unknown}", "nothing")]),
    ("{counts: {postings: 2}}", [("counts.postings", "2", "1")]),
]


@pytest.fixture(scope="module")
def compared(new: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, TestedView]:
    """The results of a test for each of these, from one run."""
    root = tmp_path_factory.mktemp("compared") / "ws"
    shutil.copytree(new, root)
    expects = [*FITTING, *(expect for expect, _ in OTHER)]
    one = "- test: '{}'\n  input: {}\n  expect: {}\n"
    write(root, HEAD + "".join(one.format(number, STEM, expect) for number, expect in enumerate(expects)))
    return dict(zip(expects, results(root).tests, strict=True))


@pytest.mark.parametrize("expect", FITTING)
def test_what_is_as_expected_passes(compared: Mapping[str, TestedView], expect: str) -> None:
    assert differences(compared[expect]) == []


@pytest.mark.parametrize(("expect", "expected"), OTHER)
def test_what_is_other_than_expected_is_told_with_its_path(
    compared: Mapping[str, TestedView], expect: str, expected: list[tuple[str, str, str]] | None
) -> None:
    result = compared[expect]
    assert result.result == "failed"
    assert expected is None or differences(result) == expected
    assert {each.line for each in result.differences} == {result.line + 2}


def test_a_message_that_the_channel_does_not_take_fails_unless_that_is_expected(ws: Path) -> None:
    schedule = "../samples/hl7v2/adt-update.hl7"
    ((path, expected, received),) = differences(only(ws, expecting("{postings: []}", schedule)))
    assert (path, expected) == ("outcome", "processed")
    assert "channel or-usage accepts DFT^P03 and DFT^P11" in received
    assert differences(only(ws, expecting("{outcome: unrouted}", schedule))) == []
    assert only(ws, expecting("{acknowledgement: AA}", schedule)).result == "failed"


def test_a_message_that_is_put_aside_fails_unless_that_is_expected(ws: Path) -> None:
    hooked(ws, "def hook(lines):\n    return 17\n")
    assert differences(only(ws, expecting("{acknowledgement: AA, postings: []}"))) == [
        ("outcome", "processed", "quarantined")
    ]
    assert differences(only(ws, expecting("{exceptions: [{code: hook-answer}]}"))) == []


@pytest.mark.parametrize(
    ("message", "expect"),
    [
        ("'{}'", "{outcome: refused, acknowledgement: AR}"),
        ('"MSH|"', "{outcome: refused, acknowledgement: AR}"),
        ("../samples/master/items.csv", "{outcome: refused, acknowledgement: AR}"),
    ],
)
def test_what_is_no_message_goes_to_the_listener_which_says_so(ws: Path, message: str, expect: str) -> None:
    assert differences(only(ws, expecting(expect, message))) == []


@pytest.mark.parametrize("how", ["{when: on_complete, held: AE}", "{mode: commit-then-app, held: AE}"])
def test_a_sender_that_is_told_of_held_lines_is_told_in_a_test(ws: Path, how: str) -> None:
    engine = ws / "config/engine.yaml"
    peer = "{match: {MSH-3: ORSYS, MSH-4: NORTH}, facility: NORTH"
    assert f"orsys: {peer}" in engine.read_text("utf-8")
    engine.write_text(
        engine.read_text("utf-8").replace(f"orsys: {peer}", f"orsys: {peer}, acknowledge: {how}"), "utf-8"
    )
    assert differences(only(ws, expecting("{acknowledgement: AA}"))) == []
    assert differences(only(ws, expecting("{acknowledgement: AE}", "../samples/hl7v2/dft-unknown-item.hl7"))) == []


def test_an_inline_message_has_a_segment_in_each_line(ws: Path) -> None:
    body = (ws / "samples/hl7v2/dft-hip-stem.hl7").read_bytes().decode().strip("\r").split("\r")
    message = "".join(f"    {segment}\n" for segment in body)
    text = f"{HEAD}- test: a\n  input: |\n{message}  expect: {{postings: [{{serial: SN-4711}}]}}\n"
    assert differences(only(ws, text)) == []


def test_each_message_can_have_what_is_expected_of_it_alone(ws: Path) -> None:
    credit = "../samples/hl7v2/dft-hip-stem-credit.hl7"
    text = (
        f"{HEAD}- test: a\n  inputs:\n    - {{message: {STEM}, expect: {{counts: {{postings: 2}}}}}}\n"
        f"    - {{message: {credit}, listener: or-mllp, expect: {{postings: [{{action: reverse}}]}}}}\n"
    )
    assert differences(only(ws, text)) == [("inputs[0].counts.postings", "2", "1")]


def test_rows_of_a_test_stand_over_the_files_that_its_tests_share(ws: Path) -> None:
    text = expecting("{documents: [{Usage: {ownership: consigned}}]}")
    assert [path for path, _, _ in differences(only(ws, text))] == ["documents[0].Usage.ownership"]
    rows = "{stock: [{item: HIP-STEM-12, ownership: consigned, supplier: EXAMPLE-ORTHO}]}"
    assert differences(only(ws, f"{text}  master: {{rows: {rows}}}\n")) == []


def test_the_clock_of_a_test_is_the_one_that_it_names(ws: Path) -> None:
    """Two digits of a year are read by the day on which the message came."""
    stem = (ws / "samples/hl7v2/dft-hip-stem.hl7").read_bytes().replace(b"20281231", b"")
    (ws / "samples/hl7v2/short.hl7").write_bytes(stem)
    for now, expiry in (("2026-11-03", "2028-12-31"), ("2090-11-03T12:00:00-06:00", "2128-12-31")):
        text = expecting(f"{{documents: [{{Usage: {{expiry: {expiry}}}}}]}}", "../samples/hl7v2/short.hl7")
        assert differences(only(ws, f"{text}  now: {now}\n")) == []


# --- hooks and other destinations
HOOKED = "steps:\n  - map: dft-usage\n  - hook: {file: hooks/lot.py, limit: 1s}\n"


def hooked(root: Path, body: str) -> None:
    channel = root / "channels/or-usage.yaml"
    channel.write_text(channel.read_text("utf-8").replace("steps:\n  - map: dft-usage\n", HOOKED), "utf-8")
    (root / "hooks").mkdir()
    (root / "hooks/lot.py").write_text(body, "utf-8")


def test_the_lines_of_a_hook_are_tested_too(ws: Path) -> None:
    hooked(ws, "def hook(lines):\n    return [{**line, 'lot': 'CHANGED'} for line in lines]\n")
    assert differences(only(ws, expecting("{documents: [{Usage: {lot: CHANGED}}]}"))) == []


def test_a_hook_that_loops_ends_at_its_limit(ws: Path) -> None:
    hooked(ws, "def hook(lines):\n    while True:\n        pass\n")
    result = only(ws, expecting("{outcome: quarantined, postings: []}"))
    assert differences(result) == []
    assert result.milliseconds < 20_000


def test_what_goes_out_is_compared_by_the_paths_of_hl7(ws: Path) -> None:
    engine = ws / "config/engine.yaml"
    text = engine.read_text("utf-8")
    charges = "{kind: mllp, host: 127.0.0.1, port: 9, mapping: charge-dft, discloses: [case]}"
    engine.write_text(text.replace("{kind: file, folder: var/inventory}", charges), "utf-8")
    assert differences(only(ws, expecting("{postings: [{body: {FT1-6: CG, FT1-10: 1, OBX-1: }}]}"))) == []
    assert differences(only(ws, expecting("{postings: [{item: HIP-STEM-12, body: {FT1-6: CD}}]}"))) == [
        ("postings[0].body.FT1-6", "CD", "CG")
    ]


# --- what is wrong
def test_findings_of_a_channel_are_told_once_and_other_channels_are_tested(ws: Path) -> None:
    write(ws, "".join(f"- {{test: {n}, input: {STEM}, expect: {{postings: []}}}}\n" for n in "abc"))
    write(
        ws,
        "- {test: d, input: ../samples/hl7v2/siu-new.hl7, expect: {outcome: processed}}",
        "channels/or-schedule.test.yaml",
    )
    mapping = ws / "mappings/dft-usage.yaml"
    mapping.write_text(mapping.read_text("utf-8").replace("path: FT1-10,", "path: FT1,"), "utf-8")
    done = results(ws)
    assert (done.passed, done.errors, len(done.findings)) == (1, 3, 1)
    assert "bad-path" in done.findings[0]
    assert not done.fine


def test_files_with_mistakes_are_told_before_anything_is_run(ws: Path) -> None:
    write(ws, expecting("{postigs: []}"))
    ran: list[TestedView] = []
    with pytest.raises(WorkspaceError) as raised:
        results(ws, told=ran.append)
    assert str(raised.value) == (
        "channels/or-usage.test.yaml:4:12 error unknown-key 'postigs' is not a key of expect. Did you mean 'postings'?"
    )
    assert ran == []


def test_mistakes_in_the_master_data_of_a_test_are_told_at_their_place(ws: Path) -> None:
    text = expecting("{postings: []}") + "  master: {rows: {items: [{itm: X}]}}\n"
    write(ws, text)
    done = results(ws)
    assert (done.errors, done.findings[0].split(" ")[:3]) == (1, [f"{FILE}:5:19", "error", "table-header"])


def test_a_link_that_comes_to_lead_out_of_the_workspace_is_not_read(ws: Path) -> None:
    (ws / "samples/out.hl7").symlink_to("/etc/hostname")
    write(ws, expecting("{postings: []}", "../samples/out.hl7"))
    with pytest.raises(WorkspaceError, match="leads out of the workspace"):
        results(ws)


def test_an_empty_message_cannot_be_run(ws: Path) -> None:
    (ws / "samples/empty.hl7").write_bytes(b"\n")
    result = only(ws, expecting("{postings: []}", "../samples/empty.hl7"))
    assert (result.result, result.words) == ("error", "../samples/empty.hl7: there is nothing in it: no message")


def test_a_message_that_is_too_large_cannot_be_run(ws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casecart.commands.one_test.LARGEST", 100)
    monkeypatch.setattr("casecart.commands.trying.LARGEST", 100)
    result = only(ws, expecting("{postings: []}"))
    assert (result.result, "this is larger than" in result.words) == ("error", True)


# --- which are run
@pytest.mark.parametrize(
    ("wanted", "text", "expected"),
    [
        ([], "", ["a", "Bee", "c"]),
        (["or-usage"], "", ["a", "Bee"]),
        (["channels/or-usage.test.yaml"], "", ["a", "Bee"]),
        (["channels/or-usage.yaml", "or-schedule"], "", ["a", "Bee", "c"]),
        (["channels"], "", ["a", "Bee", "c"]),
        (["."], "bee", ["Bee"]),
    ],
)
def test_which_tests_are_run(ws: Path, wanted: list[str], text: str, expected: list[str]) -> None:
    write(ws, "".join(f"- {{test: {n}, input: {STEM}, expect: {{outcome: processed}}}}\n" for n in ("a", "Bee")))
    write(
        ws,
        "- {test: c, input: ../samples/hl7v2/siu-new.hl7, expect: {outcome: processed}}",
        "channels/or-schedule.test.yaml",
    )
    assert sorted(each.test for each in results(ws, *wanted, text=text).tests) == sorted(expected)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (["or-usge"], "there is no channel 'or-usge', and no file of tests"),
        (["../.."], "there is no channel"),
        (["\0"], "there is no channel"),
        (["or-usage"], "no test fits"),
        ([], "there are no tests"),
    ],
)
def test_where_there_is_nothing_to_run_that_is_said(new: Path, wanted: list[str], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        results(new, *wanted)


# --- coverage
def test_what_no_test_reaches_is_told_with_its_place(ws: Path) -> None:
    write(ws, expecting("{outcome: processed}"))
    coverage = results(ws, "or-usage", coverage=True).coverage
    assert coverage is not None
    never = [f"{each.file}:{each.line} {each.what}" for file in coverage for each in file.never]
    mapping = (ws / "mappings/dft-usage.yaml").read_text("utf-8").splitlines()
    line = next(number for number, text in enumerate(mapping, 1) if "FT1-23.1" in text)
    assert f"mappings/dft-usage.yaml:{line} path FT1-23.1 was never used" in never
    assert "mappings/tables/transaction-type.csv:4 row PY was never used" in never
    assert "mappings/tables/transaction-type.csv:2 row CG was never used" not in never
    channel = (ws / "channels/or-usage.yaml").read_text("utf-8").splitlines()
    line = next(number for number, text in enumerate(channel, 1) if "otherwise" in text)
    assert f"channels/or-usage.yaml:{line} route: otherwise was never taken" in never
    assert any("where never left a line out" in each for each in never)
    assert {file.file: (file.parts, file.reached) for file in coverage}["channels/or-usage.yaml"] == (2, 1)


# --- the command
def test_the_command_shows_a_line_a_test_and_the_differences(ws: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(ws, expecting("{postings: [{item: HIP-STEM-12, serial: SN-4712}]}"))
    assert run(["test", "-w", str(ws)]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == FILE
    assert shown[1].split() == ["FAILED", shown[1].split()[1], "ms", "a"]
    assert shown[2].strip() == "postings[0].serial  expected SN-4712  received SN-4711  (line 4)"
    assert shown[-1].startswith("1 test: 0 passed, 1 failed (")


def test_the_command_ends_with_zero_where_all_pass_and_prints_one_document(
    ws: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(ws, expecting("{acknowledgement: AA}"))
    assert run(["test", "-w", str(ws), "--json", "--coverage"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["passed"], shown["tests"][0]["result"], shown["tests"][0]["file"]) == (1, "passed", FILE)
    assert shown["coverage"][0]["percent"] >= 0


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (["test"], 1),
        (["test", "nothing"], 1),
        (["test", "--workspace", "nowhere"], 3),
        (["test", "--odd"], 2),
    ],
)
def test_without_tests_or_a_workspace_the_command_says_so(
    new: Path, typed: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(new)
    assert run(typed) == code
    assert "Traceback" not in capsys.readouterr().err


def test_mistakes_in_a_file_of_tests_end_the_command_and_the_check(
    ws: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(ws, expecting("{postings: [{itm: X}]}"))
    assert run(["test", "-w", str(ws)]) == 3
    assert "4:24 error unknown-field 'itm' is not a field of posting. Did you mean 'item'?" in capsys.readouterr().err
    assert run(["check", str(ws)]) == 1
    assert "Did you mean 'item'?" in capsys.readouterr().out


def test_the_report_for_build_servers_is_well_formed(ws: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = expecting("{counts: {postings: 2}}").replace("test: a", 'test: "<&\\"> ü"')
    write(ws, odd + f"- {{test: b, input: {STEM}, expect: {{acknowledgement: AA}}}}\n")
    report = ws / "report.xml"
    assert run(["test", "-w", str(ws), "--junit", str(report)]) == 1
    root = ET.fromstring(report.read_bytes())  # noqa: S314 - our own
    first, second = root.iter("testcase")
    assert (first.get("classname"), first.get("name")) == ("or-usage", '<&"> ü')
    assert [each.text for each in first] == ["counts.postings  expected 2  received 1"]
    assert [*second] == []
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    assert run(["test", "-w", str(ws), "--junit", "/nowhere/x.xml"]) == 2
    capsys.readouterr()


def test_watching_runs_them_again_when_a_file_is_saved(ws: Path) -> None:
    write(ws, expecting("{acknowledgement: AE}"))
    typed = [CASECART, "test", "--watch"]
    with subprocess.Popen(typed, cwd=ws, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            assert any("1 failed" in line for line in lines)
            write(ws, expecting("{acknowledgement: AA}"))
            assert any("1 passed" in line for line in lines)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()  # else a failure waits for it for ever
