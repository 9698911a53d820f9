"""What a mapping makes of a message: documents, filtered lines, and problems that a person can solve."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest

from casecart.canonical import Usage
from casecart.formats.hl7v2 import Refused
from casecart.mapping import CODES, Mapped, compile_mapping
from casecart.workspace import Text
from casecart.workspace.mapping import FieldMapping, Mapping, Reads
from unit.mapping.declarations import Tokens, context, mapping, table

TABLES = {
    "transaction-type": table("transaction-type", "code,value\nCG,use\nCD,reverse\n"),
    "every-type": table("every-type", "code,value\nCG,use\nCD,reverse\nAJ,none\n"),
}
ACTION = "{path: FT1-6.1, table: transaction-type, required: true}"


def run(fields: str, lines: str, *, tokens: Tokens | None = None, where: str | None = None, bind: str = "") -> Mapped:
    """Maps one message, whose lines behind MSH are given one a line."""
    condition = "" if where is None else f"where: {where}\n"
    declaration = mapping(
        "mapping: m\nreads: {format: hl7v2}\nmakes: Usage\nsays: transactions\neach: FT1\n"
        f"{condition}{bind}fields:\n" + "".join(f"  {line.strip()}\n" for line in fields.strip().splitlines())
    )
    message = "MSH|^~\\&|ORSYS|NORTH\r" + "".join(f"{line.strip()}\r" for line in lines.strip().splitlines())
    return compile_mapping(declaration, TABLES).run(message, context(tokens))


def problems(mapped: Mapped) -> list[tuple[str, str, str, str]]:
    return [(each.place, each.code, each.field, each.path) for each in mapped.exceptions]


def test_each_group_becomes_a_document_with_its_place() -> None:
    mapped = run("line: {path: FT1-2, required: true}", "FT1|1|A\nNTE|1\nFT1|2|B")
    assert mapped.documents == [
        Usage(facility="NORTH", line="A", source="M1#FT1[1]"),
        Usage(facility="NORTH", line="B", source="M1#FT1[2]"),
    ]
    assert mapped.places == ["FT1[1]", "FT1[2]"]


def test_a_message_without_a_group_makes_nothing() -> None:
    assert run("line: {path: FT1-2, required: true}", "PID|1") == Mapped([], [], [], [])


def test_more_lines_than_anybody_expected_have_their_places_too() -> None:
    mapped = run("line: {path: FT1-2, required: true}", "\n".join(f"FT1|1|{number}" for number in range(1, 251)))
    assert [document.line for document in mapped.documents] == [str(number) for number in range(1, 251)]
    assert mapped.places[-1] == "FT1[250]"


def test_a_line_with_a_problem_says_all_of_them_and_the_others_go_on() -> None:
    fields = f"""
        case: {{path: PV1-19, required: true, token: case}}
        action: {ACTION}
        quantity: {{path: FT1-10, type: decimal, required: true, sign: by-action}}
        used_on: {{path: FT1-4, type: date, required: true}}
    """
    mapped = run(fields, "PV1|1||||||||||||||||||C1\nFT1|1|||2026||ZZ||||2 EA\nFT1|2|||20260131||CG||||2")
    assert [document.source for document in mapped.documents] == ["M1#FT1[2]"]
    assert problems(mapped) == [
        ("FT1[1]", "code-not-in-table", "action", "FT1-6.1"),
        ("FT1[1]", "not-a-number", "quantity", "FT1-10"),
        ("FT1[1]", "date-precision", "used_on", "FT1-4"),
    ]


def test_a_problem_of_the_message_is_every_lines() -> None:
    mapped = run("case: {path: 'message:PV1-19.1', required: true, token: case}", "FT1|1\nFT1|2")
    assert problems(mapped) == [
        ("FT1[1]", "missing", "case", "message:PV1-19.1"),
        ("FT1[2]", "missing", "case", "message:PV1-19.1"),
    ]


def test_no_problem_repeats_the_message() -> None:
    fields = """
        lot: {agree: [FT1-2, FT1-3], required: true}
        action: {path: FT1-6, table: transaction-type, required: true}
        quantity: {path: FT1-10, type: decimal, required: true, sign: by-action}
        used_on: {path: FT1-4, type: date, required: true}
    """
    mapped = run(fields, "FT1|1|SECRET1|SECRET2|SECRET3||SECRET 4||||SECRET5")
    assert len(mapped.exceptions) == 4
    assert "SECRET" not in repr(mapped)


def test_a_code_that_the_table_lacks_is_named_where_it_looks_like_one() -> None:
    mapped = run("action: {path: FT1-6, table: transaction-type, required: true}", "FT1|1|||||XX\nFT1|2|||||ANNA SMITH")
    assert [problem.subject for problem in mapped.exceptions] == [
        "table:transaction-type=XX",
        "table:transaction-type=",
    ]
    assert [("XX" in problem.words, "ANNA" in problem.words) for problem in mapped.exceptions] == [
        (True, False),
        (False, False),
    ]


@pytest.mark.parametrize(
    ("told", "di"),
    [
        ("09521101530018", "09521101530018"),
        ("9521101530018", "09521101530018"),
        ("+H123CS350Q", "H123CS350"),
        ("H123CS350", "H123CS350"),
        ("(01)09521101530018(10)L1", "09521101530018"),
    ],
)
def test_a_device_identifier_is_read_as_items_have_it(told: str, di: str) -> None:
    (document,) = run("di: {path: FT1-2, type: di, optional: true}", f"FT1|1|{told}").documents
    assert document.di == di


def test_a_text_that_is_no_device_identifier_is_a_problem() -> None:
    mapped = run("di: {path: FT1-2, type: di, optional: true}", "FT1|1|hip stem")
    assert [(problem.code, problem.field) for problem in mapped.exceptions] == [("udi-unreadable", "di")]


def test_a_gtin_on_13_digits_and_the_same_in_a_udi_agree() -> None:
    fields = """
        udi: {path: FT1-3, type: udi, optional: true}
        di: {agree: [FT1-2, udi.di], type: di, optional: true}
    """
    mapped = run(fields, "FT1|1|9521101530018|(01)09521101530018(10)L1\nFT1|2|04012345000016|(01)09521101530018(10)L1")
    assert [document.di for document in mapped.documents] == ["09521101530018"]
    assert problems(mapped) == [("FT1[2]", "conflict", "di", "FT1-2, udi.di")]


def test_every_problem_has_a_code_that_is_explained() -> None:
    mapped = run("lot: {path: FT1-2, required: true}", "FT1|1")
    assert mapped.exceptions[0].code in CODES
    assert mapped.exceptions[0].words == "lot is required, and there is no value at FT1-2"


@pytest.mark.parametrize("text", ["", " ", '""', "&", "\\X20\\"])
def test_what_says_nothing_is_no_value(text: str) -> None:
    lines = f"FT1|1|{text}"
    expected = "&" if text == "&" else None  # text may have an unescaped subcomponent separator
    assert run("lot: {path: FT1-2, optional: true}", lines).documents[0].lot == expected
    assert run("lot: {path: FT1-2, default: L0}", lines).documents[0].lot == (expected or "L0")
    assert len(run("lot: {path: FT1-2, required: true}", lines).exceptions) == (expected is None)


def test_text_is_unescaped_once_and_its_subcomponents_stay() -> None:
    mapped = run("udi: {path: FT1-2, optional: true}", r"FT1|1|=/A999&,1\T\000\E\T\E\ ^other")
    assert mapped.documents[0].udi == r"=/A999&,1&000\T" + "\\"


def test_of_several_paths_the_first_with_a_value_counts() -> None:
    fields = "line: {path: [FT1-2, FT1-23.1], optional: true}"
    mapped = run(fields, "FT1|1|A|||||||||||||||||||||B^X\nFT1|2||||||||||||||||||||||B^X\nFT1|3")
    assert [document.line for document in mapped.documents] == ["A", "B", None]


def test_a_segment_of_the_group_is_looked_for_in_it_only() -> None:
    fields = """
        lot: {path: OBX-5, optional: true}
        serial: {path: "message:OBX-5", optional: true}
        case: {path: PV1-19, optional: true, token: case}
    """
    mapped = run(fields, "OBX|1||||of the message\nFT1|1\nFT1|2\nOBX|1||||of the line\nPV1|||||||||||||||||||C1")
    assert [(each.lot, each.serial, each.case) for each in mapped.documents] == [
        (None, "of the message", "case:C1"),
        ("of the line", "of the message", "case:C1"),
    ]


def test_what_comes_after_the_group_is_not_in_it() -> None:
    # A PRT under IN1 is an insurance clerk.
    mapped = run("lot: {path: PRT-19, optional: true}", f"FT1|1\nIN1|1\nPRT|1{'|' * 18}CLERK")
    assert mapped.documents[0].lot is None


def test_a_bound_segment_is_one_and_the_same() -> None:
    fields = """
        lot: {path: device-19, optional: true}
        serial: {path: device-20, optional: true}
    """
    lines = f"""
        FT1|1
        PRT|1|||SURGEON^Surgeon{"|" * 15}WRONG|WRONG
        PRT|1|||EQUIP^Equipment{"|" * 15}L1
        PRT|1|||EQUIP^Equipment{"|" * 15}L2|S2
    """
    mapped = run(fields, lines, bind="bind: {device: \"PRT[PRT-4.1 = 'EQUIP']\"}\n")
    assert (mapped.documents[0].lot, mapped.documents[0].serial) == ("L1", None)


@pytest.mark.parametrize(
    ("line", "lot", "code"),
    [
        ("FT1|1|A|A", "A", None),
        ("FT1|1|A", "A", None),
        ("FT1|1||A", "A", None),
        ("FT1|1||", None, None),
        ("FT1|1|A|B", None, "conflict"),
        ("FT1|1|A|a", None, "conflict"),  # a lower-case lot is another lot
    ],
)
def test_sources_must_agree(line: str, lot: str | None, code: str | None) -> None:
    mapped = run("lot: {agree: [FT1-2, FT1-3], optional: true}", line)
    assert [document.lot for document in mapped.documents] == ([] if code else [lot])
    assert [each.code for each in mapped.exceptions] == ([code] if code else [])


def test_sources_agree_on_values_and_not_on_how_they_are_written() -> None:
    fields = """
        expiry: {agree: [FT1-4, FT1-5], type: date, optional: true}
        quantity: {agree: [FT1-10, FT1-11], type: decimal, optional: true}
        action: {agree: [FT1-6, FT1-7], table: transaction-type, optional: true}
    """
    mapped = run(fields, "FT1|1|||20260131083000|20260131|CG|CG|||1.0|+1")
    assert mapped.documents[0].expiry == date(2026, 1, 31)
    assert str(mapped.documents[0].quantity) == "1.0"


def test_a_conflict_names_those_that_had_a_value() -> None:
    mapped = run("lot: {agree: [FT1-2, FT1-3, FT1-5], optional: true}", "FT1|1|A|||B")
    assert problems(mapped) == [("FT1[1]", "conflict", "lot", "FT1-2, FT1-5")]
    assert mapped.exceptions[0].words == "FT1-2 and FT1-5 say different things about lot: find out which is right"


def test_a_source_that_cannot_be_read_is_no_agreement() -> None:
    mapped = run("quantity: {agree: [FT1-10, FT1-11], type: decimal, optional: true}", "FT1|1|||||||||1|one")
    assert problems(mapped) == [("FT1[1]", "not-a-number", "quantity", "FT1-11")]


def test_all_repetitions_must_agree() -> None:
    fields = "lot: {agree: ['FT1-2[*]'], optional: true}"
    assert run(fields, "FT1|1|A~A").documents[0].lot == "A"
    assert run(fields, "FT1|1|").documents[0].lot is None
    assert problems(run(fields, "FT1|1|A~B")) == [("FT1[1]", "conflict", "lot", "FT1-2[*]")]


def test_where_is_decided_from_its_own_fields_first() -> None:
    fields = """
        action: {path: FT1-6.1, table: every-type, required: true}
        used_on: {path: FT1-4, type: date, required: true}
        case: {path: PV1-19, required: true, token: case}
    """
    tokens = Tokens()
    mapped = run(fields, "FT1|1|||||AJ\nFT1|2|||||CG", tokens=tokens, where="action in ['use', 'reverse']")
    # The adjustment has no date and no case either, and that is nobody's problem.
    assert mapped.filtered == [("FT1[1]", "where: action in ['use', 'reverse']")]
    assert [(place, field) for place, _, field, _ in problems(mapped)] == [("FT1[2]", "used_on"), ("FT1[2]", "case")]
    assert tokens.asked == []


def test_what_where_asks_for_and_cannot_be_read_is_never_filtered() -> None:
    mapped = run(f"action: {ACTION}", "FT1|1|||||ZZ\nFT1|2", where="action == 'use'")
    assert mapped.filtered == []
    assert [(place, code) for place, code, _, _ in problems(mapped)] == [
        ("FT1[1]", "code-not-in-table"),
        ("FT1[2]", "missing"),
    ]


def test_a_token_stands_for_a_value_and_is_asked_for_once() -> None:
    fields = """
        case: {path: PV1-19, required: true, token: case}
        encounter: {path: FT1-2, optional: true, token: case}
        lot: {path: FT1-3, optional: true, token: lot}
    """
    tokens = Tokens()
    mapped = run(fields, "PV1|||||||||||||||||||C1\nFT1|1|C1|L1\nFT1|2|C2|L1\nFT1|3", tokens=tokens)
    assert [(each.case, each.encounter, each.lot) for each in mapped.documents] == [
        ("case:C1", "case:C1", "lot:L1"),
        ("case:C1", "case:C2", "lot:L1"),
        ("case:C1", None, None),
    ]
    assert tokens.asked == [("case", "C1"), ("lot", "L1"), ("case", "C2")]


def test_no_token_is_made_for_a_line_with_a_problem() -> None:
    fields = "case: {path: FT1-2, required: true, token: case}\nlot: {path: FT1-3, required: true}"
    tokens = Tokens()
    run(fields, "FT1|1|C1|", tokens=tokens)
    assert tokens.asked == []


@pytest.mark.parametrize(
    ("sign", "code", "quantity", "expected"),
    [
        ("by-action", "CG", "2", ("use", "2")),
        ("by-action", "CG", "0", ("use", "0")),
        ("by-action", "CD", "2", ("reverse", "2")),
        ("by-action", "CD", "-2.50", ("reverse", "2.50")),
        ("by-action", "CG", "-2", "quantity-sign"),
        ("by-quantity", "CG", "2", ("use", "2")),
        ("by-quantity", "CG", "-2", ("reverse", "2")),
        ("by-quantity", "CD", "2", ("reverse", "2")),
        ("by-quantity", "CD", "-2", "quantity-sign"),  # a double negative
        (None, "CG", "2", ("use", "2")),
        (None, "CD", "-2", "quantity-sign"),  # nobody said what it means
        # where the action has a problem, the sign has none of its own
        ("by-action", "ZZ", "-2", "code-not-in-table"),
        ("by-action", "AJ", "-2", "not-allowed"),
        # 29 digits: taking the sign away must not round
        ("by-action", "CD", "-12345678901234567890123456789", ("reverse", "12345678901234567890123456789")),
    ],
)
def test_the_sign_of_a_quantity(sign: str | None, code: str, quantity: str, expected: tuple[str, str] | str) -> None:
    rule = "" if sign is None else f", sign: {sign}"
    action = "{path: FT1-6.1, table: every-type, required: true}"
    fields = f"action: {action}\nquantity: {{path: FT1-10, type: decimal, required: true{rule}}}"
    where = "action in ['use', 'reverse', 'none']"
    mapped = run(fields, f"FT1|1|||||{code}||||{quantity}", where=where)
    if isinstance(expected, str):
        assert [each.code for each in mapped.exceptions] == [expected]
    else:
        assert [(each.action, str(each.quantity)) for each in mapped.documents] == [expected]


@pytest.mark.parametrize("field", ["{value: use}", "{path: FT1-99, default: use}"])
def test_a_text_that_the_mapping_says_itself_is_in_the_document_as_any_other(field: str) -> None:
    (document,) = run(f"action: {field}", "FT1|1").documents
    assert type(document.action) is str
    assert msgspec.json.decode(msgspec.json.encode(document))["action"] == "use"


def test_what_a_sign_changes_is_of_its_own_line_only() -> None:
    fields = "action: {value: use}\nquantity: {path: FT1-10, type: decimal, required: true, sign: by-quantity}"
    mapped = run(fields, "FT1|1|||||||||-1\nFT1|2|||||||||1")
    assert [(each.action, each.quantity) for each in mapped.documents] == [("reverse", Decimal(1)), ("use", Decimal(1))]
    fields = "action: {value: use}\nquantity: {path: PV1-2, type: decimal, required: true, sign: by-quantity}"
    mapped = run(fields, "PV1||-1\nFT1|1\nFT1|2")
    assert [(each.action, each.quantity) for each in mapped.documents] == [
        ("reverse", Decimal(1)),
        ("reverse", Decimal(1)),
    ]


def test_where_sees_fields_before_their_sign_and_token() -> None:
    fields = f"""
        action: {ACTION}
        quantity: {{path: FT1-10, type: decimal, required: true, sign: by-quantity}}
        case: {{path: FT1-2, required: true, token: case}}
    """
    mapped = run(fields, "FT1|1|C1||||CG||||-1", where="action == 'use' && quantity < 0 && case == 'C1'")
    assert [(each.action, each.case) for each in mapped.documents] == [("reverse", "case:C1")]


def test_a_table_with_a_default_row_knows_every_code() -> None:
    codes = table("codes", "code,value\nA,implanted\n*,wasted\n")
    declaration = mapping(
        "mapping: m\nreads: {format: hl7v2}\nmakes: Usage\nsays: transactions\neach: FT1\n"
        "fields:\n  disposition: {path: FT1-2, table: codes, optional: true}\n"
    )
    run_ = compile_mapping(declaration, {"codes": codes}).run
    mapped = run_("MSH|^~\\&|\rFT1|1|A\rFT1|2|B\rFT1|3\r", context())
    assert [document.disposition for document in mapped.documents] == ["implanted", "wasted", None]


SPECIAL = (
    "code,value,match,valid_from,valid_to\n"
    "100..199,implanted,range,,\n"
    "X*,wasted,pattern,,\n"
    "A,used,,,2026-10-31\n"
    "A,implanted,,2026-11-01,\n"
)


@pytest.mark.parametrize(
    ("code", "expected"), [("150", "implanted"), ("X-9", "wasted"), ("A", "implanted"), ("X" * 300, None)]
)
def test_a_code_has_the_value_of_its_range_pattern_or_day(code: str, expected: str | None) -> None:
    declaration = mapping(
        "mapping: m\nreads: {format: hl7v2}\nmakes: Usage\nsays: transactions\neach: FT1\n"
        "fields:\n  disposition: {path: FT1-2, table: codes, optional: true}\n"
    )
    mapped = compile_mapping(declaration, {"codes": table("codes", SPECIAL)}).run(
        f"MSH|^~\\&|\rFT1|1|{code}\r", context()
    )
    assert [document.disposition for document in mapped.documents] == ([expected] if expected else [])
    assert [problem.code for problem in mapped.exceptions] == ([] if expected else ["code-not-in-table"])


def test_sources_agree_on_what_a_range_makes_of_their_codes() -> None:
    declaration = mapping(
        "mapping: m\nreads: {format: hl7v2}\nmakes: Usage\nsays: transactions\neach: FT1\n"
        "fields:\n  disposition: {agree: [FT1-2, FT1-3], table: codes, optional: true}\n"
    )
    run_ = compile_mapping(declaration, {"codes": table("codes", SPECIAL)}).run
    assert [each.disposition for each in run_("MSH|^~\\&|\rFT1|1|150|160\r", context()).documents] == ["implanted"]
    assert [each.code for each in run_("MSH|^~\\&|\rFT1|1|150|X1\r", context()).exceptions] == ["conflict"]


def test_a_constant_is_the_same_in_every_line() -> None:
    fields = "unit: {value: EA}\nquantity: {value: '2.0', type: decimal}\naction: {value: use}"
    mapped = run(fields, "FT1|1\nFT1|2")
    assert [(each.unit, each.quantity, each.action) for each in mapped.documents] == [("EA", Decimal(2), "use")] * 2


def test_a_default_is_read_by_the_type() -> None:
    fields = (
        "used_on: {path: FT1-4, type: date, default: '20260101'}\nquantity: {path: FT1-10, type: decimal, default: 1}"
    )
    mapped = run(fields, "FT1|1\nFT1|2||||||||one")
    assert [(each.used_on, each.quantity) for each in mapped.documents] == [(date(2026, 1, 1), Decimal(1))] * 2
    # What is there and can't be read isn't replaced.
    assert problems(run(fields, "FT1|1|||someday"))[0][1] == "not-a-date"


def test_the_delimiters_are_the_messages() -> None:
    declaration = mapping(
        "mapping: m\nreads: {format: hl7v2}\nmakes: Usage\nsays: transactions\neach: FT1\n"
        "fields:\n  lot: {path: 'FT1-2[2].2.1', optional: true}\n"
    )
    run_ = compile_mapping(declaration, {}).run
    text = "MSH#*!$%#ORSYS\rFT1#1#a!b*c$S$d%e\r"
    assert run_(text, context()).documents[0].lot == "c*d"
    # No subcomponent separator is declared: the component is whole.
    assert run_("MSH|^~\\|ORSYS\rFT1|1|a~b^c&d\r", context()).documents[0].lot == "c&d"


def test_a_message_is_repaired_before_it_is_read() -> None:
    declaration = mapping(
        "mapping: m\nreads: {format: hl7v2}\nmakes: Usage\nsays: transactions\neach: FT1\n"
        "fields:\n  lot: {path: FT1-2, optional: true}\n"
    )
    run_ = compile_mapping(declaration, {}).run
    assert run_("\ufeffMSH|^~\\&|ORSYS\r\nFT1|1|L1\r\nFT1|2|L2\r\n", context()).documents[1].lot == "L2"
    with pytest.raises(Refused):
        run_("FT1|1|L1\r", context())


def test_nothing_that_an_analyst_writes_is_executed() -> None:
    nasty = "'\"\\\n{1/0}%s' + str(1/0) #"
    in_path = nasty.replace("'", "''")
    in_expression = nasty.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    declaration = Mapping(
        mapping=Text(nasty),
        reads=Reads(format="hl7v2"),
        makes="Usage",
        says="state",
        each=Text("FT1"),
        where=Text(f"lot == '{in_expression}' && has(serial)"),
        fields={
            Text("lot"): FieldMapping(path=(Text("FT1-2"),), default=Text(nasty)),
            Text("serial"): FieldMapping(
                path=(Text(f"FT1[FT1-1 = '{in_path}']-1"),), default=Text("none"), token=Text(nasty)
            ),
            Text("unit"): FieldMapping(value=Text(nasty)),
        },
    )
    (document,) = compile_mapping(declaration, {}).run("MSH|^~\\&|\rFT1|1\r", context()).documents
    assert (document.lot, document.serial, document.unit) == (nasty, f"{nasty}:none", nasty)


class Moments(msgspec.Struct, frozen=True):
    """A document with the types that Usage doesn't have."""

    facility: str
    source: str
    at: datetime | None = None
    count: int | None = None


def test_a_document_may_have_moments_and_whole_numbers() -> None:
    declaration = mapping(
        "mapping: m\nreads: {format: hl7v2}\nmakes: Usage\nsays: transactions\neach: FT1\n"
        "fields:\n"
        "  at: {path: FT1-4, type: datetime, optional: true}\n"
        "  count: {path: FT1-1, type: integer, required: true}\n"
    )
    run_ = compile_mapping(declaration, {}, document=Moments).run
    mapped = run_("MSH|^~\\&|\rFT1|1|||202601310830\rFT1|2|||202611010130\rFT1|x\r", context())
    moment = datetime(2026, 1, 31, 14, 30, tzinfo=UTC)
    expected: list[object] = [Moments(facility="NORTH", source="M1#FT1[1]", at=moment, count=1)]
    assert list(mapped.documents) == expected
    assert [each.code for each in mapped.exceptions] == ["time-ambiguous", "not-a-number"]
