"""Revisions that are applied under load, and engines that are killed meanwhile: nothing is lost or mapped half by one.

Each revision says its name in two places of each document, by a constant of the mapping and by a value of a table.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from casecart.runtime.made import decode_made
from casecart.runtime.revision import loaded
from casecart.store import MessageFilter, open_store
from support.applied import applied, until_run
from support.crash_oracle import faults, tally
from support.engine_process import EngineProcess, free_port
from support.under_load import UnderLoad

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.store import Store
    from support.trial import Trial

SENDERS = 16


class Revisions:
    """The revisions of one workspace, in turn.

    Args:
        root: the workspace.
        store: its store's URL.
    """

    def __init__(self, root: Path, store: str) -> None:
        self._root, self._store = root, store
        self._mapping = (root / "mappings/dft-usage.yaml").read_text("utf-8")
        self.digests: dict[str, str] = {}
        self.number = 0

    def apply(self, name: str) -> None:
        """The one with this name is wanted from now on."""
        location = "  location: {path: FT1-6.1, table: revision, required: true}\n"
        mapping = self._mapping.replace("  location: {path: FT1-16.1, optional: true}\n", location)
        (self._root / "mappings/dft-usage.yaml").write_text(f'{mapping}  cost_center: {{value: "{name}"}}\n', "utf-8")
        rows = "".join(f"{code},{name}\n" for code in ("CG", "CD", "PY"))
        (self._root / "mappings/tables/revision.csv").write_text(f"code,value\n{rows}", "utf-8")
        self.digests[name] = loaded(self._root).revision("or-usage")
        self.number = applied(self._root, self._store)

    def seen(self) -> set[str]:
        """The names of those by which messages were mapped; fails where one was mapped by halves."""
        names = {digest: name for name, digest in self.digests.items()}
        seen = set()
        with closing(open_store(self._store, role="reader")) as reader:
            for control_id, said, revision in _said(reader):
                if revision in names:
                    assert said == {names[revision]}, f"{control_id} says {said}, and ran under {names[revision]}"
                    seen.add(names[revision])
        return seen


def _said(store: Store) -> Iterator[tuple[str, set[str | None], str]]:
    """Of each run: the control id, what its documents say in both places, and its digest."""
    position: int | None = None
    while rows := store.messages(MessageFilter(), position, 1000):
        for row in rows:
            for run in store.runs(row.position):
                usages = [usage for _, _, usage in decode_made(run.documents).documents]
                said = {usage.cost_center for usage in usages} | {usage.location for usage in usages}
                if usages:
                    yield row.control_id, said, run.revision
        position = rows[-1].position


def test_an_engine_killed_in_the_midst_of_changes_loses_nothing(store_url: str, tmp_path: Path) -> None:
    with UnderLoad(tmp_path, store_url) as scene:
        revisions = Revisions(scene.workspace, store_url)
        scene.begin()
        for number, name in enumerate("ABA"):
            revisions.apply(name)
            # It looks once a second: somewhere between that and the end of the change.
            time.sleep(0.2 + 0.4 * number)
            scene.engine.kill()
            scene.engine.start()
        until_run(store_url, revisions.number)
        time.sleep(0.3)
        scene.come_to_rest()
    assert faults(scene.evidence()) == []
    assert revisions.seen() == {"A", "B"}


def test_each_of_several_engines_takes_what_is_wanted(postgresql_dsn: str, tmp_path: Path) -> None:
    with UnderLoad(tmp_path, postgresql_dsn) as scene:
        revisions = Revisions(scene.workspace, postgresql_dsn)
        port = free_port()
        arguments = ["--port", f"or-mllp={port}"]
        with EngineProcess(scene.workspace, port, name="second", arguments=arguments) as second:
            second.start()
            scene.begin()
            for name in "AB":
                revisions.apply(name)
                until_run(postgresql_dsn, revisions.number, engines=2)
            scene.senders.finish()
            assert second.stop() == 0
            scene.come_to_rest()
    evidence = scene.evidence()
    assert faults(evidence) == []
    assert evidence.resends == 0
    assert revisions.seen() <= {"A", "B"}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_changes_under_load_lose_nothing_and_close_no_connection(store_url: str, tmp_path: Path, trial: Trial) -> None:
    changes = trial.times(20, 500)
    with UnderLoad(tmp_path, store_url, senders=SENDERS) as scene:
        revisions = Revisions(scene.workspace, store_url)
        scene.begin()
        for number in range(changes):
            revisions.apply("AB"[number % 2])
            until_run(store_url, revisions.number)
        scene.come_to_rest()
    evidence = scene.evidence()
    trial.tell("changed under load", tally(evidence), store=store_url, cycles=changes, resent=evidence.resends)
    assert faults(evidence) == []
    assert evidence.resends == 0  # no connection was closed
    assert revisions.seen() == {"A", "B"}
