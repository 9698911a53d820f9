"""Derive: from one line of usage to the posting documents it calls for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.canonical.consumption import Consumption

if TYPE_CHECKING:
    from casecart.canonical.usage import Usage

__all__ = ["NEEDED", "NotDerivable", "consumption"]

NEEDED = ("case", "action", "quantity")
"""Fields of the usage without which no consumption can be posted."""


class NotDerivable(Exception):
    """The usage lacks what its posting can't do without.

    Args:
        code: stable code.
        words: for the person who works the exception, without message content.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


def consumption(usage: Usage, *, key: str, revision: int, line: str) -> Consumption:
    """The stock movement for one line. Raises `NotDerivable` when case, action or quantity is missing."""
    case, action, quantity = usage.case, usage.action, usage.quantity
    if case is None or action is None or quantity is None:
        missing = next(field for field in NEEDED if getattr(usage, field) is None)
        raise NotDerivable("incomplete-usage", f"The line has no {missing}, and nothing can be posted without it.")
    # In the order of the fields: by their names it would cost four times as much.
    return Consumption(
        key,
        revision,
        usage.facility or "",
        case,
        line,
        action,
        quantity,
        usage.disposition,
        usage.item,
        usage.di,
        usage.unit,
        usage.lot,
        usage.serial,
        usage.expiry,
        usage.udi,
        usage.used_on,
        usage.department,
        usage.location,
        usage.cost_center,
        usage.gl_account,
        usage.charge_code,
        usage.supplier,
        usage.ownership,
        usage.flags,
        usage.source,
    )
