"""What a person's commands must know of listeners that read at a FHIR server, and of those that take its notifications.

The kinds of listeners give it of their settings (`ListenerSpec.reads`, `ListenerSpec.expects`): no command knows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from casecart.runtime.fhir_server import FhirServer

__all__ = ["Expected", "FhirReading"]


class FhirReading(NamedTuple):
    """What a listener reads, and where."""

    make: Callable[[Any, Callable[[], int], Path], FhirServer]
    """Makes what asks the server, with a reactor, the wall clock (µs since 1970) and the workspace. Raises
    `WorkspaceError` where a secret is missing."""
    searches: tuple[str, ...]
    """As configured."""


class Expected(NamedTuple):
    """How a peer of a listener is expected to post."""

    path: str
    """Of the address, such as `/ehr`, as the listener sees it."""
    headers: Callable[[], Sequence[tuple[str, Sequence[str]]]]
    """Names, such as `Authorization`, and what each may say, the newest last; all of them must be shown. Secrets.
    Raises `WorkspaceError` where one is missing."""
    otherwise: bool
    """Whether it is told by something else as well: a certificate or its network."""
