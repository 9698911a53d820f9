"""The agencies that issue device identifiers, by the object identifiers that HL7 names them with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.formats.udi.reading import Agency

__all__ = ["AGENCIES", "FDA"]

AGENCIES: Final[Mapping[str, Agency]] = {
    "2.51.1.1": "GS1",
    "1.0.15961.10.816": "HIBCC",
    "2.16.840.1.113883.6.18.1.17": "ICCBBA",  # blood containers
    "2.16.840.1.113883.6.18.1.34": "ICCBBA",  # all others
}
"""Of the roots of a device identifier (HL7 v2.8.2 PRT-16)."""

FDA: Final = "2.16.840.1.113883.3.3719"
"""The root of a whole UDI as it is printed, of whichever agency (HL7 v2.8.2 PRT-10)."""
