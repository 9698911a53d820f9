"""What is configured of a listener that reads at a FHIR server."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from casecart.formats.fhir.definitions import VERSIONS, definitions
from casecart.listeners.fhir_server_settings import FhirServerSettings
from casecart.workspace import Declared, Duration, Finding, Text, declared, key
from casecart.workspace.findings import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FhirSettings"]

_OURS: Final = re.compile(r"[?&](_lastUpdated|_sort|_count|_summary|_elements|_include|_revinclude|_total|_format)[=:]")
_MOMENT: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)"


@declared(name="fhir listener", about="Reads at a FHIR server what changed there: told by notifications, or searched.")
class FhirSettings(Declared):
    """What is written under `kind: fhir`."""

    facility: Text = key(about="The site that the server speaks for.", example="NORTH", names="facility")
    server: FhirServerSettings = key(
        about="The server, and how the engine shows it who it is.",
        example="{url: https://ehr.example/fhir/r4, version: R4}",
    )
    hears: Text | None = key(
        about=(
            "Whose notifications are followed up: a listener of kind `http` and its peer there, with a slash between. "
            "Without it the server is searched only."
        ),
        example="ehr-http/ehr",
        default=None,
        pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
        form="a listener and its peer, such as ehr-http/ehr",
    )
    searches: tuple[Text, ...] = key(
        about=(
            "What is searched for, without times and order, which the engine adds: where events are missing or a "
            "notification doesn't say what changed, and at the intervals of `every`."
        ),
        example='["Procedure?status=completed,entered-in-error", SupplyDelivery]',
        default="[]",
        scalar=True,
        pattern=r"[A-Z][A-Za-z]{1,63}(\?[!-\"$-~]{1,2000})?",
        form="a resource type, perhaps with ? and what it is searched by, such as Procedure?status=completed",
    )
    every: Duration | None = key(
        about="How often the searches are put; only where something is missing, if absent.",
        example="5m",
        default=None,
        minimum="1s",
        maximum="1d",
    )
    overlap: Duration = key(
        about=(
            "How much of what was searched already is searched again: a server may show later what changed earlier. "
            "What is found again is known."
        ),
        example="10m",
        default="2m",
        minimum="0s",
        maximum="1d",
    )
    start: Text = key(
        about="Where the first search begins: now, or at a time in the past. Later ones begin where the last ended.",
        example='"2026-11-01T00:00:00-06:00"',
        default="now",
        written="from",
        pattern=f"now|{_MOMENT}",
        form="now, or a time with its zone, such as 2026-11-01T00:00:00-06:00",
    )
    include: tuple[Text, ...] = key(
        about="Types of resources that are fetched with the resource that refers to them, for its mapping.",
        example="[Device, Encounter]",
        default="[Device]",
        scalar=True,
    )
    grace: Duration = key(
        about="How long a gap in the numbers of events may last before the server is asked: one may overtake another.",
        example="1m",
        default="30s",
        minimum="100ms",
        maximum="1h",
    )

    @property
    def heard(self) -> tuple[str, str] | None:
        """The listener and its peer there that are heard; None: nobody is."""
        if self.hears is None:
            return None
        listener, _, peer = self.hears.partition("/")
        return listener, peer

    @property
    def begins(self) -> int | None:
        """µs since 1970, where the first search begins; None: now. `ValueError`: there is no such time."""
        if self.start == "now":
            return None
        return int(datetime.fromisoformat(self.start).astimezone(UTC).timestamp() * 1_000_000)

    def check(self) -> Iterable[Finding]:
        """It hears or searches, by what can be searched for."""
        yield from self._idle()
        resources = definitions(VERSIONS[self.server.version]).resources
        for at, types in (("searches", [each.partition("?")[0] for each in self.searches]), ("include", self.include)):
            for kind in types:
                if kind not in resources:
                    words = f"FHIR {self.server.version} has no resource {kind}"
                    yield Finding(self.at(at), "error", "unknown-value", words, did_you_mean(kind, resources))
        for each in self.searches:
            if (ours := _OURS.search(each)) is not None:
                words = f"'{ours[1]}' is the engine's to say in a search: leave it out"
                yield Finding(each.place, "error", "bad-value", words)
        try:
            begins = self.begins
        except ValueError:
            begins = -1
        if begins is not None and begins < 0:
            yield Finding(self.at("from"), "error", "bad-value", "there is no such time, or it is before 1970")

    def _idle(self) -> Iterable[Finding]:
        if self.searches:
            if self.every is None and self.hears is None:
                words = "nothing says when to search: add 'every', or 'hears' for a server that notifies"
                yield Finding(self.at("searches"), "error", "missing-key", words)
        elif self.every is not None:
            yield Finding(self.at("every"), "error", "missing-key", "nothing says what to search for: add 'searches'")
        elif self.hears is None:
            words = "it would do nothing: add 'searches' with 'every', or 'hears' for a server that notifies"
            yield Finding(self.place, "error", "missing-key", words)
        else:
            words = "without 'searches' an event that the server can't give again stays missing: add what to search for"
            yield Finding(self.at("hears"), "warning", "missing-key", words)
