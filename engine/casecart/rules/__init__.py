"""What the domain knows: identity, derivation, the ledger. Functions of their arguments; no clock, store or reactor."""

from __future__ import annotations

from casecart.rules.derive import NEEDED, NotDerivable, consumption
from casecart.rules.identity import MINIMUM_SECRET, Keys, Tokens
from casecart.rules.ledger import Due, Effect, Line, Movement, Said, due
from casecart.rules.resolve import compile_resolve
from casecart.rules.statement import WAITS_FOR_CHARGE, Case, Repeat
from casecart.rules.trouble import Trouble
from casecart.rules.verify import PolicyEntry, VerifyFinding, compile_verify

__all__ = [
    "MINIMUM_SECRET",
    "NEEDED",
    "WAITS_FOR_CHARGE",
    "Case",
    "Due",
    "Effect",
    "Keys",
    "Line",
    "Movement",
    "NotDerivable",
    "PolicyEntry",
    "Repeat",
    "Said",
    "Tokens",
    "Trouble",
    "VerifyFinding",
    "compile_resolve",
    "compile_verify",
    "consumption",
    "due",
]
