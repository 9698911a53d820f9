"""Derive: from one line of usage to the posting documents it calls for."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

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
    for field in NEEDED:
        if getattr(usage, field) is None:
            raise NotDerivable("incomplete-usage", f"The line has no {field}, and nothing can be posted without it.")
    return Consumption(
        key=key,
        revision=revision,
        facility=usage.facility or "",
        case=cast("str", usage.case),
        line=line,
        action=cast("Consumption", usage).action,
        quantity=cast("Consumption", usage).quantity,
        disposition=usage.disposition,
        item=usage.item,
        di=usage.di,
        unit=usage.unit,
        lot=usage.lot,
        serial=usage.serial,
        expiry=usage.expiry,
        udi=usage.udi,
        used_on=usage.used_on,
        department=usage.department,
        location=usage.location,
        cost_center=usage.cost_center,
        gl_account=usage.gl_account,
        charge_code=usage.charge_code,
        supplier=usage.supplier,
        ownership=usage.ownership,
        flags=usage.flags,
        source=usage.source,
    )
