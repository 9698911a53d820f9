"""The step of a channel that finds items, places and accounts in the master data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from casecart.workspace.declaration import Declared, declared, key
from casecart.workspace.findings import Finding, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Resolve",
    "ResolveCostCenter",
    "ResolveGlAccount",
    "ResolveItem",
    "ResolveLocation",
    "ResolveStep",
    "ResolveSupplier",
]


@declared(name="item", about="By which numbers an item is found.")
class ResolveItem(Declared):
    """By which numbers an item is found."""

    order: tuple[
        Literal["di", "catalog_number", "item", "ehr_item", "supplier_item", "charge_code"],
        ...,
    ] = key(
        about=(
            "The fields that are looked at, the most exact first: the first that the master data know decides, and the "
            "others must not contradict it. What is left out is not looked at."
        ),
        example="[di, item]",
        default="[di, catalog_number, item, ehr_item, supplier_item, charge_code]",
        scalar=True,
        at_least=1,
    )


@declared(name="location", about="Where the location comes from.")
class ResolveLocation(Declared):
    """Where the location comes from."""

    sources: tuple[Literal["location", "department"], ...] = key(
        written="from",
        about="The fields that are looked at; the first that has a value decides.",
        example="[department]",
        default="[location, department]",
        scalar=True,
        at_least=1,
    )


@declared(name="supplier", about="Where the supplier comes from.")
class ResolveSupplier(Declared):
    """Where the supplier comes from."""

    sources: tuple[Literal["supplier", "item"], ...] = key(
        written="from",
        about="The fields that are looked at; the first that has a value decides. `item`: what is known of the item.",
        example="[item]",
        default="[supplier, item]",
        scalar=True,
        at_least=1,
    )


@declared(name="cost_center", about="Where the cost centre comes from.")
class ResolveCostCenter(Declared):
    """Where the cost centre comes from."""

    sources: tuple[Literal["cost_center", "department"], ...] = key(
        written="from",
        about="The fields that are looked at; the first that has a value decides.",
        example="[department]",
        default="[cost_center, department]",
        scalar=True,
        at_least=1,
    )


@declared(name="gl_account", about="Where the general ledger account comes from.")
class ResolveGlAccount(Declared):
    """Where the general ledger account comes from."""

    sources: tuple[Literal["gl_account", "department"], ...] = key(
        written="from",
        about="The fields that are looked at; the first that has a value decides.",
        example="[department]",
        default="[gl_account, department]",
        scalar=True,
        at_least=1,
    )


@declared(name="resolve", about="What is found in the master data; what is not named is left as it was told.")
class Resolve(Declared):
    """What is found in the master data; what is not named is left as it was told."""

    item: ResolveItem | None = key(
        about="The item, by the numbers that the line was told by; with its unit and the quantity in it.",
        example="{}",
        default=None,
    )
    location: ResolveLocation | None = key(about="The storage location.", example="{from: [department]}", default=None)
    supplier: ResolveSupplier | None = key(about="Whom it comes from, or who owns it.", example="{}", default=None)
    cost_center: ResolveCostCenter | None = key(
        about="The cost centre that bears it.", example="{from: [department]}", default=None
    )
    gl_account: ResolveGlAccount | None = key(
        about="The general ledger account.", example="{from: [department]}", default=None
    )

    def check(self) -> Iterable[Finding]:
        """Something is found."""
        if all(getattr(self, key.attribute) is None for key in self.__keys__):
            message = (
                f"resolve finds nothing like this; name what it is to find: {listed(k.name for k in self.__keys__)}"
            )
            yield Finding(self.place, "error", "too-few", message)
        if self.supplier is not None and self.item is None and "item" in self.supplier.sources:
            message = (
                "the supplier can be known of an item that is found; resolve the item too, or take it from supplier"
            )
            yield Finding(self.at("supplier"), "error", "step-order", message)


@declared(name="resolve", about="A step that finds each line's item, location and account in the master data.")
class ResolveStep(Declared):
    """A step that finds each line's item, location and account in the master data."""

    resolve: Resolve = key(
        about="What is found, and by what. A line of which something can't be found waits in the worklist.",
        example="{item: {}, location: {from: [department]}}",
    )
