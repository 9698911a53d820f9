"""What may be told of a fault of the engine: its kind and its place, never its text, which may quote a message."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casecart.rules import Trouble

__all__ = ["NotWorkable", "told"]


class NotWorkable(Exception):
    """A message can't be worked, and it is not the engine's fault; `trouble` says to a person why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.code)
        self.trouble = trouble


def told(fault: BaseException | None) -> str:
    """Such as ``KeyError in effect.py:91``."""
    where = fault.__traceback__ if fault is not None else None
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    if where is None:
        return type(fault).__name__
    return f"{type(fault).__name__} in {PurePath(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno}"
