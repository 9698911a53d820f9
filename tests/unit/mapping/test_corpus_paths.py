"""Over messages that others wrote, compiled paths read what a walk over the message reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.formats.hl7v2 import Refused, decode, parse
from casecart.formats.hl7v2.compile import compile_paths
from casecart.formats.hl7v2.path import parse_path
from unit.mapping.interpretation import values

if TYPE_CHECKING:
    from pathlib import Path

PATHS = [
    parse_path(text)
    for text in (
        "MSH-2", "MSH-9.2", "MSH-10", "PID-3[*].1", "PID-3[2].4.2", "PID-5.1.1", "PID-11.1", "PV1-19.1", "PV1-3.4",
        "FT1-2", "FT1-4", "FT1-6.1", "FT1-7.2", "FT1-10", "FT1-25[*]", "OBR-4.2", "ORC-2.1", "NTE-3",
        "OBX-5", "OBX[2]-5", "OBX-5[*].2", "OBX[OBX-2 = 'NM']-5", "message:OBX[OBX-3.3 = 'LN']-5.1", "PRT-10.1",
        "message:NTE[3]-3", "ITM-1", "RQD-3.1", "AL1-3.2", "IN1[2]-4", "ZPM-6",
    )
]  # fmt: skip


@pytest.mark.parametrize("each", ["FT1", "OBX", "ORC", "MSH", "RQD"])
def test_compiled_paths_read_the_corpus_as_a_walk_does(corpus: Path, each: str) -> None:
    compiled = compile_paths(PATHS, each=each)
    read = 0
    for file in sorted(corpus.glob("hl7v2/**/*.hl7")):
        text, _ = decode(file.read_bytes())
        try:
            message = parse(text)
        except Refused:
            continue
        groups = message.groups(each)[1]
        expected = [[values(message, path, {}, each, group) for path in PATHS] for group in groups]
        rows = [
            [list(value) if isinstance(value, tuple) else [value] if value else [] for value in row]
            for row in compiled(text)
        ]
        assert rows == expected, file.name
        read += len(groups)
    assert read
