"""Which messages a listener takes at all: the checks of the protocol's level (HL7 v2.8.2 §2.9.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from casecart.formats.hl7v2 import Problem
from casecart.workspace import Declared, Text, declared, key

if TYPE_CHECKING:
    from casecart.formats.hl7v2 import Header

__all__ = ["Accept", "Refusal"]

# Why a message is not taken, and the note that its record has.
Refusal: TypeAlias = "tuple[Problem, str]"

_TYPE: Final = Problem(
    error_code="200",
    words="This listener takes no messages of this type (MSH-9.1).",
    segment="MSH",
    field=9,
    component=1,
)
_EVENT: Final = Problem(
    error_code="201",
    words="This listener takes no messages of this event (MSH-9.2).",
    segment="MSH",
    field=9,
    component=2,
)
_PROCESSING: Final = Problem(
    error_code="202",
    words="This listener takes no messages with this processing id (MSH-11).",
    segment="MSH",
    field=11,
    component=1,
)
_VERSION: Final = Problem(
    error_code="203",
    words="This listener takes no messages of this version (MSH-12).",
    segment="MSH",
    field=12,
    component=1,
)


@declared(name="accept", about="Which messages a listener takes at all. What is left out is not looked at.")
class Accept(Declared):
    """Which messages a listener takes at all."""

    types: tuple[Text, ...] = key(
        about="Types (MSH-9), with their event or for all events.",
        example="[DFT^P03, ORU]",
        default="[]",
        scalar=True,
        pattern=r"[A-Z0-9]{3}(\^[A-Z0-9]{3})?",
        form="a type such as DFT^P03 or ORU",
    )
    versions: tuple[Text, ...] = key(
        about="Versions (MSH-12), written as the sender writes them.",
        example="[2.3, 2.5.1]",
        default="[]",
        scalar=True,
        pattern=r"[0-9]+(\.[0-9]+)*",
        form="a version such as 2.5.1",
    )
    processing: tuple[Literal["P", "T", "D"], ...] = key(
        about=(
            "Processing ids (MSH-11): production, training, debugging. A message without one counts as P. Without this "
            "a test message that reaches a production listener moves stock."
        ),
        example="P",
        default="[]",
        scalar=True,
    )

    def refusal(self, header: Header) -> Refusal | None:
        """Why a message is not taken; None if it is."""
        code, trigger, _, event = header.message_type
        if self.types and event not in self.types and code not in self.types:
            known = any(each.startswith(f"{code}^") for each in self.types)
            return (_EVENT if known and trigger else _TYPE), "type-not-taken"
        component = header.delimiters.component.encode("ascii")
        if self.versions and _first(header.version, component) not in self.versions:
            return _VERSION, "version-not-taken"
        if self.processing and (_first(header.processing_id, component) or "P") not in self.processing:
            return _PROCESSING, "processing-id-not-taken"
        return None


def _first(field: bytes, component: bytes) -> str:
    return field.split(component)[0].strip().decode("latin-1")
