"""Keys and tokens."""

from __future__ import annotations

import pytest

from casecart.rules import Keys, Tokens

SECRET = b"a secret of a test, of no value to anybody"


def test_a_case_has_the_same_key_for_ever() -> None:
    assert Keys(SECRET).case("NORTH", "V100231").hex() == "223b210680ed9979cb7a152e26a2b448"


def test_a_line_has_the_same_key_for_ever() -> None:
    keys = Keys(SECRET)
    assert keys.line(keys.case("NORTH", "V100231"), "770001") == "8f3cdf024dab6f3c6cb8c357e5c3f877"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("NORTH", "V1"), ("SOUTH", "V1")),  # a facility's numbers are its own
        (("NORTH", "V1"), ("NORTH", "V2")),
        (("NORT", "HV1"), ("NORTH", "V1")),  # the border between the parts counts
    ],
)
def test_different_cases_have_different_keys(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert Keys(SECRET).case(*one) != Keys(SECRET).case(*other)


def test_another_secret_gives_other_keys_and_another_fingerprint() -> None:
    one, other = Keys(SECRET), Keys(SECRET[::-1])
    assert one.case("NORTH", "V1") != other.case("NORTH", "V1")
    assert one.fingerprint != other.fingerprint


def test_the_fingerprint_fits_a_database_integer() -> None:
    assert 0 <= Keys(SECRET).fingerprint < 2**63


def test_a_token_says_its_kind_and_not_its_value() -> None:
    token = Tokens(SECRET).token("NORTH", "case", "V100231")
    assert token.startswith("case-")
    assert "V100231" not in token


def test_tokens_of_keys_are_unrelated_though_the_secret_is_one() -> None:
    assert Keys(SECRET).case("NORTH", "V1").hex() not in Tokens(SECRET).token("NORTH", "case", "V1")


def test_the_key_of_a_line_does_not_tell_the_line() -> None:
    keys = Keys(SECRET)
    assert "770001" not in keys.line(keys.case("NORTH", "V1"), "770001")


def test_each_ledger_has_keys_of_its_own_whatever_a_case_is_called() -> None:
    keys = Keys(SECRET)
    made = [keys.case("NORTH", "V1"), keys.case("NORTH", "V1", "charge"), keys.case("NORTH", "V1", "other")]
    made += [keys.case("charge", "NORTH\0V1"), keys.case("NORTH", "V1\0charge")]
    assert len(set(made)) == len(made)
