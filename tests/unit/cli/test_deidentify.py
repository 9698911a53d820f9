"""`casecart hl7 deidentify` and `casecart fhir deidentify`: what a person gets of a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from casecart.cli.main import run
from casecart.commands.workspace import make_workspace
from casecart.formats.deidentify import LARGEST
from casecart.formats.hl7v2.file import read_file

if TYPE_CHECKING:
    from pathlib import Path

HEAD = b"MSH|^~\\&|ORSYS|NORTH|||20261103||DFT^P03|CTRL%d|P|2.5\r"
ONE = HEAD % 1 + b"PID|1||MRN777||SMITHSON^ANNA\rFT1|1||||||CH-27130\r"
TWO = HEAD % 2 + b"PID|1||MRN777||SMITHSON^ANNA\rNTE|1||She fell\r"
BATCH = b"FHS|^~\\&|ORSYS\rBHS|^~\\&|ORSYS||||||SMITHSON\r" + ONE + TWO + b"BTS|2|of SMITHSON\rFTS|1\r"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is no workspace."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, data: bytes, *arguments: str, group: str = "hl7") -> tuple[int, bytes]:
    (folder / "in").write_bytes(data)
    code = run([group, "deidentify", "in", "--out", "out", *arguments])
    return code, (folder / "out").read_bytes() if (folder / "out").exists() else b""


@pytest.mark.parametrize(
    "data",
    [ONE, ONE + TWO, BATCH, b"\x0b" + ONE + b"\x1c\r\x0b" + TWO + b"\x1c\r", b"\x0b" + BATCH + b"\x1c\r"],
    ids=["one", "two", "a batch", "frames", "a batch in a frame"],
)
def test_a_file_keeps_its_messages_and_what_is_around_them(elsewhere: Path, data: bytes) -> None:
    code, made = written(elsewhere, data)
    before, after = read_file(data), read_file(made)
    assert code == 0
    assert (len(after.messages), after.code, made.count(b"\r")) == (len(before.messages), "", data.count(b"\r"))
    assert b"SMITHSON" not in made
    assert made[:4] == data[:4]


def test_the_messages_of_a_file_are_one_story(elsewhere: Path) -> None:
    first, second = read_file(written(elsewhere, ONE + TWO)[1]).messages
    assert first.split(b"\r")[1] == second.split(b"\r")[1]


def test_without_a_file_to_write_it_goes_to_the_output(
    elsewhere: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (elsewhere / "in").write_bytes(ONE)
    assert run(["hl7", "deidentify", "in"]) == 0
    said = capfdbinary.readouterr()
    assert said.out.startswith(b"MSH|^~\\&|ORSYS|NORTH|")
    assert b"1 message: " in said.err
    assert b"another run gives other values" in said.err


def test_in_a_workspace_a_value_becomes_the_same_one_each_time(elsewhere: Path) -> None:
    make_workspace(elsewhere / "ws")
    assert written(elsewhere, ONE, "-w", "ws") == written(elsewhere, ONE, "-w", "ws")
    assert written(elsewhere, ONE)[1] != written(elsewhere, ONE)[1]


def test_a_resource_is_deidentified_under_either_name(elsewhere: Path) -> None:
    patient = json.dumps({"resourceType": "Patient", "name": [{"family": "Smithson"}], "gender": "female"}).encode()
    for group in ("hl7", "fhir"):
        made = json.loads(written(elsewhere, patient, group=group)[1])
        assert made["gender"] == "female"
        assert made["name"][0]["family"] != "Smithson"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no message"),
        (b"hello", "no message"),
        (b"\x00\xff" * 100, "no message"),
        (b"hello\r" + ONE, "no message"),
        (b"MSH|\r", "Message 1 can't be read"),
        (ONE + b"MSH|abc\r", "Message 2 can't be read"),
        (BATCH + b"MSH|abc\r", "Message 3 can't be read"),
        (b"\x0b" + ONE, "not whole"),
        (b"{}", "can't be read"),
        (b"[" * 5000, "can't be read"),
        (b"MSH|^~\\&|" + b"x" * LARGEST, "larger than 5 MB"),
    ],
)
def test_what_can_not_be_read_whole_is_not_written_in_part(
    elsewhere: Path, capsys: pytest.CaptureFixture[str], data: bytes, words: str
) -> None:
    assert written(elsewhere, data) == (1, b"")
    assert words in capsys.readouterr().err


def test_what_would_be_left_is_told_by_its_place_and_nothing_is_written(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ONE + b"ZIM|1\rZIM|for Smithson\r"
    assert written(elsewhere, data, "--keep", "ZIM-1") == (1, b"")
    said = capsys.readouterr().err
    assert "Message 1 holds at ZIM[2]-1 something" in said
    assert "--allow ZIM-1" in said
    assert "mithson" not in said
    assert b"for Smithson" in written(elsewhere, data, "--keep", "ZIM-1", "--allow", "ZIM-1")[1]


@pytest.mark.parametrize("place", ["", "ZIM", "ZIM-0", "zim-4", "Device", "a b", "--keep", "\x1b[31m"])
def test_what_is_no_place_is_a_mistake_of_the_line_that_was_typed(elsewhere: Path, place: str) -> None:
    assert written(elsewhere, ONE, f"--keep={place}") == (2, b"")
