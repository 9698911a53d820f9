"""Verify: whether what was used may have been, as far as is known. It was used already: a policy says what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from casecart.master.lots import covers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from casecart.canonical import Usage
    from casecart.master.catalogue import Catalogue
    from casecart.master.items import Facts

__all__ = ["CHECKS", "PolicyEntry", "Then", "VerifyFinding", "compile_verify"]

Then = Literal["hold", "post-and-flag"]


class PolicyEntry(NamedTuple):
    """What follows from a finding, at one location or, if that is None, at all."""

    finding: str
    location: str | None
    then: Then


class VerifyFinding(msgspec.Struct, frozen=True, gc=False):
    """Something that a person must know.

    Attributes:
        code: one of those in `CHECKS`.
        field: of the usage.
        words: the cause, by which the worklist groups. It names no lot and no serial number, which may tell a patient.
        subject: the item, for programs.
        then: hold the line, or post it all the same.
    """

    code: str
    field: str
    words: str
    subject: str
    then: Then


CHECKS: Final[dict[str, dict[str, Then]]] = {
    "lot": {"lot-missing": "hold", "lot-unknown": "hold", "lot-of-other-item": "hold"},
    "serial": {"serial-missing": "hold", "serial-used": "hold", "serial-quantity": "hold"},
    "expiry": {"expiry-missing": "post-and-flag", "expiry-conflict": "hold", "expired": "post-and-flag"},
    "recall": {"recalled": "post-and-flag"},
}
"""Check → its findings, and what follows where no policy says more."""


def compile_verify(
    *, checks: Collection[str], policy: Sequence[PolicyEntry]
) -> Callable[[Usage, Catalogue, int, Collection[str]], Sequence[VerifyFinding]]:
    """The verify step of a channel, as a function.

    Args:
        checks: which of `CHECKS` are made.
        policy: what follows from findings; the first entry that fits counts.

    Returns:
        A function of a usage with its item, the catalogue, how often other lines used its serial number, and the
        codes that a person accepted for this line: those don't hold it.
    """
    made = [_MADE[name] for name in CHECKS if name in checks]
    default = {code: then for found in CHECKS.values() for code, then in found.items()}

    def then(code: str, location: str | None) -> Then:
        fitting = (entry.then for entry in policy if entry.finding == code and entry.location in (None, location))
        return next(fitting, default[code])

    def verify(
        usage: Usage,
        catalogue: Catalogue,
        other_uses: int,
        accepted: Collection[str],
    ) -> Sequence[VerifyFinding]:
        facts = catalogue.items.item(usage.item, usage.facility or "") if usage.item is not None else None
        if facts is None:
            return ()
        return [
            VerifyFinding(
                code,
                field,
                words,
                f"item:{facts.number}",
                "post-and-flag" if code in accepted else then(code, usage.location),
            )
            for check in made
            for code, field, words in check(usage, facts, catalogue, other_uses)
        ]

    return verify


def _lot(usage: Usage, facts: Facts, catalogue: Catalogue, _: int) -> Iterator[tuple[str, str, str]]:
    if usage.lot is None:
        if facts.lot:
            yield "lot-missing", "lot", f"item {facts.number} is tracked by lot, and the line names none"
        return
    lots = catalogue.lots.of(facts.number)
    if lots is None or usage.lot in lots:
        return
    if catalogue.lots.items(usage.lot):
        yield (
            "lot-of-other-item",
            "lot",
            f"the lot that the line names is not one of item {facts.number} but of another",
        )
    else:
        yield "lot-unknown", "lot", f"the lot that the line names is not known of item {facts.number}"


def _serial(usage: Usage, facts: Facts, _: Catalogue, other_uses: int) -> Iterator[tuple[str, str, str]]:
    if usage.serial is None:
        if facts.serial:
            yield (
                "serial-missing",
                "serial",
                f"item {facts.number} is tracked by serial number, and the line names none",
            )
        return
    if usage.quantity is not None and abs(usage.quantity) > 1:
        yield "serial-quantity", "serial", f"more than one of item {facts.number} is told under one serial number"
    if other_uses > 0 and usage.action != "reverse":
        yield "serial-used", "serial", f"another line has used the item {facts.number} with this serial number"


def _expiry(usage: Usage, facts: Facts, catalogue: Catalogue, _: int) -> Iterator[tuple[str, str, str]]:
    if usage.action == "reverse":
        return
    lots = catalogue.lots.of(facts.number) if usage.lot is not None else None
    of_lot = lots.get(usage.lot or "") if lots is not None else None
    expiry = usage.expiry or of_lot
    if expiry is None:
        if facts.expiry:
            yield "expiry-missing", "expiry", f"item {facts.number} has an expiry date, and nothing tells which"
        return
    if usage.expiry is not None and of_lot is not None and usage.expiry != of_lot:
        yield (
            "expiry-conflict",
            "expiry",
            f"the line names another expiry date than that lot of item {facts.number} has",
        )
    if usage.used_on is not None and expiry < usage.used_on:
        yield "expired", "expiry", f"item {facts.number} was used after its expiry date"


def _recall(usage: Usage, facts: Facts, catalogue: Catalogue, _: int) -> Iterator[tuple[str, str, str]]:
    if usage.action == "reverse" or not len(catalogue.recalls):
        return
    dis = catalogue.items.device_identifiers(facts)
    rows = catalogue.recalls.of(facts.number, [usage.di, *dis] if usage.di else dis)
    recalls = sorted({row.recall for row in rows if covers(row, usage.lot, usage.serial)})
    if recalls:
        several = "s" if len(recalls) > 1 else ""
        yield "recalled", "item", f"item {facts.number} is called back by recall{several} {', '.join(recalls)}"


_MADE: Final = {"lot": _lot, "serial": _serial, "expiry": _expiry, "recall": _recall}
