"""An engine on real ports that goes over to other workspaces, and what is sent to it meanwhile."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from casecart.runtime.engine import Engine
from casecart.runtime.made import decode_made
from casecart.runtime.revision import loaded
from casecart.store import MessageFilter, migrate, open_store
from support.engine_process import free_port
from support.line import SECRET
from support.reactor import in_reactor, reactor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.runtime.difference import Difference
    from casecart.store import Store
    from casecart.workspace import Workspace

__all__ = ["HOOK", "Swapping", "made_under", "swapping", "write_revision"]

ENGINE = """\
organisation: MERCY
facilities:
  NORTH: {{time_zone: America/Chicago}}
store: {store}
secrets: {{keys: {{file: keys}}, tokens: {{file: tokens}}}}
listeners:
  or-mllp:
    kind: mllp
    port: {port}
    peers:
      orsys: {{match: {{MSH-3: ORSYS, MSH-4: NORTH}}, facility: NORTH}}
{listeners}destinations:
  erp: {destination}
"""
CHANNEL = """\
channel: usage
about: What the tests send becomes postings.
from: [or-mllp]
accept: [DFT^P03]
steps:
  - map: usage
{hook}  - route:
      - {{post: {{to: {to}, as: consumption}}}}
"""
# Of what a revision says, a constant of the mapping and a value of the table tell which it was.
MAPPING = """\
mapping: usage
reads: {{format: hl7v2}}
makes: Usage
says: transactions
each: FT1
fields:
  case: {{path: PV1-19.1, required: true, token: case}}
  line: {{path: FT1-2, optional: true}}
  action: {{path: FT1-6.1, table: action, required: true}}
  quantity: {{path: FT1-10, type: decimal, required: true, sign: by-action}}
  item: {{path: FT1-7.1, optional: true}}
  department: {{path: FT1-13.1, table: department, required: true}}
  cost_center: {{value: "{name}"}}
"""
HOOK = "def hook(lines):\n    for line in lines:\n        line['lot'] = {name!r}\n    return lines\n"


def write_revision(
    root: Path,
    name: str,
    *,
    port: int,
    destination: str = "{kind: file, folder: var/erp}",
    listeners: str = "",
    hook: bool = False,
    store: str = "",
    to: str = "erp",
) -> None:
    """Writes a workspace that says `name` in each document, in two places (with a hook in a third)."""
    files = {
        "config/engine.yaml": ENGINE.format(
            port=port, destination=destination, listeners=listeners, store=store or f"sqlite:///{root}/casecart.db"
        ),
        "channels/usage.yaml": CHANNEL.format(to=to, hook="  - hook: {file: hooks/ours.py}\n" if hook else ""),
        "mappings/usage.yaml": MAPPING.format(name=name),
        "mappings/tables/action.csv": "code,value\nCG,use\nCD,reverse\n",
        "mappings/tables/department.csv": f"code,value\nOR,{name}\n",
        "keys": SECRET,
        "tokens": SECRET,
        **({"hooks/ours.py": HOOK.format(name=name)} if hook else {}),
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")


def made_under(store: Store) -> list[tuple[str, str, str, str]]:
    """Of each line that was made, in the order of the messages.

    Gives control id, the revision's name in both places, and the digest that its run carries.
    """
    found = []
    position: int | None = None
    while rows := store.messages(MessageFilter(), position, 1000):
        for row in rows:
            for run in store.runs(row.position):
                for _, _, usage in decode_made(run.documents).documents:
                    found.append((row.control_id, usage.cost_center or "", usage.department or "", run.revision))
        position = rows[-1].position
    return found[::-1]


class Swapping:
    """The engine, and the folder of its workspace."""

    def __init__(self, root: Path, port: int, url: str) -> None:
        self.root, self.port, self.url = root, port, url
        self.failed: list[Exception] = []
        self.store: Store = open_store(self.url, role="engine")
        self.engine = Engine(workspace=loaded(root), store=self.store, reactor=reactor, failed=self.failed.append)

    def change(self, name: str, **others: object) -> Difference:
        """Write another revision, and have the engine run on it; gives what was different, or raises why it can't."""
        return self.change_to(self.written(name, **others))

    def written(self, name: str, **others: object) -> Workspace:
        """Another revision, loaded."""
        write_revision(self.root, name, **{"port": self.port, "store": self.url, **others})  # type: ignore[arg-type]  # its own, by name
        return loaded(self.root)

    def change_to(self, workspace: Workspace) -> Difference:
        """Have the engine run on it."""
        found: Difference = in_reactor(self.engine.change_to, workspace)
        return found

    def made(self) -> list[tuple[str, str, str, str]]:
        """As `made_under`."""
        with closing(open_store(self.url, role="reader")) as reader:
            return made_under(reader)

    def files(self, folder: str = "erp") -> list[dict[str, object]]:
        """What a destination with a folder has been given."""
        return [json.loads(path.read_text("utf-8")) for path in sorted((self.root / "var" / folder).glob("*.json"))]


@contextmanager
def swapping(root: Path, name: str = "A", url: str = "", **others: object) -> Iterator[Swapping]:
    """A running engine on the revision of this name; nothing may have broken it at the end."""
    port, url = free_port(), url or f"sqlite:///{root}/casecart.db"
    write_revision(root, name, **{"port": port, "store": url, **others})  # type: ignore[arg-type]  # its own, by name
    migrate(url)
    made: Swapping = in_reactor(Swapping, root, port, url)
    in_reactor(made.engine.start)
    try:
        yield made
    finally:
        in_reactor(made.engine.stop)
        in_reactor(made.store.close)
    assert made.failed == []
