"""A device that can't be had, through the real line as shipped: its line is held, and what was posted is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from support.fhir_line import AFTER, CUP, STEM, WAYS, Fhir, changed, later, line_of, prepare_fhir, sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal
    from pathlib import Path

GONE: Final = "reference-not-found"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fhir-not-found")
    prepare_fhir(root, by_serial={"fhir-procedure-devices"})
    return root


@pytest.fixture
def line(prepared: Path, tmp_path: Path) -> Iterator[Fhir]:
    yield from line_of(prepared, tmp_path / "ws")


def version(number: int, *, device: bool, **members: Any) -> dict[str, Any]:  # noqa: ANN401 - what JSON has
    """A version of the procedure with a stem, which is a resource of its own, and a cup that it contains."""
    told = sample("procedure-hip-stem")
    meta = {"versionId": str(number), "lastUpdated": f"2026-09-03T10:00:{number:02}Z"}
    told = changed(told, 0, meta=meta, **members)
    return told | {"id": f"b-{number}", "entry": told["entry"] if device else told["entry"][:1]}


def net(line: Fhir) -> dict[str, int]:
    """What is used of each item."""
    used: dict[str, int] = {}
    for action, quantity, item, _ in line.posted():
        used[item] = used.get(item, 0) + int(quantity) * (1 if action == "use" else -1)
    return used


BOTH: Final = {STEM: 1, CUP: 1}
NEITHER: Final = {STEM: 0, CUP: 0}


def test_a_line_whose_device_is_not_there_is_held_with_the_reason_until_it_comes(line: Fhir) -> None:
    line.give(version(1, device=False), "M1")
    held = [found[1:] for found in line.held("M1")]
    assert (held, net(line)) == ([(GONE, "")], {CUP: 1})
    (hold,) = line.store.holds(position=line.position("M1"))
    assert hold.place == "Bundle.entry[0].resource.focalDevice[0]"
    assert "the Device that manipulated.resolve() leads to" in hold.cause
    assert "4720" not in hold.cause
    line.give(version(1, device=True), "M2")
    assert (line.held("M2"), net(line)) == ([], BOTH)


@pytest.mark.parametrize("status", ["entered-in-error", "not-done"])
def test_what_was_posted_is_taken_back_though_the_device_is_not_there_any_more(line: Fhir, status: str) -> None:
    line.give(version(1, device=True), "M1")
    line.give(version(2, device=False, status=status), "M2")
    assert (line.held("M2"), net(line)) == ([], NEITHER)
    assert {(item, serial) for action, _, item, serial in line.posted() if action == "reverse"} == {
        (STEM, "SN-4720"),
        (CUP, "CUP2604"),
    }


@pytest.mark.parametrize("status", ["entered-in-error", "not-done"])
def test_a_word_that_takes_back_and_comes_before_what_it_takes_back_stands_over_it(line: Fhir, status: str) -> None:
    line.give(version(2, device=False, status=status), "M2")
    line.give(version(1, device=True), "M1")
    assert (line.held("M2"), line.held("M1"), line.posted()) == ([], [], [])


def test_a_version_whose_device_is_not_there_takes_nothing_back_and_the_next_one_does(line: Fhir) -> None:
    line.give(version(1, device=True), "M1")
    line.give(version(2, device=False), "M2")
    assert ([code for _, code, _ in line.held("M2")], net(line)) == ([GONE], BOTH)
    line.give(version(3, device=False, status="entered-in-error"), "M3")
    assert (line.held("M3"), net(line)) == ([], NEITHER)


def test_a_use_again_after_it_was_taken_back_without_the_device_is_posted_again(line: Fhir) -> None:
    line.give(version(1, device=True), "M1")
    line.give(version(2, device=False, status="entered-in-error"), "M2")
    line.give(version(3, device=True), "M3")
    assert (line.held("M3"), net(line)) == ([], BOTH)


REFERRED: Final = [(name, options, posted) for name, options, posted in WAYS if "contained" in sample(name)]


@pytest.mark.parametrize(("name", "options", "posted"), REFERRED, ids=[name for name, *_ in REFERRED])
def test_every_shipped_mapping_holds_such_a_line_and_takes_it_back(
    line: Fhir, name: str, options: dict[str, Any], posted: list[tuple[str, Decimal, str, str | None]]
) -> None:
    told = sample(name)
    line.give(told, "M1", **options)
    assert sorted(line.posted(), key=str) == sorted(posted, key=str)
    without = later(told, contained=[])
    del without["contained"]
    line.give(without, "M2", occurred_at=AFTER, **options)
    assert {code for _, code, _ in line.held("M2")} == {GONE}
    assert len(line.posted()) == len(posted)
    line.give(without | {"status": "entered-in-error"}, "M3", occurred_at=AFTER + 1, **options)
    assert line.held("M3") == []
    back = [("reverse", *each[1:]) for each in posted]
    assert sorted(line.posted()[len(posted) :], key=str) == sorted(back, key=str)
