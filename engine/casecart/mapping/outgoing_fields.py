"""The fields of a posting that a mapping may write: how each is written, and the few texts that it may have."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RECORDED_AT", "fields_of"]

RECORDED_AT: Final = "recorded_at"
"""When the message came that the posting was made for; of every posting."""

Kind: TypeAlias = Literal["text", "number", "date"]


def fields_of(document: type) -> Mapping[str, tuple[Kind, frozenset[str] | None]]:
    """By name; those of a list's have its name before theirs, as in ``packagings.gtin``."""
    kinds: dict[str, tuple[Kind, frozenset[str] | None]] = {RECORDED_AT: ("date", None)}
    for name, bare in _bare(document):
        if get_origin(bare) is tuple:
            kinds |= {f"{name}.{each}": _kind(of) for each, of in _bare(get_args(bare)[0])}
        elif bare is not bool:  # what the engine itself goes by
            kinds[name] = _kind(bare)
    return kinds


def _bare(document: type) -> list[tuple[str, Any]]:
    """Names and types, without what says that there may be none."""
    return [
        (name, next((each for each in get_args(hint) if each is not NoneType), hint))
        if NoneType in get_args(hint)
        else (name, hint)
        for name, hint in get_type_hints(document).items()
    ]


def _kind(bare: Any) -> tuple[Kind, frozenset[str] | None]:  # noqa: ANN401 - a type
    allowed = frozenset(get_args(bare)) if get_origin(bare) is Literal else None
    return ("number" if bare in (Decimal, int) else "date" if bare is date else "text"), allowed
