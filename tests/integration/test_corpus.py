"""Every HL7 v2 message of the corpus through the reader: nothing lost, and values as python-hl7 has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import hl7
import pytest

from casecart.formats.hl7v2 import Message, Refused, Segment, decode, detect, parse, read_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A segment (counted from 1 in the message) and a field, repetition, component and subcomponent in it.
Place = str

# What can't be read as one message, and why. All others must be read.
REFUSED: Final = {
    # The standard's own examples, printed with MSH-2 left out: there is nothing to split fields at.
    **dict.fromkeys(
        [
            *(f"HL7__v2ig/2.9.2.1-{number:03}.hl7" for number in range(2)),
            *(f"HL7__v2ig/2.9.4.1.1-{number:03}.hl7" for number in range(4)),
            *(f"HL7__v2ig/2.9.4.1.2-{number:03}.hl7" for number in range(4)),
            *(f"HL7__v2ig/2.9.4.2-{number:03}.hl7" for number in range(4)),
        ],
        "delimiters",
    ),
    # MSH-2 is `~\&`: the component separator is missing, made so on purpose.
    "hapifhir__hapi-hl7v2/EncodingCharactersTest-000.hl7": "delimiters",
    # The repetition separator was turned into U+FFFD, three bytes, by somebody's wrong decoding.
    "hapifhir__hapi-hl7v2/ExtendedMinLowerLayerProtocolTest-000.hl7": "delimiters",
    # A batch file with two messages.
    "microsoft__FHIR-Converter/BundleToHl7v2-000.hl7": "batch",
}

# Where the text of a part is not what python-hl7 makes of it. It was given each message with one CR for every
# line end, since it reads no other and takes empty lines for segments.
OTHER_TEXT: Final[dict[str, set[Place]]] = {
    # MSH-2 is `^~\\&`, a backslash escaped once too often. python-hl7 takes it by the letter, so that the
    # second backslash separates subcomponents; we read it as `^~\&`, as it was meant.
    "LinuxForHealth__hl7v2-fhir-converter/sample_unix-000.hl7": {
        "5 OBX-17[1].1.1",
        "5 OBX-17[1].1.2",
        "7 AL1-5[2].1.1",
        "7 AL1-5[2].1.2",
    },
    "LinuxForHealth__hl7v2-fhir-converter/sample_win-000.hl7": {
        "1 MSH-24[1].3.1",
        "1 MSH-24[1].3.2",
        "5 OBX-17[1].1.1",
        "5 OBX-17[1].1.2",
        "7 AL1-5[2].1.1",
        "7 AL1-5[2].1.2",
    },
    # A remark stands after the message, behind line feeds. To python-hl7 it is a segment of its own; we keep
    # a line that is no segment with the field before it, for that is what a line feed within a field looks
    # like, and say so in the message's notes.
    "hapifhir__hapi-hl7v2/messages-000.hl7": {"7 OBR-36[1].1.1"},
    "hapifhir__hapi-hl7v2/messages-002.hl7": {"2 MSA-2[1].1.1"},
    "hapifhir__hapi-hl7v2/messages-003.hl7": {"8 IN1-44[1].6.1"},
    "hapifhir__hapi-hl7v2/messages-004.hl7": {"8 IN1-44[1].6.1"},
    "hapifhir__hapi-hl7v2/messages-005.hl7": {"4 PV1-49[1].1.1"},
    "hapifhir__hapi-hl7v2/messages-007.hl7": {"7 IN1-44[1].6.1"},
    "hapifhir__hapi-hl7v2/messages-008.hl7": {"5 PV1-49[1].1.1"},
    "hapifhir__hapi-hl7v2/messages-009.hl7": {"6 GT1-20[1].1.1"},
    "hapifhir__hapi-hl7v2/messages-010.hl7": {"6 GT1-20[1].1.1"},
    "hapifhir__hapi-hl7v2/messages-011.hl7": {"7 IN1-44[1].6.1"},
    # python-hl7 strips white space from the end of the message, which is the end of its last value here.
    "microsoft__FHIR-Converter/PC1-Problem-Add-v2.3.1-000.hl7": {"3 PRB-16[1].1.1"},
    "microsoft__FHIR-Converter/PC1-Problem-Update-v2.3.1-000.hl7": {"3 PRB-16[1].1.1"},
}

# Where the text is the same and what it says is not.
OTHER_VALUE: Final[dict[str, set[Place]]] = {
    # `4\5`: a lone backslash is text to us; python-hl7 drops it and all that follows.
    "Efferent-Health__HL7-dotnetcore/Program-001.hl7": {"2 ZZ1-9[1].1.1"},
    # `\.br\` is a line feed to us and a carriage return to python-hl7, which would end a segment.
    "HL7__v2-to-fhir/Message.hl7_MDM_T02-000.hl7": {"10 OBX-5[1].1.1"},
    "hapifhir__hapi-hl7v2/EscapeTest-000.hl7": {"6 NTE-3[1].1.1"},
    # The same, and `\H\` and `\N\` (highlighting), which we leave as they are and python-hl7 turns into `_`.
    "Efferent-Health__HL7-dotnetcore/Sample-ORM-000.hl7": {"6 NTE-3[1].1.1"},
    "hapifhir__hapi-hl7v2/EscapeTest-001.hl7": {"5 OBX-5[1].1.1"},
    "hapifhir__hapi-hl7v2/NewPipeParserTest-004.hl7": {"6 OBX-5[1].1.1"},
}


@pytest.fixture(scope="module")
def messages(corpus: Path) -> dict[str, bytes]:
    """Every file of the corpus by its name."""
    folder = corpus / "hl7v2"
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.hl7"))}
    assert len(files) > 1000
    return files


def test_every_message_is_read_or_refused_with_a_reason(messages: dict[str, bytes]) -> None:
    refused = {}
    for name, body in messages.items():
        try:
            read_header(body)
        except Refused as refusal:
            refused[name] = refusal.code
    assert refused == REFUSED


def test_every_message_comes_out_byte_for_byte_as_it_went_in(messages: dict[str, bytes]) -> None:
    changed = []
    for name, body in _readable(messages):
        declared = read_header(body).character_set
        text, note = decode(body, declared)
        codec, same_note = detect(body, declared)
        if parse(text).write().encode(codec) != body or note != same_note:
            changed.append(name)
    assert not changed


def test_the_characters_of_every_message_are_in_the_set_that_it_declares(messages: dict[str, bytes]) -> None:
    notes = {name: decode(body, read_header(body).character_set)[1] for name, body in _readable(messages)}
    assert {name: note for name, note in notes.items() if note} == {}


def test_values_agree_with_python_hl7(messages: dict[str, bytes]) -> None:
    texts: dict[str, set[Place]] = {}
    values: dict[str, set[Place]] = {}
    compared = 0
    for name, body in _readable(messages):
        text, _ = decode(body, read_header(body).character_set)
        ours = _ours(parse(text))
        oracle = hl7.parse(re.sub(r"[\r\n]+", "\r", text.lstrip("\ufeff")))
        theirs = _theirs(oracle)
        compared += len(ours)
        other_text = {
            place for place in ours.keys() | theirs.keys() if place not in ours or ours[place][0] != theirs.get(place)
        }
        other_value = {
            place
            for place, (written, value) in ours.items()
            if place not in other_text and not _literal(place) and value != oracle.unescape(written)
        }
        if other_text:
            texts[name] = other_text
        if other_value:
            values[name] = other_value
    assert compared > 120_000
    assert texts == OTHER_TEXT
    assert values == OTHER_VALUE


def _readable(messages: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    return ((name, body) for name, body in messages.items() if name not in REFUSED)


def _literal(place: Place) -> bool:
    """Whether this is the declaration of the delimiters, which says nothing else."""
    return place.startswith(("1 MSH-1[", "1 MSH-2["))


def _ours(message: Message) -> dict[Place, tuple[str, str]]:
    """Text and value of every part that isn't empty."""
    return {
        f"{number} {segment.name}-{place}": part
        for number, segment in enumerate(message.segments, start=1)
        for place, part in _parts(segment)
    }


def _parts(segment: Segment) -> Iterator[tuple[str, tuple[str, str]]]:
    for f, field in enumerate(segment.fields, start=1):
        for r, repetition in enumerate(field.repetitions, start=1):
            for c, component in enumerate(repetition.components, start=1):
                for s, part in enumerate(component.subcomponents, start=1):
                    if part.text:
                        yield f"{f}[{r}].{c}.{s}", (part.text, part.value)


def _theirs(message: hl7.Message) -> dict[Place, str]:
    found: dict[Place, str] = {}
    for number, segment in enumerate(message, start=1):
        name = str(segment[0]) if len(str(segment[0])) == 3 else ""  # ours has no name where it isn't one
        for f, field in enumerate(segment[1:], start=1):
            for r, repetition in enumerate(_each(field, hl7.Field), start=1):
                for c, component in enumerate(_each(repetition, hl7.Repetition), start=1):
                    for s, text in enumerate(_each(component, hl7.Component), start=1):
                        if text:
                            found[f"{number} {name}-{f}[{r}].{c}.{s}"] = str(text)
    return found


def _each(part: object, kind: type[hl7.Container]) -> list[object]:
    """What a container of this kind holds; python-hl7 leaves containers out where there is only one thing."""
    return list(part) if isinstance(part, kind) else [part]
