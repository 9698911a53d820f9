"""The main job, to watch: `make demo`. A record system's messages become stock movements in a real ERP.

It brings up a seeded Tryton (kept in var/tryton; the first time takes a minute), starts an engine on the reference
workspace, sends the samples over MLLP and one over HTTP, and prints what became of each, with the stock as Tryton
reports it. Then it stays up to be looked at, until Ctrl-C. With `--once`, or where nobody sits at a terminal, it ends
by itself; the exit code is 0 only if every row came out as it should.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from support.engine_process import EngineProcess, free_port
from support.forked import CASECART
from support.tryton.kit import ADMIN, Kit, Unavailable
from support.tryton.server import Tryton
from support.user import User

if TYPE_CHECKING:
    from collections.abc import Sequence

SCREW, STEM = "SCREW-65-30", "HIP-STEM-12"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens, and what is to come of it."""

    about: str
    sample: str
    lot: str
    before: str
    after: str
    said: str
    """What the last column but two begins with."""
    fix: Sequence[str] = field(default_factory=tuple)
    """Instead of a message: how a person fixes what waits."""


STEPS = (
    Step("A hip stem is implanted, told by its UDI", "dft-hip-stem", "SN-4711", "1", "0", "use 1 HIP-STEM-12"),
    Step("The same message comes again", "dft-hip-stem", "SN-4711", "0", "0", "a duplicate"),
    Step("A case of three: cup, 3 screws, 2.5 cc graft", "dft-three-lines", "SC-88412", "100", "97", "use 1 HIP-CUP"),
    Step("A box of ten screws is scanned", "dft-screw-box", "SC-88420", "100", "90", "use 10 SCREW"),
    Step("Correction: 2 of the 3 screws were used", "dft-screw-correction", "SC-88412", "97", "98", "reverse 1 SCREW"),
    Step("The stem is credited, under another id", "dft-hip-stem-credit", "SN-4711", "0", "1", "reverse 1 HIP-STEM"),
    Step("Screws of a lot that has expired", "dft-screw-expired", "SC-EXPIRED", "20", "18", "use 2 SCREW"),
    Step("3 screws, told by a FHIR SupplyDelivery", "supply-delivery-screws", "SC-88412", "98", "95", "use 3 SCREW"),
    Step("A GTIN that no item has", "dft-unknown-item", "C-10094", "1", "1", "held: item-unknown"),
    Step(
        "A person says which item that is",
        "",
        "C-10094",
        "1",
        "0",
        "use 1 HIP-CUP",
        ("item-unknown", "--item", "HIP-CUP-54", "--reason", "the new GTIN of the cup"),
    ),
)
UNITS = "units: {EA: u, cc: cm³}"


class Demo:
    """One run."""

    def __init__(self, user: User, tryton: Tryton) -> None:
        self.user, self.tryton = user, tryton
        self.positions: dict[str, int] = {}

    def run(self, step: Step) -> tuple[list[str], bool]:
        """Do it; gives the cells of its row, and whether it came out as it should."""
        before = Decimal(self.tryton.on_hand(step.lot))
        if step.fix:
            acknowledged, said = "-", self._fixed(*step.fix)
        else:
            acknowledged, said = self._sent(step.sample)
        after = Decimal(self.tryton.on_hand(step.lot))
        good = (_plain(before), _plain(after)) == (step.before, step.after) and said.startswith(step.said)
        good = good and acknowledged in ("AA", "200", "-")
        stock = f"{step.lot}: {_plain(before)} → {_plain(after)}"
        return [step.about, acknowledged, said, stock], good

    def _sent(self, sample: str) -> tuple[str, str]:
        before = self._newest()
        resource = self.user.ws / "samples" / "fhir" / f"{sample}.json"
        if resource.is_file():
            acknowledged = str(_answer(self.user.http, resource.read_bytes()))
        else:
            done = self.user.send(f"samples/hl7v2/{sample}.hl7")
            acknowledged = (done.stdout.split() or ["no answer"] * 2)[1]
        self._rest()
        position = self._newest()
        if position == before:
            return acknowledged, "a duplicate: nothing to post"
        return acknowledged, self._became(position)

    def _fixed(self, code: str, *typed: str) -> str:
        cause = next(each for each in self.user.json("worklist", "list")["causes"] if each["code"] == code)
        done = self.user.run("worklist", "fix", cause["id"], *typed)
        if done.returncode:
            return done.stderr
        newest = str(self._newest())
        self.user.wait("posting", "message", "show", newest, until=lambda message: message["ledger"])
        self._rest()
        return self._became(int(newest))

    def _became(self, position: int) -> str:
        """What was posted for a message, or why nothing was."""
        message = self.user.json("message", "show", str(position))
        told = [_posted(posting) for entry in message["ledger"] for posting in entry["postings"]]
        told += [f"{each['kind']}: {each['code']}" for each in message["exceptions"] if each["state"] == "new"]
        return "; ".join(told) or message["envelope"]["outcome"]

    def _newest(self) -> int:
        listed = self.user.json("messages")["messages"]
        return int(listed[0]["position"]) if listed else 0

    def _rest(self) -> None:
        self.user.wait("rest", "status", until=_at_rest)


def main(*, once: bool) -> int:
    """The whole of it; gives the exit code."""
    began = time.monotonic()
    click.echo("casecart demo: what was used in the operating room becomes a stock movement in a real ERP\n")
    kit = Kit()
    try:
        kit.prepare(_progress)
    except Unavailable as missing:
        click.echo(f"demo: no Tryton could be made: {missing}", err=True)
        return 1
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="casecart-demo.")))
        _progress("starting Tryton")
        tryton = stack.enter_context(Tryton(kit, folder / "tryton", free_port()))
        _progress("making a workspace, and loading its master data")
        user = _workspace(folder, tryton)
        _progress("starting the engine")
        engine = stack.enter_context(EngineProcess(user.ws, user.port))
        engine.start()
        demo = Demo(user, tryton)
        rows, good = [], []
        for step in STEPS:
            _progress(step.about)
            cells, came_out = demo.run(step)
            rows.append([*cells, "as expected" if came_out else "NOT AS EXPECTED"])
            good.append(came_out)
        _print(rows)
        status = user.json("status")
        exact = bool(status["balances"]["exact"])
        click.echo(f"\nBoth balances are {'exact' if exact else 'NOT EXACT'}; {time.monotonic() - began:.0f} s in all.")
        if not once:
            _stay(user, tryton)
        stopped = engine.stop() == 0
    return 0 if all(good) and exact and stopped else 1


def _workspace(folder: Path, tryton: Tryton) -> User:
    """What `casecart init` makes, posting to that Tryton."""
    new = folder / "new"
    subprocess.run([CASECART, "init", str(new)], capture_output=True, check=True)
    user = User(new, folder / "ws")
    shutil.rmtree(new)
    (user.ws / "var" / "secrets" / "tryton").write_text(tryton.key)
    path = user.ws / "config" / "engine.yaml"
    text = path.read_text("utf-8")
    connector = f'{{kind: tryton, url: "{tryton.url}", key: {{file: var/secrets/tryton}}, {UNITS}}}'
    path.write_text(text.replace("{kind: file, folder: var/inventory}", connector), "utf-8")
    tables = sorted(str(table) for table in (user.ws / "samples" / "master").glob("*.csv"))
    done = user.run("master", "import", *tables, "--from", "erp")
    if done.returncode:
        raise click.ClickException(done.stderr)
    return user


def _stay(user: User, tryton: Tryton) -> None:
    """Until Ctrl-C."""
    click.echo(
        f"""
It stays up until Ctrl-C. In another terminal, try:

  cd {user.ws}
  {CASECART} worklist                                  # what waits for a person, and how to fix it
  {CASECART} message show 3                            # a message, what was made of it, and its postings
  {CASECART} send --to {user.to} samples/hl7v2/dft-three-lines.hl7
  {CASECART} status

Tryton: {tryton.url.rpartition("/")[0]}/ database hosp, user admin, password "{ADMIN}" (a Tryton 8 client can log in)
"""
    )
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    over.wait()
    click.echo("Stopping.")


def _answer(port: int, resource: bytes) -> int:
    """The status that a FHIR server gets for what it posts."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as server:
        server.request("POST", "/ehr", resource, {"Content-Type": "application/fhir+json"})
        return server.getresponse().status


def _posted(posting: dict[str, Any]) -> str:
    """One posting, as a cell has it."""
    payload = posting["payload"]
    what = f"{payload['action']} {payload['quantity']} {payload['item']}"
    if posting["state"] == "posted":
        return f"{what}, shipment {posting['reference']}"
    return f"{what}: {posting['state']} {posting['code']}".strip()


def _print(rows: Sequence[Sequence[str]]) -> None:
    heads = ("WHAT HAPPENED", "ACK", "POSTED TO THE ERP", "STOCK IN TRYTON", "")
    cells = [
        (row[0], row[1], part, row[3], row[4]) if not number else ("", "", part, "", "")
        for row in rows
        for number, part in enumerate(row[2].split("; "))
    ]
    widths = [max(len(row[column]) for row in [heads, *cells]) for column in range(len(heads))]
    click.echo()
    for row in [heads, *cells]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _progress(words: str) -> None:
    click.echo(f"  … {words}")


def _at_rest(now: dict[str, Any]) -> bool:
    lines = now["balances"]["lines"]["is_in"]
    return not (any(each["postings_open"] for each in now["destinations"]) or lines["waiting"])


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"


if __name__ == "__main__":
    sys.exit(main(once="--once" in sys.argv[1:] or not sys.stdout.isatty()))
