"""FHIR resources through the real line: each mapping of them as shipped, behind a channel of its own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from casecart.runtime.listener import Arrival
from casecart.workspace import reference
from support.shipped import Shipped, prepare

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

__all__ = [
    "AFTER", "CUP", "GRAFT", "ONE", "SCREW", "STEM", "THREE", "WAYS", "Fhir", "changed", "encode", "later",
    "line_of", "prepare_fhir", "sample", "told_so",
]  # fmt: skip

STEM, CUP, SCREW, GRAFT = "HIP-STEM-12", "HIP-CUP-54", "SCREW-65-30", "GRAFT-GRAN"
CHANNELS: Final = {
    "fhir-procedure-devices": "Procedure",
    "fhir-procedure-used-references": "Procedure",
    "fhir-procedure-used-codes": "Procedure",
    "fhir-procedure-used": "Procedure",
    "fhir-supply-deliveries": "SupplyDelivery",
    "fhir-charge-items": "ChargeItem",
    "fhir-device-use-statements": "DeviceUseStatement",
    "fhir-device-usages": "DeviceUsage",
    "fhir-devices": "Device",
    "fhir-inventory-reports": "InventoryReport",
}
PEERS: Final = {"fhir-devices": "orlog"} | dict.fromkeys(
    ("fhir-procedure-used-references", "fhir-procedure-used-codes", "fhir-procedure-used"), "supplies"
)
CHANNEL: Final = """\
channel: {name}
about: Of the tests.
from: [or-mllp]
peers: [{peer}]
accept: [{resource}]
steps:
  - map: {name}
  - resolve:
      item: {{}}
      location: {{from: [department]}}
      cost_center: {{from: [department]}}
  - route: [{{post: {{to: erp, as: consumption}}}}]
"""
ONE, THREE = Decimal(1), Decimal(3)


@dataclass
class Fhir(Shipped):
    """A line that FHIR resources come to."""

    def give(
        self,
        resource: dict[str, Any] | bytes,
        control_id: str,
        *,
        schema: str = "fhir/4.0.1",
        listener: str = "or-mllp",
        peer: str = "orsys",
        occurred_at: int | None = None,
    ) -> None:
        """A resource arrives, and all that comes of it happens."""
        body = resource if isinstance(resource, bytes) else encode(resource)
        kind = "Procedure" if isinstance(resource, bytes) else str(resource["resourceType"])
        self.journal.take(
            Arrival(
                listener=listener, facility="NORTH", organisation="MERCY", peer=peer, schema=schema,
                message_type=kind, sender="fhir", control_id=control_id, occurred_at=occurred_at, partition=0,
                notes=None, source="127.0.0.1:1", charset=None, body=body,
                reply=lambda receipt: self._answered(control_id, receipt),
                refused=False, complete_within=None,
            )
        )  # fmt: skip
        self.settle()


encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def sample(name: str) -> dict[str, Any]:
    """A resource of `samples/fhir`."""
    data = (reference.root() / "samples" / "fhir" / f"{name}.json").read_bytes()
    resource: dict[str, Any] = msgspec.json.Decoder(float_hook=Decimal).decode(data)
    return resource


def prepare_fhir(root: Path, by_serial: Collection[str] = ()) -> None:
    """Makes the workspace, with its master data in a store.

    Args:
        root: an empty folder.
        by_serial: mappings whose channel knows lines by their serial numbers, as where two channels tell of one case.
    """
    prepare(root)
    for name, resource in CHANNELS.items():
        # A device of a bundle that tells of a procedure is not told twice: it has a sender of its own.
        peer = PEERS.get(name, "orsys")
        text = CHANNEL.format(name=name, resource=resource, peer=peer)
        text += "line: serial\n" if name in by_serial else ""
        (root / "channels" / f"{name}.yaml").write_text(text, "utf-8")


def line_of(prepared: Path, root: Path) -> Iterator[Fhir]:
    """A line at work in a copy of the workspace; nothing of it may break."""
    shutil.copytree(prepared, root)
    made = Fhir(root, f"sqlite:///{root}/casecart.db")
    made.start()
    yield made
    assert made.broken == []
    made.stop()


WAYS: Final[list[tuple[str, dict[str, Any], list[tuple[str, Decimal, str, str | None]]]]] = [
    ("procedure-hip-stem", {}, [("use", ONE, STEM, "SN-4720"), ("use", ONE, CUP, "CUP2604")]),
    ("procedure-used", {"peer": "supplies"}, [("use", ONE, GRAFT, None), ("use", Decimal(2), SCREW, "SC-88412")]),
    (
        "procedure-used-r5",
        {"peer": "supplies", "schema": "fhir/5.0.0"},
        [("use", Decimal(2), SCREW, "SC-88412"), ("use", Decimal(2), GRAFT, None)],
    ),
    ("supply-delivery-screws", {}, [("use", Decimal(3), SCREW, "SC-88412")]),
    ("charge-item-granules", {}, [("use", Decimal("1.5"), GRAFT, "BG-0320")]),
    ("device-use-statement-cup", {}, [("use", ONE, CUP, "CUP2604")]),
    ("device-usage-cup", {"schema": "fhir/5.0.0"}, [("use", ONE, CUP, "CUP2604")]),
    ("device-of-patient", {"peer": "orlog"}, [("use", ONE, STEM, "SN-4721")]),
    ("inventory-report-screws", {"schema": "fhir/5.0.0"}, [("use", Decimal(2), SCREW, "SC-88412")]),
]


def changed(bundle: dict[str, Any], number: int, **members: Any) -> dict[str, Any]:  # noqa: ANN401 - what JSON has
    """A bundle whose n-th resource has other members."""
    entries = [dict(entry) for entry in bundle["entry"]]
    entries[number]["resource"] = entries[number]["resource"] | members
    return bundle | {"entry": entries}


def told_so(resource: dict[str, Any], **members: Any) -> dict[str, Any]:  # noqa: ANN401 - what JSON has
    """A resource, or the one that a bundle is about, with other members."""
    return changed(resource, 0, **members) if "entry" in resource else resource | members


def later(resource: dict[str, Any], **members: Any) -> dict[str, Any]:  # noqa: ANN401 - what JSON has
    """A newer version of it."""
    return told_so(resource, meta={"versionId": "2", "lastUpdated": "2026-11-05T00:00:00Z"}, **members)


AFTER: Final = 1_793_836_800_000_000
"""When those are, µs since 1970, which their listener reads in them."""
