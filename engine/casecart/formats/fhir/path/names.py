"""The names that FHIRPath and FHIR give: functions, types, and elements whose name tells their type (`value[x]`)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from casecart.formats.fhir.definitions import VERSIONS, definitions

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ARGUMENTS", "CHOICES", "DATA_TYPES", "NOT_PURE", "RESOURCES", "TYPES", "VALUES"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


RESOURCES: Final = frozenset(name for version in VERSIONS.values() for name in definitions(version).resources)
"""The resource types of R4, R4B and R5 that stand for themselves."""

_VALUE: Final = _words(
    """
    Address Age Annotation Attachment Availability Base64Binary Boolean Canonical Code CodeableConcept
    CodeableReference Coding ContactDetail ContactPoint Contributor Count DataRequirement Date DateTime Decimal
    Distance Dosage Duration Expression ExtendedContactDetail HumanName Id Identifier Instant Integer Integer64
    Markdown Meta Money Oid ParameterDefinition Period PositiveInt Quantity Range Ratio RatioRange Reference
    RelatedArtifact SampledData Signature String Time Timing TriggerDefinition UnsignedInt Uri Url UsageContext
    Uuid
    """
)
"""What an extension's value can be, in R4 or R5, as element names end in it."""

_WHEN: Final = ("DateTime", "Period", "Timing", "Age", "Range", "String", "Date", "Instant", "Duration")
_WHAT: Final = ("Reference", "CodeableConcept")

VALUES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "value": _VALUE,
        **dict.fromkeys(("performed", "occurrence", "timing", "effective", "onset", "abatement", "collected"), _WHEN),
        **dict.fromkeys(("item", "product", "medication", "code", "subject", "location", "chargeItem"), _WHAT),
        "author": ("Reference", "String"),
        "asNeeded": ("Boolean", "CodeableConcept"),
        "bounds": ("Duration", "Period", "Range"),
        "deceased": ("Boolean", "DateTime"),
        "dose": ("Quantity", "Range"),
        "multipleBirth": ("Boolean", "Integer"),
        "rate": ("Quantity", "Range", "Ratio"),
        "reported": ("Boolean", "Reference"),
        "statusReason": _WHAT,
        "time": ("DateTime", "Period"),
        "when": ("DateTime", "Period"),
    }
)
"""Elements with a choice of types (`value[x]`), and the types: of those that tell of supplies, and of data types."""

CHOICES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {name: frozenset(name + kind for kind in kinds) for name, kinds in VALUES.items()}
)
"""The same, as the keys that JSON has."""

DATA_TYPES: Final = frozenset(_VALUE) | {"BackboneElement", "Element", "Extension", "Narrative", "Resource"}
"""The data types, with a capital letter."""

TYPES: Final = (
    RESOURCES
    | (DATA_TYPES - {"Resource"})
    | {"Resource", "DomainResource", "xhtml"}
    | {kind[0].lower() + kind[1:] for kind in _VALUE}
)
"""What a person may write behind `ofType`, `as` and `is`."""

_NONE, _ONE = (0, 0), (1, 1)

ARGUMENTS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        **dict.fromkeys(
            _words(
                """
    empty not allTrue anyTrue allFalse anyFalse isDistinct distinct count single first last tail toInteger
    toBoolean toDecimal toString toDate toDateTime toTime upper lower length toChars trim abs ceiling exp floor ln
    sqrt truncate now today timeOfDay children descendants avg sum min max convertsToBoolean convertsToInteger
    convertsToDecimal convertsToString convertsToDate convertsToDateTime convertsToTime convertsToQuantity resolve
    type
    """
            ),
            _NONE,
        ),
        **dict.fromkeys(
            _words(
                """
    all union exclude subsetOf supersetOf repeat where extension select take skip intersect combine indexOf
    startsWith endsWith contains matches split encode decode log power round is as ofType
    """
            ),
            _ONE,
        ),
        **dict.fromkeys(["exists", "trace", "toQuantity", "join"], (0, 1)),
        **dict.fromkeys(["replace", "replaceMatches"], (2, 2)),
        "substring": (1, 2),
        "iif": (2, 3),
        "aggregate": (1, 2),
        "coalesce": (1, 20),
    }
)
"""Every function that there is, and how many arguments it takes, least and most."""

_TODAY: Final = "changes with the clock, and a message that is read again must say the same: take a date of the message"

NOT_PURE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "now": _TODAY,
        "today": _TODAY,
        "timeOfDay": _TODAY,
        "trace": "prints what a patient's record says: leave it out",
    }
)
"""Functions that have no place here, and why."""
