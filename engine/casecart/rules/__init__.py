"""What the domain knows: identity, derivation, the ledger. Functions of their arguments; no clock, store or reactor."""

from __future__ import annotations

from casecart.rules.derive import NEEDED, NotDerivable, consumption
from casecart.rules.identity import MINIMUM_SECRET, Keys, Tokens
from casecart.rules.ledger import LATER_STATEMENT, first_revision

__all__ = [
    "LATER_STATEMENT",
    "MINIMUM_SECRET",
    "NEEDED",
    "Keys",
    "NotDerivable",
    "Tokens",
    "consumption",
    "first_revision",
]
