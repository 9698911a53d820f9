"""One HTTP request: whether it is from somebody who may post here, its body, and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.web.http import Request

from casecart.listeners.http_answer import TAKEN, Answer, Rejected, rejected
from casecart.listeners.http_body import NotUnpacked, is_media_type, is_packed, unpacked
from casecart.runtime.listener import Receipt

if TYPE_CHECKING:
    from casecart.listeners.http_connection import HttpConnection
    from casecart.listeners.http_peer import HttpSender

__all__ = ["SKIPPED", "HttpRequest"]

SKIPPED = 65_536
"""Bytes of a body that are let go by for the sake of the connection, when it is known that it is not taken."""


class HttpRequest(Request):
    """One request.

    Attributes:
        sender: whose address it names; None: nobody's.
        problem: why it is not taken, told when its body has gone by.
    """

    channel: HttpConnection
    sender: HttpSender
    problem: Answer | None = None
    source: str
    rest: bytes
    content_type: str

    def __init__(self, channel: HttpConnection, queued: object = False) -> None:  # noqa: FBT002 - the signature is Twisted's
        super().__init__(channel, queued)
        self.source = channel.source
        self.known = False
        self.answered = False
        self._encoding = ""
        self._parts: list[bytes] = []
        self.size = 0

    # --- what Twisted calls
    def gotLength(self, length: int | None) -> None:  # noqa: N802 - the name is Twisted's
        """The header is there; the body has this length, None: any."""

    def parseCookies(self) -> None:  # noqa: N802 - the name is Twisted's
        """Nobody wants any."""

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - the name is Twisted's
        """Some of the body."""
        self.size += len(data)
        if self.problem is not None:
            if self.size > SKIPPED:
                self.channel.refuse(self.problem)
        elif self.size > self.channel.owner.maximum_body:
            self.channel.refuse(rejected("too-large").answer)
        else:
            self._parts.append(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802 - the name is Twisted's
        """All of it is there."""
        self.method, self.uri, self.clientproto = command, path, version
        channel, parts = self.channel, self._parts
        if self.answered:
            return
        if self.problem is not None:
            channel.answer(self, self.problem)
            return
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts = []
        try:
            channel.take(self, self._unpacked(body))
        except Rejected as refused:
            self.problem = refused.answer
            owner, code = channel.owner, refused.answer.code
            owner.intake.take(owner.reception.refused(body, self.source, "http/1.1", code, self.settled))
        except Exception as fault:  # noqa: BLE001 - whatever it is, others go on
            channel.owner.failed(fault)
            channel.answer(self, rejected("failed").answer)

    # --- before its body
    def look(self, target: bytes, method: bytes, length: int | None) -> None:
        """Whether it is from somebody who may post here, and announces something that is taken.

        Raises:
            Rejected: neither.
        """
        channel = self.channel
        headers = {name.lower(): b", ".join(values) for name, values in self.requestHeaders.getAllRawHeaders()}
        self.sender, self.rest = channel.owner.senders.at(target)
        if self.sender not in channel.allowed:
            raise rejected("not-allowed")
        if not self.sender.known_by(headers):
            raise rejected("no-credentials")
        self.known = True
        if method not in {b"POST", b"PUT"}:
            raise rejected("method")
        self.content_type = headers.get(b"content-type", b"").decode("latin-1")
        self._encoding = headers.get(b"content-encoding", b"").decode("latin-1")
        self._announced(length, chunked=b"transfer-encoding" in headers, told=b"content-length" in headers)
        if headers.get(b"expect", b"100-continue").lower() != b"100-continue":
            raise rejected("expectation")
        if not channel.owner.intake.open:
            raise rejected("not-stored")

    def _announced(self, length: int | None, *, chunked: bool, told: bool) -> None:
        if self.content_type and not is_media_type(self.content_type, self.sender.format):
            raise rejected("media-type")
        if not chunked and not told and self.content_type:
            raise rejected("no-length")
        if is_packed(self._encoding) is None:
            raise rejected("content-encoding")
        if length is not None and length > self.channel.owner.maximum_body:
            raise rejected("too-large")

    def _unpacked(self, body: bytes) -> bytes:
        if not is_packed(self._encoding):
            return body
        try:
            return unpacked(body, self._encoding, self.channel.owner.maximum_body)
        except NotUnpacked as trouble:
            raise rejected("too-large" if trouble.large else "bad-encoding") from None

    # --- what becomes of it
    def settled(self, receipt: Receipt) -> None:
        """Answer, now that it is known whether it is stored."""
        if receipt is Receipt.NOT_STORED:
            self.tell(rejected("not-stored").answer)
        else:
            self.tell(self.problem or TAKEN)

    def tell(self, answer: Answer) -> None:
        """Answer, unless its connection is gone or its time was up."""
        channel: HttpConnection | None = self.channel if hasattr(self, "channel") else None
        if channel is not None and not self.answered:
            channel.answer(self, answer)
