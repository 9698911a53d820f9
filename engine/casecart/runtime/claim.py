"""Which messages a channel takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from casecart.workspace import Channel

__all__ = ["Claim"]

BUNDLE: Final = "Bundle"


class Claim:
    """What a channel's declaration says of listeners, peers and message types."""

    def __init__(self, declaration: Channel) -> None:
        self._listeners = frozenset(map(str, declaration.sources))
        self._peers = frozenset(map(str, declaration.peers))
        self._accept = frozenset(map(str, declaration.accept))
        self._resources = frozenset(each for each in self._accept if "^" not in each)

    def accepts(self, listener: str, peer: str, message_type: str) -> bool:
        """Whether messages of this type, such as ``DFT^P03``, are the channel's, when they come from there.

        A bundle may be, where the channel takes any FHIR resources: what is in it tells (`wants`).
        """
        if listener not in self._listeners or (self._peers and peer not in self._peers):
            return False
        if message_type == BUNDLE:
            return bool(self._resources)
        return message_type in self._accept or message_type.partition("^")[0] + "^*" in self._accept

    def wants(self, types: Collection[str]) -> bool:
        """Whether a FHIR message with resources of these types has any for the channel."""
        return BUNDLE in self._resources or not self._resources.isdisjoint(types)
