"""As what a body would come in that a peer posts: by the same code that takes it, without a connection or a secret."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

from casecart.listeners.http_answer import TAKEN, Rejected
from casecart.listeners.http_peer import HttpSender
from casecart.listeners.http_reception import Sign
from casecart.listeners.received import TRIED
from casecart.runtime.listener import Received

if TYPE_CHECKING:
    from casecart.listeners.http_reception import HttpReception
    from casecart.listeners.http_settings import HttpSettings
    from casecart.runtime.listener import ListenerContext, Receipt

__all__ = ["posted"]

_SIGN = "a sign of life of a subscription: it is noted, and is no message"


class _Posted:
    """A request that nobody made."""

    source, rest, content_type = TRIED, b"", ""

    def __init__(self, sender: HttpSender) -> None:
        self.sender = sender

    def settled(self, receipt: Receipt) -> None:
        """Nobody waits."""


def posted(context: ListenerContext, reception: HttpReception, body: bytes, peer: str) -> Received:
    """A body, as the peer's; where none is named, or there is none of the name, as the first one's."""
    peers = {str(name): each for name, each in cast("HttpSettings", context.settings).peers.items()}
    name = peer if peer in peers else next(iter(peers))
    # How it shows who it is needs secrets, which who tries a message may not have.
    sender = HttpSender(name, dataclasses.replace(peers[name], token=(), header=None), context.root, {})
    request = _Posted(sender)
    try:
        taken = reception.taken(request, body)
    except Rejected as why:
        status = str(why.answer.status)
        refused = reception.refused(body, TRIED, sender.format, why.answer.code, request.settled)
        return Received(refused, str(why), lambda _: status)
    if isinstance(taken, Sign):
        return Received(reception.refused(body, TRIED, sender.format, "sign-of-life", request.settled), _SIGN, _taken)
    return Received(taken, "", _taken)


def _taken(_: Receipt) -> str:
    return str(TAKEN.status)
