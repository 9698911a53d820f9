"""`casecart test --record`: what comes of a message now is what is expected of it, and nothing says whose it was."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from casecart.cli.main import run
from casecart.commands.record import Deidentification, Record
from casecart.commands.refusal import Refusal
from casecart.commands.site import read_site
from casecart.commands.testing import RunTests
from casecart.commands.trying import cut
from casecart.commands.workspace import make_workspace
from casecart.store import open_store
from casecart.workspace import WorkspaceError, reference
from support.shipped import Shipped, sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from casecart.commands.record import RecordedTest
    from support.line import Line

TESTS = "channels/or-usage.test.yaml"
HOW = Deidentification(key=b"a key of sixteen bytes or more", today=date(2026, 11, 4))
# No shipped channel takes them.
NOT_TAKEN = {
    "adt-update",
    "charge-item-granules",
    "device-of-patient",
    "device-usage-cup",
    "device-use-statement-cup",
    "inventory-report-screws",
}
SAMPLES = sorted(
    [*(reference.root() / "samples" / "hl7v2").iterdir(), *(reference.root() / "samples" / "fhir").iterdir()]
)
NAMES = ("TESTPATIENT", "MRN0000", "V1002", "Patient/test-", "e-100251")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `casecart init` makes, with a store."""
    root = tmp_path_factory.mktemp("new") / "ws"
    make_workspace(root)
    return root


@pytest.fixture
def ws(new: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(new, tmp_path / "ws")
    return tmp_path / "ws"


def record(root: Path, *bodies: bytes, **more: Any) -> RecordedTest:  # noqa: ANN401 - as `Record` takes it
    return Record(root=root, bodies=bodies, **{"deidentification": HOW, **more}).run()


def files(root: Path) -> dict[str, bytes]:
    folders = (root / "channels", root / "samples")
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


# One for each channel, and of each sort of outcome.
FEW = (
    "adt-admit",
    "cabinet-stock-dft",
    "dft-three-lines",
    "dft-udi-conflict",
    "oru-devices",
    "procedure-hip-stem",
    "siu-new",
)


def test_a_shipped_sample_is_recorded_as_a_test_that_passes(ws: Path) -> None:
    recorded_all(ws, [path for path in SAMPLES if path.stem in FEW], HOW)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", [HOW, None], ids=["de-identified", "as it is"])
def test_every_shipped_sample_is_recorded_as_a_test_that_passes(ws: Path, how: Deidentification | None) -> None:
    recorded_all(ws, [path for path in SAMPLES if path.stem not in NOT_TAKEN], how)


def recorded_all(root: Path, samples: Sequence[Path], how: Deidentification | None) -> None:
    """Recording itself runs each test once; this runs all of them once more, with the shipped ones beside them."""
    made = []
    for path in samples:
        made.append(record(root, *cut(path.read_bytes()), deidentification=how, name=f"recorded {path.stem}"))
        assert made[-1].notes == [] or "no master data" in made[-1].notes[0]
    done = RunTests(root=root, text="recorded ").run()
    assert [(each.test, each.differences) for each in done.tests if each.result != "passed"] == []
    assert {each.test for each in done.tests} >= {each.test for each in made}
    inputs = b"".join((root / each.input).read_bytes() for each in made).decode()
    assert [name for name in NAMES if name in inputs] == ([] if how is not None else list(NAMES))


def test_a_test_is_added_and_what_stands_there_stays_as_it_is(ws: Path) -> None:
    before = (ws / TESTS).read_text("utf-8")
    done = record(ws, sample("dft-hip-stem"), name="a stem is posted")
    after = (ws / TESTS).read_text("utf-8")
    assert after.startswith(before)
    assert after[len(before) :].startswith('\n- test: "a stem is posted"\n  input: "../samples/recorded/or-usage-')
    assert "item: HIP-STEM-12" in after[len(before) :]
    assert (done.channel, done.file, done.input) == (
        "or-usage",
        TESTS,
        "samples/recorded/or-usage-a-stem-is-posted.hl7",
    )


MINE = "  # mine\n  - test: a payment\n    input: ../samples/hl7v2/dft-payment.hl7\n    expect: {postings: []}"


@pytest.mark.parametrize(("before", "tests"), [("", 1), (MINE, 2)], ids=["no file", "an indented list without an end"])
def test_whatever_the_file_looks_like_the_test_stands_behind_the_others(ws: Path, before: str, tests: int) -> None:
    (ws / TESTS).unlink()
    if before:
        (ws / TESTS).write_text(before, "utf-8")
    record(ws, sample("dft-hip-stem"))
    assert (ws / TESTS).read_text("utf-8").startswith(before)
    assert RunTests(root=ws, wanted=["or-usage"]).run().passed == tests


def test_several_messages_become_one_test_with_an_answer_for_each(ws: Path) -> None:
    record(ws, sample("dft-screw-box"), sample("dft-screw-correction"), sample("dft-hip-stem"), name="several")
    assert RunTests(root=ws, wanted=["or-usage"], text="several").run().passed == 1


def test_two_tests_have_two_names_and_two_files(ws: Path) -> None:
    first, second = record(ws, sample("dft-hip-stem")), record(ws, sample("dft-hip-stem"))
    assert first.test != second.test
    assert first.input != second.input
    with pytest.raises(Refusal, match="already"):
        record(ws, sample("dft-hip-stem"), name=first.test)


def test_a_name_that_names_the_patient_stops_it_and_nothing_is_written(ws: Path) -> None:
    before = files(ws)
    with pytest.raises(Refusal, match="what is expected, line 1") as refused:
        record(ws, sample("dft-hip-stem"), name="for Mrs. Testpatient")
    assert "estpatient" not in str(refused.value)
    assert files(ws) == before


@pytest.mark.parametrize(
    ("body", "channel", "words"),
    [
        (b"MSH|^~\\&|NOBODY|X|||20261103||DFT^P03|1|P|2.5\r", "", "no channel takes it"),
        (b"MSH|^~\\&|ORSYS|NORTH|||20261103||SIU^S12|1|P|2.5\r", "or-usage", "does not take it"),
        (b"MSH|^~\\&|ORSYS|NORTH|||20261103||DFT^P03|1|P|2.5\r", "or-usag", "Did you mean"),
        (b"garbage", "", "no channel takes it"),
        (b"{", "fhir-procedures", "can't be read"),
        (b"\x00\xff", "or-usage", "can't be read"),
    ],
)
def test_what_no_channel_takes_is_not_recorded(ws: Path, body: bytes, channel: str, words: str) -> None:
    before = files(ws)
    with pytest.raises(Refusal, match=words):
        record(ws, body, channel=channel)
    assert files(ws) == before


def test_a_name_that_yaml_would_take_for_something_else_is_a_name(ws: Path) -> None:
    for name in ('"quoted"', "- a: b # c", "yes", "ünïcode \u2028", "\x1b[31m"):
        assert record(ws, sample("dft-payment"), name=name).test == " ".join(name.split())


def test_a_peer_that_there_is_not_is_told_and_nothing_is_written(ws: Path) -> None:
    before = files(ws)
    body = (reference.root() / "samples" / "fhir" / "procedure-hip-stem.json").read_bytes()
    with pytest.raises(Refusal, match="no peer has the name 'nope'"):
        record(ws, body, peer="nope", channel="fhir-procedures")
    assert files(ws) == before


def test_a_file_of_tests_with_mistakes_is_not_added_to(ws: Path) -> None:
    (ws / TESTS).write_text("- test: a\n  inputt: x\n", "utf-8")
    before = files(ws)
    with pytest.raises(WorkspaceError):
        record(ws, sample("dft-hip-stem"))
    assert files(ws) == before


def test_when_it_can_not_be_written_nothing_is(ws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(ws)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("casecart.commands.record.tempfile.mkstemp", full)
    with pytest.raises(Refusal, match="No space left on device; nothing was recorded"):
        record(ws, sample("dft-hip-stem"))
    assert files(ws) == before


def test_where_deidentification_changes_what_comes_it_says_so_and_expects_the_new_outcome(ws: Path) -> None:
    # The item stands in a field of the site's own, which is not known to be harmless.
    mapping = ws / "mappings" / "dft-usage.yaml"
    text = mapping.read_text("utf-8")
    assert "FT1-34.1" in text
    mapping.write_text(text.replace("FT1-34.1", "ZIM-1"), "utf-8")
    stem = sample("dft-hip-stem").decode().replace("HIP-STEM-12^Hip stem size 12", "")
    kept = "\r".join(line for line in stem.split("\r") if not line.startswith("PRT"))
    body = f"{kept}ZIM|HIP-STEM-12\r".encode()
    changed = record(ws, body)
    assert "de-identification changed what comes of it" in changed.notes[0]
    assert RunTests(root=ws, wanted=["or-usage"], text=changed.test).run().passed == 1
    how = Deidentification(key=HOW.key, today=HOW.today, keep=["ZIM-1"])
    assert record(ws, body, deidentification=how, name="kept").notes == []


# --- stored messages
@pytest.fixture
def stored(ws: Path) -> Iterator[Path]:
    """With a message in its store."""
    engine = ws / "config" / "engine.yaml"
    to = "{kind: file, folder: var/inventory}"
    engine.write_text(engine.read_text("utf-8").replace(to, f"{to}\n  erp: {{kind: file, folder: var/erp}}"), "utf-8")
    line: Line = Shipped(ws, read_site(ws).store_url)
    line.start()
    line.send(sample("dft-hip-stem"))
    yield ws
    line.store.close()


def test_a_stored_message_is_a_patients_and_needs_a_word_about_that(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(stored)
    assert run(["test", "-w", str(stored), "--record", "ORSYS-000001"]) == 2
    assert "--deidentify" in capsys.readouterr().err
    assert files(stored) == before
    assert run(["test", "-w", str(stored), "--record", "ORSYS-000001", "--deidentify", "--name", "mine"]) == 0
    assert "TESTPATIENT" not in (stored / "samples/recorded/or-usage-mine.hl7").read_text("utf-8")
    assert run(["test", "-w", str(stored), "--record", "ORSYS-000001", "--as-it-is", "--json", "--name", "two"]) == 0
    answer = capsys.readouterr().out
    shown = json.loads(answer[answer.index("{") :])
    assert shown["replaced"] is None
    assert (stored / shown["input"]).read_bytes() == sample("dft-hip-stem")
    with closing(open_store(read_site(stored).store_url, role="reader")) as store:
        assert [each.command for each in store.audit(2)] == ["message.read", "message.read"]


@pytest.mark.parametrize(
    "typed",
    [
        ["--deidentify"],
        ["--name", "x"],
        ["--record", "x.hl7", "or-usage"],
        ["--record", "x.hl7", "--deidentify", "--as-it-is"],
        ["--record", "x.hl7", "--keep", "ZIM-1"],
        ["--record", "x.hl7"],
        ["--record", "x.hl7", "--watch"],
        ["--record", "x.hl7", "-k", "x"],
    ],
)
def test_what_contradicts_itself_is_told(ws: Path, typed: list[str]) -> None:
    assert run(["test", "-w", str(ws), *typed]) == 2
