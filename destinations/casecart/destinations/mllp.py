"""Postings as HL7 v2 messages over MLLP, one message a posting, each acknowledged before the next of its connection.

What a message says is a mapping's business (`mapping`); MSH is made here. MSH-10 is made from the posting's key and
from nothing else: a message that is sent again has the same one, and the same bytes, unless the mapping or the settings
are others by then.

Delivery: `blind`, at least once. Between two systems HL7 v2 has no way to ask whether a message has arrived, so no
look-up is offered. A message of which no acknowledgement came is sent again. `keyed`, exactly once, is for a receiver
that keeps control ids, does nothing for one that it has had, and acknowledges it again. A message that could not be
written to a connection was surely not taken; after the first byte the outcome is unknown until it is acknowledged.
"""

from __future__ import annotations

import logging
from base64 import b32encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory

from casecart.destinations.mllp_link import MllpLink, NoReply
from casecart.destinations.mllp_settings import MllpSettings
from casecart.destinations.mllp_writing import MllpWriting
from casecart.runtime.connecting import LONGEST_CONNECT, not_delivered, plain
from casecart.runtime.destination import (
    Answer,
    Delivery,
    DestinationContext,
    DestinationSpec,
    NotDelivered,
    NotWritten,
    OutcomeUnknown,
    Preview,
)
from casecart.runtime.encrypted import encrypted_client
from casecart.runtime.handshake import HandshakeFailed
from casecart.runtime.probe import unfit
from casecart.runtime.renewal import Renewal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from casecart.formats.hl7v2 import Reply
    from casecart.runtime.destination import Destination, Posting
    from casecart.runtime.probe import ProbeContext

__all__ = ["SPEC", "MllpDestination", "MllpSettings", "control_id_of"]

log = logging.getLogger(__name__)

_CONTROL_ID: Final = 20
"""Characters of a control id: the most that MSH-10 may have before 2.7."""


def control_id_of(posting: str) -> str:
    """MSH-10 of the message for a posting, by its key: 20 letters and digits, the same whenever it is sent."""
    digest = blake2b(posting.encode(), digest_size=13, person=b"control id").digest()
    return b32encode(digest).decode("ascii")[:_CONTROL_ID]


def _make(context: DestinationContext) -> Destination:
    return MllpDestination(context)


def _preview(context: DestinationContext, postings: Sequence[Posting]) -> Deferred[Sequence[Preview]]:
    return Deferred.fromCoroutine(_previews(context, postings))


async def _previews(context: DestinationContext, postings: Sequence[Posting]) -> Sequence[Preview]:
    settings, writing, found = cast("MllpSettings", context.settings), MllpWriting(context), []
    to = f"mllp://{settings.host}:{settings.port}"
    for posting in postings:
        try:
            found.append(Preview([posting.key], to, await writing.message(posting, control_id_of(posting.key))))
        except NotWritten as why:
            found.append(Preview([posting.key], to, b"", why.words, why.code))
    return found


async def _probe(context: ProbeContext) -> None:
    """The receiver can be connected to, and is who it should be."""
    destination = MllpDestination(
        DestinationContext(context.name, context.settings, reactor=context.reactor, root=context.root)
    )
    try:
        await destination.reach()
    except NotDelivered as trouble:
        raise unfit(trouble, context.settings.at("host")) from trouble
    finally:
        await destination.stop()


SPEC: Final = DestinationSpec(
    kind="mllp",
    about="Sends postings as HL7 v2 messages over MLLP.",
    settings=MllpSettings,
    make=_make,
    takes=("consumption", "charge", "item"),
    preview=_preview,
    probe=_probe,
)

_REFUSED: Final[Mapping[str, Literal["hold", "reject", "retry"]]] = {
    "AE": "hold",
    "AR": "retry",
    "CE": "retry",
    "CR": "hold",
}
# Of a handshake: nobody answered, which is as little as a connection that is refused.
_MAY_PASS: Final = frozenset({"tls-cut", "tls-silent"})
_STATES: Final[Mapping[str, Literal["held", "rejected", "retry"]]] = {
    "hold": "held",
    "reject": "rejected",
    "retry": "retry",
}


class MllpDestination:
    """One receiver."""

    def __init__(self, context: DestinationContext) -> None:
        settings = cast("MllpSettings", context.settings)
        self.delivery = Delivery(settings.delivery)
        self._settings, self._reactor, self._writing = settings, context.reactor, MllpWriting(context)
        self._refused = {**_REFUSED, **settings.refused}
        self._renewal = None if settings.tls is None else Renewal(settings.tls, context.root)
        self._name = context.name
        self._links: set[MllpLink] = set()
        self._free: list[MllpLink] = []

    def post(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Send one message: `batch` is 1."""
        (posting,) = postings
        return Deferred.fromCoroutine(self._post(posting))

    def look_up(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Never called: it can't be asked."""
        return succeed([Answer("unknown") for _ in postings])

    @property
    def certificate_ends(self) -> int | None:
        """When the certificate that it shows ends, seconds since 1970; None where it shows none."""
        return None if self._renewal is None else self._renewal.ends

    async def reach(self) -> None:
        """Connect. Raises `NotDelivered`."""
        await self._connected()

    def stop(self) -> Deferred[None]:
        """Close the connections."""
        for link in list(self._links):
            link.close()
        return succeed(None)

    async def _post(self, posting: Posting) -> Sequence[Answer]:
        control_id = control_id_of(posting.key)
        # First a connection: as long as there is none, nothing is disclosed, and nothing to be said of it.
        link, spent = await self._link_within(0.0)
        try:
            message = await self._writing.message(posting, control_id)
        except NotWritten as why:
            self._keep(link)
            return [Answer("held", code=why.code, words=why.words)]
        except BaseException:
            self._keep(link)
            raise
        if not link.alive:  # it was closed meanwhile
            link.close()
            link, spent = await self._link_within(spent)
        try:
            reply = await link.send(
                message,
                control_id.encode("ascii"),
                accept_only=self._settings.acknowledgement == "accept",
                within=max(0.1, self._settings.timeout - spent),
            )
        except NoReply as why:
            return self._unanswered(why, control_id)
        return [self._answered(link, reply, control_id)]

    async def _link_within(self, spent: float) -> tuple[MllpLink, float]:
        """A connection, and the seconds that were spent on connecting. Raises `NotDelivered`."""
        began = self._reactor.seconds()
        link = await self._link()
        return link, spent + self._reactor.seconds() - began

    def _keep(self, link: MllpLink) -> None:
        """It has nothing under way: the next message may have it."""
        self._free.append(link)
        link.rest(self._settings.idle_timeout)

    async def _link(self) -> MllpLink:
        """A connection with nothing under way. Raises `NotDelivered`."""
        while self._free:
            link = self._free.pop()
            if link.alive:
                return link
            link.close()
        return await self._connected()

    async def _connected(self) -> MllpLink:
        settings = self._settings
        endpoint = plain(self._reactor, str(settings.host), settings.port, min(settings.timeout, LONGEST_CONNECT))
        link = MllpLink(self._reactor, self._gone)
        protocol = self._protocol(link)
        attempt = endpoint.connect(Factory.forProtocol(lambda: protocol))
        limit = self._reactor.callLater(settings.timeout, attempt.cancel)
        try:
            await attempt
            if not link.usable:  # the handshake is under way
                limit.cancel()
                limit = self._reactor.callLater(settings.timeout, protocol.transport.abortConnection)
                await link.ready
        except HandshakeFailed as failed:
            words = f"No TLS connection to the receiver could be made: {failed.words}."
            raise NotDelivered(failed.code, words, permanent=failed.code not in _MAY_PASS) from failed
        except Exception as error:
            raise not_delivered(error, late=not limit.active()) from error
        finally:
            if limit.active():
                limit.cancel()
        self._links.add(link)
        return link

    def _protocol(self, link: MllpLink) -> Any:  # noqa: ANN401 - a protocol; Twisted says that its transport may be None
        tls, renewal = self._settings.tls, self._renewal
        if tls is None or renewal is None:
            return link
        if (said := renewal.look()) is not None:
            log.warning("destination %s: %s", self._name, said)
        return encrypted_client(tls, renewal.context, str(self._settings.host), link, link.ready.errback)

    def _gone(self, link: MllpLink) -> None:
        self._links.discard(link)
        if link in self._free:
            self._free.remove(link)

    # --- what came of it
    def _answered(self, link: MllpLink, reply: Reply, control_id: str) -> Answer:
        if reply.accepted and not reply.unsuccessful:
            self._keep(link)
            return Answer("posted", "handed over" if reply.code == "CA" else "acknowledged", control_id)
        # Should it acknowledge this once more, it must not be taken for the answer to the next attempt.
        link.close()
        code = "receiver-record" if reply.accepted else f"receiver-{reply.code.lower()}"
        state = _STATES[self._refused["AE" if reply.accepted else reply.code]]
        return Answer(state, reference=control_id, code=code, words=_told_of(reply))

    def _unanswered(self, why: NoReply, control_id: str) -> Sequence[Answer]:
        if why.refused:
            raise NotDelivered(why.code, str(why)) from why
        if why.accepted and self.delivery is Delivery.BLIND:
            # It has it for sure: to send it again would surely double it.
            words = f"{why} Ask there whether it was processed: sent again it might be there twice."
            return [Answer("held", reference=control_id, code="accepted-only", words=words, unsure=True)]
        raise OutcomeUnknown(why.code, str(why)) from why


def _told_of(reply: Reply) -> str:
    """A negative acknowledgement in words, none of which are the receiver's."""
    errors = [
        f"{error.error_code} {error.words}{f' at {error.place}' if error.place else ''}" for error in reply.errors
    ]
    named = "; ".join(dict.fromkeys(errors[:3]))
    told = f" ({named})" if named else ", and named no error"
    if reply.accepted:
        return f"The receiver answered {reply.code}, but says that the record was not taken (MFA-4){told}."
    return f"The receiver answered {reply.code}{told}."
