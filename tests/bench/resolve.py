"""What it costs to find an item: resolve per line, load and memory at 10,000 to 1,000,000 items of eight identifiers.

A line costs more the first time after the catalogue changed than when it comes again: what was found is remembered.

Usage: python tests/bench/resolve.py [--quick]. Each size runs in a process of its own, so that memory is told apart.
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from casecart.canonical import Usage
from casecart.canonical.master import (
    Assignment,
    Department,
    Identifier,
    Item,
    Location,
    decode_document,
    encode_document,
)
from casecart.master.catalogue import Catalogue
from casecart.rules import compile_resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["main"]

SIZES = (10_000, 100_000, 1_000_000)
DIFFERENT = 2_000
"""Items that are used in a day; the rest of the catalogue is there all the same."""
ROUNDS = 50


def item(number: int) -> Item:
    """A made-up item, as eight systems know it: each, box and case, HIBC, catalogue, EHR, supplier and charge list."""
    identifiers = (
        Identifier(system="GS1", value=f"{number:013}0", source="erp"),
        Identifier(system="GS1", value=f"1{number:012}0", quantity="10", unit="BX", source="erp"),
        Identifier(system="GS1", value=f"2{number:012}0", quantity="100", unit="CS", source="erp"),
        Identifier(system="HIBCC", value=f"A123{number}0", source="erp"),
        Identifier(system="catalog", value=f"CAT-{number}", issuer="Example Orthopaedics", source="erp"),
        Identifier(system="ehr", value=f"E{number}", source="ehr"),
        Identifier(system="supplier", value=f"S-{number}", issuer="ACME", source="erp"),
        Identifier(system="charge", value=f"C-{number // 4}", source="ehr"),
    )
    return Item(
        number=f"ITEM-{number}",
        description=f"Cancellous bone screw, made up, {number} mm",
        unit="EA",
        lot=True,
        identifiers=identifiers,
    )


def measure(size: int) -> list[str]:
    """One row of the table."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # As they come from the store: encoded, a few hundred at a time.
    slices = 500
    catalogue = Catalogue()
    catalogue.put("location", "", "OR-CORE", Location(number="OR-CORE"))
    assigned = (Assignment(dimension="location", value="OR-CORE"), Assignment(dimension="cost_center", value="4711"))
    catalogue.put("department", "", "OR-MAIN", Department(number="OR-MAIN", assignments=assigned))
    loading = 0.0
    gc.freeze()
    for first in range(0, size, slices):
        encoded = [encode_document(item(number)) for number in range(first, min(first + slices, size))]
        began = time.process_time()
        for data in encoded:
            document = decode_document("item", data)
            assert isinstance(document, Item)
            catalogue.put("item", "", document.number, document)
        loading += time.process_time() - began
    gc.freeze()
    places = ["department"]
    resolve = compile_resolve(
        item=["di", "catalog_number", "item", "ehr_item", "supplier_item", "charge_code"],
        location=places,
        supplier=None,
        cost_center=places,
        gl_account=None,
    )
    step = max(size // DIFFERENT, 1)
    identifiers = [f"{number:013}0" for number in range(0, size, step)][:DIFFERENT]
    # A usage has just been made when it is resolved; to make it is not what is measured.
    making = min(_round(lambda usage, *_: usage, identifiers, catalogue) for _ in range(ROUNDS))
    cold = _round(resolve, identifiers, catalogue) - making
    best = min(_round(resolve, identifiers, catalogue) for _ in range(ROUNDS)) - making
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return [
        f"{size:>9,}",
        f"{cold / len(identifiers) * 1e6:>8.2f}",
        f"{best / len(identifiers) * 1e6:>8.2f}",
        f"{loading:>7.2f}",
        f"{peak / 1024:>6.0f}",
        f"{(peak - before) / 1024:>6.0f}",
    ]


def _round(
    resolve: Callable[[Usage, Catalogue, None], object], identifiers: Sequence[str], catalogue: Catalogue
) -> float:
    quantity, day = Decimal(1), date(2026, 11, 3)
    began = time.process_time()
    for di in identifiers:
        usage = Usage(facility="NORTH", di=di, quantity=quantity, used_on=day, department="OR-MAIN")
        resolve(usage, catalogue, None)
    return time.process_time() - began


def main(arguments: Sequence[str]) -> None:
    """Prints the table."""
    if arguments[:1] == ["--size"]:
        print("  ".join(measure(int(arguments[1]))))
        return
    print("    items  first µs  again µs   load s  RSS MB  of it the catalogue")
    for size in SIZES[:2] if "--quick" in arguments else SIZES:
        made = subprocess.run(
            [sys.executable, __file__, "--size", str(size)], check=True, capture_output=True, text=True
        )
        print(made.stdout, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
