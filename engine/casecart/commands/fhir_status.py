"""What a FHIR server is and offers, and how the subscriptions stand by which it notifies us."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from casecart.commands.desk import Query
from casecart.commands.fhir_listener import capability_at, leads_here, subscriptions_at
from casecart.commands.moment import moment
from casecart.formats.fhir.notification import BadNotification, notification_of
from casecart.formats.fhir.subscription import BadSubscription, criterion
from casecart.runtime.fhir_server import FhirTrouble
from casecart.runtime.marks import FHIR, FHIR_EVENTS, FHIR_TROUBLE, subscription_mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from casecart.commands.desk import View
    from casecart.commands.fhir_listener import FhirListener, There
    from casecart.formats.fhir.capability import Capability
    from casecart.formats.fhir.notification import Notification
    from casecart.runtime.fhir_server import FhirServer
    from casecart.store import Cursor

__all__ = ["FhirStatus", "ShowCursors", "SubscriptionView", "fhir_status", "topics_of"]

_MOST_TOPICS = 100
_LONGEST = 300
"""Characters of what a server says in its own words."""


class SubscriptionView(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription that leads to us."""

    id: str
    status: str
    """By `$status` where it has that, else by itself; empty: not said."""
    dialect: str
    endpoint: str
    topic: str
    criteria: list[str]
    content: str
    heartbeat: int | None
    """Seconds between signs of life that it promises."""
    end: str
    """When the server ends it."""
    error: str
    """In the server's own words, or its codes."""
    counted: int | None
    """Events that the server has counted; None: it doesn't count, or doesn't say."""
    here: int | None
    """Up to which number all events are here; None: it is not known."""
    last_sign: datetime | None
    """When it was last heard of."""


class FhirStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a listener's server stands."""

    listener: str
    server: str
    configured: str
    """The version of FHIR that the configuration says."""
    version: str
    """That the server says; empty: none."""
    dialects: list[str]
    """In which it lets a subscription be asked for."""
    topics: list[str]
    security: list[str]
    hears: str | None
    """The listener and its peer that take its notifications."""
    searchable: bool
    """Whether the server lets its subscriptions be searched; else it is not known which there are."""
    subscriptions: list[SubscriptionView]
    trouble: list[str]
    """What is wrong, each with what to do."""


@dataclass(frozen=True, slots=True)
class ShowCursors(Query["Sequence[Cursor]"]):
    """How far the engine is, in all that it follows."""

    def answer(self, view: View) -> Sequence[Cursor]:
        """As the store has it."""
        return view.store.cursors()


async def fhir_status(
    server: FhirServer, listener: FhirListener, cursors: Iterable[Cursor], endpoint: str | None = None
) -> FhirStatus:
    """Asks the server; nothing is changed there or here.

    Args:
        server: the listener's.
        listener: which.
        cursors: what the engine keeps of how far it is.
        endpoint: the address at which the server reaches us; None: any with the path of the peer.

    Raises:
        FhirTrouble: it gives no answer.
        Refusal: it is no FHIR server.
    """
    capability = await capability_at(server)
    there = await subscriptions_at(server, capability)
    known = {cursor.name: cursor for cursor in cursors}
    ours = [each for each in there or () if leads_here(listener, each.read.endpoint, endpoint)]
    views = [await _view(server, listener, each, known) for each in ours]
    trouble = [
        *_of_server(server, listener, capability),
        *_of_engine(known.get(f"{FHIR}{listener.name}:{FHIR_TROUBLE}")),
        *_of_subscriptions(listener, there, views),
    ]
    return FhirStatus(
        listener=listener.name,
        server=server.base,
        configured=server.version,
        version=capability.version,
        dialects=list(capability.dialects),
        topics=await topics_of(server, capability),
        security=list(capability.security),
        hears="/".join(listener.hears) if listener.hears is not None else None,
        searchable=there is not None,
        subscriptions=views,
        trouble=trouble,
    )


async def topics_of(server: FhirServer, capability: Capability) -> list[str]:
    """Canonicals of the topics that the server offers, as far as it tells them in one way or the other."""
    found = dict.fromkeys(capability.topics)
    if "SubscriptionTopic" in capability.offers:
        try:
            async for page in server.search("SubscriptionTopic"):
                found.update(dict.fromkeys(_topics(page.resource.get("entry"))))
                if len(found) >= _MOST_TOPICS:
                    break
        except FhirTrouble:  # it names topics of which it lets nobody see more
            pass
    return list(found)[:_MOST_TOPICS]


def _topics(entries: Any) -> Iterable[str]:  # noqa: ANN401 - any JSON
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and resource.get("resourceType") == "SubscriptionTopic":
            url = resource.get("url")
            if isinstance(url, str) and 0 < len(url) <= _LONGEST and url.isprintable():
                yield url


async def _view(
    server: FhirServer, listener: FhirListener, there: There, known: Mapping[str, Cursor]
) -> SubscriptionView:
    read = there.read
    told = await _asked(server, there) if read.dialect != "classic" else None
    reference = f"Subscription/{read.id}"
    signs = _signs(listener, reference, known)
    come = known.get(f"{FHIR}{listener.name}:{FHIR_EVENTS}{reference}")
    codes = ", ".join(told.errors) if told is not None else ""
    return SubscriptionView(
        id=read.id,
        status=(told.status if told is not None else "") or read.status,
        dialect=read.dialect,
        endpoint=read.endpoint,
        topic=read.topic,
        criteria=list(read.criteria),
        content=read.content,
        heartbeat=read.heartbeat,
        end=read.end,
        error=(codes or read.error)[:_LONGEST],
        counted=told.counted if told is not None else None,
        here=come.position if come is not None and come.position >= 0 else None,
        last_sign=moment(max(signs)) if signs else None,
    )


def _signs(listener: FhirListener, reference: str, known: Mapping[str, Cursor]) -> list[int]:
    """When a subscription was heard of: its last handshake, and any other sign of life."""
    if listener.hears is None:
        return []
    names = [subscription_mark(*listener.hears, reference, handshake=handshake) for handshake in (True, False)]
    return [known[name].position for name in names if name in known]


async def _asked(server: FhirServer, there: There) -> Notification | None:
    """What `$status` says; None: it isn't there, or says nothing that can be read."""
    try:
        fetched = await server.ask("GET", f"Subscription/{there.read.id}/$status")
        return None if fetched is None else notification_of(fetched.resource)
    except (FhirTrouble, BadNotification):
        return None


def _of_server(server: FhirServer, listener: FhirListener, capability: Capability) -> Iterable[str]:
    if capability.version and capability.version.split(".")[:2] != server.version.split(".")[:2]:
        yield (
            f"the server speaks FHIR {capability.version}, and its configuration says {server.version}: mend 'version'"
        )
    for search in listener.searches:
        try:
            kind = criterion(search).partition("?")[0]
        except BadSubscription:  # the configuration's own check tells it
            continue
        if capability.does(kind, "search-type") is False:
            yield f"the server says that it has no search for {kind}, which '{listener.name}' is to make"


def _of_engine(mark: Cursor | None) -> Iterable[str]:
    """What the engine noted of its own questions to the server."""
    if mark is not None and mark.position > 0:
        answered = f" (HTTP {mark.epoch})" if mark.epoch else ""
        since = f"{moment(mark.position):%Y-%m-%d %H:%M:%S} UTC"
        yield f"the engine gets no answer that helps since {since}{answered}: its log says more"


def _of_subscriptions(
    listener: FhirListener, there: Sequence[There] | None, views: Sequence[SubscriptionView]
) -> Iterable[str]:
    if listener.hears is None:
        return
    if there is None:
        yield "the server does not let its subscriptions be searched: which there are is not known"
    elif not views:
        path = listener.expected.path if listener.expected is not None else "/"
        yield f"no subscription leads to an address that ends in {path}: `casecart fhir subscribe {listener.name}`"
    for each in views:
        yield from _of_one(listener.name, each)


def _of_one(name: str, view: SubscriptionView) -> Iterable[str]:
    if view.status == "requested":
        yield f"{view.id} waits for its handshake: the server has not reached {view.endpoint} yet"
    elif view.status != "active":
        state = f"is {view.status}" if view.status else "does not say how it is"
        yield f"{view.id} {state}: find out why, then `casecart fhir resume {name} {view.id}`"
    if view.counted is not None and view.here is not None and view.counted > view.here:
        missing = view.counted - view.here
        yield (
            f"of {view.id} {missing:,} event{'' if missing == 1 else 's'} of {view.counted:,} "
            f"{'is' if missing == 1 else 'are'} not here yet: a running engine asks for what is missing"
        )
