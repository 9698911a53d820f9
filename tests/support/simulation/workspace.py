"""The workspace of the simulated engine: a destination of each delivery class, and lines that go to all of them."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from casecart.canonical import FIELDS
from casecart.runtime.kinds import installed_kinds
from casecart.workspace import Workspace, load

__all__ = ["CLASSES", "workspace"]

CLASSES = ("keyed", "two-step", "searchable", "blind")
"""Names of the destinations, and their delivery classes."""

_ENGINE = """\
organisation: MERCY
facilities:
  NORTH: {time_zone: America/Chicago}
listeners:
  door: {kind: simulated}
secrets: {keys: {file: keys}, tokens: {file: tokens}}
destinations:
"""
_CHANNEL = """\
channel: usage
about: What simulated senders send becomes postings.
from: [door]
accept: [DFT^P03]
key: case
steps:
  - map: usage
  - route:
"""
_MAPPING = """\
mapping: usage
reads: {format: hl7v2}
makes: Usage
says: transactions
each: FT1
where: "action in ['use', 'reverse']"
fields:
  case: {path: "message:PV1-19.1", required: true, token: case}
  line: {path: FT1-2, required: true}
  action: {path: FT1-6.1, table: action, required: true}
  quantity: {path: FT1-10, type: decimal, required: true, sign: by-action}
  item: {path: FT1-7.1, required: true}
  department: {path: FT1-13.1, required: true}
  lot: {path: PRT-19, optional: true}
"""


@cache
def workspace(batch: int, concurrency: int) -> Workspace:
    """Loaded once for each size of batches and number of calls at once; `support.plugin` must be installed."""
    destinations = [
        f"  {name}: {{kind: simulated, delivery: {name}, batch: {batch}, concurrency: {concurrency}}}\n"
        for name in CLASSES
    ]
    routes = [
        f"      - {{when: \"usage.department == '{name}'\", post: {{to: {name}, as: consumption}}}}\n"
        for name in CLASSES
    ]
    files = {
        "config/engine.yaml": _ENGINE + "".join(destinations),
        "channels/usage.yaml": _CHANNEL + "".join(routes) + "      - otherwise: {hold: Somebody must look at it}\n",
        "mappings/usage.yaml": _MAPPING,
        "mappings/tables/action.csv": "code,value\nCG,use\nCD,reverse\nPY,none\n",
        "keys": "a secret of a simulation, of no value to anybody\n",
        "tokens": "a secret of a simulation, of no value to anybody\n",
    }
    # What is read later, the secrets, is read below the workspace's root; so the folder stays until the process ends.
    folder = tempfile.TemporaryDirectory(prefix="casecart-simulation-")
    _folders.append(folder)
    root = Path(folder.name)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return load(root, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})


_folders: list[tempfile.TemporaryDirectory[str]] = []
