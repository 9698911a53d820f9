"""`casecart check`: what it is asked about, and how it says it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from casecart.cli.exit import Exit
from casecart.cli.finding_formats import as_sarif, as_workflow_command
from casecart.cli.main import run
from casecart.workspace import CODES, Finding, Place
from support.findings_page import BOOK

if TYPE_CHECKING:
    from pathlib import Path

ODD = Finding(Place("a folder/chännels, x.yaml", 3, 7), "warning", "unknown-key", "100% wrong: a,b\nc", "d")


@pytest.fixture
def wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace `ws` below the current folder, with an error in a channel, one in a table, and a warning."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CASECART_WORKSPACE", raising=False)
    root = tmp_path / "ws"
    files = {**BOOK["base"], "mappings/tables/colours.csv": "code,value\nR,red\n"}
    files["channels/usage.yaml"] = files["channels/usage.yaml"].replace("about:", "abuot:")
    files["mappings/tables/colours.csv"] = "code,value\nR,red\nR,rot\n"
    files["config/engine.yaml"] += "metrics: {interface: 0.0.0.0}\n"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def files_in(lines: list[str]) -> list[str]:
    return [line.split(":")[0] for line in lines[:-1]]


@pytest.mark.usefixtures("wrong")
def test_all_of_a_workspace_is_told_in_the_order_of_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "ws"]) == Exit.WRONG
    lines = printed(capsys)
    assert files_in(lines) == ["ws/channels/usage.yaml", "ws/config/engine.yaml", "ws/mappings/tables/colours.csv"]
    assert lines[-1] == "2 errors, 1 warning"


@pytest.mark.parametrize(
    ("paths", "told", "code"),
    [
        (["ws/channels/usage.yaml"], ["ws/channels/usage.yaml"], Exit.WRONG),
        (["ws/mappings"], ["ws/mappings/tables/colours.csv"], Exit.WRONG),
        (["ws/config", "ws/channels"], ["ws/channels/usage.yaml", "ws/config/engine.yaml"], Exit.WRONG),
        (["ws/config"], ["ws/config/engine.yaml"], Exit.FINE),  # a warning
        (["ws/mappings/charges.yaml"], [], Exit.FINE),
    ],
)
@pytest.mark.usefixtures("wrong")
def test_only_what_is_found_in_the_named_files_is_told(
    capsys: pytest.CaptureFixture[str], paths: list[str], told: list[str], code: int
) -> None:
    assert run(["check", *paths]) == code
    lines = printed(capsys)
    assert files_in(lines) == told
    elsewhere = 3 - len(told)
    assert lines[-1].endswith(f"; {elsewhere} finding{'' if elsewhere == 1 else 's'} elsewhere")


@pytest.mark.usefixtures("wrong")
def test_a_file_is_found_in_the_workspace_that_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "-w", "ws", "channels/usage.yaml"]) == Exit.WRONG
    assert files_in(printed(capsys)) == ["ws/channels/usage.yaml"]


def test_a_file_is_found_from_within_a_folder_of_the_workspace(
    wrong: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(wrong / "channels")
    assert run(["check", "usage.yaml"]) == Exit.WRONG
    assert files_in(printed(capsys)) == [str(wrong / "channels" / "usage.yaml")]


@pytest.mark.parametrize(
    ("paths", "code"),
    [
        (["nowhere"], Exit.CONFIGURATION),
        (["ws/chanels"], Exit.USAGE),
        (["ws/channels", "nowhere"], Exit.USAGE),
        (["."], Exit.CONFIGURATION),
    ],
)
@pytest.mark.usefixtures("wrong")
def test_what_is_not_there_is_told(capsys: pytest.CaptureFixture[str], paths: list[str], code: int) -> None:
    assert run(["check", *paths]) == code
    assert capsys.readouterr().err.startswith("Error: ")


@pytest.mark.usefixtures("wrong")
def test_files_of_two_workspaces_are_not_asked_about_at_once(tmp_path: Path) -> None:
    (tmp_path / "other" / "config").mkdir(parents=True)
    (tmp_path / "other" / "config" / "engine.yaml").write_text("", "utf-8")
    assert run(["check", "ws/channels", "other/config"]) == Exit.USAGE


@pytest.mark.usefixtures("wrong")
def test_json_is_the_same_by_either_option(capsys: pytest.CaptureFixture[str]) -> None:
    run(["check", "ws", "--json"])
    by_flag = capsys.readouterr().out
    run(["check", "ws", "--format", "json"])
    assert capsys.readouterr().out == by_flag
    document = json.loads(by_flag)
    assert [*document] == ["workspace", "errors", "warnings", "findings"]
    assert document["findings"][0]["file"] == "channels/usage.yaml"


@pytest.mark.usefixtures("wrong")
def test_github_is_told_a_command_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "ws", "--format", "github"]) == Exit.WRONG
    lines = printed(capsys)
    assert lines[0].startswith("::error file=ws/channels/usage.yaml,line=2,col=1,title=unknown-key::'abuot' is not")
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::error"]


def test_what_github_would_read_as_its_own_is_escaped() -> None:
    assert as_workflow_command(ODD) == (
        "::warning file=a folder/chännels%2C x.yaml,line=3,col=7,title=unknown-key"
        "::100%25 wrong: a,b%0Ac. Did you mean 'd'?"
    )


@pytest.mark.usefixtures("wrong")
def test_sarif_is_a_log_with_a_rule_for_each_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "ws", "--format", "sarif"]) == Exit.WRONG
    log = json.loads(capsys.readouterr().out)
    must_be_sarif(log)
    (told,) = log["runs"]
    assert [result["ruleId"] for result in told["results"]] == ["unknown-key", "open-to-others", "duplicate-code"]
    assert [result["level"] for result in told["results"]] == ["error", "warning", "error"]
    first = told["results"][0]["locations"][0]["physicalLocation"]
    assert first["artifactLocation"]["uri"] == "ws/channels/usage.yaml"
    assert first["region"] == {"startLine": 2, "startColumn": 1}


def test_sarif_names_files_by_uris_and_explains_every_code() -> None:
    log = as_sarif([ODD, *(Finding(Place("/srv/a.yaml"), "error", code, "wrong") for code in CODES)])
    must_be_sarif(log)
    uris = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in log["runs"][0]["results"]}
    assert uris == {"a%20folder/ch%C3%A4nnels%2C%20x.yaml", "file:///srv/a.yaml"}


def must_be_sarif(log: dict[str, Any]) -> None:
    """The essentials of SARIF 2.1.0 (OASIS, §3.13 to §3.30)."""
    assert (log["version"], log["$schema"].endswith("sarif-2.1.0.json")) == ("2.1.0", True)
    for told in log["runs"]:
        driver = told["tool"]["driver"]
        rules = driver["rules"]
        assert driver["name"]
        assert re.fullmatch(r"[0-9]+([.][0-9]+)*.*", driver["version"])
        assert len({rule["id"] for rule in rules}) == len(rules)
        for rule in rules:
            assert rule["shortDescription"]["text"]
            assert rule["help"]["text"]
            assert rule["help"]["markdown"]
        for result in told["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            assert result["level"] in {"none", "note", "warning", "error"}
            assert result["message"]["text"]
            for location in result["locations"]:
                physical = location["physicalLocation"]
                assert re.fullmatch(r"[A-Za-z0-9._~:/?#@!$&'()*+;=%-]+", physical["artifactLocation"]["uri"])
                assert all(number >= 1 for number in physical["region"].values())


def test_help_documents_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--help"]) == Exit.FINE
    assert "0 no error (warnings are fine)   1 an error   2 usage   3 no workspace there" in capsys.readouterr().out


CHANNELS, TABLES = 200, 50
SECONDS = 6.0
"""Of CPU, for what takes less than two on a machine of its own; as typed, with the start of the interpreter."""


def test_a_workspace_of_two_hundred_channels_is_checked_in_seconds(tmp_path: Path) -> None:
    base = BOOK["base"]
    peers = "".join(f"      p{n}: {{match: {{MSH-3: P{n}}}, facility: NORTH}}\n" for n in range(CHANNELS))
    engine = base["config/engine.yaml"].replace("      orsys: {match: {MSH-3: ORSYS}, facility: NORTH}\n", peers)
    files = {"config/engine.yaml": engine}
    for n in range(CHANNELS):
        channel = base["channels/usage.yaml"].replace("channel: usage", f"channel: c{n}\npeers: p{n}")
        files[f"channels/c{n}.yaml"] = channel.replace("map: charges", f"map: m{n}")
        mapping = base["mappings/charges.yaml"].replace("mapping: charges", f"mapping: m{n}")
        files[f"mappings/m{n}.yaml"] = mapping.replace("transaction-type", f"t{n % TABLES}")
    for n in range(TABLES):
        files[f"mappings/tables/t{n}.csv"] = base["mappings/tables/transaction-type.csv"]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    before = os.times()
    command = [sys.executable, "-m", "casecart.cli", "check", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    after = os.times()
    assert done.stdout == "200 channels, 200 mappings, 50 tables, 1 listener, 1 destination: nothing is wrong\n"
    assert after.children_user + after.children_system - before.children_user - before.children_system < SECONDS
