"""The items that may have been meant, nearest first: for a person to choose from, and never chosen by a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from casecart.master.items import Hit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.master.catalogue import Catalogue

__all__ = ["Candidate", "nearest"]

NEAR = 75.0
"""Of 100. What is less alike is no help."""

NAMES = {
    "di": "device identifier",
    "catalog_number": "catalogue number",
    "item": "item number",
    "ehr_item": "EHR item number",
    "supplier_item": "supplier's number",
    "charge_code": "charge code",
}


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An item that may be meant."""

    number: str
    description: str
    why: str
    score: float
    """100: it has this very number."""


def nearest(
    catalogue: Catalogue,
    facility: str,
    told: Sequence[tuple[str, str]],
    *,
    limit: int = 5,
) -> list[Candidate]:
    """Items whose numbers are alike.

    Args:
        catalogue: what is known.
        facility: whose own rows count too.
        told: field and value of the numbers that the line was told by, the one in question first. Items that have one
            of the others are the nearest; then those with a number like the one in question, first of the same sort.
        limit: of the list.
    """
    if not told:
        return []
    field, value = told[0]
    # Only here: nothing else that a command or the engine does needs it.
    from rapidfuzz import fuzz, process  # noqa: PLC0415 - see above

    found: dict[str, Candidate] = {}

    def add(number: str, why: str, score: float) -> None:
        if number not in found or found[number].score < score:
            facts = catalogue.items.item(number, facility)
            description = (facts.description or "") if facts is not None else ""
            found[number] = Candidate(number=number, description=description, why=why, score=round(score, 1))

    for place, (sort, text) in enumerate(told):
        exact = catalogue.items.find(sort, text, facility)
        for entry in exact if isinstance(exact, tuple) else () if exact is None else (exact,):
            number = entry.number if isinstance(entry, Hit) else entry
            add(number, f"it has the {NAMES.get(sort, sort)} {text}{', told too' if place else ''}", 100.0 - place)
        if sort == "item" and catalogue.items.item(text, facility) is not None:
            add(text, "it has the item number, told too", 100.0 - place)
    if catalogue.items.find(field, value, facility) is not None:
        return sorted(found.values(), key=lambda candidate: candidate.number)[:limit]  # it is one of these
    names = list(catalogue.items.names(facility))
    names += [("item", facts.number, facts.number) for facts in catalogue.items.all(facility)]
    texts = [text for _, text, _ in names]
    for text, score, place in process.extract(value, texts, scorer=fuzz.ratio, score_cutoff=NEAR, limit=limit * 4):
        of, _, number = names[place]
        same = of == field
        add(number, f"its {NAMES.get(of, of)} {text} is alike", min(score, 90.0) - (0.0 if same else 5.0))
    ranked = sorted(found.values(), key=lambda candidate: (-candidate.score, candidate.number))
    return ranked[:limit]
