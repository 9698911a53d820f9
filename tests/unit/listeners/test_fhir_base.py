"""What is below the configured base of a FHIR server, and the tricks by which something else would look so."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.listeners.fhir_base import FhirBase, NotAnAddress

BASE = FhirBase("https://ehr.example/fhir/r4")


@pytest.mark.parametrize(
    ("address", "behind"),
    [
        ("Procedure/1", "/Procedure/1"),
        ("Procedure/1/_history/2", "/Procedure/1/_history/2"),
        ("Procedure?status=completed,entered-in-error&_lastUpdated=ge2026-11-21T00:00:00Z", None),
        ("Procedure?code=http://loinc.org|1-8", None),
        ("?_getpages=abc&_getpagesoffset=10", "?_getpages=abc&_getpagesoffset=10"),
        ("Subscription/1/$events?eventsSinceNumber=3", "/Subscription/1/$events?eventsSinceNumber=3"),
        ("https://ehr.example/fhir/r4/Procedure/1", "/Procedure/1"),
        ("https://ehr.example/fhir/r4?page=2", "?page=2"),
        ("https://ehr.example/fhir/r4", ""),
        ("https://ehr.example/fhir/r4/", "/"),
        # The scheme and the host have no case (RFC 3986 §6.2.2.1), and 443 is what https means.
        ("HTTPS://EHR.Example:443/fhir/r4/Procedure/1", "/Procedure/1"),
        # From the host on: some servers write their links so.
        ("/fhir/r4/Procedure?page=2", "/Procedure?page=2"),
        # What is encoded in a query is the server's own affair.
        ("Procedure?cursor=%2e%2e%2f%00", "/Procedure?cursor=%2e%2e%2f%00"),
        ("Procedure/1.2..3", "/Procedure/1.2..3"),
    ],
)
def test_what_is_below_the_base_is_asked_for_there(address: str, behind: str | None) -> None:
    assert BASE.below(address) == (f"/{address}" if behind is None else behind)


ELSEWHERE = [
    # Other hosts.
    "https://evil.example/fhir/r4/Procedure/1",
    "https://ehr.example.evil/fhir/r4/Procedure/1",
    "https://ehr.example./fhir/r4/Procedure/1",
    "https://sub.ehr.example/fhir/r4/Procedure/1",
    "//evil.example/fhir/r4/Procedure/1",
    "///evil.example/fhir/r4/Procedure/1",
    "https:/evil.example/fhir/r4",
    "https:evil.example/fhir/r4",
    "https:///ehr.example/fhir/r4/Procedure/1",
    # The services of clouds that hand out secrets, and this machine, in all their spellings.
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://localhost/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[0:0:0:0:0:ffff:7f00:1]/",
    # Users and passwords, behind which a reader may look for the host in the wrong place.
    "https://user@ehr.example/fhir/r4/Procedure/1",
    "https://user:password@ehr.example/fhir/r4/Procedure/1",
    "https://ehr.example@evil.example/fhir/r4/Procedure/1",
    "https://ehr.example:443@evil.example/fhir/r4/Procedure/1",
    "https://evil.example#@ehr.example/fhir/r4/Procedure/1",
    "https://evil.example?@ehr.example/fhir/r4/Procedure/1",
    # Backslashes, which browsers take for slashes.
    "https://ehr.example\\@evil.example/fhir/r4/Procedure/1",
    "https:\\\\evil.example\\fhir\\r4",
    "\\\\evil.example/fhir/r4",
    "Procedure\\..\\..\\admin",
    # Other schemes and ports.
    "http://ehr.example/fhir/r4/Procedure/1",
    "https://ehr.example:8443/fhir/r4/Procedure/1",
    "https://ehr.example:0443x/fhir/r4/Procedure/1",
    "https://ehr.example:/fhir/r4/Procedure/1",
    "https://ehr.example:99999/fhir/r4/Procedure/1",
    "file:///etc/passwd",
    "gopher://ehr.example/fhir/r4/",
    "ftp://ehr.example/fhir/r4/",
    "data:application/fhir+json,{}",
    "javascript:alert(1)",
    "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
    # Paths that begin as the base does, and aren't below it.
    "https://ehr.example/fhir/r4evil/Procedure/1",
    "https://ehr.example/fhir/r4;x=1/Procedure/1",
    "https://ehr.example/fhir/R4/Procedure/1",
    "https://ehr.example/fhir/r5/Procedure/1",
    "https://ehr.example/fhir",
    "https://ehr.example/",
    "https://ehr.example",
    "/admin",
    "/fhir/r4evil",
    "/",
    # Paths that climb, for a reader who decodes them once, twice, or cuts parameters off.
    "../../admin",
    "Procedure/../../../admin",
    "https://ehr.example/fhir/r4/../../admin",
    "https://ehr.example/fhir/r4/..",
    "https://ehr.example/fhir/./r4/Procedure/1",
    "./Procedure/1",
    "Procedure/%2e%2e/%2e%2e/admin",
    "Procedure/.%2E/admin",
    "Procedure/%252e%252e/admin",
    "Procedure/%25252e%25252e/admin",
    "Procedure/%2525252525252e/admin",
    "Procedure/..;/admin",
    "Procedure/..;x=1/admin",
    "Procedure/%2e%2e%2fadmin",
    "Procedure%2f..%2fadmin",
    "Procedure%5c..%5cadmin",
    "Procedure%00/1",
    "Procedure%0d%0aHost:%20evil.example/1",
    "Procedure//1",
    "//",
    # What is no text of an address at all.
    "Procedure/1 HTTP/1.1",
    "Procedure/1\r\nHost: evil.example",
    "Procedure/1\t",
    "Procedure/\u2024\u2024/admin",
    "https://ehr.ex\u0430mple/fhir/r4/Procedure/1",
    "Procedure/1#fragment",
    "https://ehr.example/fhir/r4#@evil.example",
    f"Procedure?x={'1' * 9000}",
]


@pytest.mark.parametrize("address", ELSEWHERE)
def test_nothing_else_is_below_the_base(address: str) -> None:
    assert BASE.below(address) is None


@given(
    st.one_of(
        st.text(),
        st.text(alphabet="https:/.ehr-xamplfi4%2e5c;@?#\\evil"),
        st.lists(
            st.sampled_from(["https:", "//", "ehr.example", "evil", "@", ":443", "/fhir/r4", "/..", "%2e", "?"])
        ).map("".join),
    )
)
def test_whatever_is_let_through_stays_at_the_server_and_below_its_path(address: str) -> None:
    behind = BASE.below(address)
    if behind is not None:
        asked = urlsplit(urljoin(f"{BASE.text}/", BASE.text + behind))
        assert (asked.scheme, asked.netloc) == ("https", "ehr.example")
        assert asked.path == "/fhir/r4" or asked.path.startswith("/fhir/r4/")
        assert not set(behind) & set("\r\n \\#")


@pytest.mark.parametrize(
    ("url", "text", "origin"),
    [
        ("https://ehr.example/fhir/r4/", "https://ehr.example/fhir/r4", ("https", "ehr.example", 443)),
        ("https://ehr.example", "https://ehr.example", ("https", "ehr.example", 443)),
        ("https://ehr.example:8443/", "https://ehr.example:8443", ("https", "ehr.example", 8443)),
        ("http://[::1]:8080/fhir", "http://[::1]:8080/fhir", ("http", "::1", 8080)),
        ("https://ehr.example/a~b/%41", "https://ehr.example/a~b/%41", ("https", "ehr.example", 443)),
    ],
)
def test_a_base_is_taken_with_a_slash_at_its_end_and_without(url: str, text: str, origin: tuple[str, str, int]) -> None:
    base = FhirBase(url)
    assert (base.text, base.origin) == (text, origin)
    assert base.below("Procedure/1") == "/Procedure/1"
    assert base.below(f"{text}/Procedure/1") == "/Procedure/1"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ehr.example/fhir",
        "ftp://ehr.example/fhir",
        "https:///fhir",
        "https://user:password@ehr.example/fhir",
        "https://ehr.example:0/fhir",
        "https://ehr.example:65536/fhir",
        "https://ehr.example/fhir?x=1",
        "https://ehr.example?x=1",
        "https://ehr.example/fhir#x",
        "https://ehr.example/fhir/../r4",
        "https://ehr.example/fhir/%2e%2e/r4",
        "https://ehr.example//fhir",
        "https://ehr.example\\fhir",
        "https://ehr.ex\u0430mple/fhir",
        "https://ehr.example/fh ir",
    ],
)
def test_what_is_no_base_is_none(url: str) -> None:
    with pytest.raises(NotAnAddress):
        FhirBase(url)
