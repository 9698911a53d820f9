"""A workspace for engines under load: MLLP in, the charges of `support.charge` mapped, postings out to a REST sink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Settings", "write"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What differs between the workspaces.

    Attributes:
        store: the store's URL.
        port: the listener's.
        destination: where postings go, an `http` URL.
        accept: the message types of the channel; with another than DFT^P03, charges are stored and not routed.
        batch: postings a request.
        concurrency: requests at once.
        items: whether item, location and cost centre of each line are looked up in the master data.
        tls: whether senders must speak TLS, and show the certificate `client.pem`.
    """

    store: str
    port: int
    destination: str
    accept: str = "DFT^P03"
    batch: int = 200
    concurrency: int = 2
    items: bool = False
    tls: bool = False


def write(root: Path, settings: Settings) -> Path:
    """Writes the workspace's files below `root` and returns it."""
    tls = _papers(root) if settings.tls else ""
    files = {
        "config/engine.yaml": _ENGINE.format(settings=settings, tls=tls),
        "channels/or-usage.yaml": _CHANNEL.format(settings=settings, resolve=_RESOLVE if settings.items else ""),
        "mappings/dft-usage.yaml": _MAPPING.format(item="ehr_item" if settings.items else "item"),
        "mappings/tables/transaction-type.csv": "code,value\nCG,use\nCD,reverse\nPY,none\n",
        "var/secrets/keys": "a made-up secret of the tests for keys\n",
        "var/secrets/tokens": "a made-up secret of the tests for tokens\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def _papers(root: Path) -> str:
    """Makes the papers of the listener (`server.pem`) and of all senders (`client.pem`); gives the listener's `tls`."""
    root.mkdir(parents=True, exist_ok=True)
    authority = Authority(root)
    authority.issue("CN=casecart", file="server")
    authority.issue("CN=orsys", file="client")
    return "    tls: {certificate: server.pem, key: {file: server.key}, authorities: authority.pem}\n"


_ENGINE = """\
organisation: MERCY
facilities:
  NORTH: {{time_zone: America/Chicago}}
store: "{settings.store}"
secrets:
  keys: {{file: var/secrets/keys}}
  tokens: {{file: var/secrets/tokens}}
listeners:
  or-mllp:
    kind: mllp
    port: {settings.port}
{tls}    peers:
      orsys: {{match: {{MSH-3: ORSYS, MSH-4: NORTH}}, facility: NORTH}}
destinations:
  inventory:
    kind: rest
    url: "{settings.destination}"
    batch: {settings.batch}
    concurrency: {settings.concurrency}
    delivery: keyed
"""

_CHANNEL = """\
channel: or-usage
about: Implants documented in the operating room become stock movements.
from: [or-mllp]
accept: ["{settings.accept}"]
key: case
steps:
  - map: dft-usage
{resolve}  - route:
      - when: "usage.department == 'OR-MAIN'"
        post: {{to: inventory, as: consumption}}
      - otherwise: {{hold: "Only the operating rooms post"}}
"""

_RESOLVE = """\
  - resolve:
      item: {order: [ehr_item]}
      location: {from: [location]}
      cost_center: {from: [department]}
"""

# Thirteen fields a line, so 39 a message of three lines.
_MAPPING = """\
mapping: dft-usage
reads: {{format: hl7v2, version: "2.8.2"}}
makes: Usage
says: transactions
each: FT1
where: "action in ['use', 'reverse']"
bind:
  device: "PRT[PRT-4.1 = 'EQUIP']"
fields:
  case: {{path: "message:PV1-19.1", required: true, token: case}}
  line: {{path: FT1-2, required: true}}
  action: {{path: FT1-6.1, table: transaction-type, required: true}}
  used_on: {{path: FT1-4.1, type: date, required: true}}
  quantity: {{path: FT1-10, type: decimal, required: true, sign: by-action}}
  {item}: {{path: FT1-7.4, optional: true}}
  charge_code: {{path: FT1-7.1, optional: true}}
  udi: {{path: device-10.1, optional: true}}
  lot: {{path: device-19, optional: true}}
  serial: {{path: device-20, optional: true}}
  expiry: {{path: device-18, type: date, optional: true}}
  department: {{path: FT1-13.1, required: true}}
  location: {{path: FT1-16.1, optional: true}}
"""
