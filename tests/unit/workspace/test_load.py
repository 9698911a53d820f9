"""Loading a workspace: names across files, what is overlooked, revisions, and the reference workspace."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from casecart.workspace import Kinds, MapStep, Workspace, WorkspaceError, load
from support.small_workspace import CHANNEL, ENGINE, MAPPING, TABLE

Load = Callable[..., Workspace]

HEAD = "channel: usage\nabout: x\nfrom: or-mllp\naccept: DFT^P03\n"


def refused(workspace: Load, changes: dict[str, str | bytes | None]) -> list[str]:
    with pytest.raises(WorkspaceError) as raised:
        workspace(changes)
    return [str(finding) for finding in raised.value.findings]


def test_a_good_workspace_is_loaded_and_cannot_be_changed(workspace: Load) -> None:
    loaded = workspace()
    assert list(loaded.channels) == ["usage"]
    assert loaded.channels["usage"].mappings == ("charges",)
    assert loaded.mappings["charges"].fields["action"].table == "transaction-type"
    assert loaded.tables["transaction-type"].lookup("CD", date(2026, 11, 3)) == "reverse"
    assert loaded.engine.listeners["or-mllp"].kind == "mllp"
    assert loaded.warnings == ()
    with pytest.raises(TypeError):
        loaded.channels["other"] = loaded.channels["usage"]  # type: ignore[index]  # that it fails is the test
    with pytest.raises(AttributeError):
        loaded.root = Path()  # type: ignore[misc]  # the same


def test_every_value_knows_its_file_and_line(workspace: Load) -> None:
    loaded = workspace()
    step = loaded.channels["usage"].steps[0]
    assert isinstance(step, MapStep)
    assert str(step.map.place) == "channels/usage.yaml:6:10"
    assert str(loaded.mappings["charges"].fields["case"].path[0].place) == "mappings/charges.yaml:7:16"
    assert str(loaded.engine.secrets.keys.place) == "config/engine.yaml:4:17"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"config/engine.yaml": None}, ["config/engine.yaml:1:1 error missing-file the file is not there"]),
        ({"mappings/charges.yaml": None, "mappings/tables/transaction-type.csv": None},
         ["channels/usage.yaml:6:10 error unknown-name no mapping has the name 'charges'; there is none"]),
        ({"mappings/tables/transaction-type.csv": None},
         ["mappings/charges.yaml:8:34 error unknown-name no table has the name 'transaction-type'; there is none"]),
        ({"channels/usage.yml": "x"}, ["channels/usage.yml:1:1 error file-name the file would be overlooked"]),
        ({"channels/us age.yaml": "x"}, ["channels/us age.yaml:1:1 error file-name the name of the file is also"]),
        ({"mappings/tables/T.CSV": "x"}, ["mappings/tables/T.CSV:1:1 error file-name the file would be overlooked"]),
        ({"channels/other.yaml": HEAD + "steps: [{map: charges}, {route: [{hold: x}]}]\n"},
         ["channels/other.yaml:1:10 error name-mismatch this channel calls itself 'usage' and its file 'other'"]),
        ({"channels/usage.yaml": HEAD + "steps: [{route: [{hold: x}]}]"},
         ["channels/usage.yaml:5:9 error step-order a route needs lines, and nothing has made any yet"]),
        ({"channels/usage.yaml": HEAD + "steps:\n- map: charges\n- verify: [lot]\n- resolve: {item: {}}\n"},
         ["channels/usage.yaml:8:3 error step-order there is one step of a kind, in the order map, hook, fill"]),
        ({"channels/usage.yaml": HEAD + "steps:\n- map: charges\n- resolve: {item: {}}\n"},
         ["channels/usage.yaml:6:1 error step-order the last step is a route, which says where the lines go"]),
        ({"config/ownership.yaml": "owners: {item: {descripton: erp}}\n"},
         ["config/ownership.yaml:1:17 error unknown-value 'descripton' is not a group of the fields of item"]),
        ({"config/ownership.yaml": "owners: {item: {stock: []}}\n"},
         ["config/ownership.yaml:1:17 error too-few 'stock' has no owner, so that nobody could say it"]),
        ({"config/ownership.yaml": 'owners: {item: {stock: " erp"}}\n'},
         ["config/ownership.yaml:1:24 error bad-name 'erp' cannot be the name of a system"]),
        ({"config/ownership.yml": "owners: {}\n"},
         ["config/ownership.yml:1:1 error file-name the file would be overlooked; rename it to ownership.yaml"]),
        ({"channels/usage.yaml": HEAD + "steps:\n- map: charges\n- resolve: {}\n- route: [{hold: x}]\n"},
         ["channels/usage.yaml:7:12 error too-few resolve finds nothing like this; name what it is to find"]),
        ({"channels/usage.yaml": HEAD + "steps:\n- map: charges\n- resolve: {supplier: {}}\n- route: [{hold: x}]\n"},
         ["channels/usage.yaml:7:23 error step-order the supplier can be known of an item that is found"]),
        ({"channels/usage.yaml": HEAD + "steps:\n- map: charges\n- verify: [lot]\n"
          "  policy: [{finding: expired, then: hold}]\n- route: [{hold: x}]\n"},
         ["channels/usage.yaml:8:22 error idle-policy nothing here looks for expired: add its check to verify"]),
        ({"channels/usage.yaml": HEAD + "steps:\n- map: charges\n- verify: [lot]\n"
          "  policy:\n  - {finding: lot-missing, then: hold}\n  - {finding: lot-missing, location: A, then: hold}\n"
          "- route: [{hold: x}]\n"},
         ["channels/usage.yaml:10:5 error idle-policy this entry is never reached: the one in line 9 decides before"]),
        ({"config/ownership.yaml": "owners: {items: {description: erp}}\n"},
         ["config/ownership.yaml:1:10 error unknown-value 'items' is not a kind of document of the master data"]),
        ({"config/ownership.yaml": "owners: {}\nfacilities: {MOON: {owners: {item: {stock: erp}}}}\n"},
         ["config/ownership.yaml:2:14 error unknown-name no facility has the name 'MOON'"]),
        ({"channels/usage.yaml": HEAD + "steps:\n- map: charges\n- route:\n"
          "  - hold: x\n  - hold: y\n  - hold: z\n"},
         ["channels/usage.yaml:9:5 error route-order this entry is never reached: the one in line 8 takes every line"]),
        ({"channels/usage.yaml": HEAD + "steps:\n- map: charges\n- route:\n"
          "  - otherwise: {when: a, hold: x}\n"},
         ["channels/usage.yaml:8:23 error route-order otherwise takes every line that is left"]),
    ],
)  # fmt: skip
def test_what_is_wrong_between_files_is_found(
    workspace: Load, changes: dict[str, str | bytes | None], expected: list[str]
) -> None:
    findings = refused(workspace, changes)
    assert len(findings) == len(expected)
    assert all(finding.startswith(words) for finding, words in zip(findings, expected, strict=True)), findings


def test_names_of_a_configuration_that_cannot_be_read_are_not_called_unknown(workspace: Load) -> None:
    assert [line.split()[2] for line in refused(workspace, {"config/engine.yaml": "a: 'x"})] == ["yaml-syntax"]
    without = "organisation: M\nfacilities: {N: {time_zone: UTC}}\nsecrets: {keys: {env: K}, tokens: {env: T}}\n"
    assert [line.split()[2] for line in refused(workspace, {"config/engine.yaml": without})] == [
        "unknown-name",  # destinations may be absent: then there is none
        "missing-key",  # listeners may not: that is the mistake, and the channel's `from` is none
    ]


def test_a_store_may_be_given_by_its_url_alone_or_with_a_password(workspace: Load) -> None:
    assert workspace().engine.store.url == "sqlite:///var/casecart.db"
    short = workspace({"config/engine.yaml": ENGINE + "store: postgresql://casecart@db/casecart\n"})
    assert short.engine.store.url == "postgresql://casecart@db/casecart"
    long = workspace({"config/engine.yaml": ENGINE + "store: {url: postgresql://c@db/c, password: {env: PW}}\n"})
    assert long.engine.store.password is not None
    assert long.engine.store.password.env == "PW"


def test_tests_beside_a_channel_and_notes_are_not_loaded(workspace: Load) -> None:
    assert list(workspace({"channels/usage.test.yaml": "- x", "channels/README.md": "x"}).channels) == ["usage"]


def test_a_folder_that_is_not_there_is_a_finding(tmp_path: Path, kinds: Kinds) -> None:
    with pytest.raises(WorkspaceError) as raised:
        load(tmp_path / "missing", kinds=kinds, document_fields={})
    assert [finding.code for finding in raised.value.findings] == ["missing-file"]


def test_what_is_no_regular_file_is_not_waited_for(workspace: Load, tmp_path: Path) -> None:
    workspace()
    (tmp_path / "channels" / "pipe.yaml").touch()
    (tmp_path / "channels" / "pipe.yaml").unlink()
    os.mkfifo(tmp_path / "channels" / "pipe.yaml")
    (tmp_path / "channels" / "folder.yaml").mkdir()
    (tmp_path / "channels" / "loop.yaml").symlink_to("loop.yaml")
    assert [line.split()[2] for line in refused(workspace, {})] == ["unreadable-file"] * 3


def test_a_revision_follows_the_channel_its_mappings_and_their_tables_and_nothing_else(workspace: Load) -> None:
    other = CHANNEL.replace("channel: usage", "channel: other")
    before = workspace({"channels/other.yaml": other, "mappings/tables/unused.csv": TABLE}).revision("usage")
    assert len(before) == 64
    assert workspace().revision("usage") == before
    untouched = {
        "channels/other.yaml": other + "key: line\n",
        "mappings/tables/unused.csv": TABLE + "X,y\n",
        "config/engine.yaml": ENGINE + "\n",
    }
    assert workspace(untouched).revision("usage") == before
    changed = [
        workspace({"channels/usage.yaml": CHANNEL + "key: line\n"}).revision("usage"),
        workspace({"mappings/charges.yaml": MAPPING + "  unit: {value: EA}\n"}).revision("usage"),
        workspace({"mappings/tables/transaction-type.csv": TABLE + "X,none\n"}).revision("usage"),
    ]
    assert len({before, *changed}) == 4
    with pytest.raises(KeyError):
        workspace().revision("unknown")


def test_a_large_workspace_is_loaded_in_two_seconds(workspace: Load) -> None:
    files: dict[str, str | bytes | None] = {}
    for number in range(200):
        name = f"usage-{number}"
        files[f"channels/{name}.yaml"] = CHANNEL.replace("channel: usage", f"channel: {name}").replace("charges", name)
        fields = "".join(
            f"  {field}: {{path: FT1-7, optional: true}}\n" for field in ("item", "lot", "serial", "udi", "unit")
        )
        files[f"mappings/{name}.yaml"] = MAPPING.replace("mapping: charges", f"mapping: {name}") + fields
    for number in range(50):
        files[f"mappings/tables/t-{number}.csv"] = TABLE
    before = time.process_time()
    assert len(workspace(files).channels) == 201
    assert time.process_time() - before < 2
