"""Identifiers in order of time."""

from __future__ import annotations

import os
from uuid import UUID

from casecart.runtime.identifier import Identifiers, shown


def test_an_identifier_is_a_uuid_of_version_7() -> None:
    made = Identifiers(lambda: 1_790_000_000_000_000, os.urandom).mint()
    uuid = UUID(bytes=made)
    assert (uuid.version, uuid.variant) == (7, "specified in RFC 4122")
    assert shown(made) == str(uuid)


def test_identifiers_of_one_instant_are_distinct_and_in_order() -> None:
    identifiers = Identifiers(lambda: 1_790_000_000_000_000, os.urandom)
    made = [identifiers.mint() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_identifiers_stay_in_order_when_the_clock_goes_back() -> None:
    clock = iter([2_000_000_000, 1_000_000_000, 1_500_000_000])
    identifiers = Identifiers(lambda: next(clock), os.urandom)
    made = [identifiers.mint() for _ in range(3)]
    assert made == sorted(set(made))
