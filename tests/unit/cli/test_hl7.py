"""`casecart hl7 show` and `get`: what a person sees of a file, and what a script gets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.cli.main import run
from casecart.cli.shown_file import ShownFile, visible
from casecart.formats.hl7v2.compile import compile_paths
from casecart.formats.hl7v2.path import parse_path

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "MSH|^~\\&|ORSYS|NORTH|||20261103||DFT^P03|ID{}|P|{}\r"
ONE = (HEAD.format(1, "2.5.1") + "PID|1||MRN1^^^A~MRN2\rFT1|1||||||CH-1\rFT1|2||||||CH-2^Hip &amp\rZPM|V|x\r").encode()
TWO = (HEAD.format(2, "2.8.2") + "PRT|1|||EQUIP||||||(01)1\\X1D\\(21) 7 \r").encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A batch with two messages."""
    path = tmp_path / "two.hl7"
    path.write_bytes(b"BHS|^~\\&|A\r" + ONE + TWO + b"BTS|2\r")
    return path


def test_every_value_is_shown_with_its_path_and_the_name_that_its_version_has(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["hl7", "show", str(file)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == f"2 messages, {file.stat().st_size} bytes"
    for line in (
        f"message 1: DFT^P03, version 2.5.1, control id ID1, {len(ONE)} bytes, ascii (MSH-18 is empty)",
        "PID-3.1 Patient identifier list MRN1",
        "PID-3[2] MRN2",
        "FT1[2]-7.1 Transaction code CH-2",
        "FT1[2]-7.2.2 amp",
        "ZPM-1 V",  # nobody's name is known
        "PRT-10 Participation device (01)1\\x1d(21) 7·",
        "BTS-1 Batch message count 2",
    ):
        assert line in lines


def test_what_is_shown_can_be_had_as_one_document(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["hl7", "show", str(file), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [part["kind"] for part in document["parts"]] == ["BHS", "message", "message", "BTS"]
    assert document["problems"] == []
    message = document["parts"][2]
    assert (message["version"], message["charset"], message["control_id"]) == ("2.8.2", "ascii", "ID2")
    (segment,) = message["segments"][1:]
    assert segment["values"][-1] == {"path": "PRT-10", "name": "Participation device", "text": "(01)1\x1d(21) 7 "}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty: "),
        (b"hello", "no-message: "),
        (b"\xff\xfeM\0S\0H\0", "utf-16: "),
        (b"BHS|^~\\&\r" + ONE, "batch: "),
        (b"MSH|\r", "message 1: delimiters: "),
        (b"\x0b" + ONE, "truncated: "),
        (b"junk\r" + ONE, "not-a-message: "),
    ],
)
def test_what_can_not_be_read_is_told_and_the_rest_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, said: str
) -> None:
    (tmp_path / "bad.hl7").write_bytes(data)
    assert run(["hl7", "show", str(tmp_path / "bad.hl7")]) == 1
    shown = capsys.readouterr()
    assert f"bad.hl7: {said}" in shown.err
    assert ("FT1[2]-7.1" in shown.out) == (ONE in data and not data.startswith(b"\x0b"))


@pytest.mark.parametrize(
    ("version", "charset", "note"),
    [
        ("2.9", "", "The names of fields are known for versions 2.1 to 2.8.2"),
        ("", "", "The names of fields are known"),
        ("2.5", "8859/1", ""),
        ("2.5", "", "Read as cp1252: neither ASCII nor UTF-8"),
        ("2.5", "UNICODE UTF-8", "Read as cp1252: not what MSH-18 says"),
        ("2.5", "EBCDIC", "Read as cp1252: MSH-18 names no set"),
    ],
)
def test_the_version_and_the_character_set_are_told(version: str, charset: str, note: str) -> None:
    body = (HEAD.format(1, version).rstrip("\r") + f"||||||{charset}\rPID|1||||M\xfcller\r").encode("latin-1")
    shown = list(ShownFile(body).lines())
    assert any("PID-5" in line and "Müller" in line for line in shown)
    notes = [line for line in shown if "note: " in line]
    assert notes == [] if not note else note in notes[0]


def test_a_long_value_is_cut_on_the_screen_and_whole_in_the_document() -> None:
    shown = ShownFile(HEAD.format(1, "2.5").encode() + b"OBX|1|ED|||" + b"A" * 10_000 + b"\r")
    assert [line[-22:] for line in shown.lines() if "OBX-5" in line] == ["AA… (10,000 characters)"[-22:]]
    assert len(shown.document()["parts"][0]["segments"][1]["values"][-1]["text"]) == 10_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b", "a b"),
        (" a", "·a"),
        ("a  b ", "a··b·"),
        ("   ", "···"),
        ("a\tb\x1d\n", "a\\tb\\x1d\\n"),
        ("a\xa0b", "a\\xa0b"),
    ],
)
def test_what_can_not_be_seen_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("arguments", "code", "printed"),
    [
        (["PID-3.1"], 0, "MRN1\n"),
        (["PID-3[*].1"], 0, "MRN1\nMRN2\n"),
        (["FT1-7.1"], 0, "CH-1\n"),
        (["FT1-7.1", "--each", "FT1"], 0, "CH-1\nCH-2\n"),
        (["FT1[FT1-1 = '2']-7.1"], 0, "CH-2\n"),
        (["PRT-10"], 0, "(01)1\x1d(21) 7\n"),
        (["MSH-10"], 0, "ID1\nID2\n"),
        (["ZPM-9"], 1, ""),
        (["device-10"], 2, ""),
        (["FT1"], 2, ""),
        (["FT1-7", "--each", "ft1"], 2, ""),
    ],
)
def test_a_path_gets_what_a_mapping_would(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, printed: str
) -> None:
    assert run(["hl7", "get", str(file), *arguments]) == code
    assert capsys.readouterr().out == printed


def test_values_are_told_by_message_for_programs(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["hl7", "get", str(file), "FT1-7.1", "--each", "FT1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["messages"] == [
        {"number": 1, "control_id": "ID1", "values": ["CH-1", "CH-2"]},
        {"number": 2, "control_id": "ID2", "values": []},
    ]


@pytest.mark.parametrize("data", [b"hello", b"", b"MSH|\r"])
def test_nothing_can_be_got_of_what_is_no_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    (tmp_path / "bad.hl7").write_bytes(data)
    assert run(["hl7", "get", str(tmp_path / "bad.hl7"), "MSH-10"]) == 1
    assert "Error: " in capsys.readouterr().err


FIELD = st.text("ab ^~&\\", max_size=12)


@given(st.lists(st.tuples(st.sampled_from(["PID", "FT1", "ZPM"]), st.lists(FIELD, max_size=4)), max_size=6))
def test_every_path_that_is_shown_finds_the_value_beside_it(segments: list[tuple[str, list[str]]]) -> None:
    text = HEAD.format(1, "2.5") + "".join(f"{'|'.join([name, *fields])}\r" for name, fields in segments)
    (part,) = ShownFile(text.encode()).document()["parts"]
    for segment in part["segments"]:
        for value in segment["values"]:
            ((found,),) = compile_paths([parse_path(value["path"])])(text)
            assert found == (value["text"].strip() or None)


@given(st.binary(max_size=300))
def test_any_bytes_can_be_looked_at(data: bytes) -> None:
    shown = ShownFile(data)
    for line in shown.lines():
        assert line.isprintable()
    shown.document()
