"""The step of a channel that tells a destination of items of the master data."""

from __future__ import annotations

from casecart.workspace.declaration import Declared, declared, key
from casecart.workspace.scalar import Expression
from casecart.workspace.text import Text

__all__ = ["Send", "SendStep"]


@declared(name="send", about="Who is told of an item that has changed.", shorthand="to")
class Send(Declared):
    """Who is told of an item that has changed."""

    to: Text = key(
        about="The destination, by its name in the configuration; its mapping writes `from: Item`.",
        example="ehr-items",
        names="destination",
    )
    when: Expression | None = key(
        about=(
            "Only items for which this is true are told; without it, all. One that was told before is told on, so that "
            "nobody keeps an old state of it."
        ),
        example="\"item.supplier == 'EXAMPLE-ORTHO'\"",
        default=None,
    )


@declared(name="send", about="The one step of a channel whose messages are changes of items.")
class SendStep(Declared):
    """The one step of a channel whose messages are changes of items, of a listener of kind `item-changes`."""

    send: Send = key(
        about="Each becomes one posting: the item is added, updated or deleted there.", example="{to: ehr-items}"
    )
