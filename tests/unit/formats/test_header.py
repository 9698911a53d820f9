"""The header, read from bytes: what listeners route and answer by."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.formats.hl7v2 import NO_CONTROL_ID, Refused, read_header

MSH = (
    b"MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|20240315101530|sec|DFT^P03^DFT_P03|MSG0001|P|2.8.2|7|next|AL|NE|USA|"
    b"UNICODE UTF-8~ISO IR87|en"
)


def test_the_fields_of_the_header_have_their_names() -> None:
    header = read_header(MSH + b"\rPID|1\r")
    assert header.sending_application == b"ORSYS"
    assert header.sending_facility == b"NORTH"
    assert header.receiving_application == b"CASECART"
    assert header.receiving_facility == b"MERCY"
    assert header.time == b"20240315101530"
    assert header.message_type == ("DFT", "P03", "DFT_P03", "DFT^P03")
    assert header.event == "DFT^P03"
    assert header.control_id == b"MSG0001"
    assert header.processing_id == b"P"
    assert header.version == b"2.8.2"
    assert header.sequence_number == b"7"
    assert header.continuation_pointer == b"next"
    assert header.accept_acknowledgment == b"AL"
    assert header.application_acknowledgment == b"NE"
    assert header.character_set == b"UNICODE UTF-8"
    assert header.problem is None


def test_fields_are_counted_as_the_standard_counts_them() -> None:
    header = read_header(MSH)
    assert [header.field(number) for number in (1, 2, 3, 10, 19, 20)] == [
        b"|",
        b"^~\\&",
        b"ORSYS",
        b"MSG0001",
        b"en",
        b"",
    ]


def test_fields_that_were_not_sent_are_empty() -> None:
    header = read_header(b"MSH|^~\\&|ORSYS")
    assert header.control_id == b""
    assert header.event == "^"
    assert header.character_set == b""
    assert header.field(99) == b""


@pytest.mark.parametrize("control_id", [b"", b"  "])
def test_a_missing_control_id_is_told_and_not_refused(control_id: bytes) -> None:
    header = read_header(b"MSH|^~\\&|A|B|||2024||DFT^P03|" + control_id + b"|P|2.3\r")
    assert header.problem is NO_CONTROL_ID
    assert NO_CONTROL_ID.error_code == "101"
    assert NO_CONTROL_ID.place == "MSH-10"


def test_the_control_id_is_left_as_it_is() -> None:
    assert read_header(b"MSH|^~\\&|A|B|||2024||DFT^P03| a\\T\\b^1 |P|2.3\r").control_id == b" a\\T\\b^1 "


def test_an_event_is_named_with_a_caret_whatever_separates_its_components() -> None:
    assert read_header(b"MSH^~|\\&^A^B^C^D^2024^^ADT~A24^1\r").event == "ADT^A24"


def test_a_header_of_nothing_but_separators_is_not_cut_into_millions_of_fields() -> None:
    assert len(read_header(b"MSH|^~\\&" + b"|" * 1_000_000).fields) < 100


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b""])
def test_any_line_end_ends_the_header(end: bytes) -> None:
    header = read_header(MSH + end + b"PID|1|2|3" * bool(end))
    assert header.field(19) == b"en"
    assert header.field(20) == b""


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n", b"\0", b"  ", b"\xef\xbb\xbf\n"])
def test_a_byte_order_mark_or_white_space_before_the_header_is_passed_over(before: bytes) -> None:
    assert read_header(before + MSH).control_id == b"MSG0001"


def test_the_first_character_set_with_a_value_counts() -> None:
    assert read_header(b"MSH|^~\\&||||||||||||||||~ISO IR87\r").character_set == b"ISO IR87"


@pytest.mark.parametrize(
    ("body", "code", "error_code", "location"),
    [
        (b"", "no-header", "207", ""),
        (b"PID|1\r", "no-header", "207", ""),
        (b"\x16\x03\x01\x02", "no-header", "207", ""),  # TLS
        (b"GET / HTTP/1.1\r\n", "no-header", "207", ""),
        (b"msh|^~\\&|A\r", "no-header", "207", ""),
        (b"MSH", "delimiters", "102", "MSH-1"),
        (b"MSH|", "delimiters", "102", "MSH-2"),
        (b"MSHA^~\\&A\r", "delimiters", "102", "MSH-1"),
        (b"MSH|^^\\&|A\r", "delimiters", "102", "MSH-2"),
        (b"MSH\xa6^~\\&\xa6A\r", "delimiters", "102", "MSH-1"),
        (MSH.decode().encode("utf-16"), "utf-16", "207", ""),
        (MSH.decode().encode("utf-16-le"), "utf-16", "207", ""),
        (MSH.decode().encode("utf-16-be"), "utf-16", "207", ""),
        (MSH.decode().encode("utf-32-be"), "utf-16", "207", ""),
        (MSH + b"\rPID|1\r" + MSH, "several-messages", "100", "MSH[2]"),
        (MSH + b"\nPID|1\n" + MSH, "several-messages", "100", "MSH[2]"),
        (b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + MSH, "batch", "200", "FHS"),
        (b"BHS|^~\\&|A\r" + MSH, "batch", "200", "BHS"),
    ],
)
def test_what_is_no_message_is_refused_with_its_reason(body: bytes, code: str, error_code: str, location: str) -> None:
    with pytest.raises(Refused) as refused:
        read_header(body)
    refusal = refused.value
    assert (refusal.code, refusal.error_code, refusal.location) == (code, error_code, location)
    assert refusal.ack_code == "AR"
    assert refusal.words == str(refusal)


def test_a_refusal_brings_the_header_with_it_if_there_is_one() -> None:
    with pytest.raises(Refused) as refused:
        read_header(MSH + b"\rPID|1\r" + MSH)
    assert refused.value.header is not None
    assert refused.value.header.control_id == b"MSG0001"


@pytest.mark.parametrize(
    "text",
    [
        b"\rNTE|1||MSH|is the header\r",  # a field
        b"\rZMS|MSH|\r",
        b"\rMSHA|1\r",  # no segment of this name
    ],
)
def test_the_letters_msh_within_a_message_are_no_second_header(text: bytes) -> None:
    assert read_header(MSH + text).control_id == b"MSG0001"


def test_neither_a_header_nor_a_refusal_shows_a_value_where_it_is_logged() -> None:
    assert "ORSYS" not in repr(read_header(MSH))
    with pytest.raises(Refused) as refused:
        read_header(b"PID|1||4711||DOE^JANE")
    assert "DOE" not in repr(refused.value)


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for start in (b"", b"MSH", b"MSH|^~\\&|"):
        try:
            header = read_header(start + body)
        except Refused:
            continue
        assert header.message_type.event
        assert header.character_set is not None
