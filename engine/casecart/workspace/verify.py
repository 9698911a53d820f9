"""The step of a channel that looks whether what was used may have been, and the policy of what follows."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from casecart.workspace.declaration import Declared, declared, key
from casecart.workspace.findings import Finding
from casecart.workspace.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FINDINGS", "Policy", "VerifyStep"]


@declared(name="policy", about="What is done with a line that has a certain finding.")
class Policy(Declared):
    """What is done with a line that has a certain finding."""

    finding: Literal[
        "lot-missing",
        "serial-missing",
        "expiry-missing",
        "lot-unknown",
        "lot-of-other-item",
        "expiry-conflict",
        "expired",
        "serial-used",
        "serial-quantity",
        "recalled",
    ] = key(about="What was found.", example="expired")
    location: Text | None = key(about="Only for lines of this location.", example="OR-CORE", default=None)
    then: Literal["hold", "post-and-flag"] = key(
        about="`hold` the line for a person, or post it all the same and have a person look at it.",
        example="post-and-flag",
    )


FINDINGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "lot": ("lot-missing", "lot-unknown", "lot-of-other-item"),
        "serial": ("serial-missing", "serial-used", "serial-quantity"),
        "expiry": ("expiry-missing", "expiry-conflict", "expired"),
        "recall": ("recalled",),
    }
)
"""Check → what it can find."""


@declared(name="verify", about="A step that looks whether what was used may have been, as far as is known.")
class VerifyStep(Declared):
    """A step that looks whether what was used may have been, as far as is known."""

    verify: tuple[Literal["lot", "serial", "expiry", "recall"], ...] = key(
        about=(
            "What is looked at. lot: it is told where the item asks for it, and is the item's. serial: it is told "
            "where the item asks for it, and was not used before. expiry: the day of use is not after it. recall: "
            "nobody has called it back."
        ),
        example="[lot, serial, expiry, recall]",
        scalar=True,
        at_least=1,
    )
    policy: tuple[Policy, ...] = key(
        about=(
            "What is done where something is found; the first entry that fits is taken. Where none fits, an expired or "
            "recalled thing and a missing expiry date are posted and flagged, since it was used already; the line is "
            "held for all else."
        ),
        example="[{finding: expired, location: OR-CORE, then: hold}]",
        default="[]",
    )

    def check(self) -> Iterable[Finding]:
        """Each entry of the policy can act."""
        for number, entry in enumerate(self.policy):
            if not any(entry.finding in FINDINGS[check] for check in self.verify):
                message = f"nothing here looks for {entry.finding}: add its check to verify"
                yield Finding(entry.at("finding"), "error", "idle-policy", message)
            before = next(
                (
                    each
                    for each in self.policy[:number]
                    if each.finding == entry.finding and each.location in {None, entry.location}
                ),
                None,
            )
            if before is not None:
                message = f"this entry is never reached: the one in line {before.place.line} decides before it"
                yield Finding(entry.place, "error", "idle-policy", message)
