"""Fuzzes the reading of a message: header, character set, segments, escapes, acknowledgement.

How to run it stands in `fuzz.harness`.
"""

from __future__ import annotations

import sys

from casecart.formats.hl7v2 import (
    AckCode,
    Component,
    Message,
    Refused,
    acknowledge,
    decode,
    detect,
    escape,
    parse,
    read_header,
    repair,
    unescape,
)
from fuzz.harness import Target, main

__all__ = ["TARGET"]

# What switches its meaning by control sequences has several ways to write one text.
SWITCHING = ("iso2022_jp", "iso2022_jp_2")
CODES: tuple[AckCode, ...] = ("AA", "AE", "AR", "CA", "CE", "CR")
SETS = (None, "8859/1", "UNICODE UTF-8", "ISO IR87", "GB 18030-2000", "no such set")


def check(data: bytes) -> None:
    """The first byte decides what set the peer is said to send in."""
    override, body = SETS[(data[0] if data else 0) % len(SETS)], data[1:]
    try:
        header = read_header(body)
    except Refused as refused:
        if refused.header is not None:
            _answered(refused.header.control_id, acknowledge(refused.header, "AR", control_id=b"1", time=b"2026"))
        header = None
    text, note = decode(body, header.character_set if header else b"", override)
    codec, same_note = detect(body, header.character_set if header else b"", override)
    if note != same_note:
        raise AssertionError("decode and detect disagree")
    if codec not in SWITCHING and text.encode(codec) != body:
        raise AssertionError("bytes are lost in decoding")
    if header is None:
        return
    repaired = repair(text)
    if repair(repaired) != repaired:
        raise AssertionError("what is repaired is repaired again")
    for code in CODES:
        answer = acknowledge(header, code, control_id=b"1", time=b"2026", text="Words.")
        _answered(header.control_id, answer)
    try:
        message = parse(text, codec)
    except Refused:
        if codec in SWITCHING or override is not None:
            return  # another reading of the same bytes
        raise
    _whole(message, text)


def _answered(control_id: bytes, answer: bytes) -> None:
    """The answer is a message itself, and carries the control id byte for byte."""
    header = read_header(answer)
    separator = header.separator
    if not header.message_type.code.startswith("ACK") or header.control_id != b"1":
        raise AssertionError("no acknowledgement")
    if answer.split(b"\rMSA" + separator)[1].split(b"\r")[0].split(separator)[1] != control_id:
        raise AssertionError("MSA-2 is another control id")


def _whole(message: Message, text: str) -> None:
    """Nothing is lost at any level, and values can be written and read again."""
    if message.write() != text:
        raise AssertionError("not written as it was read")
    fields = [field for segment in message.segments[:20] for field in segment.fields[:30]]
    for field in fields:
        if not field.delimiters.component:
            continue  # MSH-1 and MSH-2 are not split
        repetitions = field.repetitions
        if field.delimiters.repetition.join(part.text for part in repetitions) != field.text:
            raise AssertionError("a repetition is lost")
        for component in [part for repetition in repetitions[:4] for part in repetition.components[:10]]:
            _values(component)


def _values(component: Component) -> None:
    """What is written for a value is read as that value."""
    for part in component.subcomponents[:6]:
        value, delimiters = part.value, part.delimiters
        if delimiters.escape and unescape(escape(value, delimiters), delimiters, part.charset) != value:
            raise AssertionError("what is escaped is read as something else")


MSH = b"MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|20261103||DFT^P03^DFT_P03|F1|P|2.5.1"
FT1 = b"FT1|1|L1||20261103^20261104||CG^Charge^HL70017|CH-1^Hip \\T\\ knee^CDM~X&Y&Z|||1.50|||OR-MAIN\r"
TARGET = Target(
    name="message",
    check=check,
    seeds=(
        b"\0" + MSH + b"\r" + FT1,
        b"\0\xef\xbb\xbf\r\n" + MSH + b"\r\n" + FT1.replace(b"\r", b"\r\n"),
        b"\0" + MSH.replace(b"\\&|", b"\\&#|") + b"\rNTE|1||a\\P\\b#\r",
        b"\0" + MSH.replace(b"^~\\&|", b"^~&|") + b"\r" + FT1,
        b"\0" + MSH.replace(b"^~\\&|", b"^~\\|") + b"\r" + FT1,
        b"\0" + MSH.replace(b"^~\\&|", b"^~\\\\&|") + b"\r" + FT1,
        b"\0" + MSH.replace(b"^~\\&|", b"^~\\&amp;|") + b"\r" + FT1,
        b"\0" + MSH.replace(b"|", b"!").replace(b"^~\\&", b"$%@*") + b"\rFT1!1!L1$a*b%c\r",
        b"\0" + MSH + b"|||AL|NE||UNICODE UTF-8\rPID|1||7||M\xc3\xbcller\r",
        b"\1" + MSH + b"||||||8859/1\rPID|1||7||M\xfcller\r",
        b"\3" + MSH + b"||||||ISO IR87\rPID|1||7||\x1b$B;3ED\x1b(B\r",
        b"\4" + MSH + b"||||||GB 18030-2000\rPID|1||7||\xcd\xf5\r",
        b"\5" + MSH + b"||||||~UNICODE UTF-8\rPID|1||7||\x93quoted\x94 \x81\r",
        b"\0" + MSH + b"\rOBX|1|TX|||\\F\\\\S\\\\R\\\\T\\\\E\\\r",
        b"\0" + MSH + b"\rOBX|1|TX|||\\.br\\\\X0D0A\\\\X00E0\\\\XC3\\\\XBC\\\\H\\x\\N\\\\Z1\\5\\10 mm\r",
        b"\0" + MSH + b"\rNTE|1||a\\.br\\M00E0\\E\\b\r",
        b"\0" + MSH + b"\rNTE|1||a line\nanother line\r\nZZZ|x\r",
        b"\0" + MSH + b"\rFT1|1|half\rADD|the rest\rDSC|more|F\r",
        b"\0FHS|^~\\&|A\rBHS|^~\\&|A\r" + MSH + b"\rBTS|1\rFTS|1\r",
        b"\0" + MSH + b"\r" + FT1 + MSH + b"\r",
        b"\0M\0S\0H\0|\0",
        b"\0MSH|^.-|ORSYS|NORTH|||||DFT^P03||P|2.5.1\r",  # our words have a dot, and nothing to escape it with
        b"\0" + MSH + b'\rPV1|""|I||||||||||||||||| V1 \r\r\n\n \0',
    ),
    marks=(
        b"|", b"^", b"~", b"\\", b"&", b"#", b"\r", b"\n", b"\r\n", b"\0", b"\x1b", b'""', b"\\T\\", b"\\X",
        b"\\.br\\", b"\\E\\", b"MSH|^~\\&|", b"FHS|", b"BHS|", b"ADD|", b"DSC|", b"\xef\xbb\xbf", b"\xc3", b"\x80",
        b"\x93",
        b"\xff", b"UNICODE UTF-8", b"2.3", b"2.8.2", b"AL", b"NE", b"\x1b$B", b"\x1b(B",
    ),
    modules=("casecart.formats.hl7v2",),
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(TARGET))
