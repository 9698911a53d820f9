"""`casecart new`: whatever is begun with it passes `check` and its test, and an engine runs with it, at once."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from casecart.cli.main import run
from casecart.workspace import reference
from support.engine_process import EngineProcess, free_port

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ENGINE = """\
organisation: MERCY
facilities:
  NORTH: {{time_zone: America/Chicago}}
secrets: {{keys: {{env: KEYS}}, tokens: {{env: TOKENS}}}}
listeners:
  lab:
    kind: mllp
    port: {port}
    peers:
      lab: {{match: {{MSH-3: LAB, MSH-4: NORTH}}, facility: NORTH}}
"""
BEGUN = [
    "listener more --kind mllp",
    "listener lab-http --kind http",
    "listener drops --kind file",
    "listener changes --kind item-changes",
    "destination stock --kind file",
    "destination service --kind rest --set url=http://127.0.0.1:9/",
    "destination billing --kind mllp",
    "destination erp --kind tryton --set url=http://127.0.0.1:9/hosp",
    "table colours",
    "mapping charges --each FT1",
    "mapping own --each ZUS",
    "mapping appointments --each SCH",
    "mapping records --each MFE",
    "mapping implants --reads fhir --each Procedure",
    "mapping seen --reads fhir --each Observation",
    "mapping by-sample --from samples/hl7v2/ours.hl7",
    "channel charges --from drops --to stock",
    "channel own --from lab --accept DFT^P03 --to stock",
    "channel appointments --from lab",
    "channel records --from lab",
    "channel implants --from lab-http --to stock",
    "channel seen --from lab-http",
    "channel by-sample --from lab --accept DFT^P11 --sample samples/hl7v2/ours.hl7",
]


def test_all_that_can_be_begun_is_right_passes_its_test_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    _small(tmp_path, port)
    monkeypatch.chdir(tmp_path)
    for typed in BEGUN:
        assert (typed, run(["new", *typed.split()]), capsys.readouterr().err) == (typed, 0, "")
    assert run(["check", "--json"]) == 0
    codes = {finding["code"] for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert codes <= {"unused-listener", "unused-destination", "unused-mapping", "unused-table"}
    assert run(["test", "--json"]) == 0
    tests = json.loads(capsys.readouterr().out)["tests"]
    channels = {typed.split()[1] for typed in BEGUN if typed.startswith("channel")}
    # Of a resource that nobody ships a sample of, none can be made up that is valid.
    assert {test["channel"] for test in tests if test["result"] == "passed"} == channels - {"seen"}
    # The ports that were chosen are free in the configuration; on this machine they may be another's.
    path = tmp_path / "config/engine.yaml"
    path.write_text(
        re.sub(rf"port: (?!{port})\d+", lambda _found: f"port: {free_port()}", path.read_text("utf-8")), "utf-8"
    )
    names = ("KEYS", "TOKENS", "SERVICE_AUTHORIZATION", "ERP_KEY")
    secrets = dict.fromkeys(names, "a made-up secret of this test, long enough")
    with EngineProcess(tmp_path, port, environment=secrets, forked=True) as engine:
        engine.start()
        assert run(["send", "--to", f"127.0.0.1:{port}", "samples/hl7v2/own.hl7"]) == 0
        while not (handed_over := list((tmp_path / "var/stock").glob("*.json"))):
            time.sleep(0.02)
        assert json.loads(handed_over[0].read_bytes())["item"] == "ITEM-1"
        assert engine.stop() == 0
        assert "Traceback" not in engine.log


def _small(root: Path, port: int) -> None:
    """A workspace with little in it, so that it is checked soon; and a sample as its listener's peer would send it."""
    shipped = reference.root()
    sample = (shipped / "samples/hl7v2/supply-usage.hl7").read_bytes().replace(b"|SUPPLIES|", b"|LAB|", 1)
    files = {
        "config/engine.yaml": ENGINE.format(port=port).encode(),
        "samples/hl7v2/ours.hl7": sample.replace(b"DFT^P03", b"DFT^P11", 1),
        **{
            file: (shipped / file).read_bytes()
            for file in ("mappings/charge-dft.yaml", "mappings/tables/charge-type.csv", "config/ownership.yaml")
        },
    }
    for file, content in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(content)
