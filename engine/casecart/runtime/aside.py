"""Why a message is put aside: it can't be worked, or the engine failed on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.rules import Trouble
from casecart.runtime.fault import NotWorkable, told
from casecart.store import Damaged, DamagedBody

if TYPE_CHECKING:
    from casecart.store import Message

__all__ = ["why_aside"]


def why_aside(message: Message, fault: Exception) -> Trouble:
    """For a person."""
    if isinstance(fault, NotWorkable):
        return fault.trouble
    if isinstance(fault, Damaged):
        code = "body-damaged" if isinstance(message.body, DamagedBody) else "record-damaged"
        words = f"{fault}. It was put aside unread: ask its sender for it again, or bring the store back from a backup."
        return Trouble(code, "", words, "")
    return Trouble("engine-fault", "", f"The engine failed on this message ({told(fault)}); it was put aside.", "")
