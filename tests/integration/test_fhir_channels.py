"""FHIR resources through the real line: stored, mapped as shipped, found in the master data, posted once."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest

from casecart.cli.main import run
from support.fhir_line import (
    AFTER,
    CUP,
    GRAFT,
    ONE,
    SCREW,
    STEM,
    THREE,
    WAYS,
    Fhir,
    changed,
    later,
    line_of,
    prepare_fhir,
    sample,
    told_so,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fhir")
    prepare_fhir(root)
    return root


@pytest.fixture
def line(prepared: Path, tmp_path: Path) -> Iterator[Fhir]:
    yield from line_of(prepared, tmp_path / "ws")


OTHERWISE: Final = {"modifierExtension": [{"url": "http://example.org/not"}]}


def test_each_way_of_telling_usage_is_posted_once(line: Fhir) -> None:
    expected = []
    for name, options, posted in WAYS:
        line.give(sample(name), name, **options)
        expected += posted
        assert (name, line.held(name), line.posted()) == (name, [], expected)
    for name, options, _ in WAYS:
        line.give(sample(name), f"{name} again", **options)
    assert line.posted() == expected
    assert set(line.outcomes().values()) == {"processed"}


def test_the_shipped_channels_take_what_the_shipped_listener_hears(line: Fhir) -> None:
    for name in ("procedure-hip-stem", "supply-delivery-screws", "charge-item-granules"):
        line.give(sample(name), name, listener="ehr-http", peer="ehr")
    assert [channel for channel, _ in line.documents("procedure-hip-stem")] == ["fhir-procedures"] * 2
    assert [channel for channel, _ in line.documents("supply-delivery-screws")] == ["fhir-supplies"]
    assert line.posted() == [
        ("use", ONE, STEM, "SN-4720"),
        ("use", ONE, CUP, "CUP2604"),
        ("use", THREE, SCREW, "SC-88412"),
    ]
    assert line.outcomes()["charge-item-granules"] == "unrouted"


def test_a_procedure_becomes_whole_documents_without_the_patient(line: Fhir) -> None:
    line.give(sample("procedure-hip-stem"), "M1")
    (_, stem), (_, cup) = line.documents("M1")
    assert (stem.line, stem.di, stem.found_by, stem.department) == (
        "proc-5101/stem-4720",
        "00643169001763",
        "di",
        "OR-MAIN",
    )
    assert (stem.used_on.isoformat() if stem.used_on else "", stem.disposition) == ("2026-11-03", "implanted")
    assert stem.source == "M1#Bundle.entry[0].resource.focalDevice[0]"
    assert (cup.line, cup.serial) == ("proc-5101/#cup", "C-10120")
    assert [place for place, _ in line.filtered("M1")] == ["Bundle.entry[0].resource.focalDevice[2]"]
    assert "e-100251" not in f"{stem} {cup} {[each.payload for each in line.postings()]}"


def test_what_is_shown_of_a_resource_is_not_said_in_the_words_of_hl7_v2(
    line: Fhir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line.give(sample("procedure-hip-stem"), "M1")
    settings = tmp_path / "ws" / "config" / "engine.yaml"
    settings.write_text(
        settings.read_text("utf-8").replace("sqlite:///var/casecart.db", "sqlite:///casecart.db"), "utf-8"
    )
    assert run(["message", "show", "M1", "--workspace", str(tmp_path / "ws")]) == 0
    shown = capsys.readouterr().out
    assert "peer       orsys (fhir/4.0.1), facility NORTH" in shown
    assert "fhir/4.0.1: only --body shows what is in it" in shown
    assert "focalDevice[0] facility" in shown.replace("\n          ", " ")
    assert "MSH" not in shown


def test_an_error_takes_back_and_a_right_word_brings_it_again(line: Fhir) -> None:
    told = sample("procedure-hip-stem")
    line.give(told, "M1")
    line.give(changed(told, 0, status="entered-in-error"), "M2")
    line.give(told | {"id": "again"}, "M3")
    uses = [("use", ONE, STEM, "SN-4720"), ("use", ONE, CUP, "CUP2604")]
    assert line.posted()[:2] == uses
    assert sorted(line.posted()[2:4]) == sorted(("reverse", *use[1:]) for use in uses)
    assert line.posted()[4:] == uses


def test_a_device_that_was_entered_in_error_takes_its_own_line_back(line: Fhir) -> None:
    told = sample("procedure-hip-stem")
    line.give(told, "M1")
    line.give(changed(told, 1, status="entered-in-error"), "M2")
    assert line.posted()[2:] == [("reverse", ONE, STEM, "SN-4720")]


def test_an_update_posts_the_difference(line: Fhir) -> None:
    told = sample("supply-delivery-screws")
    line.give(told, "M1")
    more = told | {"suppliedItem": told["suppliedItem"] | {"quantity": {"value": 5, "code": "{each}"}}}
    line.give(more, "M2")
    assert line.posted() == [("use", Decimal(3), SCREW, "SC-88412"), ("use", Decimal(2), SCREW, "SC-88412")]


def test_an_older_version_that_comes_late_in_a_newer_bundle_changes_nothing(line: Fhir) -> None:
    told = sample("procedure-hip-stem")
    older = changed(told, 0, status="completed", meta={"versionId": "1", "lastUpdated": "2026-09-03T10:00:00Z"})
    newer = changed(told, 0, status="entered-in-error", meta={"versionId": "2", "lastUpdated": "2026-09-03T10:05:00Z"})
    for number, bundle in enumerate((older, newer, older)):
        line.give(bundle, f"M{number}", occurred_at=2_000_000_000_000_000 + number)
    assert [action for action, *_ in line.posted()] == ["use", "use", "reverse", "reverse"]


def test_a_version_of_a_day_that_is_to_come_does_not_stand_over_those_that_come_until_then(line: Fhir) -> None:
    told = sample("procedure-hip-stem")
    of_2099 = changed(told, 0, meta={"lastUpdated": "2099-01-01T00:00:00Z"})
    for number, bundle in enumerate((of_2099, changed(of_2099, 0, status="entered-in-error", meta={}))):
        line.give(bundle | {"id": f"b-{number}"}, f"M{number}")
    assert [action for action, *_ in line.posted()] == ["use", "use", "reverse", "reverse"]
    for number, status in enumerate(("completed", "entered-in-error")):
        alone = sample("supply-delivery-screws") | {"status": status}
        line.give(alone, f"S{number}", occurred_at=None if number else 4_000_000_000_000_000)
    assert [action for action, *_ in line.posted()[4:]] == ["use", "reverse"]


ALONE: Final = [(name, options, posted) for name, options, posted in WAYS if name != "procedure-hip-stem"]
"""The ways of which one resource tells, and no other."""


@pytest.mark.parametrize(("name", "options", "posted"), ALONE, ids=[name for name, *_ in ALONE])
def test_an_error_in_the_resource_or_in_its_device_takes_back_what_was_used(
    line: Fhir, name: str, options: dict[str, Any], posted: list[tuple[str, Decimal, str, str | None]]
) -> None:
    told = sample(name)
    line.give(told, "M1", **options)
    line.give(later(told, status="entered-in-error"), "M2", occurred_at=AFTER, **options)
    back = [("reverse", *each[1:]) for each in posted]
    assert (line.held("M2"), sorted(line.posted()[len(posted) :], key=str)) == ([], sorted(back, key=str))


DEVICES: Final = [each for each in ALONE if "contained" in sample(each[0])]


@pytest.mark.parametrize(("name", "options", "posted"), DEVICES, ids=[name for name, *_ in DEVICES])
def test_a_device_that_was_entered_in_error_takes_back_what_was_used_of_it(
    line: Fhir, name: str, options: dict[str, Any], posted: list[tuple[str, Decimal, str, str | None]]
) -> None:
    told = sample(name)
    line.give(told, "M1", **options)
    wrong = [each | {"status": "entered-in-error"} for each in told["contained"]]
    line.give(later(told, contained=wrong), "M2", occurred_at=AFTER, **options)
    back = [("reverse", *each[1:]) for each in posted if each[3]]
    assert (line.held("M2"), line.posted()[len(posted) :]) == ([], back)


@pytest.mark.parametrize(("name", "options", "posted"), ALONE, ids=[name for name, *_ in ALONE])
def test_a_resource_that_may_mean_something_else_is_held_and_changes_nothing(
    line: Fhir, name: str, options: dict[str, Any], posted: list[tuple[str, Decimal, str, str | None]]
) -> None:
    told = sample(name)
    line.give(told, "M1", **options)
    line.give(later(told, **OTHERWISE), "M2", occurred_at=AFTER, **options)
    assert {code for _, code, _ in line.held("M2")} == {"modifier-extension"}
    assert line.posted() == posted


NOT_FINAL: Final = {
    "procedure-used": ["preparation", "in-progress", "on-hold", "stopped", "unknown"],
    "procedure-used-r5": ["preparation", "in-progress", "on-hold", "stopped", "unknown"],
    "supply-delivery-screws": ["in-progress"],
    "charge-item-granules": ["planned", "unknown"],
    "device-use-statement-cup": ["intended"],
    "device-usage-cup": ["intended"],
    "device-of-patient": ["inactive", "unknown"],
    "inventory-report-screws": ["draft", "requested"],
}


@pytest.mark.parametrize(("name", "options", "posted"), ALONE, ids=[name for name, *_ in ALONE])
def test_a_status_that_is_not_final_posts_nothing_and_takes_nothing_back(
    line: Fhir, name: str, options: dict[str, Any], posted: list[tuple[str, Decimal, str, str | None]]
) -> None:
    told = sample(name)
    for status in NOT_FINAL[name]:
        line.give(told_so(told, status=status), status, **options)
    assert line.posted() == []
    line.give(later(told), "M1", occurred_at=AFTER, **options)
    assert line.posted() == posted
    for status in NOT_FINAL[name]:
        line.give(later(told, status=status), f"{status} again", occurred_at=AFTER + 1, **options)
    assert line.posted() == posted


def test_fewer_references_and_codes_post_the_difference(line: Fhir) -> None:
    told = sample("procedure-used")
    line.give(told, "M1", peer="supplies")
    line.give(
        later(told, usedReference=told["usedReference"][:1], usedCode=[]), "M2", peer="supplies", occurred_at=AFTER
    )
    assert sorted(line.posted()[2:], key=str) == [("reverse", ONE, GRAFT, None), ("reverse", ONE, SCREW, "SC-88412")]


def test_a_device_that_a_procedure_names_no_more_is_taken_back(line: Fhir) -> None:
    told = sample("procedure-hip-stem")
    line.give(told, "M1")
    devices = told["entry"][0]["resource"]["focalDevice"]
    explanted = devices[0] | {"action": devices[2]["action"]}
    meta = {"versionId": "2", "lastUpdated": "2026-11-05T00:00:00Z"}
    line.give(changed(told, 0, focalDevice=[explanted], meta=meta), "M2", occurred_at=AFTER)
    assert sorted(line.posted()[2:]) == [("reverse", ONE, CUP, "CUP2604"), ("reverse", ONE, STEM, "SN-4720")]


def test_what_is_not_final_moves_nothing(line: Fhir) -> None:
    for status in ("preparation", "in-progress", "not-done", "on-hold", "unknown"):
        line.give(changed(sample("procedure-hip-stem"), 0, status=status), status)
        assert (status, line.held(status), len(line.filtered(status))) == (status, [], 3)
    assert line.posted() == []


HELD: Final[list[tuple[int, dict[str, Any], list[tuple[str, str]]]]] = [
    (0, OTHERWISE, [("modifier-extension", "")] * 3),
    (1, OTHERWISE, [("modifier-extension", "")]),
    (1, {"serialNumber": "SN-9"}, [("conflict", "serial")]),
    (1, {"udiCarrier": []}, [("item-untold", "item")]),
    (0, {"encounter": {"reference": "#inside"}}, [("missing", "case")] * 2),
    (0, {"status": "finished"}, [("invalid-resource", "")] * 3),
    (1, {"expirationDate": "soon"}, [("invalid-resource", "")]),
]


def test_what_a_person_must_see_is_held(line: Fhir) -> None:
    for number, (entry, members, held) in enumerate(HELD):
        line.give(changed(sample("procedure-hip-stem"), entry, **members), f"M{number}")
        assert (number, [found[1:] for found in line.held(f"M{number}")]) == (number, held)


def test_a_resource_that_breaks_its_definition_is_held_and_the_others_of_its_bundle_go_on(line: Fhir) -> None:
    told = sample("procedure-hip-stem")
    told["entry"].append({"fullUrl": "urn:uuid:1", "resource": sample("supply-delivery-screws") | {"id": "sd-2"}})
    line.give(changed(told, 0, status="finished"), "M1")
    assert line.posted() == [("use", Decimal(3), SCREW, "SC-88412")]
    holds = line.store.holds(position=line.position("M1"))
    assert {hold.place for hold in holds} == {f"Bundle.entry[0].resource.focalDevice[{number}]" for number in range(3)}
    (cause,) = {hold.cause for hold in holds}
    assert cause.startswith("the resource is not as FHIR R4 has it at Procedure.status (unknown-code). This must be")
    assert "finished" not in cause
    line.give(told | {"id": "mended"}, "M2")
    assert line.posted()[1:] == [("use", ONE, STEM, "SN-4720"), ("use", ONE, CUP, "CUP2604")]


def test_what_no_version_of_fhir_forbids_is_let_pass_whatever_version_was_guessed(line: Fhir) -> None:
    told = changed(sample("procedure-hip-stem"), 0, ownElement={"x": [1]}, extension=[{"url": "urn:x"}])
    line.give(told, "M1")
    line.give(sample("inventory-report-screws"), "M2", schema="fhir/4.0.1")
    assert [item for _, _, item, _ in line.posted()] == [STEM, CUP, SCREW]
    assert line.held("M1") + line.held("M2") == []


def test_a_bundle_goes_to_the_channels_of_what_is_in_it(line: Fhir) -> None:
    delivery, procedure = sample("supply-delivery-screws"), sample("procedure-hip-stem")
    procedure["entry"].append({"fullUrl": "urn:uuid:1", "resource": delivery})
    line.give(procedure, "M1")
    assert [channel for channel, _ in line.documents("M1")] == ["fhir-procedure-devices"] * 2 + [
        "fhir-supply-deliveries"
    ]
    line.give({"resourceType": "Bundle", "type": "history", "entry": [{"resource": {"resourceType": "Patient"}}]}, "M2")
    line.give({"resourceType": "Bundle", "type": "history"}, "M3")
    line.give({"resourceType": "Patient"}, "M4")
    line.give({"resourceType": "Bundle", "type": "history", "entry": [{"resource": {"resourceType": []}}]}, "M5")
    assert line.outcomes() == {"M1": "processed"} | {f"M{number}": "unrouted" for number in range(2, 6)}


def test_a_stored_body_that_is_no_resource_is_put_aside_and_the_next_one_is_worked(line: Fhir) -> None:
    deep = b'{"a":' * 120 + b"1" + b"}" * 120
    for number, body in enumerate(
        [b"", b"{", b"[]", b"MSH|^~\\&|", b'{"a": 1e999999999}', b'{"a": 1}', deep, b"\xff{}"]
    ):
        line.give(body, f"M{number}")
        assert [held.code for held in line.store.holds(position=line.position(f"M{number}"))] == ["not-fhir"], number
    line.give(sample("charge-item-granules"), "M9")
    assert line.outcomes() == {**{f"M{number}": "quarantined" for number in range(8)}, "M9": "processed"}


def test_no_file_of_the_corpus_is_put_aside_by_any_channel(line: Fhir, corpus: Path) -> None:
    files = sorted((corpus / "fhir").glob("*/*.json"))
    for number, file in enumerate(files):
        schema = "fhir/5.0.0" if "r5" in file.parent.name else "fhir/4.0.1"
        for peer in ("orsys", "orlog"):
            line.give(file.read_bytes(), f"{number}-{peer}", schema=schema, peer=peer)
    assert set(line.outcomes().values()) == {"processed", "unrouted"}
    assert len(line.outcomes()) == 2 * len(files)
