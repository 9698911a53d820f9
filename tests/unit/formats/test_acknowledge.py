"""Acknowledgements: the code, and the message byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.formats.hl7v2 import (
    NO_CONTROL_ID,
    AckCode,
    Mode,
    Outcome,
    Problem,
    Refused,
    acknowledge,
    read_header,
    wanted,
)

if TYPE_CHECKING:
    from casecart.formats.hl7v2 import Header

ITEM_MISSING = Problem(
    error_code="101", words="FT1-7 is empty & required.", segment="FT1", occurrence=2, field=7, component=1
)


def header(
    version: bytes = b"2.5.1",
    *,
    event: bytes = b"DFT^P03",
    accept: bytes = b"",
    application: bytes = b"",
    charset: bytes = b"",
    control_id: bytes = b"MSG0001",
) -> Header:
    return read_header(
        b"|".join(
            [
                b"MSH",
                b"^~\\&",
                b"ORSYS^1.2^ISO",
                b"NORTH",
                b"CASECART",
                b"MERCY",
                b"20240315101530",
                b"",
                event,
                control_id,
                b"T",
                version,
                b"",
                b"",
                accept,
                application,
                b"",
                charset,
            ]
        )
        + b"\rPID|1\r"
    )


def answer(to: Header | None, code: AckCode = "AA", *, text: str = "", error: Problem | None = None) -> list[bytes]:
    """The segments of the answer."""
    errors = [error] if error else []
    message = acknowledge(to, code, control_id=b"CC9", time=b"20240315101531", text=text, errors=errors)
    assert message.endswith(b"\r")
    return message.split(b"\r")[:-1]


def test_an_answer_goes_back_the_way_it_came() -> None:
    assert answer(header()) == [
        b"MSH|^~\\&|CASECART|MERCY|ORSYS^1.2^ISO|NORTH|20240315101531||ACK^P03^ACK|CC9|T|2.5.1",
        b"MSA|AA|MSG0001",
    ]


@pytest.mark.parametrize(
    ("version", "event", "expected"),
    [
        (b"2.1", b"DFT^P03", b"ACK"),
        (b"2.2", b"DFT^P03", b"ACK"),
        (b"2.3", b"DFT^P03", b"ACK"),
        (b"2.3.1", b"DFT^P03", b"ACK^P03"),
        (b"2.4", b"DFT^P03", b"ACK^P03^ACK"),
        (b"2.8.2", b"DFT^P03^DFT_P03", b"ACK^P03^ACK"),
        (b"2.5^USA^1", b"DFT^P03", b"ACK^P03^ACK"),
        (b"2.10", b"DFT^P03", b"ACK^P03^ACK"),
        (b"2.5", b"DFT", b"ACK"),  # no event to answer to
        (b"2.5", b"", b"ACK"),
        (b"", b"DFT^P03", b"ACK"),  # no version: the oldest form
        (b"latest", b"DFT^P03", b"ACK"),
    ],
)
def test_the_message_type_is_that_of_the_senders_version(version: bytes, event: bytes, expected: bytes) -> None:
    msh, _ = answer(header(version, event=event))
    assert msh.split(b"|")[8] == expected
    assert msh.split(b"|")[11] == version


def test_a_character_set_is_given_back() -> None:
    msh, _ = answer(header(charset=b"UNICODE UTF-8~ISO IR87"))
    assert msh.endswith(b"|2.5.1||||||UNICODE UTF-8~ISO IR87")
    assert msh.split(b"|")[17] == b"UNICODE UTF-8~ISO IR87"


def test_an_answer_has_no_conditions_of_its_own() -> None:
    msh, _ = answer(header(accept=b"AL", application=b"AL", charset=b"ASCII"), "CA")
    assert msh.split(b"|")[12:17] == [b""] * 5


@pytest.mark.parametrize("control_id", [b" 0012 ", b"a^b&c~d", b"a\\T\\b", b"\xe9\xff", b"x" * 200])
def test_the_control_id_is_given_back_byte_for_byte(control_id: bytes) -> None:
    _, msa = answer(header(control_id=control_id))
    assert msa == b"MSA|AA|" + control_id


def test_an_answer_has_the_delimiters_of_the_message() -> None:
    message = read_header(b"MSH^~|\\&^A^B^C^D^2024^^ADT~A24^M1^P^2.5\r")
    assert answer(message, "AE", text="a^b", error=ITEM_MISSING) == [
        b"MSH^~|\\&^C^D^A^B^20240315101531^^ACK~A24~ACK^CC9^P^2.5",
        b"MSA^AE^M1^a\\F\\b",
        b"ERR^^FT1~2~7~1~1^101~Required field missing~HL70357^E^^^^FT1-7 is empty \\T\\ required.",
    ]


def test_shortened_encoding_characters_are_given_back() -> None:
    message = read_header(b"MSH|^~\\|A|B|C|D|2024||ADT^A24|M1|P|2.4\r")
    msh, _, err = answer(message, "AE", error=ITEM_MISSING)
    assert msh.startswith(b"MSH|^~\\|C|")
    assert err == b"ERR|FT1^2^7^101"  # nothing to put between the code and its words


@pytest.mark.parametrize(
    ("version", "msa", "err"),
    [
        (b"2.2", b"MSA|AE|MSG0001|No item.", b"ERR|FT1^2^7^101&Required field missing&HL70357"),
        (b"2.4", b"MSA|AE|MSG0001|No item.", b"ERR|FT1^2^7^101&Required field missing&HL70357"),
        (
            b"2.5",
            b"MSA|AE|MSG0001|No item.",
            b"ERR||FT1^2^7^1^1|101^Required field missing^HL70357|E||||FT1-7 is empty \\T\\ required.",
        ),
        # MSA-3 was withdrawn.
        (
            b"2.7",
            b"MSA|AE|MSG0001",
            b"ERR||FT1^2^7^1^1|101^Required field missing^HL70357|E||||FT1-7 is empty \\T\\ required.",
        ),
    ],
)
def test_an_error_is_told_in_the_form_of_the_senders_version(version: bytes, msa: bytes, err: bytes) -> None:
    assert answer(header(version), "AE", text="No item.", error=ITEM_MISSING)[1:] == [msa, err]


@pytest.mark.parametrize(
    ("version", "err"),
    [
        (b"2.3", b"ERR|^^^207&Application error&HL70357"),
        (b"2.5", b"ERR|||207^Application error^HL70357|F||||Stopped."),
    ],
)
def test_an_error_without_a_place_names_none(version: bytes, err: bytes) -> None:
    problem = Problem(error_code="207", words="Stopped.", severity="F")
    assert answer(header(version), "AR", error=problem)[2] == err


def test_a_message_without_a_control_id_is_told_so() -> None:
    assert answer(header(control_id=b""), "AR", error=NO_CONTROL_ID)[1:] == [
        b"MSA|AR|",
        b"ERR||MSH^1^10|101^Required field missing^HL70357|E||||The message has no control id (MSH-10).",
    ]


def test_what_could_not_be_read_gets_an_answer_to_nobody() -> None:
    problem = Problem(error_code="207", words="The message doesn't begin with an MSH segment.")
    assert answer(None, "AR", error=problem) == [
        b"MSH|^~\\&|||||20240315101531||ACK|CC9|P|2.5.1",
        b"MSA|AR|",
        b"ERR|||207^Application error^HL70357|E||||The message doesn't begin with an MSH segment.",
    ]


@pytest.mark.parametrize("separator", [".", "-", "(", "'", "/", ","])
@pytest.mark.parametrize("version", [b"2.3", b"2.8.2"])
def test_our_words_hold_no_delimiter_of_a_sender_that_has_no_escape_character(separator: str, version: bytes) -> None:
    head = separator.encode().join(
        [b"MSH", b"^~&", b"A", b"B", b"C", b"D", b"2024", b"", b"DFT^P03", b"", b"P", version]
    )
    problem = Problem(error_code="198", words="It's (for a test) one, two - three/four.", segment="MSH", field=10)
    _, msa, err = answer(read_header(head + b"\rPID\r"), "AR", text=problem.words, error=problem)
    assert separator not in "".join(part for part in (msa + err).decode().split(separator) if " " in part)
    assert len(msa.decode().split(separator)) <= 4
    assert len(err.decode().split(separator)) in {2, 9}


PUNCTUATION = "".join(character for character in map(chr, range(0x21, 0x7F)) if not character.isalnum())


@given(
    delimiters=st.lists(st.sampled_from(PUNCTUATION), min_size=3, max_size=6, unique=True).map("".join),
    fields=st.lists(st.binary(max_size=12), max_size=18),
    text=st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=20),
    code=st.sampled_from(get_args(AckCode)),
)
def test_whatever_a_header_says_it_can_be_answered(
    delimiters: str, fields: list[bytes], text: str, code: AckCode
) -> None:
    separator = delimiters[0].encode()
    said = [each.translate(None, separator + b"\r\n") for each in fields]
    try:
        to = read_header(separator.join([b"MSH", delimiters[1:].encode(), *said]) + b"\rPID\r")
    except Refused:
        return
    problems = [
        Problem(error_code="207", words=text, segment="FT1", occurrence=3, application_code="a-b.c"),
        ITEM_MISSING,
    ]
    made = acknowledge(to, code, control_id=b"CC9", time=b"2024", text=text, errors=problems)
    msh, msa, *rest = made.split(b"\r")
    back = read_header(made)
    assert (back.separator, back.delimiters) == (separator, to.delimiters)
    assert (back.control_id, back.fields[2:6]) == (b"CC9", [*to.fields[4:6], *to.fields[2:4]])
    assert msa.split(separator)[1:3] == [code.encode(), to.control_id]
    assert len(rest) in {2, 3}
    assert all(line.startswith(b"ERR" + separator) for line in rest[:-1])
    assert msh.startswith(b"MSH" + separator)


@pytest.mark.parametrize(
    "charset",
    [
        "UNICODE UTF-8",
        "UNICODE",
        "UTF-16",
        "ISO IR87",
        "ISO IR159",
        "GB 18030-2000",
        "BIG-5",
        "KS X 1001",
        "CNS 11643-1992",
    ],
)
def test_our_words_are_the_same_bytes_in_every_character_set(charset: str) -> None:
    assert answer(header(charset=charset.encode()), "AE", text="No item.")[1] == b"MSA|AE|MSG0001|No item."


@pytest.mark.parametrize(
    ("charset", "words"),
    [(b"UNICODE UTF-8", "für".encode()), (b"8859/1", "für".encode("latin-1")), (b"", b"f?r"), (b"x", b"f?r")],
)
def test_words_are_written_in_the_senders_character_set(charset: bytes, words: bytes) -> None:
    assert answer(header(charset=charset), "AE", text="für")[1] == b"MSA|AE|MSG0001|" + words


# MSH-15, MSH-16, then what accepted, error and rejected are answered with.
CONDITIONS: list[tuple[bytes, bytes, list[AckCode | None]]] = [
    (b"", b"", ["AA", "AE", "AR"]),
    (b'""', b'""', ["AA", "AE", "AR"]),
    (b"AL", b"", ["CA", "CE", "CR"]),
    (b"AL", b"NE", ["CA", "CE", "CR"]),
    (b"AL", b"AL", ["CA", "CE", "CR"]),
    (b"NE", b"", [None, None, None]),
    (b"NE", b"AL", [None, None, None]),
    (b"ER", b"NE", [None, "CE", "CR"]),
    (b"SU", b"NE", ["CA", None, None]),
    (b"", b"AL", [None, None, None]),  # not conformant: the missing one is NE
    (b" al ", b"ne", ["CA", "CE", "CR"]),
    (b"...D", b"", ["CA", "CE", "CR"]),  # not in the table: an answer too many rather than none
]
OUTCOMES: list[Outcome] = ["accepted", "error", "rejected"]


@pytest.mark.parametrize(("accept", "application", "codes"), CONDITIONS)
def test_auto_answers_as_the_message_asks(accept: bytes, application: bytes, codes: list[AckCode | None]) -> None:
    message = header(accept=accept, application=application)
    assert [wanted(message, "auto", outcome) for outcome in OUTCOMES] == codes


@pytest.mark.parametrize(("accept", "application", "codes"), CONDITIONS)
def test_original_mode_always_answers(accept: bytes, application: bytes, codes: list[AckCode | None]) -> None:
    message = header(accept=accept, application=application)
    assert [wanted(message, "original", outcome) for outcome in OUTCOMES] == ["AA", "AE", "AR"]


def test_enhanced_mode_answers_also_where_nothing_was_asked() -> None:
    assert [wanted(header(), "enhanced", outcome) for outcome in OUTCOMES] == ["CA", "CE", "CR"]
    assert wanted(header(accept=b"NE"), "enhanced", "accepted") is None


def test_none_never_answers() -> None:
    assert wanted(header(accept=b"AL"), "none", "rejected") is None
    assert wanted(None, "none", "rejected") is None


@pytest.mark.parametrize(("mode", "code"), [("auto", "AR"), ("original", "AR"), ("enhanced", "CR")])
def test_what_could_not_be_read_is_rejected_in_the_listeners_mode(mode: Mode, code: AckCode) -> None:
    assert wanted(None, mode, "rejected") == code
