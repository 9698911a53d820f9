"""mappings/NAME.yaml: how one kind of message becomes canonical documents."""

from __future__ import annotations

from collections import abc
from typing import TYPE_CHECKING, Literal

from casecart.workspace.declaration import NAME, Declared, ExactlyOne, declared, key
from casecart.workspace.findings import Finding
from casecart.workspace.scalar import Expression, Flag, SourcePath
from casecart.workspace.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FieldMapping", "Mapping", "Reads"]


@declared(name="reads", about="The messages that a mapping reads.")
class Reads(Declared):
    """The messages that a mapping reads."""

    format: Literal["hl7v2", "fhir"] = key(about="Their format.", example="hl7v2")
    version: Text | None = key(
        about=(
            "The version by which paths are checked: for FHIR R4 (which holds without it), R4B or R5; for HL7 v2 up to "
            "2.8.2, and any of them without it. Messages of other versions are read all the same."
        ),
        example="2.8.2",
        default=None,
        pattern=r"2\.\d(\.\d)?|R4|R4B|R5",
        form="a version such as 2.3, 2.5.1 or 2.8.2, or for FHIR R4, R4B or R5",
    )

    beyond: tuple[Text, ...] = key(
        about=(
            "What the sender sends beyond HL7's dictionary of that version: segments, fields or components, of which "
            "`check` warns no more."
        ),
        example="[PKG-10, FT1-7.9]",
        default="[]",
        scalar=True,
        at_least=1,
        pattern=r"[A-Z][A-Z0-9]{2}(-[1-9]\d{0,2}(\.[1-9]\d{0,2}){0,2})?",
        form="a segment, field or component such as PKG, PKG-10 or FT1-7.9",
    )
    validate: Literal["fast", "strict", "none"] | None = key(
        about=(
            "How resources are looked at before they are read, for FHIR only. fast, which holds without it: structure, "
            "types, what must be there, choices and required codes; elements that FHIR doesn't have are let pass. "
            "strict: those too, and by fhir.resources as well, which is some twenty times slower. none: not at all. "
            "A resource that is not right is held, and so is one that a `bind` leads to."
        ),
        example="strict",
        default=None,
    )

    def check(self) -> Iterable[Finding]:
        """The version is one of the format, and only FHIR's resources are looked at."""
        if self.validate is not None and self.format != "fhir":
            yield Finding(self.at("validate"), "error", "bad-value", "only FHIR is validated: leave 'validate' out")
        if self.beyond and self.format != "hl7v2":
            yield Finding(self.at("beyond"), "error", "bad-value", "'beyond' is for HL7 v2: leave it out")
        if self.version is not None and self.version.startswith("R") != (self.format == "fhir"):
            known = "R4, R4B or R5" if self.format == "fhir" else "a version such as 2.5.1 or 2.8.2"
            yield Finding(self.at("version"), "error", "bad-value", f"a version of {self.format} is {known}")


@declared(
    name="field",
    about="Where a field of the document comes from, and what holds when nothing is there.",
    rules=(
        ExactlyOne(
            ("path", "agree", "join", "value"),
            none=(
                "say where the value comes from: path, agree (paths that must agree), join (paths that together are "
                "one value) or value (a constant)"
            ),
        ),
        ExactlyOne(
            ("required", "optional", "default"),
            unless="value",
            code="unhandled-empty",
            none="the source may be empty; say what then: required: true, optional: true or default: VALUE",
        ),
    ),
)
class FieldMapping(Declared):
    """Where a field of the document comes from, and what holds when nothing is there."""

    path: tuple[SourcePath, ...] = key(
        about=(
            "Where the value stands in the message; of several paths, the first that has a value. A piece of the UDI "
            "is a path too: udi.di, udi.lot, udi.serial, udi.expiry, udi.manufactured or udi.donation_id. For FHIR a "
            "path is FHIRPath, asked of the line; %resource is the resource that the line is in."
        ),
        example='[FT1-2, "FT1-23.1"]',
        default="[]",
        scalar=True,
        at_least=1,
    )
    agree: tuple[SourcePath, ...] = key(
        about=(
            "Several paths, or pieces of the UDI such as udi.lot, of which each may have the value; those that have "
            "one must have the same."
        ),
        example='["device-10.1", "OBX[OBX-3.1 = \'74711-3\']-5"]',
        default="[]",
        scalar=True,
        at_least=1,
    )
    join: tuple[SourcePath, ...] = key(
        about=(
            "Several paths that together are one value, put together with a slash; nothing, where one has no value. "
            "For ids that are told in pieces."
        ),
        example='["above:OBR-3.1", "OBX-4.1"]',
        default="[]",
        scalar=True,
        at_least=2,
    )
    value: Text | None = key(about="The value itself, the same for every line.", example="EA", default=None)
    type: Literal["text", "decimal", "integer", "date", "datetime", "udi", "di"] = key(
        about=(
            "How the text in the message is read. udi is for the field udi: it stays text, and other fields can take "
            "its pieces, such as udi.lot. A UDI that can't be read, or in several ways, is an exception. di is for the "
            "field di, a device identifier: GTINs of 8, 12 and 13 digits become 14."
        ),
        example="decimal",
        default="text",
    )
    table: Text | None = key(
        about="The code table that turns the sender's code into ours. A code not in it is an exception.",
        example="transaction-type",
        default=None,
        names="table",
    )
    token: Text | None = key(
        about=(
            "The value identifies a patient or a visit: documents carry a token in its place. The word names "
            "the sort of identifier; the same value under the same word gives the same token."
        ),
        example="case",
        default=None,
        pattern=NAME,
        form="a word such as case",
    )
    required: Flag = key(about="Without a value the line becomes an exception.", example="true", default=None)
    optional: Flag = key(about="Without a value the field stays empty.", example="true", default=None)
    default: Text | None = key(about="The value that holds when the message has none.", example="OR-MAIN", default=None)
    sign: Literal["by-action", "by-quantity"] | None = key(
        about=(
            "What a negative quantity means. by-action: the action says what is taken back, and a negative number "
            "is right with reverse only. by-quantity: a negative number makes the reverse of a use. Without sign, "
            "a negative number is an exception."
        ),
        example="by-action",
        default=None,
    )


@declared(name="mapping", about="How one kind of message becomes canonical documents.")
class Mapping(Declared):
    """The whole of a mapping file."""

    mapping: Text = key(about="Its name, which is also the file's.", example="dft-usage", pattern=NAME)
    about: Text = key(
        about="What it is for, in a sentence.",
        example="Charges of the operating room as usage.",
        default="''",
    )
    spare: Flag = key(
        about="It is kept for a channel that is yet to come: `check` doesn't warn that nothing names it.",
        example="true",
        default=None,
    )
    reads: Reads = key(about="The messages that it reads.", example='{format: hl7v2, version: "2.8.2"}')
    makes: Literal["Usage", "Case", "items", "suppliers", "identifiers", "units", "stock"] = key(
        about=(
            "The canonical document that it makes: Usage; Case, for a channel that notes where cases are, with "
            "`change`: put or remove; or, for a channel that brings master data in, lines of a "
            "table, whose columns are the fields (docs/reference/master-data.md), with `change`: put, deactivate, "
            "reactivate or remove."
        ),
        example="Usage",
    )
    says: Literal["transactions", "state"] = key(
        about=(
            "What a message says. transactions: each adds to what was said before, a charge or a credit. "
            "state: each replaces what was said before."
        ),
        example="transactions",
    )
    repeat: Literal["hold", "add", "duplicate"] = key(
        about=(
            "With `says: transactions`: what a second charge means, on a line that is charged already. hold: a person "
            "decides. add: it is used again. duplicate: it is told twice, and changes nothing."
        ),
        example="add",
        default="hold",
    )
    each: SourcePath = key(
        about=(
            "One document is made for each of these segments, with the segments under it: for FT1 the PRT, "
            "OBX, NTE and Z segments up to the next FT1. For FHIR it is a FHIRPath that begins with a resource's type, "
            "such as Procedure.focalDevice; every such resource of a bundle is read."
        ),
        example="FT1",
    )
    grouped_by: SourcePath | None = key(
        about=(
            "A field of that segment. Those with the same value there, up to its first full stop, make one "
            "document: observations of one device have one sub-id (OBX-4), or 1.1 and 1.2 under 1."
        ),
        example="OBX-4.1",
        default=None,
    )
    takes_back: SourcePath | None = key(
        about=(
            "For FHIR with `says: state`: a FHIRPath, asked of the resource, that is true where it names all that was "
            "used, such as a completed procedure. What an earlier version named, and such a one doesn't, is taken "
            "back. Without it nothing is that a version leaves out."
        ),
        example="\"status in ('completed' | 'entered-in-error')\"",
        default=None,
    )
    where: Expression | None = key(
        about=(
            "Only lines for which this is true are mapped. It is decided first, from the fields that it "
            "names; what it leaves out is counted as filtered."
        ),
        example="\"action in ['use', 'reverse']\"",
        default=None,
    )
    bind: abc.Mapping[str, SourcePath] = key(
        about=(
            "Short names for segments, so that several fields are taken from one and the same segment. For FHIR each "
            "is a FHIRPath, asked of the line, such as manipulated.resolve(), and paths name what it gives as %device."
        ),
        example="{device: \"PRT[PRT-4.1 = 'EQUIP']\"}",
        default="{}",
        entry_pattern=r"[a-z][a-z0-9_]*",
        entry_form="a lower-case word such as device",
    )
    fields: abc.Mapping[str, FieldMapping] = key(
        about="The fields of the document, and where each comes from.",
        example="{case: {path: PV1-19.1, required: true}}",
        entry_names="field",
        at_least=1,
    )

    def check(self) -> Iterable[Finding]:
        """What is said of cases and master data takes the place of what was said before."""
        if self.makes != "Usage" and self.says != "state":
            message = f"a line of {self.makes} says how a record is from now on: write says: state"
            if self.makes == "Case":
                message = "a case is from now on as a message says: write says: state"
            yield Finding(self.at("says"), "error", "bad-value", message)
        told = (str(self.reads.format), str(self.makes), str(self.says))
        if self.takes_back is not None and told != ("fhir", "Usage", "state"):
            message = "takes_back is for Usage of FHIR that says: state: other messages have lines that take back"
            yield Finding(self.at("takes_back"), "error", "bad-value", message)
