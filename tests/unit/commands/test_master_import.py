"""An import from files to the store: whole or not at all, and with a look at what it would do first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.commands import master_data as data
from casecart.commands.actor import Actor
from casecart.commands.master_import import ImportAnswer, ImportMaster, import_master
from casecart.commands.refusal import Refusal
from casecart.commands.site import opened, read_site
from casecart.store import StoreInUse, StoreUnavailable
from casecart.store.sqlite import SQLiteStore
from casecart.workspace import WorkspaceError
from support.new_workspace import new_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from casecart.store import MasterVersion

KIM = Actor("kim", frozenset({"see", "operate"}))


@pytest.fixture
def ws(tmp_path: Path) -> Path:
    new_workspace(tmp_path / "ws")
    (tmp_path / "ws/config/ownership.yaml").unlink()
    return tmp_path / "ws"


def items(ws: Path, count: int, *, description: str = "x") -> Path:
    path = ws / "items.csv"
    lines = "".join(f"I{number},{description}\n" for number in range(count))
    path.write_text(f"item,description\n{lines}", "utf-8")
    return path


def bring_in(ws: Path, path: Path, *, source: str = "erp", part: bool = False, dry_run: bool = False) -> ImportAnswer:
    return import_master(ws, ImportMaster(files=[path], source=source, part=part, dry_run=dry_run), KIM)


def numbers(ws: Path) -> int:
    with opened(read_site(ws), "reader") as store:
        return len(data.load_documents(store))


def test_a_dry_run_writes_nothing(ws: Path) -> None:
    answer = bring_in(ws, items(ws, 3), dry_run=True)
    assert (answer.documents, answer.written, numbers(ws)) == (3, False, 0)


def test_the_audit_trail_says_who_brought_what_in(ws: Path) -> None:
    bring_in(ws, items(ws, 3))
    with opened(read_site(ws), "reader") as store:
        (record,) = store.audit(10)
    assert (record.actor, record.command, record.subject) == ("kim", "master.import", "master:erp")
    assert '"documents":"3"' in record.detail


def test_the_same_again_leaves_no_trace(ws: Path) -> None:
    bring_in(ws, items(ws, 3))
    assert bring_in(ws, items(ws, 3)).documents == 0
    with opened(read_site(ws), "reader") as store:
        assert len(store.audit(10)) == 1


def test_many_removals_are_refused_until_they_are_wanted(ws: Path) -> None:
    bring_in(ws, items(ws, 30))
    path = items(ws, 10)
    with pytest.raises(Refusal, match="20 of 30 lines of items would be removed"):
        bring_in(ws, path)
    assert numbers(ws) == 30
    import_master(ws, ImportMaster(files=[path], source="erp", allow_removals=True), KIM)
    assert numbers(ws) == 10


def test_a_bad_line_refuses_all_files(ws: Path) -> None:
    good, bad = items(ws, 3), ws / "units.csv"
    bad.write_text("item,unit,quantity\nI0,BX,0\n", "utf-8")
    with pytest.raises(WorkspaceError) as refused:
        import_master(ws, ImportMaster(files=[good, bad], source="erp"), KIM)
    assert [str(finding.place) for finding in refused.value.findings] == [f"{bad}:2:3"]
    assert numbers(ws) == 0


def test_an_import_that_breaks_off_leaves_nothing(ws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "BATCH", 2)
    real = SQLiteStore.append_master
    calls: list[int] = []

    def append(store: SQLiteStore, versions: Sequence[MasterVersion]) -> int:
        calls.append(len(versions))
        if len(calls) == 2:
            raise StoreUnavailable("the disk is full")
        return real(store, versions)

    monkeypatch.setattr(SQLiteStore, "append_master", append)
    with pytest.raises(StoreUnavailable):
        bring_in(ws, items(ws, 5))
    assert numbers(ws) == 0
    assert bring_in(ws, items(ws, 5)).documents == 5
    assert numbers(ws) == 5


def test_two_at_once_are_refused(ws: Path) -> None:
    with (
        opened(read_site(ws), "person") as store,
        store.master_lock(),
        pytest.raises(StoreInUse, match="somebody else"),
    ):
        bring_in(ws, items(ws, 1))


def test_who_may_not_change_anything_may_look(ws: Path) -> None:
    looker = Actor("lou", frozenset({"see"}))
    wish = ImportMaster(files=[items(ws, 1)], source="erp", dry_run=True)
    assert import_master(ws, wish, looker).documents == 1
    with pytest.raises(Refusal, match="lou may not do this"):
        import_master(ws, ImportMaster(files=[items(ws, 1)], source="erp"), looker)


def test_a_file_of_no_table_is_refused_with_what_there_is(ws: Path) -> None:
    with pytest.raises(Refusal, match="is not called after a table"):
        bring_in(ws, ws / "things.csv")
    with pytest.raises(Refusal, match="can't be read"):
        bring_in(ws, ws / "items.csv")


@pytest.mark.parametrize(
    "ownership",
    [
        "owners:\n  item: {description: [erp]}\n  item: {product: [erp]}\n",
        "owners: {item: {description: [erp]}}\noverrides: {}\n",
        "owners: {}\nfacilities: {MOON: {owners: {item: {stock: [erp]}}}}\n",
        "owners: {item: {description: [}",
    ],
    ids=["a block twice", "an unknown key", "an unknown facility", "no YAML"],
)
def test_with_anything_wrong_in_the_ownership_nothing_is_brought_in(ws: Path, ownership: str) -> None:
    (ws / "config/ownership.yaml").write_text(ownership, "utf-8")
    with pytest.raises(WorkspaceError):
        bring_in(ws, items(ws, 1), source="ehr")
    assert numbers(ws) == 0


def test_what_another_system_says_is_one_exception_for_each_document(ws: Path) -> None:
    bring_in(ws, items(ws, 3))
    (ws / "config/ownership.yaml").write_text("owners: {item: {description: [erp]}}\n", "utf-8")
    for _ in range(2):
        assert bring_in(ws, items(ws, 3, description="y"), source="ehr", part=True).conflicts == 3
    with opened(read_site(ws), "reader") as store:
        (group,) = store.hold_groups(("new",), 10)
    assert (group.code, group.exceptions, group.field) == ("not-owner", 3, "description")


def test_more_conflicts_than_people_can_work_are_a_mistake(ws: Path) -> None:
    bring_in(ws, items(ws, 1_001))
    (ws / "config/ownership.yaml").write_text("owners: {item: {description: [erp]}}\n", "utf-8")
    with pytest.raises(Refusal, match="1,001 groups of fields belong to other systems than 'ehr'"):
        bring_in(ws, items(ws, 1_001, description="y"), source="ehr", part=True)
