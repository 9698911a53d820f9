"""The pages on FHIR over HTTP: what they show can be written like that, and every answer is explained."""

from __future__ import annotations

import re
import textwrap

from casecart.formats.fhir.problem import ISSUE_TYPES
from casecart.listeners import http_answer
from casecart.listeners.http_settings import HttpSettings
from support.checkout import ROOT
from support.settings import findings_of

HOW_TO = (ROOT / "docs" / "how-to" / "take-fhir.md").read_text("utf-8")
ANSWERS = (ROOT / "docs" / "reference" / "fhir-http.md").read_text("utf-8").partition("## Answers")[2]
OF_READING = {"encoding", "not-json", "number", "too-deep", "too-large", "too-many-members", "duplicate-member"}
OF_READING |= {"not-an-object", "no-resource-type"}
"""What `read_resource` refuses."""


def test_the_example_is_a_listener_without_findings() -> None:
    [block] = re.findall(r"ehr-http:\n  kind: http\n(.+?)```", HOW_TO, re.DOTALL)
    assert findings_of(HttpSettings, textwrap.dedent(block)) == []


def test_every_code_of_an_answer_is_explained() -> None:
    assert set(ISSUE_TYPES) >= OF_READING
    explained = set(re.findall(r"`([a-z-]+)`", ANSWERS))
    assert set(http_answer._ANSWERS) | OF_READING <= explained


def test_every_answer_has_the_status_that_the_page_gives_it() -> None:
    status = ""
    told: dict[str, str] = {}
    for line in ANSWERS.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5:
            status = cells[1] or status
            told |= dict.fromkeys(re.findall(r"`([a-z-]+)`", cells[2]), status)
    assert {code: str(answer.status) for code, answer in http_answer._ANSWERS.items()}.items() <= told.items()
