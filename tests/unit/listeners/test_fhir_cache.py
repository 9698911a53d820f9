"""What is kept of a FHIR server's answers, and how much of it."""

from __future__ import annotations

from casecart.listeners.fhir_cache import MOST, MOST_BYTES, FhirCache, Kept


def test_the_last_answer_is_kept_in_place_of_the_one_before() -> None:
    cache = FhirCache()
    cache.keep("/A/1", 'W/"1"', b"one")
    cache.keep("/A/1", 'W/"2"', b"two")
    assert cache.get("/A/1") == Kept('W/"2"', b"two")


def test_an_answer_without_a_tag_is_not_kept_and_the_one_before_no_longer() -> None:
    cache = FhirCache()
    cache.keep("/A/1", 'W/"1"', b"one")
    cache.keep("/A/1", "", b"two")
    assert cache.get("/A/1") is None


def test_what_was_used_longest_ago_makes_place_when_there_are_too_many() -> None:
    cache = FhirCache()
    for number in range(MOST):
        cache.keep(f"/A/{number}", "tag", b"{}")
    cache.get("/A/0")
    cache.keep("/B/1", "tag", b"{}")
    assert [cache.get(path) is None for path in ("/A/0", "/A/1", "/A/2", "/B/1")] == [False, True, False, False]


def test_what_was_used_longest_ago_makes_place_when_there_are_too_many_bytes() -> None:
    cache, part = FhirCache(), b"x" * (MOST_BYTES // 8)
    for number in range(9):
        cache.keep(f"/A/{number}", "tag", part)
    assert [cache.get(f"/A/{number}") is None for number in range(9)] == [True] + [False] * 8


def test_one_large_answer_does_not_push_all_others_out() -> None:
    cache = FhirCache()
    cache.keep("/A/1", "tag", b"{}")
    cache.keep("/A/2", "tag", b"x" * (MOST_BYTES // 8 + 1))
    assert cache.get("/A/1") is not None
    assert cache.get("/A/2") is None


def test_after_clearing_nothing_is_kept() -> None:
    cache = FhirCache()
    cache.keep("/A/1", "tag", b"{}")
    cache.clear()
    assert cache.get("/A/1") is None
