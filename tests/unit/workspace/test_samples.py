"""The samples are what the reference workspace reads: CR line ends, made-up people, one message a file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from casecart.workspace import reference

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = sorted((reference.root() / "samples" / "hl7v2").glob("*.hl7"))
RESOURCES = sorted((reference.root() / "samples" / "fhir").glob("*.json"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_one_message_with_bare_carriage_returns(path: Path) -> None:
    data = path.read_bytes()
    senders = reference.root() / "config" / "engine.yaml"
    sender, rest = data.removeprefix(b"MSH|^~\\&|").split(b"|", 1)
    assert f"MSH-3: {sender.decode()}," in senders.read_text("utf-8")
    assert rest.startswith(b"NORTH|CASECART|MERCY|")
    assert data.endswith(b"\r")
    assert b"\n" not in data
    assert data.count(b"MSH|") == 1


def test_no_two_samples_share_a_control_id_or_a_transaction_id_but_a_correction() -> None:
    segments = [
        line.split(b"|")
        for path in SAMPLES
        for line in path.read_bytes().split(b"\r")
        if not path.stem.endswith(("-correction", "-update")) or line[:3] == b"MSH"
    ]
    for name, field in ((b"MSH", 9), (b"FT1", 2)):
        ids = [segment[field] for segment in segments if segment[0] == name]
        assert len(ids) == len(set(ids)) > 4


def test_the_people_in_the_samples_are_made_up() -> None:
    names = [line.split(b"|")[5] for path in SAMPLES for line in path.read_bytes().split(b"\r") if line[:4] == b"PID|"]
    assert {name.split(b"^")[0] for name in names} == {b"TESTPATIENT"}


@pytest.mark.parametrize("path", RESOURCES, ids=lambda path: path.stem)
def test_a_fhir_sample_is_one_resource_of_nobody(path: Path) -> None:
    text = path.read_text("utf-8")
    resource = json.loads(text)
    assert resource["resourceType"][0].isupper()
    assert "\r" not in text
    assert set(re.findall(r'"Patient/([^"]*)"', text)) <= {"test-1", "test-2", "test-3"}
    assert set(re.findall(r'"https?://([^/"]*)', text)) <= {
        "fhir.mercy.example.org", "mercy.example.org", "hl7.org", "unitsofmeasure.org"
    }  # fmt: skip
