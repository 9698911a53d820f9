"""The compiled mapping and paths do what their plain interpretations do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.formats.hl7v2 import parse, read_header
from casecart.formats.hl7v2.compile import compile_paths
from casecart.formats.hl7v2.path import parse_path, parse_segment
from casecart.mapping import compile_mapping
from casecart.workspace import Text
from casecart.workspace.mapping import FieldMapping, Mapping, Reads
from unit.mapping.declarations import Tokens, context, table
from unit.mapping.interpretation import Interpretation, values
from unit.mapping.messages import DEVICE, device_messages, messages

if TYPE_CHECKING:
    from collections.abc import Callable

PATHS = [
    "FT1-2", "FT1-6.1", "FT1-7", "FT1-7.2", "FT1-7.2.1", "FT1-7.1.2", "FT1-10[2]", "FT1-13[*].1", "FT1-23.1",
    "PRT-10.1", "PRT-10[*].2.1", "PRT[2]-19", "device-10.1", "device-19", "PRT[PRT-4[*].1 = 'EQUIP']-18",
    "OBX-5", "OBX[2]-5", "OBX[OBX-3.1 = '74711-3']-5", "OBX[OBX-3 = '74711-3']-5[2]", "ZPM-6", "NTE-3",
    "PV1-19.1", "message:PV1-19.1", "message:PRT-10.1", "message:OBX[OBX-3.1 = '74711-3']-5", "message:OBX[2]-5.2",
    "PID-3[*].1", "PID-3[*].1.1", "PID-3[*].1.2", "PID-3[2]", "DG1-3", "IN1[2]-2", "message:FT1[2]-6",
    "FT1[FT1-6 = 'CG']-10", "MSH-1", "MSH-2", "MSH-3", "MSH-9.1", "FHS-1", "FHS-2",
]  # fmt: skip
BIND = {"device": parse_segment("PRT[PRT-4.1 = 'EQUIP']")}

TABLES = {
    "strict": table("strict", "code,value\nCG,use\nCD,reverse\nAJ,none\n"),
    "open": table("open", "code,value\nCG,use\nCD,reverse\n*,use\n"),
    "clean": table("clean", "code,value\nCG,use\nCD,reverse\n"),
}


@given(messages(), st.sampled_from(["FT1", "OBX", "ZPM", "PV1", "MSH", "FHS"]))
@settings(max_examples=150, deadline=None)
def test_compiled_paths_read_what_a_walk_over_the_message_reads(text: str, each: str) -> None:
    paths = [parse_path(path) for path in PATHS]
    message = parse(text)
    rows = compile_paths(paths, each=each, bind=BIND)(text)
    _, groups = message.groups(each)
    assert len(rows) == len(groups)
    for row, group in zip(rows, groups, strict=True):
        found = [values(message, path, BIND, each, group) for path in paths]
        assert [list(value) if isinstance(value, tuple) else [value] if value else [] for value in row] == found


@given(messages())
@settings(max_examples=50, deadline=None)
def test_without_groups_paths_are_looked_for_in_the_whole_message(text: str) -> None:
    paths = [parse_path(path) for path in PATHS]
    message = parse(text)
    (row,) = compile_paths(paths, bind=BIND)(text)
    found = [values(message, path, BIND, None, []) for path in paths]
    assert [list(value) if isinstance(value, tuple) else [value] if value else [] for value in row] == found


def test_a_line_feed_in_msh_2_ends_the_delimiters_as_it_does_for_the_listener() -> None:
    # Behind it stands no delimiter: what was taken must be mapped.
    text = "MSH|^~\n&|ORSYS|NORTH|||||DFT^P03|1|P|2.3\rFT1|1|a&b^c\r"
    header = read_header(text.encode())
    assert (header.delimiters.component, header.delimiters.subcomponent) == ("^", "")
    paths = [parse_path("FT1-2.1"), parse_path("FT1-2.2")]
    assert compile_paths(paths, each="FT1")(text) == [("a&b", "c")]


@pytest.mark.parametrize(
    ("path", "with_one", "without"),
    [
        ("FT1-2", "a&b", "a&b"),
        ("FT1-2.1.1", "a", "a&b"),
        ("FT1-2.1.2", "b", None),
        ("FT1-2[*].1", ("a&b", "c"), ("a&b", "c")),
        ("FT1-2[*].1.1", ("a", "c"), ("a&b", "c")),
        ("FT1-2[*].1.2", ("b",), ()),
    ],
)
def test_without_a_subcomponent_separator_a_component_has_one_part(
    path: str, with_one: object, without: object
) -> None:
    extract = compile_paths([parse_path(path)], each="FT1")
    assert extract("MSH|^~\\&|\rFT1|1|a&b^x~c^y\r") == [(with_one,)]
    assert extract("MSH|^~\\|\rFT1|1|a&b^x~c^y\r") == [(without,)]


WHERES: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any]], bool]]] = {
    "has(lot)": (("lot",), lambda it: it["lot"] is not None),
    "action in ['use', 'reverse']": (("action",), lambda it: it["action"] in ("use", "reverse")),
    "quantity != 0 && has(lot)": (
        ("quantity", "lot"),
        lambda it: it["quantity"] != 0 and it["lot"] is not None,
    ),
    "quantity > 0 || action == 'reverse'": (
        ("quantity", "action"),
        lambda it: (it["quantity"] is not None and it["quantity"] > 0) or it["action"] == "reverse",
    ),
    "expiry >= date('2026-01-31') ? case != null : lot.startsWith('LOT')": (
        ("expiry", "case", "lot"),
        lambda it: (
            it["case"] is not None
            if it["expiry"] is not None and it["expiry"].isoformat() >= "2026-01-31"
            else it["lot"] is not None and it["lot"].startswith("LOT")
        ),
    ),
}


@st.composite
def empty(draw: st.DrawFn, default: str) -> dict[str, Any]:
    choices: list[dict[str, Any]] = [{"optional": True}, {"default": Text(default)}]
    return draw(st.sampled_from([*choices, *choices, {"required": True}]))


@st.composite
def sources(draw: st.DrawFn, paths: list[str]) -> dict[str, Any]:
    chosen = tuple(map(Text, draw(st.lists(st.sampled_from(paths), min_size=1, max_size=3, unique=True))))
    return {draw(st.sampled_from(["path", "agree"])): chosen}


@st.composite
def mappings(draw: st.DrawFn) -> Mapping:
    def field(paths: list[str], default: str, **more: Any) -> FieldMapping:  # noqa: ANN401 - as the declaration's keys
        return FieldMapping(**draw(sources(paths)), **draw(empty(default)), **more)

    days = ["FT1-4", "device-18", "PRT-18", "PRT-18[*]"]
    lots = ["device-19", "OBX[OBX-3.1 = '74711-3']-5", "PRT[2]-19", "ZPM-6.2.1"]
    device = {}
    if draw(st.booleans()):
        codes_ = ["device-10.1", "PRT-10", "PRT-10[*]", "ZPM-6", "message:PRT-10"]
        constant = st.just(FieldMapping(value=Text(DEVICE), type="udi"))
        device["udi"] = draw(constant | st.just(field(codes_, f"{DEVICE}(10)L0", type="udi")))
        device["item"] = field(["udi.di", "FT1-7", "udi.serial"], "I0")
        days, lots = [*days, "udi.expiry", "udi.expiry", "udi.manufactured"], [*lots[:1], "udi.lot", *lots[1:]]
    where = draw(st.sampled_from([None, None, *WHERES]))
    # A table may give more than the document allows only if the condition asks for it.
    fitting = [*TABLES] if where is not None and "action" in WHERES[where][0] else ["open", "clean"]
    codes = draw(st.sampled_from([None, *map(Text, fitting)]))
    action = field(["FT1-6", "FT1-6.1", "FT1-6[*].1"], "use", table=codes)
    fields = {
        "case": field(["PV1-19.1", "PID-3[*].1", "message:PRT-19"], "C0", token=Text("case")),
        "action": draw(st.just(action) | st.just(FieldMapping(value=Text("use")))),
        "quantity": field(
            ["FT1-10", "FT1-10.1", "FT1-10[2]", "FT1-10[*]"], "1.0", type="decimal",
            sign=draw(st.sampled_from([None, "by-action", "by-quantity"])),
        ),
        **device,
        "lot": field(lots, "L0"),
        "expiry": field(days, "20271231", type="date"),
        "used_on": field(days, "20260101", type="date"),
        "encounter": field(["PV1-19", "FT1-2"], "E0", token=Text("case")),
        "unit": FieldMapping(value=Text("EA")),
    }  # fmt: skip
    return Mapping(
        mapping=Text("generated"),
        reads=Reads(format="hl7v2"),
        makes="Usage",
        says="transactions",
        each=Text("FT1"),
        where=None if where is None else Text(where),
        bind={Text("device"): Text("PRT[PRT-4.1 = 'EQUIP']")},
        fields={Text(name): mapped for name, mapped in draw(st.permutations(list(fields.items())))},
    )


@st.composite
def device_mappings(draw: st.DrawFn) -> Mapping:
    """As analysts write it, with and without each source."""

    def field(paths: list[str], default: str, **more: Any) -> FieldMapping:  # noqa: ANN401 - as the declaration's keys
        return FieldMapping(**draw(sources(paths)), **draw(empty(default)), **more)

    fields = {
        "udi": field(["device-10", "device-10[*]", "OBX-5", "message:PRT-10"], f"{DEVICE}(10)LOT1", type="udi"),
        "lot": field(["device-19", "udi.lot"], "LOT1"),
        "serial": field(["udi.serial", "device-20"], "A1"),
        "expiry": field(["device-18", "udi.expiry", "PRT-18[*]"], "20260131", type="date"),
        "used_on": field(["udi.manufactured"], "20260131", type="date"),
        "item": field(["udi.di"], "I0"),
    }
    return Mapping(
        mapping=Text("generated"),
        reads=Reads(format="hl7v2"),
        makes="Usage",
        says="transactions",
        each=Text("FT1"),
        where=draw(st.sampled_from([None, None, Text("has(lot)")])),
        bind={Text("device"): Text("PRT[PRT-4.1 = 'EQUIP']")},
        fields={Text(name): mapped for name, mapped in draw(st.permutations(list(fields.items())))},
    )


@given(mappings(), st.lists(messages(), min_size=3, max_size=3))
@settings(max_examples=200, deadline=None)
def test_a_compiled_mapping_makes_what_its_interpretation_makes(declaration: Mapping, texts: list[str]) -> None:
    same(declaration, texts)


@given(device_mappings(), st.lists(device_messages(), min_size=3, max_size=3))
@settings(max_examples=300, deadline=None)
def test_a_devices_code_says_the_same_to_both(declaration: Mapping, texts: list[str]) -> None:
    same(declaration, texts)


def same(declaration: Mapping, texts: list[str]) -> None:
    asked, where = ((), None) if declaration.where is None else WHERES[declaration.where]
    compiled = compile_mapping(declaration, TABLES)
    interpreted = Interpretation(declaration, TABLES, where, asked)
    for text in texts:
        tokens = Tokens()
        mapped = compiled.run(text, context(tokens))
        expected = interpreted.run(text, context(Tokens()))
        assert mapped.documents == expected.documents
        assert mapped.places == expected.places
        assert [place for place, _ in mapped.filtered] == expected.filtered
        assert [(each.place, each.code, each.field) for each in mapped.exceptions] == expected.problems
        assert len(set(tokens.asked)) == len(tokens.asked)


@given(mappings(), st.text(alphabet='FT1PRTOBXPV|^~\\&\r\n"1-. \u00e9', max_size=200))
@settings(max_examples=100, deadline=None)
def test_whatever_a_message_holds_is_mapped_or_a_problem(declaration: Mapping, text: str) -> None:
    mapped = compile_mapping(declaration, TABLES).run(f"MSH|^~\\&|\r{text}", context())
    problems = {problem.place for problem in mapped.exceptions}
    places = [*mapped.places, *(place for place, _ in mapped.filtered), *problems]
    assert len(mapped.documents) == len(mapped.places)
    assert sorted(places) == sorted({*places})
