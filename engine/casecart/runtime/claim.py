"""Which messages a channel takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casecart.workspace import Channel

__all__ = ["Claim"]


class Claim:
    """What a channel's declaration says of listeners, peers and message types."""

    def __init__(self, declaration: Channel) -> None:
        self._listeners = frozenset(map(str, declaration.sources))
        self._peers = frozenset(map(str, declaration.peers))
        self._accept = frozenset(map(str, declaration.accept))

    def accepts(self, listener: str, peer: str, message_type: str) -> bool:
        """Whether messages of this type, such as ``DFT^P03``, are the channel's, when they come from there."""
        if listener not in self._listeners or (self._peers and peer not in self._peers):
            return False
        return message_type in self._accept or message_type.partition("^")[0] + "^*" in self._accept
