"""What may be written as an HL7 v2 path, and what an analyst is told about the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.formats.hl7v2.path import (
    HEADERS,
    LARGEST,
    Condition,
    Field,
    Path,
    PathError,
    Segment,
    parse_path,
    parse_segment,
)

numbers = st.integers(1, LARGEST)
names = st.from_regex(r"[A-Z][A-Z0-9]{2}", fullmatch=True)


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    number = draw(numbers)
    if name in HEADERS and number <= 2:
        return Field(number)
    component = draw(st.none() | numbers)
    subcomponent = None if component is None else draw(st.none() | numbers)
    return Field(number, draw(st.none() | numbers), component, subcomponent)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    name = draw(names)
    condition = st.builds(Condition, fields(name), st.text(min_size=1).filter(str.strip))
    return Segment(name, draw(numbers | condition), draw(st.sampled_from(["group", "message"])))


@st.composite
def paths(draw: st.DrawFn) -> Path:
    segment = draw(segments() | st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True))
    return Path(segment, draw(fields(segment if isinstance(segment, str) else segment.name)))


@given(paths())
def test_a_path_that_is_written_out_reads_as_itself(path: Path) -> None:
    assert parse_path(str(path)) == path


@given(segments())
def test_a_segment_that_is_written_out_reads_as_itself(segment: Segment) -> None:
    assert parse_segment(str(segment)) == segment


@given(st.text(alphabet="PVIDOBX-[].*'\"= 1293message:deviceÄ\t", max_size=30))
def test_any_text_is_a_path_or_a_path_error_within_the_text(text: str) -> None:
    found: Path | PathError
    try:
        found = parse_path(text)
    except PathError as error:
        found = error
    if isinstance(found, Path):
        assert parse_path(str(found)) == found
    else:
        assert 1 <= found.column <= len(text) + 1
        assert found.code.startswith("path-")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PV1-19", Path(Segment("PV1"), Field(19))),
        ("PV1-19.1", Path(Segment("PV1"), Field(19, component=1))),
        ("PID-3[2].4.2", Path(Segment("PID"), Field(3, 2, 4, 2))),
        ("PID-3[*].1", Path(Segment("PID"), Field(3, None, 1))),
        ("OBX[2]-5", Path(Segment("OBX", 2), Field(5))),
        ("message:PV1-19.1", Path(Segment("PV1", 1, "message"), Field(19, component=1))),
        (
            "OBX[OBX-3.1 = '74711-3']-5",
            Path(Segment("OBX", Condition(Field(3, component=1), "74711-3")), Field(5)),
        ),
        # no blanks, double quotes, CEL's ==: all of them clear
        (
            'OBX[OBX-3.1=="74711-3"]-5',
            Path(Segment("OBX", Condition(Field(3, component=1), "74711-3")), Field(5)),
        ),
        ("NTE[NTE-3 = 'it''s']-3", Path(Segment("NTE", Condition(Field(3), "it's")), Field(3))),
        ("device-10.1", Path("device", Field(10, component=1))),
        # an alias may begin like the prefix
        ("message-10", Path("message", Field(10))),
        ("MSH-2", Path(Segment("MSH"), Field(2))),
    ],
)
def test_a_path_is_read(text: str, expected: Path) -> None:
    assert parse_path(text) == expected


@pytest.mark.parametrize(
    ("text", "column", "code", "hint"),
    [
        ("", 1, "path-empty", "write one"),
        ("  ", 1, "path-empty", "write one"),
        ("PV1", 4, "path-field", "hyphen"),
        ("PV1.19", 4, "path-field", "as in PV1-3"),
        ("PV1-", 5, "path-number", "number of the field"),
        ("PV1-0", 5, "path-number", "from 1"),
        ("PV1-19.", 8, "path-number", "component"),
        ("PV1-19.1.", 10, "path-number", "subcomponent"),
        ("PV1-19.1.2.3", 11, "path-trailing", "complete"),
        ("PV1-99999999999999999999", 5, "path-number", "999"),
        ("PV1-19 .1", 7, "path-trailing", "no blanks"),
        ("Pv1-19", 1, "path-segment", "PV1"),
        ("PVX1-19", 1, "path-segment", "three capitals"),
        ("message:pv1-19", 9, "path-segment", "PV1"),
        ("OBX[]-5", 5, "path-selector", "empty"),
        ("OBX[0]-5", 5, "path-number", "from 1"),
        ("OBX[*]-5", 5, "path-selector", "one segment"),
        ("OBX[2-5", 6, "path-selector", "column 4"),
        ("PID-3[2.1", 8, "path-selector", "column 6"),
        ("OBX[NTE-3 = 'a']-5", 5, "path-selector", "about OBX itself"),
        ("OBX[OBX-3]-5", 10, "path-selector", "="),
        ("OBX[OBX-3 = a]-5", 13, "path-quote", "single quotes"),
        ("OBX[OBX-3 = 'a]-5", 13, "path-quote", "never closed"),
        ("OBX[OBX-3 = '']-5", 13, "path-selector", "empty"),
        ("MSH-2.1", 6, "path-delimiters", "MSH-2"),
        ("udi.lot", 4, "path-field", "hyphen"),
    ],
)
def test_what_is_no_path_is_told_with_its_column(text: str, column: int, code: str, hint: str) -> None:
    with pytest.raises(PathError) as caught:
        parse_path(text)
    assert (caught.value.column, caught.value.code) == (column, code)
    assert hint in caught.value.message


@pytest.mark.parametrize(
    ("text", "column", "code"),
    [
        ("PRT[PRT-4.1 = 'EQUIP']-10", 23, "path-not-a-segment"),
        ("device", 1, "path-segment"),
        ("PRT[PRT-4.1 = 'EQUIP'] ", 23, "path-trailing"),
    ],
)
def test_a_bind_is_a_segment_and_nothing_else(text: str, column: int, code: str) -> None:
    with pytest.raises(PathError) as caught:
        parse_segment(text)
    assert (caught.value.column, caught.value.code) == (column, code)
