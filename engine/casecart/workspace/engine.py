"""config/engine.yaml: whose engine this is, where it keeps what it knows, its ways in and its ways out."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable, Mapping

from casecart.workspace.declaration import Declared, declared, key
from casecart.workspace.findings import Finding, did_you_mean, shown
from casecart.workspace.metrics import Metrics
from casecart.workspace.retention import Retention
from casecart.workspace.scalar import Duration, Size
from casecart.workspace.secret import Secret
from casecart.workspace.shape import Component
from casecart.workspace.text import Text

__all__ = ["Engine", "Facility", "Intake", "Secrets", "Store"]


@declared(name="facility", about="A site that messages speak for.")
class Facility(Declared):
    """A site that messages speak for."""

    time_zone: Text = key(
        about="The zone of the times that its systems send without one, by its name in the tz database.",
        example="America/Chicago",
    )

    def check(self) -> Iterable[Finding]:
        """The zone exists."""
        try:
            zoneinfo.ZoneInfo(self.time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            message = f"{shown(self.time_zone)} is not a time zone; write one such as America/Chicago or Europe/Berlin"
            suggestion = did_you_mean(self.time_zone, zoneinfo.available_timezones())
            yield Finding(self.at("time_zone"), "error", "unknown-value", message, suggestion)


@declared(name="store", about="The database that keeps messages, postings and the ledger.", shorthand="url")
class Store(Declared):
    """The database; in YAML its URL alone may be written instead of the block."""

    url: Text = key(
        about="Where the database is. A relative SQLite path is looked for from the workspace.",
        example="postgresql://casecart@db.example.org/casecart",
        default="sqlite:///var/casecart.db",
        pattern=r"(sqlite:///|postgresql://).+",
        form="sqlite:///PATH or postgresql://USER@HOST/DATABASE",
    )
    password: Secret | None = key(
        about="The password of the database's user, by reference.",
        example="{env: CASECART_DB_PASSWORD}",
        default=None,
    )

    def check(self) -> Iterable[Finding]:
        """No password stands in the URL, where logs and listings would show it."""
        if re.match(r"\w+://[^/@]*:[^/@]*@", self.url) or re.search(r"[?&]password=", self.url):
            message = "the URL contains a password; take it out, and write password: {env: NAME} under store"
            yield Finding(self.at("url"), "error", "secret-literal", message)


@declared(name="secrets", about="The secrets of the engine itself, by reference, 32 characters or more each.")
class Secrets(Declared):
    """The secrets of the engine itself; `casecart init` makes them."""

    keys: Secret = key(
        about=(
            "Makes the keys by which postings are known. It is never changed: with another, what is posted "
            "already would be posted again. Keep a copy of it."
        ),
        example="{file: var/secrets/keys}",
    )
    tokens: Secret = key(
        about="Makes the tokens that stand for patient identifiers in documents. Another makes other tokens.",
        example="{env: CASECART_TOKENS}",
    )


@declared(name="intake", about="How the engine takes messages in.")
class Intake(Declared):
    """How the engine takes messages in."""

    time_budget: Duration = key(
        about=(
            "How long mapping may run before the acknowledgement. A message that needs longer is stored and "
            "acknowledged alone, and mapped afterwards. With 0ms every message is."
        ),
        example="20ms",
        default="50ms",
        maximum="10s",
    )
    time_limit: Duration = key(
        about=(
            "How long one message may be worked at all. A message of thousands of lines that needs longer is stopped "
            "and put aside for a person; until then all others wait for it."
        ),
        example="20s",
        default="5s",
        minimum="100ms",
        maximum="20s",
    )
    disk_reserve: Size | None = key(
        about=(
            "How much must stay free on the disk of a SQLite store: below it nothing is taken, so that senders keep "
            "their messages. Without it 1 GiB, or a twentieth of a smaller disk."
        ),
        example="5GiB",
        default=None,
    )


@declared(name="engine", about="Whose engine this is, where it keeps what it knows, its ways in and its ways out.")
class Engine(Declared):
    """The whole of config/engine.yaml."""

    organisation: Text = key(
        about="What the facilities belong to. Every record carries it.",
        example="MERCY",
        pattern=r"\S(.{0,62}\S)?",
        form="1 to 64 characters, without spaces around them",
    )
    facilities: Mapping[str, Facility] = key(
        about="The sites that messages speak for, by the name that every record of theirs carries.",
        example="{NORTH: {time_zone: America/Chicago}}",
        defines="facility",
        at_least=1,
    )
    store: Store = key(
        about="The database that keeps messages, postings and the ledger: its URL, or url and password.",
        example="sqlite:///var/casecart.db",
        default="{}",
    )
    secrets: Secrets = key(
        about="The secrets of the engine itself, by reference.",
        example="{keys: {file: var/secrets/keys}, tokens: {file: var/secrets/tokens}}",
    )
    intake: Intake = key(about="How the engine takes messages in.", example="{time_budget: 20ms}", default="{}")
    metrics: Metrics | None = key(
        about="Where Prometheus may read how the engine is, over HTTP under /metrics; without it nothing is served.",
        example="{port: 9464}",
        default=None,
    )
    retain: Retention = key(
        about="How long what is kept; what is still needed stays longer.",
        example="{bodies: {processed: 30d}, documents: 400d}",
        default="{}",
    )
    listeners: Mapping[str, Component] = key(
        about="The ways in, by the name that channels have under `from`. `kind` says which protocol it is.",
        example="{or-mllp: {kind: mllp, port: 2575, peers: {orsys: {match: {MSH-3: ORSYS}, facility: NORTH}}}}",
        defines="listener",
        at_least=1,
    )
    destinations: Mapping[str, Component] = key(
        about="The ways out, by the name that routes have under `to`. `kind` says which connector it is.",
        example="{inventory: {kind: file, folder: var/inventory}}",
        defines="destination",
        default="{}",
    )
