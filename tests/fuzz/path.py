"""Fuzzes the paths that an analyst writes: their grammar, and what compiled ones read from a message.

How to run it stands in `fuzz.harness`.
"""

from __future__ import annotations

import sys

from casecart.formats.hl7v2 import Refused, parse
from casecart.formats.hl7v2.compile import compile_paths
from casecart.formats.hl7v2.path import Path, PathError, Segment, parse_path, parse_segment
from fuzz.harness import Target, main
from unit.mapping.interpretation import values

__all__ = ["TARGET"]

BIND = {"device": parse_segment("PRT[PRT-4.1 = 'EQUIP']")}
MESSAGE = (
    "MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|20261103||DFT^P03^DFT_P03|F1|P|2.5.1\r"
    "PID|1||MRN1^^^NORTH^MR~MRN2||TEST^ALEX&VAN^Q\rPV1|1|I|||||||||||||||||V1\r"
    "FT1|1|L1||20261103||CG|CH-1^Hip \\T\\ knee^CDM~X&Y&Z|||1\rPRT||UC||EQUIP||||||(01)1\r"
    'OBX|1|ST|74711-3^UDI^LN||=/A9999XYZ&,1000||\rFT1|2|L2||""||CD|CH-2\rPRT||UC||OTHER||||||(01)2\r'
)


def check(data: bytes) -> None:
    """A path, and behind a NUL a message other than the usual one."""
    path_bytes, _, message = data.partition(b"\0")
    text = path_bytes.decode("utf-8", "replace")
    try:
        segment = parse_segment(text)
    except PathError as error:
        _placed(error, text)
    else:
        if parse_segment(str(segment)) != segment:
            raise AssertionError("a segment's path is written as another one")
    try:
        path = parse_path(text)
    except PathError as error:
        _placed(error, text)
        return
    if parse_path(str(path)) != path:
        raise AssertionError("a path is written as another one")
    if isinstance(path.segment, Segment) or path.segment in BIND:
        _compiled(path, message.decode("cp1252", "replace") or MESSAGE)


def _compiled(path: Path, body: str) -> None:
    """What the compiled path reads is what a walk over the message finds."""
    try:
        message = parse(body)
    except Refused:
        return
    for each in (None, "FT1"):
        groups = message.groups(each)[1] if each else [[]]
        expected = [values(message, path, BIND, each, group) for group in groups]
        compiled = compile_paths([path], each=each, bind=BIND)
        rows = [list(row[0]) if isinstance(row[0], tuple) else [row[0]] if row[0] else [] for row in compiled(body)]
        if rows != expected:
            raise AssertionError(f"{path} reads something else when it is compiled")


def _placed(error: PathError, text: str) -> None:
    if not 1 <= error.column <= len(text) + 1 or not error.code or not error.message:
        raise AssertionError("an error names no place in the path")


TARGET = Target(
    name="path",
    check=check,
    seeds=(
        b"PV1-19.1",
        b"message:PV1-19.1",
        b"OBX[2]-5",
        b"PID-3[*].1",
        b"PID-5.2.2",
        b"FT1-7[2].1.3",
        b"OBX[OBX-3.1 = '74711-3']-5",
        b'message:OBX[OBX-3[*].1 == "74711-3"]-5[*].2',
        b"device-10.1",
        b"PRT[PRT-4.1 = 'EQUIP']",
        b"MSH-2",
        b"MSH-9.2",
        b"PID[PID-5.1 = 'O''HARA']-3",
        b"FT1-1000000",
        b"ft1-3",
        b"FT1- 3",
        b"FT1-4\0" + MESSAGE.encode(),
        b"NTE[3]-3\0MSH|^~&|A|B|||||X^Y|1|P|2.3\rFT1|1\rNTE|1||a\nb\nNTE|2||c\rNTE|3||d\r",
        b"NTE-3\0MSH|^~\n&|ORSYS|NORTH\rNTE|1||a^b\r",  # a line feed in MSH-2
        b"NTE[3]-3\0MSH|^~&|a\nNTE|1||a\nNTE|2||b\nNTE\n|\nx|b\rNTE|3||d\r",  # behind a name without fields
    ),
    marks=(
        b"-", b"[", b"]", b"[*]", b".", b"'", b'"', b"''", b"=", b" ", b"message:", b"device", b"FT1", b"OBX", b"MSH",
        b"PRT", b"1", b"2", b"999", b"1000", b"\0", b"|", b"^", b"~", b"\\", b"&", b"\r", b"\n", b'""',
        "\u0663".encode(),
    ),
    modules=("casecart.formats.hl7v2",),
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(TARGET))
