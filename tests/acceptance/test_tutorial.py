"""The tutorial, done as its reader would: what is typed works, and what it says is shown is shown."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.checkout import ROOT
from support.console import Reader, usual_environment
from support.engine_process import free_port
from support.require import require
from support.tryton.kit import Kit, Unavailable
from support.tryton.server import Tryton

if TYPE_CHECKING:
    from collections.abc import Iterator

# Whatever is named on the page is another's on a machine that runs many tests.
NAMED = ("2575", "2576", "8443", "8765")


@pytest.fixture
def tryton(tmp_path: Path) -> Iterator[Tryton]:
    """A Tryton that `make erp` would serve."""
    kit = Kit()
    try:
        kit.prepare(lambda _words: None)
    except Unavailable as missing:
        require("Tryton", str(missing))
    server = Tryton(kit, tmp_path / "erp", free_port())
    yield server
    server.stop()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_what_the_tutorial_says_is_so(tmp_path: Path, tryton: Tryton) -> None:
    ports = {named: str(free_port()) for named in NAMED[:3]} | {NAMED[3]: str(tryton.port)}

    def instead(command: str, reader: Reader) -> str | None:
        if command != "make erp":
            return None
        tryton.start()
        (reader.folder / "var/secrets/tryton").write_text(tryton.key, "utf-8")
        return f"Tryton serves {tryton.url} from …\n  cp {tmp_path}/erp/key var/secrets/tryton\n"

    def after(command: str, reader: Reader) -> None:
        if command == "casecart init ws":
            path = reader.folder / "ws/config/engine.yaml"
            text = path.read_text("utf-8")
            for named, port in ports.items():
                text = text.replace(f"port: {named}", f"port: {port}")
            path.write_text(text, "utf-8")

    page = (ROOT / "docs/tutorial.md").read_text("utf-8")
    for named, port in ports.items():
        page = re.sub(rf"(?<=127\.0\.0\.1:){named}|(?<=port=){named}", port, page)
    page = page.replace("casecart send samples", f"casecart send 127.0.0.1:{ports['2575']} samples")
    with Reader(tmp_path, usual_environment(Path(sys.prefix)), instead, after) as reader:
        assert reader.follow(page) > 30
    movements = tryton.moves("SC-88412")
    assert [each["quantity"] for each in movements] == [2]
