"""The step of a channel that brings master data in."""

from __future__ import annotations

from casecart.workspace.declaration import NAME, Declared, declared, key
from casecart.workspace.text import Text

__all__ = ["Bring", "BringStep"]


@declared(name="bring", about="Whose word the messages are, and what is made of them.")
class Bring(Declared):
    """Whose word the messages are, and what is made of them."""

    source: Text = key(
        about="The system that says all this, by config/ownership.yaml. What another one owns becomes an exception.",
        example="erp",
        pattern=NAME,
        form="a word such as erp",
    )
    mappings: tuple[Text, ...] = key(
        about="The mappings that make lines of tables, such as `makes: items`; of one message all of them, or none.",
        example="[mfn-items, mfn-identifiers]",
        scalar=True,
        names="mapping",
        at_least=1,
    )


@declared(name="bring", about="The one step of a channel whose messages are master data.")
class BringStep(Declared):
    """The one step of a channel whose messages are master data."""

    bring: Bring = key(
        about="They become items, suppliers and their numbers, by the way that `casecart master import` takes.",
        example="{source: erp, mappings: [mfn-items]}",
    )
