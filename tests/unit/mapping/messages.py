"""Messages as the tests need them: of any delimiters, with everything that senders get wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from casecart.formats.hl7v2 import Delimiters

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEVICE", "delimiters", "device_messages", "messages"]

# Mostly what a good sender sends, or no line would ever get through.
CODES = [*["CG"] * 6, *["CD"] * 4, "AJ", "ZZ"]
NUMBERS = [*["1"] * 8, *["-1"] * 6, "2", "1.50", "01.5", "+2", ".5", "2 EA", "1,5", "1e3", "0", "-0", "1" * 41]
DAYS = [
    *["20260131"] * 12,
    "202601311830",
    "20260131183000-0600",
    "202601",
    "2026",
    "20260230",
    "31.01.2026",
    "2026013125",
]
WORDS = ["EQUIP", "74711-3", "LOT1", "LOT1", "LOT1", "LOT2", "A1 ", "  ", '""', "", "Ä", "x y"]
# Of the same device mostly; then another lot, none, broken ones, and one whose separators were lost.
DEVICE = "(01)09521234543213"
UDIS = [
    *[f"{DEVICE}(17)260131(10)LOT1"] * 6,
    *[f"{DEVICE}(10)LOT1"] * 2,
    f"{DEVICE}(17)260100(10)LOT1(21)A1",
    f"{DEVICE}(11)260131(17)260130(10)LOT1",
    f"{DEVICE}(17)260115",
    f"{DEVICE}(10)LOT2",
    "010952123454321310LOT1",
    "09521234543213",
    "(01)09521234543214(10)LOT1",
    "+A99912345/$$52001510X3/16D20260131/S77DEFG45B",
    "010952123454321310ABC17251231",
    "(01)0952",
    "LOT1",
    "",
]
ESCAPES = ["F", "S", "T", "R", "E", "X41", "X20", "XC384", ".br", "H", "Zq", "Q"]

# Fields in which these tests' mappings look, and what fits there.
FITTING: dict[tuple[str, int], Sequence[str]] = {
    ("FT1", 2): WORDS,
    ("FT1", 4): DAYS,
    ("FT1", 6): CODES,
    ("FT1", 10): NUMBERS,
    ("PRT", 4): ["EQUIP", "EQUIP", "OP"],
    ("PRT", 10): UDIS,
    ("PRT", 18): DAYS,
    ("ZPM", 6): UDIS,
    ("OBX", 3): ["74711-3", "74711-3", "LOT"],
}


@st.composite
def delimiters(draw: st.DrawFn) -> Delimiters:
    """Usual ones mostly, else fewer, or others."""
    usual = Delimiters("|", "^", "~", "\\", "&")
    shortened = [Delimiters("|", "^", "~", "\\"), Delimiters("|", "^", "~", "", "&"), Delimiters("|", "^", "~")]
    chosen = draw(st.sampled_from([usual, usual, usual, usual, *shortened, None, None, None]))
    if chosen is not None:
        return chosen
    marks = draw(st.permutations("|^~\\&#*!$%@;"))
    count = draw(st.sampled_from([4, 5]))
    return Delimiters(*marks[: 1 + count])


@st.composite
def leaves(draw: st.DrawFn, marks: Delimiters, fitting: Sequence[str]) -> str:
    kind = draw(st.integers(0, 20))
    if kind < 18:
        return draw(st.sampled_from(fitting))
    if kind < 19:
        return draw(st.sampled_from(CODES + NUMBERS + DAYS + WORDS))
    parts = st.sampled_from(["a", " ", "5", marks.escape, *(marks.escape + name + marks.escape for name in ESCAPES)])
    return "".join(draw(st.lists(parts, max_size=4)))


@st.composite
def fields(draw: st.DrawFn, marks: Delimiters, fitting: Sequence[str]) -> str:
    shape = draw(st.sampled_from([[[1]], [[1]], [[1]], [[1, 1]], [[1, 2]], [[2]], [[1], [1]], [[1, 1, 2], [1, 1]]]))
    return marks.repetition.join(
        marks.component.join(
            marks.subcomponent.join(draw(leaves(marks, fitting)) for _ in range(subcomponents))
            for subcomponents in components
        )
        for components in shape
    )


@st.composite
def segments(draw: st.DrawFn, marks: Delimiters) -> str:
    name = draw(st.sampled_from([*["FT1"] * 6, *["PRT"] * 4, "OBX", "OBX", "NTE", "ZPM", "PV1", "PID", "DG1", "IN1"]))
    last = draw(st.sampled_from([0, 6, 10, 14, 20, 24, 24]))
    texts = [name]
    for number in range(1, last + 1):
        asked = (name, number) in FITTING or (name, number) in ASKED
        if asked and draw(st.integers(0, 9)):
            texts.append(draw(fields(marks, FITTING.get((name, number), WORDS))))
        else:
            texts.append("")
    return marks.field.join(texts)


ASKED = {
    ("FT1", 7),
    ("FT1", 13),
    ("FT1", 23),
    ("PRT", 19),
    ("OBX", 5),
    ("PV1", 19),
    ("PID", 3),
}


@st.composite
def device_messages(draw: st.DrawFn) -> str:
    """A message in which each line has a device, told in several places."""
    code = st.sampled_from(UDIS)
    lines = ["MSH|^~\\&|ORSYS|NORTH"]
    for number in range(draw(st.integers(1, 3))):
        lot, serial, day = (draw(st.sampled_from(["", *choices])) for choices in (["LOT1"], ["A1"], DAYS))
        codes = "~".join(draw(st.lists(code, min_size=1, max_size=2)))
        lines.append(f"FT1|{number}|||||CG||||1")
        lines.append(f"PRT|1|||EQUIP||||||{codes}||||||||{day}|{lot}|{serial}")
        lines.append(f"OBX|1||74711-3||{draw(code)}")
    return "\r".join(lines)


ODD = ["", "free text", "FT1X", "pv1", "FT12|a", "PRT"]


@st.composite
def messages(draw: st.DrawFn) -> str:
    """A message with a few groups, and segments out of place."""
    marks = draw(delimiters())
    header = marks.field.join(["MSH", marks.encoding_characters, "ORSYS", "NORTH", "", "", "", "", "DFT"])
    lines = draw(st.lists(segments(marks) | st.sampled_from(ODD), min_size=1, max_size=10))
    end = draw(st.sampled_from(["\r", "\r", "", "\r\r"]))
    return "\r".join([header, *lines]) + end
