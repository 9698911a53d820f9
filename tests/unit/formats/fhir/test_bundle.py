"""What is in a bundle."""

from __future__ import annotations

from typing import Any

import pytest

from casecart.formats.fhir import VERSIONS, read_resource, validate
from casecart.formats.fhir.bundle import Bundle, contained, inner_resources, read_bundle
from casecart.formats.fhir.reference import Reference, read_reference
from support.fhir_case import CASE

SERVER = "https://ehr.example/fhir/"
URN = "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c0"


def device(name: str, version: str = "", updated: str = "") -> dict[str, Any]:
    meta = {"versionId": version, "lastUpdated": updated}
    return {"resourceType": "Device", "id": name, "meta": {key: value for key, value in meta.items() if value}}


def bundle(*entries: dict[str, Any], type_: str = "collection") -> Bundle:
    return read_bundle({"resourceType": "Bundle", "type": type_, "entry": list(entries)})


def at(url: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {"fullUrl": url, "resource": resource}


def test_entries_come_in_their_order_with_their_resources() -> None:
    read = read_bundle(read_resource(CASE))
    assert read.type == "collection"
    assert [entry.full_url for entry in read.entries] == [f"{URN}{number}" for number in range(1, 6)]
    assert [it["resourceType"] for it in read.resources("Device", "SupplyDelivery")] == ["Device", "SupplyDelivery"]
    assert len(list(read.resources())) == 5
    assert read.problems() == ()


def test_a_bundle_without_entries_is_empty() -> None:
    assert read_bundle({"resourceType": "Bundle", "type": "searchset"}).entries == ()


def test_a_search_tells_modes_and_links() -> None:
    read = read_bundle(
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "link": [
                {"relation": "self", "url": f"{SERVER}Device"},
                {"relation": "next", "url": f"{SERVER}Device?p=2"},
            ],
            "entry": [
                at(f"{SERVER}Device/1", device("1")) | {"search": {"mode": "match"}},
                {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}},
            ],
        }
    )
    assert [entry.mode for entry in read.entries] == ["match", "outcome"]
    assert read.links["next"] == f"{SERVER}Device?p=2"


def test_a_history_tells_what_was_deleted() -> None:
    deleted = {
        "fullUrl": f"{SERVER}Device/1",
        "request": {"method": "DELETE", "url": "Device/1"},
        "response": {"status": "204"},
    }
    (entry,) = bundle(deleted, type_="history").entries
    assert entry.deleted
    assert entry.resource is None
    assert entry.target == Reference("relative", "Device/1", type="Device", id="1")
    assert entry.status == "204"


@pytest.mark.parametrize(
    ("text", "beside", "found"),
    [
        (f"{URN}2", f"{URN}1", "urn"),
        (f"{SERVER}Device/1", f"{URN}1", "ours"),
        ("Device/1", f"{SERVER}Procedure/1", "ours"),  # at the server of the entry around
        ("Device/1", "https://other.example/Procedure/1", "theirs"),
        ("Device/2", f"{URN}1", "urn"),  # the entry around names no server: the only Device/2
        ("Device/1", f"{URN}1", None),  # two could be meant
        ("Device/1", "", None),
        ("Device/2", f"{SERVER}Procedure/1", None),  # another server's, as far as is known
        ("Device/3", f"{URN}1", None),
        ("https://third.example/Device/1", "", None),
        (f"{SERVER}Device/1/_history/9", "", None),  # another version
        (f"{SERVER}Device/1/_history/4", "", "ours"),
        ("#1", "", None),
    ],
)
def test_a_reference_is_resolved_within_the_bundle_only(text: str, beside: str, found: str | None) -> None:
    ours, theirs, urn = device("1", "4"), device("1"), device("2")
    read = bundle(at(f"{SERVER}Device/1", ours), at("https://other.example/Device/1", theirs), at(f"{URN}2", urn))
    wanted = {"ours": ours, "theirs": theirs, "urn": urn, None: None}[found]
    assert read.find(read_reference(text), beside=beside) is wanted


def test_of_several_versions_the_newest_is_meant_or_the_one_that_is_named() -> None:
    url = f"{SERVER}Device/1"
    newer, older = device("1", "2", "2026-11-03T10:00:00-06:00"), device("1", "1", "2026-11-03T15:59:59Z")
    read = bundle(at(url, older), at(url, newer), type_="history")
    assert read.problems() == ()
    assert read.find(read_reference(url)) is newer
    assert read.find(read_reference(f"{url}/_history/1")) is older


@pytest.mark.parametrize(
    "others",
    [
        [device("1", "1"), device("1", "2")],  # which is newer is not told
        [device("1", "1", "2026-11-03T10:00:00Z"), device("1", "1", "2026-11-04T10:00:00Z")],
        [device("1", "1", "2026-11-03T10:00:00Z"), device("1", "2", "2026-11-03T10:00:00Z")],
        [device("1"), device("2")],
    ],
)
def test_where_several_could_be_meant_none_is_chosen(others: list[dict[str, Any]]) -> None:
    read = bundle(*(at(f"{SERVER}Device/1", it) for it in others), type_="history")
    assert read.find(read_reference(f"{SERVER}Device/1")) is None


@pytest.mark.parametrize(
    ("type_", "entries", "place"),
    [
        ("collection", [at(f"{URN}1", device("1")), at(f"{URN}1", device("2"))], "Bundle.entry[1].fullUrl"),
        ("collection", [at(f"{SERVER}Device/1/_history/1", device("1"))], "Bundle.entry[0].fullUrl"),
        ("searchset", [at(f"{SERVER}Device/2", device("1"))], "Bundle.entry[0].fullUrl"),
        ("message", [at(f"{URN}1", device("1"))], "Bundle.entry"),
        ("document", [], "Bundle.entry"),
    ],
)
def test_entries_that_are_not_as_they_must_be_are_told(type_: str, entries: list[dict[str, Any]], place: str) -> None:
    assert [(it.code, it.place) for it in bundle(*entries, type_=type_).problems()] == [("bundle", place)]


def test_two_versions_of_a_resource_are_no_problem() -> None:
    url = f"{SERVER}Device/1"
    assert bundle(at(url, device("1", "1")), at(url, device("1", "2"))).problems() == ()


def test_what_is_contained_is_found_by_its_id() -> None:
    inner = {"resourceType": "Device", "id": "dev"}
    sharp = {"resourceType": "Device", "id": "#other"}  # some write it so
    resource = {"resourceType": "Procedure", "contained": [inner, sharp]}
    assert contained(resource, read_reference("#dev")) is inner
    assert contained(resource, read_reference("#other")) is sharp
    assert contained(resource, read_reference("#")) is resource
    assert contained(resource, read_reference("#none")) is None
    assert contained(resource, read_reference("Device/dev")) is None


def test_every_resource_within_is_found() -> None:
    inner = {"resourceType": "Patient", "contained": [{"resourceType": "Device"}]}
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "a", "part": [{"name": "b", "resource": inner}]}],
    }
    found = inner_resources({"resourceType": "Bundle", "type": "batch", "entry": [{"resource": parameters}]})
    assert [it["resourceType"] for it in found] == ["Parameters", "Patient", "Device"]


def test_any_sound_bundle_is_read() -> None:
    empty = {"resourceType": "Bundle", "type": "batch", "entry": [{}, {"request": {"method": "GET", "url": "x y"}}]}
    assert validate(empty, VERSIONS["R4"]).problems == ()
    assert [entry.target and entry.target.kind for entry in read_bundle(empty).entries] == [None, "other"]
