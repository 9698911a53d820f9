"""UDI: what a device's code says, in the grammars of GS1, HIBCC, ICCBBA and IFA, scanned and printed."""

from __future__ import annotations

from casecart.formats.udi.agency import AGENCIES, FDA
from casecart.formats.udi.agreement import Contradiction, Told, agree, told
from casecart.formats.udi.canonical import canonical
from casecart.formats.udi.gtin import fits, gtin
from casecart.formats.udi.note import WARNINGS, Note
from casecart.formats.udi.parse import LONGEST, parse
from casecart.formats.udi.piece import Piece
from casecart.formats.udi.reading import REFUSALS, Agency, Ambiguous, Form, Reading, Udi, Unreadable

__all__ = [
    "AGENCIES",
    "FDA",
    "LONGEST",
    "REFUSALS",
    "WARNINGS",
    "Agency",
    "Ambiguous",
    "Contradiction",
    "Form",
    "Note",
    "Piece",
    "Reading",
    "Told",
    "Udi",
    "Unreadable",
    "agree",
    "canonical",
    "fits",
    "gtin",
    "parse",
    "told",
]
