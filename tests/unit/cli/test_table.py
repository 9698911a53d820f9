"""`casecart table`: what is shown of code tables, and how their files change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.cli.main import run
from support.small_workspace import FILES, TABLE

if TYPE_CHECKING:
    from pathlib import Path

    Captured = pytest.CaptureFixture[str]

NAME = "transaction-type"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small workspace, in which the command is typed."""
    for name, text in FILES.items():
        path = tmp_path / "ws" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path / "ws")
    return tmp_path / "ws"


def said(capsys: Captured, *arguments: str, code: int = 0) -> str:
    """What `casecart table` says to this."""
    assert run(["table", *arguments]) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def written(root: Path) -> str:
    return (root / "mappings/tables/transaction-type.csv").read_text("utf-8")


@pytest.mark.usefixtures("root")
def test_the_tables_are_listed_with_who_uses_them(capsys: Captured) -> None:
    assert said(capsys, "show").splitlines() == ["table             rows  used by", f"{NAME}     2  charges"]


@pytest.mark.usefixtures("root")
def test_the_rows_of_a_table_are_shown_with_the_fields_that_go_through_it(capsys: Captured) -> None:
    assert [line.rstrip() for line in said(capsys, "show", NAME).splitlines()] == [
        "code  value",
        "CG    use",
        "CD    reverse",
        "",
        "mappings/charges.yaml:8  action of charges, of usage",
    ]


@pytest.mark.usefixtures("root")
def test_a_code_is_told_for_a_day(capsys: Captured) -> None:
    said(capsys, "set", NAME, "CG", "reverse", "--from", "2027-01-01")
    assert said(capsys, "show", NAME, "CG", "--on", "2026-12-31") == "use  (line 2, to 2026-12-31)\n"
    assert said(capsys, "show", NAME, "CG", "--on", "2027-01-01") == "reverse  (line 4, from 2027-01-01)\n"


@pytest.mark.usefixtures("root")
def test_a_code_without_a_row_is_told_as_such(capsys: Captured) -> None:
    assert run(["table", "show", NAME, "XX"]) == 1
    assert capsys.readouterr().out == "There is no row for it: such a line is a case for the worklist.\n"


def test_a_row_is_set_with_the_columns_that_it_needs(root: Path, capsys: Captured) -> None:
    assert said(capsys, "set", NAME, "X*", "use", "--match", "pattern", "--about", "as CG") == (
        "mappings/tables/transaction-type.csv: 1 row added (X*), 2 the same.\n"
    )
    assert written(root) == "code,value,about,match\nCG,use,,\nCD,reverse,,\nX*,use,as CG,pattern\n"


def test_what_is_so_already_changes_nothing(root: Path, capsys: Captured) -> None:
    assert "says so already" in said(capsys, "set", NAME, "CG", "use")
    assert written(root) == TABLE


def test_the_rows_of_a_code_are_removed(root: Path, capsys: Captured) -> None:
    assert "1 row removed (CD)" in said(capsys, "set", NAME, "CD", "--remove")
    assert written(root) == "code,value\nCG,use\n"


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["set", NAME, "CG", "usee"], 1, "can't be run: mappings/tables/transaction-type.csv:2:1"),
        (["set", NAME, " CG", "use"], 1, "The row can't be: the code has spaces around it"),
        (["set", NAME, "9..1", "use", "--match", "range"], 1, "The row can't be: the code of a range is its first"),
        (["set", NAME, "A", "use", "--from", "2027-01-01", "--to", "2026-01-01"], 1, "valid_to is before valid_from"),
        (["set", NAME, "A"], 2, "Give a VALUE, or --remove."),
        (["set", NAME, "A", "use", "--remove"], 2, "Give a VALUE, or --remove."),
        (["set", NAME, "XX", "--remove"], 1, "has no row for 'XX'"),
        (["set", "transaction-typ", "A", "use"], 1, "Did you mean 'transaction-type'?"),
        (["show", "transaction-typ"], 1, "Did you mean 'transaction-type'?"),
        (["used-by", "nothing"], 1, "There is no table mappings/tables/nothing.csv"),
        (["import", NAME, "nowhere.csv"], 1, "can't be read"),
        (["import", "../x", "config/engine.yaml"], 1, "A table's name is of letters"),
        (["import", NAME, "config/engine.yaml"], 1, "table-header the first line names the columns"),
        (["export", NAME, "--to", "config/engine.yaml"], 1, "can't be written: file exists"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_and_the_file_stays(
    root: Path, capsys: Captured, arguments: list[str], code: int, expected: str
) -> None:
    assert expected in said(capsys, *arguments, code=code)
    assert written(root) == TABLE
    assert sorted(path.name for path in (root / "mappings/tables").iterdir()) == ["transaction-type.csv"]


def test_a_table_is_mended_in_a_workspace_that_has_other_mistakes(root: Path, capsys: Captured) -> None:
    (root / "channels/usage.yaml").write_text("channel: usage\n", "utf-8")
    assert "1 row added (AJ)" in said(capsys, "set", NAME, "AJ", "use")
    assert written(root) == TABLE + "AJ,use\n"


def test_rows_are_imported_shown_first_and_none_goes(root: Path, capsys: Captured) -> None:
    (root / "codes.csv").write_text("code,value,about\nCG,reverse,\nAJ,use,Adjustment\n", "utf-8")
    assert said(capsys, "import", NAME, "codes.csv", "--dry-run") == (
        "mappings/tables/transaction-type.csv: 1 row added (AJ); 1 row changed (CG), 1 the same. Nothing is written.\n"
    )
    assert written(root) == TABLE
    said(capsys, "import", NAME, "codes.csv")
    assert written(root) == "code,value,about\nCG,reverse,\nCD,reverse,\nAJ,use,Adjustment\n"


def test_a_file_takes_the_place_of_a_table(root: Path, capsys: Captured) -> None:
    (root / "codes.csv").write_text("\ufeffcode,value\r\nCG,use\r\n*,reverse\r\n", "utf-8")
    assert "1 row added (*); 1 row removed (CD), 1 the same." in said(capsys, "import", NAME, "codes.csv", "--replace")
    assert (root / "mappings/tables/transaction-type.csv").read_bytes() == b"code,value\r\nCG,use\r\n*,reverse\r\n"


def test_a_new_table_is_made_by_an_import_and_exported_as_it_is(root: Path, capsys: Captured) -> None:
    (root / "codes.csv").write_text("code,value\nA,x\n", "utf-8")
    assert "mappings/tables/new.csv: 1 row added (A)." in said(capsys, "import", "new", "codes.csv")
    assert said(capsys, "export", "new") == "code,value\nA,x\n"
    assert "No field goes through it." in said(capsys, "used-by", "new")
