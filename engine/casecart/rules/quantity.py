"""How many of the item's own unit were used: exactly, or not at all."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact
from typing import TYPE_CHECKING, Final

from casecart.master.items import Hit, exact
from casecart.master.places import valid
from casecart.rules.trouble import Trouble, shown

if TYPE_CHECKING:
    from fractions import Fraction

    from casecart.canonical import Usage
    from casecart.master.items import Entry, Facts

__all__ = ["factor", "multiplied", "whole"]


_EXACT: Final = Context(prec=60, traps=[Inexact])


def factor(usage: Usage, entry: Entry, facts: Facts, facility: str) -> tuple[int | Fraction, str | None] | Trouble:
    """What a told quantity is multiplied by, and the unit that was meant where that is not the item's own.

    A unit that was told counts; without one it is the packaging that the number names: who scans a box has used a box.
    """
    told = usage.unit
    quantity, packaging = (entry.quantity, entry.unit) if isinstance(entry, Hit) else (1, "")
    if told is None:
        return quantity, (packaging or None) if quantity != 1 else None
    if told == facts.unit:
        return 1, None
    if packaging == told:
        return quantity, told
    fitting = [
        unit
        for unit in facts.units
        if unit.unit == told
        and (not unit.facility or unit.facility == facility)
        and valid(unit.valid_from, unit.valid_to, usage.used_on)
    ]
    about = f"unit:{told if shown(told) == told else ''} item:{facts.number}"
    if fitting:
        # Those of the facility come first, and stand over those that hold everywhere.
        quantities = {exact(unit.quantity) for unit in fitting if unit.facility == fitting[0].facility}
        if len(quantities) == 1:
            return quantities.pop(), told
        words = f"the unit {shown(told)} of item {facts.number} has {len(quantities)} quantities that may be meant"
        return Trouble("unit-several", "unit", words, about)
    words = f"the item {facts.number} has no unit {shown(told)}"
    return Trouble("unit-unknown", "unit", words, about)


def whole(quantity: Decimal) -> bool:
    """Whether it is a whole number, however large: a remainder could not be worked out of one with 29 digits."""
    return quantity == quantity.to_integral_value()


def multiplied(quantity: Decimal, by: int | Fraction, facts: Facts) -> Decimal | Trouble:
    """The quantity in the item's unit. Without exact decimals, or of something that is used whole, it is none."""
    if by == 1:
        result = quantity
    else:
        try:
            result = _EXACT.multiply(quantity, by.numerator)
            if by.denominator != 1:
                result = _EXACT.divide(result, by.denominator)
        except Inexact:
            words = f"the quantity of item {facts.number} in its unit {facts.unit or ''} is no exact decimal"
            return Trouble("quantity-inexact", "quantity", words, f"item:{facts.number}")
    if not facts.fractions and not whole(result):
        words = f"item {facts.number} is used whole, and a fraction of its unit {facts.unit or ''} was told"
        return Trouble("quantity-fraction", "quantity", words, f"item:{facts.number}")
    return result
