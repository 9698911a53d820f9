"""Acknowledgements as a sender reads them: the code, whose message it was, what ERR names, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.formats.hl7v2 import Problem, Refused, acknowledge, read_header, read_reply

if TYPE_CHECKING:
    from casecart.formats.hl7v2.acknowledge import AckCode

HEAD = b"MSH|^~\\&|B|M|C|N|20261121||ACK^P03^ACK|R1|P|2.5.1\r"
SENT = b"MSH|^~\\&|C|N|B|M|20261121||DFT^P03|%s|P|%s\r"


@pytest.mark.parametrize("version", [b"2.2", b"2.3.1", b"2.4", b"2.5.1", b"2.8.2"])
@pytest.mark.parametrize("code", ["AA", "AE", "AR", "CA", "CE", "CR"])
def test_what_our_listener_answers_is_read_again(code: AckCode, version: bytes) -> None:
    error = Problem(error_code="103", words="CANARY", segment="FT1", occurrence=2, field=7)
    header = read_header(SENT % (b"ID-1", version))
    reply = read_reply(acknowledge(header, code, control_id=b"R", time=b"20261121", text="CANARY", errors=[error]))
    assert (reply.code, reply.control_id, reply.accepted) == (code, b"ID-1", code[1] == "A")
    (told,) = reply.errors
    assert (told.error_code, told.words, told.place) == ("103", "Table value not found", "FT1[2]-7")


@pytest.mark.parametrize(
    ("lines", "code", "control_id"),
    [
        (b"MSA|AA|1\r", "AA", b"1"),
        (b"MSA|aa| 1 |\r", "AA", b"1"),  # as it is met
        (b"SFT|x\nMSA|AE|1\n", "AE", b"1"),  # LF for CR
        (b"MSA|CA\r", "CA", b""),
        (b"MSA|AA|1\rMSA|AE|2\r", "AA", b"1"),  # the first one counts
    ],
)
def test_the_code_and_the_control_id_are_read(lines: bytes, code: str, control_id: bytes) -> None:
    assert read_reply(HEAD + lines)[:2] == (code, control_id)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "no-header"),
        (b"\x1bjunk", "no-header"),
        (HEAD, "no-acknowledgement"),
        (HEAD + b"MSA|XX|1\r", "no-acknowledgement"),
        (HEAD + b"MSA\r", "no-acknowledgement"),
        (HEAD + b"MSA|AA|1\r" + HEAD, "several-messages"),
        (b"MSH|^^^^|\rMSA|AA|1\r", "delimiters"),
    ],
)
def test_what_is_no_acknowledgement_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        read_reply(body)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("records", "unsuccessful"),
    [
        (b"", False),
        (b"MFI|INV||UPD|||AL\rMFA|MAD|1|20261121|S|X\r", False),
        (b"MFA|MAD|1||s^Successful\rMFA|MAD|2||\r", False),
        (b"MFA|MAD\rMFA\r", False),  # it says nothing
        (b"MFA|MAD|1||U|X\r", True),
        (b"MFA|MAD|1||S\rMFA|MUP|2||U^CANARY\r", True),
        (b"MFA|MAD|1||E17\r", True),  # a code of the receiver's own
    ],
)
def test_an_answer_to_master_data_says_whether_each_record_was_taken(records: bytes, *, unsuccessful: bool) -> None:
    assert read_reply(HEAD + b"MSA|AA|1\r" + records).unsuccessful is unsuccessful


def test_a_thousand_errors_are_not_read() -> None:
    reply = read_reply(HEAD + b"MSA|AE|1\r" + b"ERR||FT1^1^7|103|E\r" * 1000)
    assert len(reply.errors) == 20


@given(
    st.lists(
        st.sampled_from([b"MSH|^~\\&|", b"MSA|AE|1", b"ERR|", b"\r", b"|", b"^", b"&", b"103", b"FT1", b"\xff", b"0"])
    )
)
def test_any_bytes_are_read_or_refused_and_nothing_of_theirs_is_told(pieces: list[bytes]) -> None:
    try:
        reply = read_reply(b"".join(pieces))
    except Refused:
        return
    assert all(len(error.words) < 40 and len(error.place) <= 20 for error in reply.errors)
