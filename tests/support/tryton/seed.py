"""Fills an empty Tryton with a small hospital: the items of the samples, with stock in the core of the operating rooms.

Runs inside Tryton's own environment, not in that of the tests: `python seed.py DATABASE-URI CONFIG SAMPLES ANSWERS`. It
writes what outsiders need to know (the application key) to ANSWERS, as JSON.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from proteus import Model  # type: ignore[import-not-found]  # it is in Tryton's own environment
from proteus import config as connection

LOTS: list[tuple[str, str, str, dt.date | None]] = [
    # item, lot or serial number, quantity in OR-CORE, last day of use
    ("HIP-STEM-12", "SN-4711", "1", dt.date(2028, 12, 31)),
    ("HIP-STEM-12", "SN-4712", "1", dt.date(2028, 12, 31)),
    ("HIP-STEM-13", "SN-5001", "1", dt.date(2028, 12, 31)),
    ("HIP-CUP-54", "C-10093", "1", dt.date(2029, 6, 30)),
    ("HIP-CUP-54", "C-10094", "1", dt.date(2029, 6, 30)),
    ("SCREW-65-30", "SC-88412", "100", None),
    ("SCREW-65-30", "SC-88420", "100", None),
    ("SCREW-65-30", "SC-EXPIRED", "20", dt.date(2026, 10, 31)),
    ("GRAFT-GRAN", "BG-0311", "30", dt.date(2027, 2, 28)),
]
LOCATIONS = [
    ("OR-CORE", "Core of the operating rooms", "storage"),
    ("7100-USED", "Used, cost centre 7100", "lost_found"),
    ("7100-WASTED", "Wasted, cost centre 7100", "lost_found"),
    ("7110-USED", "Used, cost centre 7110", "lost_found"),
    ("7110-WASTED", "Wasted, cost centre 7110", "lost_found"),
]
SYMBOLS = {"EA": "u", "cc": "cm³"}
CLOSED = dt.date(2026, 1, 31)
RECEIVED = dt.date(2026, 2, 2)


def rows(samples: Path, table: str) -> list[dict[str, str]]:
    """A table of the samples."""
    with (samples / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def company() -> Any:  # noqa: ANN401 - proteus makes its classes as it goes
    """The hospital."""
    from trytond.modules.company.tests.tools import (  # type: ignore[import-not-found]  # noqa: PLC0415 - after `connect`
        create_company,
        get_company,
    )

    hospital = Model.get("party.party")(name="General Hospital", code="MERCY")
    hospital.save()
    create_company(party=hospital)
    return get_company()


def suppliers(samples: Path) -> None:
    """Parties, by their code."""
    for row in rows(samples, "suppliers"):
        Model.get("party.party")(name=row["name"], code=row["supplier"]).save()


def products(samples: Path) -> dict[str, Any]:
    """Items of the samples, with the GTINs that Tryton takes."""
    units = {unit.symbol: unit for unit in Model.get("product.uom").find([])}
    made = {}
    for row in rows(samples, "items"):
        template = Model.get("product.template")(name=row["description"], code=row["item"])
        template.default_uom = units[SYMBOLS[row["unit"]]]
        template.type = "goods"
        template.list_price = Decimal(0)
        template.cost_price_method = "fifo"
        if "yes" in (row["lot"], row["serial"]):
            template.lot_required = ["storage", "supplier", "customer", "lost_found"]
        template.shelf_life_state = "optional"
        if row["serial"] == "yes":
            template.lot_uom = units["u"]
        template.save()
        (made[row["item"]],) = template.products
    for row in rows(samples, "identifiers"):
        if row["system"] == "GS1" and row["quantity"] == "1":
            product = made[row["item"]]
            product.identifiers.new(type="ean" if _checks(row["value"]) else None, code=row["value"])
            product.save()
    return made


def _checks(gtin: str) -> bool:
    digits = [int(digit) for digit in gtin]
    return sum(digit * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits)) % 10 == 0


def locations() -> dict[str, Any]:
    """The storeroom, and where used things go."""
    Location = Model.get("stock.location")  # noqa: N806 - a class
    (storage,) = Location.find([("code", "=", "STO")])
    for code, name, kind in LOCATIONS:
        Location(name=name, code=code, type=kind, parent=storage if kind == "storage" else None).save()
    return {location.code: location for location in Location.find([]) if location.code}


def stock(made: dict[str, Any], places: dict[str, Any]) -> None:
    """Lots with what is there of them."""
    shipment = Model.get("stock.shipment.internal")(reference="OPENING")
    shipment.effective_date = shipment.planned_date = RECEIVED
    shipment.effective_start_date = shipment.planned_start_date = RECEIVED
    (source,) = Model.get("stock.location").find([("type", "=", "lost_found"), ("code", "=", None)], limit=1)
    shipment.from_location, shipment.to_location = source, places["OR-CORE"]
    for item, number, quantity, expiry in LOTS:
        lot = Model.get("stock.lot")(number=number, product=made[item])
        lot.shelf_life_expiration_date = expiry
        if made[item].template.lot_uom:
            lot.unit, lot.unit_quantity = made[item].template.lot_uom, 1
        lot.save()
        move = shipment.moves.new(product=made[item], quantity=float(quantity))
        move.from_location, move.to_location, move.lot = source, places["OR-CORE"], lot
    shipment.save()
    for step in ("wait", "assign_force", "do"):
        shipment.click(step)


def user(of: Any) -> str:  # noqa: ANN401 - as above
    """The engine's: it may move stock, and no more. Gives its application key."""
    engine = Model.get("res.user")(name="casecart", login="casecart")
    company_model = Model.get("company.company")
    engine.companies.append(company_model(of.id))
    engine.company = company_model(of.id)
    groups = Model.get("res.group").find([("name", "in", ["Stock", "Stock Force Assignment"])])
    for group in groups:
        if group.name == "Stock":
            engine.groups.append(group)
    engine.password = "a password of a test"
    engine.save()
    from trytond.pool import Pool  # type: ignore[import-not-found]  # noqa: PLC0415 - after `connect`
    from trytond.transaction import Transaction  # type: ignore[import-not-found]  # noqa: PLC0415 - as above

    with Transaction().start("hosp", 0):
        Application = Pool("hosp").get("res.user.application")  # noqa: N806 - a class
        key = Application.create([{"user": engine.id, "application": "rest"}])[0]
        Application.validate_([key])
        Transaction().commit()
        return str(key.key)


def main(uri: str, configuration: str, samples: Path, answers: Path) -> None:
    """Everything, in its order."""
    connection.set_trytond(uri, user="admin", config_file=configuration)
    of = company()
    suppliers(samples)
    made, places = products(samples), locations()
    stock(made, places)
    period = Model.get("stock.period")(date=CLOSED)
    period.save()
    period.click("close")
    answers.write_text(json.dumps({"key": user(of), "company": of.id}), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
