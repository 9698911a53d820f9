"""How a listener or destination is looked at before an engine runs: whether what it needs is there and lets us in.

A probe posts nothing and changes nothing. It is cut off after some seconds, so that it needs no limit of its own.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from twisted.internet.defer import Deferred

    from casecart.runtime.destination import NotDelivered, OutcomeUnknown
    from casecart.workspace import Place

__all__ = ["Probe", "ProbeContext", "Unfit", "folder_takes", "unfit", "unfit_of"]

_NOT_LET_IN: Final = frozenset({"key-refused", "not-permitted", "not-authorised"})
_AWAY: Final = frozenset(
    {"connect-timeout", "connection-refused", "host-unknown", "connection-failed", "connection-lost", "timeout"}
)


@dataclass(frozen=True, slots=True)
class ProbeContext:
    """What a probe is made with."""

    name: str
    settings: Any
    """An instance of the spec's settings class."""
    reactor: Any
    """Twisted's; its zope interfaces say nothing to mypy."""
    root: Path
    """The workspace; relative paths and `{file: …}` secrets are below it."""


Probe: TypeAlias = "Callable[[ProbeContext], Coroutine[Deferred[Any], Any, None]]"
"""Returns where all is well. Raises `Unfit`; `NotDelivered` and `OutcomeUnknown` mean the same by `unfit`."""


class Unfit(Exception):
    """What is needed is not there, or is not as it should be.

    Args:
        code: of a finding: `not-reached`, `not-let-in`, `not-as-expected` or `folder-unusable`.
        words: for the person who must act, without a final full stop and without a secret.
        place: in the configuration, that it is about.
    """

    def __init__(self, code: str, words: str, place: Place) -> None:
        super().__init__(words)
        self.code, self.words, self.place = code, words, place


def unfit(trouble: NotDelivered | OutcomeUnknown, place: Place) -> Unfit:
    """What it means that something could not be sent."""
    return unfit_of(trouble.code, trouble.words, place)


def unfit_of(code: str, words: str, place: Place) -> Unfit:
    """The same of a code and words that a connector gives."""
    kind = "not-let-in" if code in _NOT_LET_IN else "not-reached" if code in _AWAY else "not-as-expected"
    return Unfit(kind, words.rstrip("."), place)


def folder_takes(folder: Path, place: Place) -> None:
    """Raises `Unfit` unless files can be made in a folder: one is, and taken away again.

    Args:
        folder: which; one that isn't there is made when it is needed, and then one above it must take it.
        place: in the configuration, that names it.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there, prefix=".casecart-check-"):
            next(there.iterdir(), None)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise Unfit("folder-unusable", f"no file can be made in {there} ({reason})", place) from None
