"""What an analyst may write under `kind: tryton`, and what is told before anything runs."""

from __future__ import annotations

import pytest

from casecart.destinations.tryton import TrytonSettings
from support.settings import findings_of, settings_of

GOOD = "url: https://erp.example.org/hospital\nkey: {env: TRYTON_KEY}\n"


def test_url_and_key_are_enough() -> None:
    settings = settings_of(TrytonSettings, GOOD)
    assert (settings.company, settings.login, dict(settings.used)) == (
        1,
        None,
        {"default": "{cost_center}-USED", "wasted": "{cost_center}-WASTED"},
    )


@pytest.mark.parametrize(
    "url",
    [
        "erp.example.org/hospital",
        "https://erp.example.org",
        "https://erp.example.org/hospital/",
        "https://user:secret@erp.example.org/hospital",
        "https://erp.example.org:port/hospital",
        "https://erp.example.org:0/hospital",
        "https://erp.example.org:70000/hospital",
        "https://[::1/hospital",
        "https://:8000/hospital",
        "https://krankenhäuser.example.org/hospital",
    ],
)
def test_an_address_that_is_none_is_told(url: str) -> None:
    assert [finding for finding in findings_of(TrytonSettings, f'url: "{url}"\nkey: {{env: K}}') if "bad-" in finding]


@pytest.mark.parametrize(
    ("used", "words"),
    [
        ("{wasted: WASTE}", "needs an entry 'default'"),
        ('{default: "{ward}-USED"}', "'{ward}' is none of"),
        ('{default: "{}-USED"}', "'{}' is none of"),
        ('{default: "{cost_center!r}"}', "is none of"),
        ('{default: "{cost_center:>9}"}', "is none of"),
        ('{default: "{cost_center.real}"}', "is none of"),
        ('{default: "USED-{"}', "stands alone"),
        ('{default: "USED-}"}', "stands alone"),
        ('{default: "{cost_center}}"}', "stands alone"),
        ('{default: "{{cost_center}}"}', "stands alone"),
    ],
)
def test_a_location_that_could_not_be_made_is_told(used: str, words: str) -> None:
    found = findings_of(TrytonSettings, f"{GOOD}used: {used}")
    assert [finding for finding in found if words in finding], found


def test_a_key_in_the_file_itself_is_refused() -> None:
    assert findings_of(TrytonSettings, "url: https://erp.example.org/hospital\nkey: abcdef")
