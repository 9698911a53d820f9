"""The installed kinds, each loaded when it is asked for."""

from __future__ import annotations

import pytest

from casecart.runtime.kinds import destination_specs, installed_kinds, listener_specs


def test_every_kind_of_the_package_is_there() -> None:
    assert set(listener_specs()) >= {"mllp"}
    assert set(destination_specs()) >= {"file", "rest", "tryton"}


@pytest.mark.parametrize("kind", sorted(destination_specs()))
def test_a_kind_is_known_by_the_name_that_it_gives_itself(kind: str) -> None:
    assert destination_specs()[kind].kind == kind
    assert installed_kinds().destinations[kind] is destination_specs()[kind].settings


def test_a_kind_that_is_not_installed_is_not_there() -> None:
    assert installed_kinds().destinations.get("fax") is None
