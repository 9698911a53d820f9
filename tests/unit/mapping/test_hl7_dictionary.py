"""Paths looked at with HL7's dictionary: what no version has is told, and only that."""

from __future__ import annotations

import pytest

from casecart.formats.hl7v2.dictionary import VERSIONS
from casecart.mapping.hl7_dictionary import not_in_dictionary
from casecart.workspace import Finding, Mapping
from casecart.workspace.reader import read
from casecart.workspace.reading import Reading
from casecart.workspace.yaml import parse

TEXT = """\
mapping: m
reads: {{format: hl7v2{version}{beyond}}}
makes: Usage
says: transactions
each: FT1
fields:
  line: {{path: "{path}", required: true}}
"""


def found(path: str, version: str = "2.5.1", beyond: str = "", accepted: tuple[str, ...] = ()) -> list[Finding]:
    text = TEXT.format(
        path=path, version=f', version: "{version}"' if version else "", beyond=f", beyond: {beyond}" if beyond else ""
    )
    node, findings = parse(text.encode(), "mappings/m.yaml")
    reading = Reading()
    mapping = None if node is None else read(Mapping, node, reading)
    assert mapping is not None
    assert [*findings, *reading.findings] == []
    return [*not_in_dictionary(mapping, accepted)]


def codes(*asked: str, **others: str) -> list[str]:
    return [finding.code for finding in found(*asked, **others)]  # type: ignore[arg-type]  # texts, all of them


@pytest.mark.parametrize(
    "path",
    [
        "FT1-7.1",
        "FT1-7",
        "FT1-6.1",  # one value, and its first component is all of it
        "PID-3[2].1",
        "PID-3[*].4.1",
        "OBX-5.17.2",  # of a field of any type nothing is known
        "message:MSH-9.2",
        "ZPM-99.9.9",  # the sender's own
        "OBX[OBX-3.1 = 'ZZZ-99']-5",
        "udi.lot",
    ],
)
def test_what_the_version_has_is_not_told(path: str) -> None:
    assert found(path) == []


@pytest.mark.parametrize(
    ("path", "version", "code", "words"),
    [
        ("FTI-7.1", "2.5.1", "hl7-segment", "HL7 2.5.1 has no segment FTI"),
        ("PRT-10", "2.5.1", "hl7-segment", "HL7 2.5.1 has no segment PRT, which comes with 2.7"),
        ("VTQ-3", "2.8.2", "hl7-segment", "HL7 2.8.2 has no segment VTQ, which went after 2.5.1"),
        ("FT1-32", "2.5.1", "hl7-field", "FT1 ends with FT1-31 in HL7 2.5.1: it has no FT1-32"),
        ("FT1-999", "2.8.2", "hl7-field", "FT1 ends with FT1-43 in HL7 2.8.2: it has no FT1-999"),
        (
            "RXA-5.9.1",
            "2.8.2",
            "hl7-component",
            "RXA-5.9.1: RXA-5 is CWE in HL7 2.8.2, and its component 9 (ST) has no",
        ),
        ("PID-3.4.9", "2.8.2", "hl7-component", "PID-3.4.9: PID-3 is CX in HL7 2.8.2, and its component 4 (HD) ends"),
        ("FT1-7.9", "2.5.1", "hl7-component", "FT1-7.9: FT1-7 is CE in HL7 2.5.1, and that ends with component 6"),
        ("FT1-10.2", "2.5.1", "hl7-component", "FT1-10.2: FT1-10 is NM in HL7 2.5.1, which has no components"),
        ("FT1-10[2]", "2.5.1", "hl7-repetition", "FT1-10[2]: FT1-10 does not repeat in HL7 2.5.1"),
        ("FT1-10[*]", "2.5.1", "hl7-repetition", "FT1-10[*]: FT1-10 does not repeat in HL7 2.5.1"),
        ("PID-2.1", "2.8.2", "hl7-withdrawn", "PID-2 is withdrawn in HL7 2.7"),
        ("OBX[OBX-33 = 'A']-5", "2.5.1", "hl7-field", "OBX ends with OBX-25"),
    ],
)
def test_what_the_version_lacks_is_a_warning_that_says_what_there_is(
    path: str, version: str, code: str, words: str
) -> None:
    (finding,) = found(path, version)
    assert (finding.severity, finding.code) == ("warning", code)
    assert finding.message.startswith(words)


def test_without_a_version_only_what_none_has_is_told() -> None:
    assert codes("FT1-43", version="") == []
    assert codes("PID-2.1", version="") == []
    assert codes("PRT-10", version="") == []
    assert codes("FT1-44", version="") == ["hl7-field"]


def test_of_an_unknown_version_the_paths_are_still_looked_up() -> None:
    assert codes("FT1-43", version="2.9") == ["hl7-version"]
    assert codes("FT1-44", version="2.9") == ["hl7-version", "hl7-field"]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_most_senders_send_is_in_every_version(version: str) -> None:
    assert codes("FT1-10", version=version) == []
    assert codes("message:PID-5.1", version=version) == []


@pytest.mark.parametrize(
    ("path", "beyond", "expected"),
    [
        ("FT1-32", "FT1-32", []),
        ("FT1-7.9", "FT1-7", []),  # all that is in it
        ("FT1-7.9", "FT1-7.9", []),
        ("FT1-10[2]", "FT1-10", []),
        ("PRT-99.2", "PRT", []),
        ("FT1-32", "FT1-3", ["hl7-field", "hl7-beyond"]),  # another field
        ("FT1-7.1", "FT1-7", ["hl7-beyond"]),
    ],
)
def test_what_is_said_to_be_beyond_is_not_told_and_must_be_so(path: str, beyond: str, expected: list[str]) -> None:
    assert codes(path, beyond=f"[{beyond}]") == expected


@pytest.mark.parametrize(
    ("accepted", "path", "told"),
    [
        (("DFT^P03",), "RXA-5.1", True),
        (("DFT^P03", "VXU^V04"), "RXA-5.1", False),
        (("DFT^*",), "PR1-3.1", False),
        (("ZDF^Z01",), "RXA-5.1", False),  # nobody knows what is in it
        ((), "RXA-5.1", False),
        (("Procedure",), "RXA-5.1", False),
    ],
)
def test_a_segment_that_no_accepted_message_has_is_told(accepted: tuple[str, ...], path: str, *, told: bool) -> None:
    assert [each.code for each in found(path, accepted=accepted)] == ["hl7-message"] * told
