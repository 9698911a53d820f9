"""What an analyst writes under `kind: tryton`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from casecart.workspace import Declared, Duration, Finding, Rate, Secret, Text, declared
from casecart.workspace import key as setting

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PLACEHOLDERS", "Login", "TrytonSettings"]

PLACEHOLDERS: Final = ("cost_center", "department", "location", "facility")
"""Fields of a posting that the code of a location can be made of."""

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


@declared(name="tryton login", about="A user of Tryton's, by whom the reason of a refusal is asked.")
class Login(Declared):
    """Where the REST interface says only that something is forbidden, the other one says why.

    A step that was refused is asked for once more as this user; it should have no more rights than the key's.
    """

    user: Text = setting(about="The user's login.", example="casecart")
    password: Secret = setting(about="The user's password.", example="{env: TRYTON_PASSWORD}")


@declared(name="tryton destination", about="A Tryton, which takes consumptions as internal shipments.")
class TrytonSettings(Declared):
    """A Tryton and its ways."""

    url: Text = setting(
        about="The address of the database: scheme, host, port and the database's name.",
        example="https://erp.example.org/hospital",
        pattern=r"https?://[^/\s?#@]+/[A-Za-z0-9_.-]+",
        form="http:// or https://, a host, a slash and the name of the database",
    )
    key: Secret = setting(
        about="The application key (application `rest`) of a user who may move stock, and no more.",
        example="{env: TRYTON_KEY}",
    )
    company: int = setting(about="The number of the company.", example=2, default=1, minimum=1)
    used: Mapping[str, Text] = setting(
        about=(
            "Where a thing goes when it was used: the code of a location of type lost and found, by the disposition of "
            "the posting; `default` for any other. {cost_center}, {department}, {location} and {facility} stand for "
            "what the posting says."
        ),
        example='{default: "USED-{department}", wasted: "WASTE"}',
        default='{default: "{cost_center}-USED", wasted: "{cost_center}-WASTED"}',
        entry_pattern=r"[A-Za-z0-9_-]{1,40}",
        entry_form="a disposition such as wasted, or default",
    )
    units: Mapping[str, Text] = setting(
        about="What Tryton calls the units of the master data, by its symbol.",
        example="{EA: u, cc: cm³}",
        default="{EA: u}",
        entry_pattern=r"[^\s,:{}]{1,20}",
        entry_form="a unit such as EA",
    )
    suppliers: Text | None = setting(
        about=(
            "The name of the party category that suppliers have, for `casecart master pull`. Without it no party is "
            "read: among them may be patients."
        ),
        example="Supplier",
        default=None,
    )
    login: Login | None = setting(
        about="A user whom Tryton tells the reason where the REST interface only says that something is forbidden.",
        example="{user: casecart, password: {env: TRYTON_PASSWORD}}",
        default=None,
    )
    rate: Rate | None = setting(
        about=(
            "How many postings may go out in a second (`/s`), minute (`/m`) or hour (`/h`), however many go together; "
            "at once go those of one second. Without it, as many as it takes."
        ),
        example="10/s",
        default=None,
    )
    timeout: Duration = setting(
        about="How long a request may take, from connecting to the end of the answer.",
        example="10s",
        default="30s",
        minimum="100ms",
        maximum="10m",
    )
    batch: int = setting(
        about="How many postings are worked at a time; those of one case, day and way make one shipment.",
        example=10,
        default=50,
        minimum=1,
        maximum=1000,
    )
    concurrency: int = setting(
        about=(
            "How many batches are under way at once. A case is only in one of them. More than 1 only where Tryton has "
            "PostgreSQL: on SQLite it may give the last of a lot to two shipments."
        ),
        example=4,
        default=1,
        minimum=1,
        maximum=8,
    )

    def check(self) -> Iterable[Finding]:
        """There is a host, and the locations' codes can be made of what a posting has."""
        try:
            parts = urlsplit(self.url)
            good = bool(parts.hostname) and self.url.isascii() and parts.port != 0
        except ValueError:
            good = False
        if not good:
            yield Finding(self.at("url"), "error", "bad-format", "'url' has no host, or a port that is none")
        if "default" not in self.used:
            yield Finding(self.at("used"), "error", "bad-value", "'used' needs an entry 'default'")
        for text in self.used.values():
            for name in _PLACEHOLDER.findall(text):
                if name not in PLACEHOLDERS:
                    words = f"'{{{name}}}' is none of {', '.join(PLACEHOLDERS)}"
                    yield Finding(text.place, "error", "bad-value", words)
            if re.search("[{}]", _PLACEHOLDER.sub("", text)):
                words = "a '{' or '}' stands alone; a field is written as {cost_center}"
                yield Finding(text.place, "error", "bad-value", words)
