"""Leaves a test out where the machine lacks what it needs, and fails it where the machine has to have it."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

__all__ = ["require"]


def require(name: str, why: str) -> NoReturn:
    """Gives up on the running test: `name` is needed and is not here.

    A skip on a person's machine. A failure where the environment's CASECART_REQUIRE is `all`, or names it
    (`postgresql,corpus`): there a skip would hide that nothing was tested.

    Args:
        name: What is missing, as CASECART_REQUIRE would name it.
        why: What was looked for and where, and how to get it.
    """
    wanted = {word.strip() for word in os.environ.get("CASECART_REQUIRE", "").split(",")}
    if wanted & {name, "all"}:
        pytest.fail(f"{name} must be here (CASECART_REQUIRE): {why}", pytrace=False)
    pytest.skip(f"{name} is missing: {why}")
