"""Codes whose separators were lost."""

from __future__ import annotations

import pytest

from casecart.formats.udi import Udi, parse
from unit.formats.udi.codes import TODAY, ambiguous, refusal, said, udi

DI = "00643169001763"


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        # reference §6.1's own example
        (f"01{DI}10ABC17251231", [{"lot": "ABC17251231"}, {"lot": "ABC", "expiry": "2025-12-31"}]),
        # FHIR R5 Device-example-udi1 (AIDC), cut behind the serial, its separators dropped
        ("01108576740020171714112010NYFUL0121192837",
         [{"lot": "NYFUL0121192837"}, {"lot": "NYFUL01", "serial": "192837"}]),
        # the identifier of a lot in a serial
        (f"01{DI}21A10B", [{"serial": "A10B"}, {"serial": "A", "lot": "B"}]),
        # several ways: each identifier once
        (f"01{DI}10A21B21C",
         [{"lot": "A21B21C"}, {"lot": "A21B", "serial": "C"}, {"lot": "A", "serial": "B21C"}]),
        # more than twenty characters can't be a lot: still nobody confirms the repair
        (f"01{DI}10ABCDEFGHIJ21KLMNOPQRSTUVW", [{"lot": "ABCDEFGHIJ", "serial": "KLMNOPQRSTUVW"}]),
    ],
)  # fmt: skip
def test_every_reading_is_given_as_written_first(text: str, readings: list[dict[str, str]]) -> None:
    result = ambiguous(text)
    base = {key: value for key, value in said(result.readings[0]).items() if key == "di"}
    common = said(result.readings[0]).items() & said(result.readings[-1]).items()
    assert [said(each) for each in result.readings] == [dict(common) | base | each for each in readings]
    assert result.complete
    assert result.di == base["di"]
    assert result.code == "separators-lost"


@pytest.mark.parametrize(
    "text",
    [
        f"01{DI}10ABC17251331",  # no such date
        f"01{DI}1725113010ABC17251231",  # an expiry is there already
        f"01{DI}10ABC99XYZ",  # 99 stands on no device
        f"01{DI}10A30123",  # a count only beside a GTIN of variable measure
        f"01{DI}1021ABC",  # a lot has a character at least
        f"01{DI}10ABC21",  # and so has a serial
        f"01{DI}10ABC0110857674002018",  # a second device identifier; its check digit is wrong as well
        f"\x1d01{DI}10ABC21XYZ",  # the one at the start came through: so would the others
        f"01{DI}10ABC21XYZ\x1d",
    ],
)
def test_a_code_with_one_reading_is_read(text: str) -> None:
    assert udi(text).di == DI


def test_a_blank_at_the_end_is_no_sign_of_separators() -> None:
    assert len(ambiguous(f"01{DI}10ABC21XYZ ").readings) == 2


def test_a_count_may_be_swallowed_beside_a_gtin_of_variable_measure() -> None:
    assert [said(each).get("quantity") for each in ambiguous("019064316900176610A30123").readings] == [None, 123]


def test_a_device_identifier_may_be_swallowed() -> None:
    assert [each.di for each in ambiguous(f"]d210ABC01{DI}").readings] == [None, DI]
    # without a prefix only a device identifier shows that it is a code
    assert [each.di for each in ambiguous(f"10ABC01{DI}").readings] == [DI]


def test_without_any_reading_it_is_unreadable() -> None:
    assert refusal(f"01{DI}10{'A' * 30}") == "bad-element"


def test_the_search_ends_and_says_that_it_did_not_see_all() -> None:
    result = parse(f"01{DI}10" + "1" + "10212402410124111111" * 20, today=TODAY)
    assert not isinstance(result, Udi)
    many = ambiguous(f"01{DI}10" + "A21B240C" * 2 + "241D250E")
    assert len(many.readings) <= 16


def test_the_readings_of_one_code_keep_its_text_and_places() -> None:
    text = f"01{DI}10ABC17251231"
    for each in ambiguous(text).readings:
        assert "".join(piece.text for piece in each.pieces) == text
