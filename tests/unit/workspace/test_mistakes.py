"""Files with many mistakes: each is found in one run, at its line, and none is the cause of another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casecart.workspace import Workspace, WorkspaceError

# A mistake a line; what follows `#!` is the finding it should give, and nothing else is wrong.
TWENTY = """\
mapping: chargs  #! 10 name-mismatch this mapping calls itself 'chargs' and its file 'charges'; make them the same
abuot: Charges   #! 1 unknown-key 'abuot' is not a key of mapping. Did you mean 'about'?
reads:
  format: hl7    #! 11 unknown-value 'hl7' is not a value of 'format', which knows hl7v2 and fhir. Did you mean 'hl7v2'?
  version: 2,8   #! 12 bad-format 'version' has another form: a version such as 2.3, 2.5.1 or 2.8.2
makes: usage     #! 8 unknown-value 'usage' is not a value of 'makes', which knows Usage, Case, items
says: &says transactions  #! 7 yaml-anchor anchors (&name) and aliases (*name) are not used here; write it out, or quote
each: [FT1]      #! 7 quote-path put the path of 'each' in quotes; without them its brackets make it a list
where:           #! 7 empty-value 'where' has no value; write one, or remove the key
bind:
  Device: OBX    #! 3 bad-name 'Device' cannot be a name in 'bind'; write a lower-case word such as device
  other: !path OBX  #! 10 yaml-tag a tag (!name) is not used here; remove it, or quote the text
fields:
  case: {path: PID-3[*].1, required: true}  #! 16 quote-path put the path in quotes: inside { } and [ ] a bracket or a
  line: {path: FT1-2, FT1-23.1, optional: true}  #! 23 quote-path the comma before 'FT1-23.1' ends the value; several
  action: {path: FT1-6, required: true, requird: true}  #! 41 unknown-key 'requird' is not a key of field, which knows
  quantity: {path: FT1-10, type: decimel, required: true}  #! 34 unknown-value 'decimel' is not a value of 'type', which
  udi: {path: PRT-10, optional: yes}  #! 33 bad-value 'yes' is not a value of 'optional'; write true, or the key is left
  lot: {path: PRT-19}  #! 8 unhandled-empty the source may be empty; say what then: required: true, optional: true or
  serial: {optional: true}  #! 11 one-of say where the value comes from: path, agree (paths that must agree), join
  expiry: {path: PRT-18, optional: true, default: never}  #! 11 one-of 'optional' and 'default' exclude each other; keep
  serail: {value: x}  #! 3 unknown-field 'serail' is not a field of Usage. Did you mean 'serial'?
  unit: {value: EA, table: unit}  #! 28 unknown-name no table has the name 'unit'; there is only transaction-type
  item: FT1-34  #! 9 expected-keys 'field' is a block of keys and values
  lot: {value: x}  #! 3 duplicate-key 'lot' is already given in line 19; keep one of the two
"""


def marked(text: str, file: str) -> list[str]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        _, mark, said = line.partition("#! ")
        if mark:
            column, _, words = said.partition(" ")
            found.append(f"{file}:{number}:{column} error {words}")
    return found


Load = Callable[..., Workspace]


def test_twenty_mistakes_are_twenty_findings_each_at_its_line(workspace: Load) -> None:
    file = "mappings/charges.yaml"
    expected = marked(TWENTY, file)
    assert len(expected) >= 20
    with pytest.raises(WorkspaceError) as raised:
        workspace({file: TWENTY})
    findings = [str(finding) for finding in raised.value.findings]
    assert len(findings) == len(expected)
    for finding, words in zip(findings, expected, strict=True):
        assert finding.startswith(words)


ENGINE = """\
organisation: " MERCY"  #! 15 bad-format 'organisation' has another form: 1 to 64 characters, without spaces around
facilities:
  NORTH: {time_zone: America/Chigago}  #! 22 unknown-value 'America/Chigago' is not a time zone; write one such as
  "SOUTH EAST": {time_zone: Europe/Berlin}  #! 3 bad-name 'SOUTH EAST' cannot be a name in 'facilities'; write a name of
store: postgresql://casecart:hunter2@db/casecart  #! 8 secret-literal the URL contains a password; take it out, and
secrets:
  keys: {env: "not a name"}  #! 15 secret-literal the name of an environment variable is expected here, not the secret
  tokens: hunter2  #! 11 secret-literal 'tokens' takes a secret by reference only: {env: NAME} for an environment
intake: {time_budget: 50}  #! 23 bad-value '50' is not a value of 'time_budget'; write a number and its unit, ms
listeners:
  or-mllp:
    kind: mlpp  #! 11 unknown-kind 'mlpp' is not an installed kind of listener; those are mllp. Did you mean 'mllp'?
  lab-mllp:
    kind: mllp
    port: 99999  #! 11 out-of-range 'port' is at most 65535
    maximum_frame: 1GB  #! 20 out-of-range 'maximum_frame' is at most 100MB
    peers:
      lab: {match: {MSH-5: LAB}, facility: NORHT}  #! 44 unknown-name no facility has the name 'NORHT'; there are NORTH
  third:  #! 9 empty-value 'third' has no value; write one, or remove the key
destinations:
  inventory: {folder: var}  #! 14 missing-key 'kind' is missing in this destination; the installed kinds are file and
  erp:
    kind: rest
    url: ftp://erp  #! 10 bad-format 'url' has another form: https?://.+
    token: {file: []}  #! 19 expected-text 'file' takes the name of the variable or file
    timeout: 10m  #! 14 out-of-range 'timeout' is at most 5m
    compress: "on"  #! 15 bad-value 'on' is not a value of 'compress'; write true or false
    retries: 3  #! 5 unknown-key 'retries' is not a key of rest, which knows url, token, timeout and compress
"""

CHANNEL = """\
channel: usage
about: [x]  #! 8 expected-text 'about' takes one value: text
from: or-mlp  #! 7 unknown-name no listener has the name 'or-mlp'; there are lab-mllp, or-mllp and third. Did you mean
accept: [DFT-P03]  #! 10 bad-format 'accept' has another form: DFT^P03, DFT^* for every event
key: cas  #! 6 unknown-field 'cas' is not a field of Usage. Did you mean 'case'?
steps:
  - map: chargs  #! 10 unknown-name no mapping has the name 'chargs'; there is only charges. Did you mean 'charges'?
  - check: {item: {}}  #! 5 unknown-step 'check' is not a step; the steps known here are map, hook, fill, resolve
  - route:
      - when: "usage.action == 'use'"
        post: {to: inventroy, as: consumtion}  #! 20 unknown-name no destination has the name 'inventroy'; there are
      - hold: everything else
      - post: inventory
retain: {bodies: 12h}  #! 18 out-of-range 'bodies' is at least 1d
"""


def test_mistakes_in_one_file_cause_none_in_another(workspace: Load) -> None:
    with pytest.raises(WorkspaceError) as raised:
        workspace({"config/engine.yaml": ENGINE, "channels/usage.yaml": CHANNEL})
    findings = [str(finding) for finding in raised.value.findings]
    expected = marked(CHANNEL, "channels/usage.yaml") + marked(ENGINE, "config/engine.yaml")
    # Two stand in one line, so that their second is given here.
    expected += [
        "channels/usage.yaml:11:35 error unknown-value 'consumtion' is not a value of 'as', which knows consumption",
        "config/engine.yaml:18:21 error bad-name 'MSH-5' cannot be a name in 'match'; write MSH-3 or MSH-4",
    ]
    assert not any("hunter2" in finding for finding in findings)
    missed = [words for words in expected if not any(finding.startswith(words) for finding in findings)]
    assert missed == []
    assert len(findings) == len(expected)


@pytest.mark.parametrize(
    "file",
    ["config/engine.yaml", "channels/usage.yaml", "mappings/charges.yaml", "mappings/tables/transaction-type.csv"],
)
def test_a_file_that_cannot_be_read_is_one_finding_and_causes_no_other(workspace: Load, file: str) -> None:
    with pytest.raises(WorkspaceError) as raised:
        workspace({file: b"a: '\xff"})
    assert [(finding.place.file, finding.code) for finding in raised.value.findings] == [(file, "not-utf-8")]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    file=st.sampled_from(
        ["config/engine.yaml", "channels/usage.yaml", "mappings/charges.yaml", "mappings/tables/t.csv"]
    ),
    content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode),
)
def test_no_content_of_a_file_gives_anything_but_findings(workspace: Load, file: str, content: bytes) -> None:
    try:
        workspace({file: content})
    except WorkspaceError as error:
        assert error.findings  # noqa: PT017 - that there is an error is no failure, and none is no failure either


LINES = [*TWENTY.splitlines(), *ENGINE.splitlines(), *CHANNEL.splitlines()]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    file=st.sampled_from(["config/engine.yaml", "channels/usage.yaml", "mappings/charges.yaml"]),
    lines=st.lists(st.sampled_from(LINES), max_size=25),
)
def test_no_mixture_of_lines_gives_anything_but_findings(workspace: Load, file: str, lines: list[str]) -> None:
    try:
        workspace({file: "\n".join(lines)})
    except WorkspaceError as error:
        assert error.findings  # noqa: PT017 - the same
