"""The settings of a listener that reads at a FHIR server: what is refused, and what is warned of."""

from __future__ import annotations

import pytest

from casecart.listeners.fhir_settings import FhirSettings
from support.settings import findings_of, settings_of

SERVER = "facility: NORTH\nserver: {url: 'https://ehr.example/fhir/r4'}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hears: ehr-http/ehr\nsearches: Procedure\n", []),
        ("searches: [Procedure, 'SupplyDelivery?status=completed,entered-in-error']\nevery: 5m\n", []),
        ("searches: Procedure\nevery: 5m\nfrom: 2026-11-01T00:00Z\n", []),
        ("searches: Procedure\nevery: 5m\nfrom: '2026-11-01T00:00:00-06:00'\n", []),
        # It would never do anything.
        ("", ["error missing-key"]),
        ("searches: Procedure\n", ["error missing-key"]),
        ("hears: ehr-http/ehr\nevery: 5m\n", ["error missing-key"]),
        # It would do less than somebody might think.
        ("hears: ehr-http/ehr\n", ["warning missing-key"]),
        ("hears: ehr-http\nsearches: Procedure\n", ["error bad-format"]),
        ("searches: Procedures\nevery: 5m\n", ["error unknown-value"]),
        ("searches: procedure\nevery: 5m\n", ["error bad-format"]),
        ("searches: https://other.example/Procedure\nevery: 5m\n", ["error bad-format"]),
        ("searches: 'Procedure/1'\nevery: 5m\n", ["error bad-format"]),
        ("searches: 'Procedure?status=completed#x'\nevery: 5m\n", ["error bad-format"]),
        ("searches: 'Procedure?_sort=date'\nevery: 5m\n", ["error bad-value"]),
        ("searches: 'Procedure?status=a&_lastUpdated=gt2020'\nevery: 5m\n", ["error bad-value"]),
        ("searches: 'Procedure?_include:iterate=Procedure:subject'\nevery: 5m\n", ["error bad-value"]),
        ("searches: DeviceUsage\nevery: 5m\n", ["error unknown-value"]),  # of R5
        ("searches: Procedure\nevery: 5m\ninclude: [Device, Room]\n", ["error unknown-value"]),
        ("searches: Procedure\nevery: 5m\nfrom: yesterday\n", ["error bad-format"]),
        ("searches: Procedure\nevery: 5m\nfrom: '2026-13-01T00:00Z'\n", ["error bad-value"]),
        ("searches: Procedure\nevery: 5m\nfrom: '1969-12-31T00:00Z'\n", ["error bad-value"]),
        ("searches: Procedure\nevery: 10ms\n", ["error out-of-range"]),
    ],
)
def test_what_is_wrong_or_does_nothing_is_found(text: str, expected: list[str]) -> None:
    found = findings_of(FhirSettings, SERVER + text)
    assert [" ".join(finding.split()[1:3]) for finding in found] == expected


def test_a_time_to_begin_at_is_read_with_its_zone() -> None:
    settings = settings_of(FhirSettings, f"{SERVER}searches: Procedure\nevery: 1m\nfrom: '2026-01-01T01:00:00+01:00'\n")
    assert settings.begins == 1_767_225_600_000_000
