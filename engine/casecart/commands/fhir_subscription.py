"""Has a FHIR server notify us, asks it to go on, or ends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from casecart.commands.fhir_change import Changed, Line, ResumeNote, SubscribeNote, UnsubscribeNote
from casecart.commands.fhir_dialect import chosen_dialect
from casecart.commands.fhir_listener import capability_at, leads_here, one_at, subscriptions_at
from casecart.commands.refusal import Refusal
from casecart.formats.fhir.subscribed import Header, headers_of, same_subscription, subscribed
from casecart.formats.fhir.subscription import (
    BadSubscription,
    Wanted,
    asked_again,
    criterion,
    subscriptions,
    switched_off,
)
from casecart.runtime.fhir_server import FhirTrouble
from casecart.workspace.findings import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from casecart.commands.fhir_change import At
    from casecart.commands.fhir_listener import FhirListener, There
    from casecart.formats.fhir import Resource
    from casecart.formats.fhir.notification import Content, Dialect

__all__ = ["Subscribe", "resume", "subscribe", "unsubscribe"]

_MINUTE: Final = 60
_STANDING: Final = {"active": 0, "requested": 1, "error": 2, "off": 3}
_NOT_OFFERED: Final = frozenset({403, 405, 501})
_NOT_THERE: Final = frozenset({404, 410})
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_ID_FORM: Final = 64

_NOT_REACHED: Final = (
    "its handshake was not answered well. Look whether the engine runs; whether the server reaches this address "
    "(name, firewall, proxy); whether it trusts the certificate there; and whether it shows the secret"
)
_RECOVERED: Final = "the engine asks first for what was missed, as soon as the server says how far it has counted"
_SEARCHED: Final = "its events are not counted: what was missed is found when the listener searches next ('every')"
_WAITS: Final = (
    "the server has not posted its handshake yet, or it was not answered: the engine must run for that. "
    "`casecart fhir status` tells when it is active"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """The wish to be notified.

    Attributes:
        endpoint: the address at which the server reaches us.
        topic: canonical; empty: none was named.
        criteria: searches; none: in the classic dialect those of the listener.
        content: how much is to be sent; None: ids, or nothing where the dialect has no ids.
        heartbeat: seconds between signs of life; None: a minute, where the dialect has them; 0: none.
        dialect: None: the one that the server's CapabilityStatement lets expect.
        token: to be shown in place of what the heard peer is configured with. A secret.
        dry_run: look, and change nothing.
    """

    endpoint: str
    topic: str = ""
    criteria: tuple[str, ...] = ()
    content: Content | None = None
    heartbeat: int | None = None
    dialect: Dialect | None = None
    token: str | None = field(default=None, repr=False)
    dry_run: bool = False


async def subscribe(at: At, wish: Subscribe) -> Changed:
    """Has the server notify us; what it does already is left as it is.

    Raises:
        FhirTrouble: the server gives no answer, or won't.
        Refusal: it can't be wanted like this, or the server offers no such thing.
        WorkspaceError: a secret is missing.
    """
    at.desk.permit("see" if wish.dry_run else "operate")
    notes = list(_looked_at(at.listener, wish.endpoint))
    headers = _headers(at.listener, wish.token)
    if not headers and at.listener.expected is not None and not at.listener.expected.otherwise:
        notes.append("Nothing will tell the server's notifications from a stranger's: give the peer a 'token'.")
    capability = await capability_at(at.server, needed=wish.dialect is None)
    dialect, why = await chosen_dialect(at.server, capability, wish.dialect, wish.topic)
    resources = _wanted(at.listener, wish, dialect, headers)
    there = await subscriptions_at(at.server, capability)
    if there is None:
        notes.append("The server doesn't let its subscriptions be searched: whether one is there already isn't known.")
    lines = []
    for resource in resources:
        found = _best(each for each in there or () if same_subscription(each.read, subscribed(resource)))
        if found is not None:
            lines.append(_there(at.listener, found))
        elif wish.dry_run:
            lines.append(Line(id="", about=_about(resource), status="", done="would be created", words=""))
        else:
            at.note(SubscribeNote, endpoint=wish.endpoint, dialect=dialect, about=_about(resource))
            lines.append(await _created(at, resource))
    return Changed(
        listener=at.listener.name,
        server=at.server.base,
        dialect=dialect,
        why=why,
        notes=notes,
        subscriptions=lines,
    )


async def resume(at: At, identifier: str | None, endpoint: str | None, token: str | None = None) -> Changed:
    """Asks the server to make a subscription active again that it has switched off, or that is in error.

    What was missed meanwhile the engine asks for by itself: the handshake tells it how far the server has counted.

    Args:
        at: where.
        identifier: of the subscription; None: the only one that leads here and isn't active.
        endpoint: where it leads. Given, the peer's secret of now is written into it; else that stays as it is there.
        token: to be written in place of what the peer is configured with. A secret.

    Raises:
        FhirTrouble, WorkspaceError: as `subscribe` does.
        Refusal: there is no such one, several are meant, it leads elsewhere, or somebody else changed it just now.
    """
    at.desk.permit("operate")
    there = await _meant(at, identifier, endpoint, active=False)
    headers = _headers(at.listener, token)
    shown = headers_of(there.resource)
    if there.read.status == "active" and (endpoint is None or all(each in shown for each in headers)):
        return _changed(at, there, "there", "it is active: there is nothing to do")
    if endpoint is None and not all(_shown_as_known(at.listener, each, shown) for each in headers):
        words = (
            f"the server doesn't show the secret in Subscription/{there.read.id} as it is configured, and it would be "
            "lost: say by --endpoint where it leads, and the secret is written anew"
        )
        raise Refusal("bad-value", words)
    at.note(ResumeNote, subscription=f"Subscription/{there.read.id}", endpoint=there.read.endpoint)
    await at.change("PUT", there, asked_again(there.resource, headers if endpoint is not None else ()))
    settled = await at.settled(there.read.id)
    told = _SEARCHED if settled.read.dialect == "classic" else _RECOVERED
    return _changed(at, settled, "resumed", told if settled.read.status == "active" else _standing(settled))


async def unsubscribe(at: At, identifier: str | None, endpoint: str | None) -> Changed:
    """Ends a subscription: it is switched off, and deleted where the server lets it be.

    Args:
        at: where.
        identifier: of the subscription; None: the only one that leads here.
        endpoint: where it leads; None: its path decides.

    Raises:
        FhirTrouble: the server gives no answer, or lets it neither be switched off nor deleted.
        Refusal: as of `resume`.
    """
    at.desk.permit("operate")
    there = await _meant(at, identifier, endpoint, active=None)
    at.note(UnsubscribeNote, subscription=f"Subscription/{there.read.id}", endpoint=there.read.endpoint)
    off = there.read.status == "off"
    try:
        if not off:
            await at.change("PUT", there, switched_off(there.resource))
            off = True
    except FhirTrouble as trouble:
        if trouble.status not in _NOT_OFFERED:
            raise
    try:
        # Whatever its version is now: it was switched off just before.
        await at.server.ask("DELETE", f"Subscription/{there.read.id}")
    except FhirTrouble as trouble:
        if off and trouble.status in _NOT_OFFERED:
            return _changed(at, there, "off", "the server doesn't let it be deleted; it sends nothing more")
        if trouble.status not in _NOT_THERE:
            raise
    return _changed(at, there, "deleted", "")


# --- what is wanted


def _looked_at(listener: FhirListener, endpoint: str) -> Iterable[str]:
    """Raises `Refusal` where the server must not be told such an address; gives what to know of it."""
    if listener.expected is None:
        words = (
            f"'{listener.name}' hears nobody: say by 'hears' which peer of a listener of kind http takes the "
            "notifications, such as ehr-http/ehr"
        )
        raise Refusal("bad-value", words)
    try:
        parts = urlsplit(endpoint)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        parts, named = urlsplit(""), False
    if not named or not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint:
        raise Refusal("bad-value", "the endpoint is no address: write it as https://casecart.example:8443/ehr")
    if parts.username is not None or parts.query or parts.fragment:
        raise Refusal("bad-value", "the endpoint is an address without user, query and fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise Refusal("bad-value", "the endpoint begins with https: what is sent there, and its secret, is read else")
    if not leads_here(listener, endpoint, None):
        path = listener.expected.path
        yield f"The peer's own path is {path}: see to it that whoever stands between turns the endpoint's into that."


def _headers(listener: FhirListener, token: str | None) -> tuple[Header, ...]:
    """What a notification is to show, with the newest secrets. Raises `WorkspaceError` and `Refusal`."""
    if token is not None:
        headers = [Header("Authorization", f"Bearer {token}")]
    else:
        expected = listener.expected.headers() if listener.expected is not None else ()
        headers = [Header(name, values[-1]) for name, values in expected]
    if any(not header.value.isascii() or not header.value.isprintable() for header in headers):
        raise Refusal("bad-value", "the secret can't be in a header: it has signs beyond ASCII, or a line end")
    return tuple(headers)


def _wanted(listener: FhirListener, wish: Subscribe, dialect: Dialect, headers: tuple[Header, ...]) -> list[Resource]:
    classic = dialect == "classic"
    searches = wish.criteria or (tuple(listener.searches) if classic else ())
    beat = wish.heartbeat if wish.heartbeat is not None or classic else _MINUTE
    try:
        return subscriptions(
            Wanted(
                dialect=dialect,
                endpoint=wish.endpoint,
                topic=wish.topic,
                criteria=tuple(dict.fromkeys(map(criterion, searches))),
                content=wish.content or ("empty" if classic else "id-only"),
                headers=headers,
                heartbeat=beat or None,
            )
        )
    except BadSubscription as error:
        raise Refusal("bad-value", str(error)) from error


# --- what is there


async def _meant(at: At, identifier: str | None, endpoint: str | None, *, active: bool | None) -> There:
    """The subscription that a person means. Raises `Refusal` where that can't be told, or it leads elsewhere."""
    if identifier is not None:
        told = identifier.removeprefix("Subscription/")
        if not 0 < len(told) <= _ID_FORM or not told.replace("-", "").replace(".", "").isalnum() or not told.isascii():
            raise Refusal("bad-value", "this is no id of a subscription: `casecart fhir status` shows them")
        there = await one_at(at.server, told)
        if not leads_here(at.listener, there.read.endpoint, endpoint):
            words = f"Subscription/{told} leads to another address than this listener's: it is somebody else's"
            raise Refusal("bad-value", words)
        return there
    found = await subscriptions_at(at.server, await capability_at(at.server, needed=False))
    if found is None:
        raise Refusal("bad-value", "the server doesn't let its subscriptions be searched: name the subscription's id")
    ours = [each for each in found if leads_here(at.listener, each.read.endpoint, endpoint)]
    if active is False and len(ours) > 1:
        ours = [each for each in ours if each.read.status != "active"] or ours
    if len(ours) == 1:
        return ours[0]
    if not ours:
        raise Refusal("not-found", f"no subscription there leads to '{at.listener.name}'")
    raise Refusal("ambiguous", f"several lead here: name one of {listed([each.read.id for each in ours])}")


def _best(found: Iterable[There]) -> There | None:
    """Of several for the same the one that works, or is nearest to it."""
    return min(found, key=lambda each: _STANDING.get(each.read.status, len(_STANDING)), default=None)


def _shown_as_known(listener: FhirListener, header: Header, shown: Sequence[Header]) -> bool:
    """Whether what the server says that it shows is one of the peer's secrets, an older one perhaps."""
    known = dict(listener.expected.headers()) if listener.expected is not None else {}
    return any(
        each.value in known.get(header.name, ()) for each in shown if each.name.casefold() == header.name.casefold()
    )


# --- what became of it


async def _created(at: At, resource: Resource) -> Line:
    fetched = await at.server.ask("POST", "Subscription", resource, Prefer="return=representation")
    made = subscribed(fetched.resource) if fetched is not None else None
    if made is None or not made.id:
        words = "the server made it, and didn't say under which id: `casecart fhir status` shows it"
        return Line(id="", about=_about(resource), status="requested", done="created", words=words)
    at.note(SubscribeNote, subscription=f"Subscription/{made.id}", done="created")
    settled = await at.settled(made.id)
    return _line(settled, "created", _standing(settled))


def _there(listener: FhirListener, found: There) -> Line:
    words = _standing(found)
    if found.read.status in {"off", "error"}:
        words = f"it is {found.read.status}: `casecart fhir resume {listener.name} {found.read.id}`"
    return _line(found, "there", words)


def _standing(there: There) -> str:
    read = there.read
    if read.status == "active":
        return ""
    return _WAITS if read.status == "requested" else f"it is {read.status or 'in no known state'}: {_NOT_REACHED}"


def _changed(at: At, there: There, done: str, words: str) -> Changed:
    return Changed(
        listener=at.listener.name,
        server=at.server.base,
        dialect=there.read.dialect,
        why="",
        notes=[],
        subscriptions=[_line(there, done, words)],
    )


def _line(there: There, done: str, words: str) -> Line:
    read = there.read
    status = "" if done == "deleted" else "off" if done == "off" else read.status
    return Line(id=read.id, about=read.topic or "".join(read.criteria[:1]), status=status, done=done, words=words)


def _about(resource: Resource) -> str:
    read = subscribed(resource)
    return read.topic or "".join(read.criteria[:1])
