"""What a reference says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.formats.fhir.reference import Canonical, Reference, read_canonical, read_reference, reference_of


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("Device/1", Reference("relative", "Device/1", type="Device", id="1")),
        ("Device/1/_history/3", Reference("relative", "Device/1/_history/3", type="Device", id="1", version="3")),
        (
            "https://ehr.example/r4/Device/a.b-C",
            Reference("absolute", "https://ehr.example/r4/Device/a.b-C", "https://ehr.example/r4/", "Device", "a.b-C"),
        ),
        (
            "http://[::1]:80/Device/1",
            Reference("absolute", "http://[::1]:80/Device/1", "http://[::1]:80/", "Device", "1"),
        ),
        (
            "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c01",
            Reference("urn", "urn:uuid:1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c01"),
        ),
        ("urn:oid:1.2.36.146", Reference("urn", "urn:oid:1.2.36.146")),
        ("#dev", Reference("contained", "#dev", id="dev")),
        ("#", Reference("contained", "#")),
        # What is no place of a resource.
        ("https://ehr.example/manual.pdf", Reference("other", "https://ehr.example/manual.pdf")),
        ("Device?identifier=4711", Reference("other", "Device?identifier=4711")),
        ("device/1", Reference("other", "device/1")),
        ("file:///etc/passwd", Reference("other", "file:///etc/passwd")),
        ("gopher://ehr.example/Device/1", Reference("other", "gopher://ehr.example/Device/1")),
        ("Device/..", Reference("other", "Device/..")),
        ("Device/1/_history/..", Reference("other", "Device/1/_history/..")),
        ("Device/1/../../admin", Reference("other", "Device/1/../../admin")),
        ("#..", Reference("other", "#..")),
        ("Device/1\n", Reference("other", "Device/1\n")),
        ("Device/" + "1" * 65, Reference("other", "Device/" + "1" * 65)),
        ("", Reference("other", "")),
    ],
)
def test_a_text_is_taken_apart(text: str, reference: Reference) -> None:
    assert read_reference(text) == reference


@pytest.mark.parametrize(
    ("element", "reference"),
    [
        ({"reference": "Device/1"}, Reference("relative", "Device/1", type="Device", id="1")),
        ({"reference": "urn:oid:1.2", "type": "Device"}, Reference("urn", "urn:oid:1.2", type="Device")),
        (
            {"identifier": {"system": "http://acme.example", "value": "A"}, "type": "Device"},
            Reference("logical", type="Device", system="http://acme.example", value="A"),
        ),
        (
            {"reference": "#d", "identifier": {"value": "A"}},
            Reference("contained", "#d", id="d", value="A"),
        ),
        ({"display": "Hip stem"}, None),
        ({"identifier": {"system": "http://acme.example"}}, None),
        ({}, None),
    ],
)
def test_an_element_is_taken_apart(element: dict[str, object], reference: Reference | None) -> None:
    assert reference_of(element) == reference


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("http://hl7.org/fhir/a", Canonical("http://hl7.org/fhir/a")),
        ("http://hl7.org/fhir/a|1.0", Canonical("http://hl7.org/fhir/a", "1.0")),
        ("http://hl7.org/fhir/a|1.0#b", Canonical("http://hl7.org/fhir/a", "1.0", "b")),
        ("#b", Canonical("", "", "b")),
    ],
)
def test_a_canonical_url_is_taken_apart(text: str, canonical: Canonical) -> None:
    assert read_canonical(text) == canonical


@given(
    st.text() | st.from_regex(r"(https?://[a-z./?#:@%]{0,9}/)?[A-Z][a-z]{1,5}/[\w.#?/%-]{1,9}(/_history/[\w./-]{1,4})?")
)
def test_what_comes_out_is_safe_in_a_path(text: str) -> None:
    reference = read_reference(text)
    assert reference.text == text
    for part in (reference.id, reference.version):
        assert re.fullmatch(r"[A-Za-z0-9\-.]{0,64}", part)
        assert part not in {".", ".."}
    assert re.fullmatch(r"[A-Za-z]*", reference.type)
    assert reference.base == "" or reference.base.startswith(("http://", "https://"))
