"""mappings/NAME.yaml with `writes`: how a posting becomes a message, the other direction of a mapping."""

from __future__ import annotations

from collections import abc
from typing import Literal

from casecart.workspace.declaration import NAME, Declared, ExactlyOne, declared, key
from casecart.workspace.scalar import Flag
from casecart.workspace.text import Text

__all__ = ["OutgoingField", "OutgoingMapping", "Writes"]


@declared(name="writes", about="The messages that a mapping writes.")
class Writes(Declared):
    """The messages that a mapping writes."""

    format: Literal["hl7v2"] = key(about="Their format.", example="hl7v2")
    version: Text = key(
        about="Their version, which MSH-12 says.",
        example="2.5.1",
        pattern=r"2\.\d(\.\d)?",
        form="a version such as 2.3, 2.5.1 or 2.8.2",
    )
    type: Text = key(
        about="Their type, which MSH-9 says: code, event and, from 2.4 on, structure.",
        example="DFT^P03^DFT_P03",
        pattern=r"[A-Z][A-Z0-9]{2}\^[A-Z0-9]{3}(\^[A-Z][A-Z0-9]{2}(_[A-Z0-9]{3})?)?",
        form="DFT^P03^DFT_P03, or DFT^P03 before 2.4",
    )


@declared(
    name="outgoing field",
    about="What a field of the message says, and what holds when there is nothing to say.",
    rules=(
        ExactlyOne(
            ("field", "disclose", "value"),
            none="say what is written: field (of the posting), disclose (an identifier) or value (a constant)",
        ),
        ExactlyOne(
            ("required", "optional", "default"),
            unless="value",
            code="unhandled-empty",
            none="the posting may not have it; say what then: required: true, optional: true or default: VALUE",
        ),
    ),
)
class OutgoingField(Declared):
    """What a field of the message says, and what holds when there is nothing to say."""

    field: Text | None = key(
        about=(
            "The field of the posting that is written. Besides those of Usage that leave the engine there are `key` "
            "and `revision` of the posting, `reverses` (the key of the posting that it takes back) and `recorded_at`, "
            "when the message came that it was made for. Of an Item, `LIST.FIELD` names a field of each of a list, "
            "such as `packagings.gtin`: its segment is written once for each."
        ),
        example="quantity",
        default=None,
    )
    disclose: Text | None = key(
        about=(
            "The field whose token the identifier is written for: the value itself, as its sender wrote it. The "
            "destination must have it under `discloses`."
        ),
        example="case",
        default=None,
    )
    value: Text | None = key(about="The value itself, the same in every message.", example="CHG", default=None)
    table: Text | None = key(
        about="The code table that turns our value into the receiver's. A value not in it is an exception.",
        example="charge-type",
        default=None,
        names="table",
    )
    required: Flag = key(about="Without a value the posting is held for a person.", example="true", default=None)
    optional: Flag = key(about="Without a value the field stays empty.", example="true", default=None)
    default: Text | None = key(about="What is written when the posting has no value.", example="OR-MAIN", default=None)


@declared(name="outgoing mapping", about="How a posting becomes a message.")
class OutgoingMapping(Declared):
    """The whole of a mapping file that writes."""

    mapping: Text = key(about="Its name, which is also the file's.", example="charge-dft", pattern=NAME)
    about: Text = key(
        about="What it is for, in a sentence.", example="What was used becomes a charge for billing.", default="''"
    )
    spare: Flag = key(
        about="It is kept for a destination that is yet to come: `check` doesn't warn that nothing names it.",
        example="true",
        default=None,
    )
    writes: Writes = key(
        about="The messages that it writes.", example='{format: hl7v2, version: "2.5.1", type: DFT^P03^DFT_P03}'
    )
    source: Literal["Usage", "Item"] = key(
        written="from",
        about="What its postings are about: what was used, or an item of the master data that has changed.",
        example="Usage",
    )
    fields: abc.Mapping[str, OutgoingField] = key(
        about=(
            "The fields of the message, by their paths, in the order of their segments; MSH is the destination's. A "
            "segment of which no field has a value from the posting, and some could, is left out."
        ),
        example="{FT1-10: {field: quantity, required: true}}",
        at_least=1,
    )
