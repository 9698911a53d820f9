"""Files of tests: read strictly, with every name known, before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import jsonschema
import pytest
import yaml

from casecart.workspace.channel_tests import NOW, ChannelTests, is_inline
from casecart.workspace.schema import schemas
from casecart.workspace.tests_reader import Fields, load_tests

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from casecart.workspace import Kinds
    from casecart.workspace.shape import Tree

FIELDS: Final[dict[str, Fields]] = {
    "document": {"Usage": {"quantity": None, "serial": None, "udi": {"di": None}}},
    "posting": {"to": None, "item": None},
    "filtered": {"place": None},
    "exception": {"code": None},
}
KNOWN: Final = {"listener": ["or-mllp"], "destination": ["erp"], "counted": ["held"], "master table": ["items"]}
GOOD: Final = """
- fixtures: {now: 2026-11-03, master: ../samples/master}
- test: a charge is posted
  input: ../samples/charge.hl7
  expect:
    documents:
      - Usage: {quantity: "1", serial: , udi: {di: "00643169001763"}}
      - ...
    postings: [{to: erp, item: ...}]
    exceptions: []
    counts: {held: 0}
- test: it comes twice
  inputs:
    - ../samples/charge.hl7
    - {message: ../samples/charge.hl7, listener: or-mllp, expect: {outcome: duplicate}}
  master: {rows: {items: [{item: X}]}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("channels", "samples/master"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "samples" / "charge.hl7").write_text("MSH|")
    return tmp_path


def read(root: Path, text: str | bytes, name: str = "usage.test.yaml") -> tuple[list[ChannelTests], list[str]]:
    (root / "channels" / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    tests, findings = load_tests(root, channels=["usage"], known=KNOWN, fields=FIELDS)
    return tests, [str(finding).removeprefix("channels/usage.test.yaml:") for finding in findings]


def test_a_file_of_tests_is_read_with_what_its_tests_share(root: Path) -> None:
    (tests,), findings = read(root, GOOD)
    assert findings == []
    assert (tests.channel, tests.fixtures.now, [str(each.test) for each in tests.tests]) == (
        "usage", "2026-11-03", ["a charge is posted", "it comes twice"],
    )  # fmt: skip


def test_an_empty_value_and_one_in_quotes_are_told_apart(root: Path) -> None:
    ((first, _),) = (tests.tests for tests in read(root, GOOD)[0])
    assert first.expect is not None
    assert first.expect.documents is not None
    (usage,) = cast("Mapping[str, Tree]", first.expect.documents[0].value).values()
    fields = cast("Mapping[str, Tree]", usage.value)
    assert (fields["quantity"].value, fields["serial"].value) == ("1", None)


def test_without_fixtures_the_clock_is_fixed_and_there_are_no_master_data(root: Path) -> None:
    ((tests,), _) = read(root, "- {test: a, input: ../samples/charge.hl7, expect: {postings: []}}")
    assert (tests.fixtures.now, tests.fixtures.master) == (NOW, None)


CHARGE: Final = "- test: a\n  input: ../samples/charge.hl7\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1 error empty-value the file is empty"),
        ("[]", "1:1 error too-few there is no test here"),
        ("- fixtures: {}", "1:1 error too-few there is no test here"),
        ("test: a", "1:1 error expected-list a file of tests is a list: a line '- test: NAME'"),
        ("- [[", "2:1 error yaml-syntax"),
        ("- &a [*a]", "1:3 error yaml-anchor"),
        ("- " + "[" * 40, "1:32 error yaml-depth"),
        (b"- \xff", "1:3 error not-utf-8"),
        (b"- test: a\n" * 200_000, "1:1 error too-large"),
        (CHARGE, "1:3 error missing-key nothing is expected: say what with expect"),
        ("- test: a\n  expect: {postings: []}", "1:3 error one-of say what comes in: input (a message), or inputs"),
        (CHARGE + "  expect: {}", "3:11 error too-few nothing is expected here"),
        (CHARGE + "  expct: {}", "3:3 error unknown-key 'expct' is not a key of test. Did you mean 'expect'?"),
        ("- tset: a", "1:3 error unknown-step 'tset' is not a test; "),
        (CHARGE + "  expect: {postings: []}\n" + CHARGE + "  expect: {postings: []}", "4:9 error same-test the test"),
        (CHARGE + "  expect: {postings: []}\n- fixtures: {}", "4:3 error step-order what the tests share is said once"),
        (CHARGE + "  expect: {documents: [{Usge: {}}]}", "3:25 error unknown-field 'Usge' is not a field of document"),
        (CHARGE + "  expect: {documents: [{Usage: {lott: 1}}]}", "3:33 error unknown-field 'lott' is not a field of"),
        (CHARGE + "  expect: {documents: [{Usage: {udi: {dI: 1}}}]}", "3:39 error unknown-field 'dI' is not a field"),
        (CHARGE + "  expect: {documents: [{quantity: 1, serial: 2}]}", "3:24 error one-of a document is a block of"),
        (CHARGE + "  expect: {documents: [{Usage: 1}]}", "3:32 error expected-keys the fields of a document"),
        (CHARGE + "  expect: {postings: [a]}", "3:23 error expected-keys a posting is a block of fields and values"),
        (CHARGE + "  expect: {postings: [{to: epr}]}", "3:28 error unknown-name no destination has the name 'epr'; "),
        (CHARGE + "  expect: {exceptions: [{cod: a}]}", "3:26 error unknown-field 'cod' is not a field of exception"),
        (CHARGE + "  expect: {counts: {helt: 1}}", "3:21 error unknown-name 'helt' can't be counted; what can be is"),
        (CHARGE + "  expect: {counts: {held: -1}}", "3:27 error out-of-range 'held' is at least 0"),
        (CHARGE + "  expect: {acknowledgement: AB}", "3:29 error bad-format 'acknowledgement' has another form"),
        (CHARGE + "  expect: {outcome: procesed}", "3:21 error unknown-value 'procesed' is not a value of 'outcome'"),
        (CHARGE + "  now: yesterday\n  expect: {outcome: part}", "3:8 error bad-format 'now' has another form"),
        (CHARGE + "  now: 2026-02-30\n  expect: {outcome: part}", "3:8 error bad-value there is no such day"),
        (CHARGE + "  now: 0001-01-01\n  expect: {outcome: part}", "3:8 error bad-value there is no such day or time"),
        ("- fixtures: {now: 2026-11-03T25:00Z}\n" + CHARGE + "  expect: {outcome: part}", "1:19 error bad-value there"),
        (CHARGE + "  master: {}\n  expect: {outcome: part}", "3:11 error too-few name files or rows"),
        (CHARGE + "  master: {rows: {itms: []}}\n  expect: {outcome: part}", "3:19 error unknown-name no master table"),
        ("- {test: a, input: ../samples/chrge.hl7, expect: {outcome: part}}", "1:20 error missing-file there is no"),
        ("- {test: a, input: ../../x.hl7, expect: {outcome: part}}", "1:20 error bad-value '../../x.hl7' leads out of"),
        ("- {test: a, input: {message: ../samples/charge.hl7, listener: or-mlp}, expect: {outcome: part}}",
         "1:63 error unknown-name no listener has the name 'or-mlp'; there are or-mllp. Did you mean 'or-mllp'?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(root: Path, text: str | bytes, expected: str) -> None:
    _, findings = read(root, text)
    assert [finding for finding in findings if finding.startswith(expected)], findings


def test_a_mistake_in_one_test_hides_none_in_the_next(root: Path) -> None:
    _, findings = read(root, f"{CHARGE}{CHARGE}")
    assert [finding[:22] for finding in findings] == ["1:3 error missing-key ", "3:3 error missing-key "]


def test_a_link_out_of_the_workspace_is_not_followed(root: Path) -> None:
    (root / "samples" / "out.hl7").symlink_to("/etc/passwd")
    _, (finding,) = read(root, "- {test: a, input: ../samples/out.hl7, expect: {outcome: part}}")
    assert "leads out of the workspace" in finding


def test_tests_of_a_channel_that_there_is_not_are_told(root: Path) -> None:
    _, (finding,) = read(root, GOOD, "usge.test.yaml")
    assert finding == (
        "channels/usge.test.yaml:1:1 error unknown-name no channel has the name 'usge', and these would be its tests; "
        "there are usage. Did you mean 'usage'?"
    )


@pytest.mark.parametrize("name", ["usage.test.yml", "usage.TEST.yaml"])
def test_a_file_that_would_be_overlooked_is_told(root: Path, name: str) -> None:
    _, (finding,) = read(root, GOOD, name)
    assert finding.endswith("the file would be overlooked; rename it to usage.test.yaml")


@pytest.mark.parametrize(
    ("message", "inline"),
    [
        ("MSH|^~\\&|ORSYS", True),
        ("\ufeff MSH|^~\\&|ORSYS", True),
        ("{}", True),
        ("EVN|P03\nMSH|", True),
        ("../samples/x.hl7", False),
    ],
)
def test_a_message_and_the_path_of_one_are_told_apart(message: str, *, inline: bool) -> None:
    assert is_inline(message) is inline


def test_the_schema_takes_what_the_reader_takes_and_knows_the_fields(kinds: Kinds) -> None:
    made = schemas(kinds, {"posting": FIELDS["posting"]})["tests"]
    jsonschema.Draft7Validator.check_schema(made)
    good = yaml.safe_load(GOOD.replace("2026-11-03", "'2026-11-03'"))
    jsonschema.Draft7Validator(made).validate(good)
    good[1]["expect"]["postings"][0]["itm"] = "x"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(made).validate(good)
