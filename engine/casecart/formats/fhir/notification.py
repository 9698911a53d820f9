"""What a subscription tells: the three dialects read into one form, recognised by what came and never assumed.

*Classic* R4 sends an empty body or the resource, without any envelope. The *Backport* to R4 and R4B sends a bundle of
type `history` that begins with Parameters (R4) or SubscriptionStatus (R4B); *R5* one of type
`subscription-notification`. Numbers of events are 64-bit: they come as strings, and as numbers all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["BadNotification", "Content", "Dialect", "Event", "Kind", "Notification", "classic", "notification_of"]

Dialect: TypeAlias = Literal["classic", "backport", "R5"]
Kind: TypeAlias = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]
Content: TypeAlias = Literal["empty", "id-only", "full-resource"]

_KINDS: Final = frozenset({"handshake", "heartbeat", "event-notification", "query-status", "query-event"})
_BUNDLES: Final = frozenset({"history", "subscription-notification", "searchset", "collection"})
"""Types of bundles that begin with a status: two of notifications, and what servers answer `$status` with."""
_MOST_DIGITS: Final = 19
_HIGHEST: Final = 2**63 - 1
_MOST_EVENTS: Final = 10_000
"""Of one notification; a server sends no more than `maxCount`, which is a few."""


class BadNotification(Exception):
    """It begins as a notification does, and can't be read as one.

    Attributes:
        place: of what is wrong, as a FHIRPath from the resource on.
        words: what is wrong, without anything of the content.
    """

    def __init__(self, place: str, words: str) -> None:
        super().__init__(f"{place}: {words}")
        self.place, self.words = place, words


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at the server.

    Attributes:
        number: within the subscription; None in the classic dialect, which counts nothing.
        focus: the reference to what it happened to, as sent; empty: the server doesn't say.
        timestamp: when, as sent; may be empty.
        context: references to what else belongs to it.
    """

    number: int | None
    focus: str = ""
    timestamp: str = ""
    context: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification.

    Attributes:
        dialect: whose form it has.
        version: of FHIR as far as the form tells it, as `4.0.1`; empty in the classic dialect.
        kind: why it was sent.
        subscription: the reference, as sent. Empty in the classic dialect, and never to be followed elsewhere.
        topic: canonical; may be empty.
        status: of the subscription: `requested`, `active`, `error`, `off`; may be empty.
        counted: how many events there were since the subscription began; None where it isn't said.
        events: what happened, in the order of the notification.
        resources: what the bundle brings, or the resource itself; what is named without being there is left out.
        removed: requests' addresses (`Procedure/1`) of what was deleted.
        errors: codes of the subscription's errors.
    """

    dialect: Dialect
    version: str
    kind: Kind
    subscription: str = ""
    topic: str = ""
    status: str = ""
    counted: int | None = None
    events: tuple[Event, ...] = ()
    resources: tuple[dict[str, Any], ...] = ()
    removed: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def numbers(self) -> list[int]:
        """Of its events, in ascending order, each once."""
        return sorted({event.number for event in self.events if event.number is not None})

    @property
    def content(self) -> Content:
        """How much it tells."""
        if self.resources:
            return "full-resource"
        return "id-only" if any(event.focus for event in self.events) else "empty"

    @property
    def asks_to_look(self) -> bool:
        """Whether something happened of which it doesn't say what it happened to."""
        told = self.resources or self.removed
        return self.kind in {"event-notification", "query-event"} and not told and self.content == "empty"


def classic(resource: dict[str, Any] | None) -> Notification:
    """What a classic R4 subscription sends: the resource, or an empty body (None), which says: go and look."""
    focus = ""
    if resource is not None and isinstance(resource.get("id"), str):
        focus = f"{resource.get('resourceType', '')}/{resource['id']}"
    resources = () if resource is None else (resource,)
    return Notification("classic", "", "event-notification", events=(Event(None, focus),), resources=resources)


def notification_of(resource: Mapping[str, Any]) -> Notification | None:
    """What a resource tells as a notification of the Backport or of R5; None if it is something else.

    Also what a server answers `$status` and `$events` with is one, as a bundle or without.

    Raises:
        BadNotification: it is one, and can't be read.
    """
    place, status = "", resource
    rest: list[Any] = []
    if resource.get("resourceType") == "Bundle":
        if _text(resource.get("type")) not in _BUNDLES:
            return None
        entries = resource.get("entry")
        first = entries[0] if isinstance(entries, list) and entries else None
        inner = first.get("resource") if isinstance(first, dict) else None
        if isinstance(entries, list) and isinstance(inner, dict):
            place, status, rest = "Bundle.entry[0].resource", inner, entries[1:]
        elif resource.get("type") == "subscription-notification":
            raise BadNotification("Bundle.entry[0]", "a notification begins with a SubscriptionStatus")
    version = "5.0.0" if resource.get("type") == "subscription-notification" else ""
    if status.get("resourceType") == "SubscriptionStatus":
        made = _of_status(status, place or "SubscriptionStatus")
        version = version or "4.3.0"
    elif status.get("resourceType") == "Parameters" and _is_status(status):
        made = _of_parameters(status, place or "Parameters")
        version = "4.0.1"
    elif version:
        raise BadNotification("Bundle.entry[0]", "a notification begins with a SubscriptionStatus")
    else:
        return None
    made["resources"], made["removed"] = _brought(rest)
    return Notification("R5" if version == "5.0.0" else "backport", version, **made)


# --- told by a SubscriptionStatus, as in R4B and R5


def _of_status(status: Mapping[str, Any], place: str) -> dict[str, Any]:
    told = _listed(status, "notificationEvent", place)
    return {
        "kind": _kind(status.get("type"), f"{place}.type"),
        "subscription": _reference(status.get("subscription")),
        "topic": _text(status.get("topic")),
        "status": _text(status.get("status")),
        "counted": _number(status.get("eventsSinceSubscriptionStart"), f"{place}.eventsSinceSubscriptionStart"),
        "events": tuple(_event(event, f"{place}.notificationEvent[{index}]") for index, event in enumerate(told)),
        "errors": _codes(_listed(status, "error", place)),
    }


def _event(event: Any, place: str) -> Event:  # noqa: ANN401 - any JSON
    if not isinstance(event, dict):
        raise BadNotification(place, "an event is an object")
    number = _number(event.get("eventNumber"), f"{place}.eventNumber")
    if number is None:
        raise BadNotification(f"{place}.eventNumber", "an event has a number")
    context = tuple(_reference(each) for each in _listed(event, "additionalContext", place))
    return Event(number, _reference(event.get("focus")), _text(event.get("timestamp")), context)


# --- told by Parameters, as in the Backport to R4


def _is_status(parameters: Mapping[str, Any]) -> bool:
    names = {name for name, _ in _parameters(parameters.get("parameter"))}
    return "subscription" in names and ("type" in names or "notification-event" in names)


def _of_parameters(parameters: Mapping[str, Any], place: str) -> dict[str, Any]:
    found = list(_parameters(parameters.get("parameter")))
    values = {name: _value(each) for name, each in reversed(found)}
    told = [each for name, each in found if name == "notification-event"]
    if len(told) > _MOST_EVENTS:
        raise BadNotification(place, f"it has more than {_MOST_EVENTS} events")
    counted = _number(values.get("events-since-subscription-start"), _named(place, "events-since-subscription-start"))
    events = tuple(
        _event_of_parts(each, f"{_named(place, 'notification-event')}[{index}]") for index, each in enumerate(told)
    )
    if not events and counted:  # the first ballot of the Backport gives the number of events, and not the events
        within = _number(values.get("events-in-notification"), _named(place, "events-in-notification")) or 0
        if within > min(counted, _MOST_EVENTS):
            raise BadNotification(_named(place, "events-in-notification"), "there can't be so many events")
        events = tuple(Event(number) for number in range(counted - within + 1, counted + 1))
    return {
        "kind": _kind(values.get("type"), _named(place, "type")),
        "subscription": _reference(values.get("subscription")),
        "topic": _text(values.get("topic")),
        "status": _text(values.get("status")),
        "counted": counted,
        "events": events,
        "errors": _codes(_value(each) for name, each in found if name == "error"),
    }


def _event_of_parts(event: Mapping[str, Any], place: str) -> Event:
    parts = list(_parameters(event.get("part")))
    values = {name: _value(each) for name, each in reversed(parts)}
    number = _number(values.get("event-number"), f"{place}.part.where(name='event-number')")
    if number is None:
        raise BadNotification(f"{place}.part.where(name='event-number')", "an event has a number")
    context = tuple(_reference(_value(each)) for name, each in parts if name == "additional-context")
    return Event(number, _reference(values.get("focus")), _text(values.get("timestamp")), context)


def _parameters(listed: Any) -> Iterable[tuple[str, dict[str, Any]]]:  # noqa: ANN401 - any JSON
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            yield each["name"], each


def _named(place: str, name: str) -> str:
    return f"{place}.parameter.where(name='{name}')"


def _value(parameter: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Of whichever type: servers differ in those of the numbers."""
    return next((value for name, value in parameter.items() if name.startswith("value")), None)


# --- what both have


def _brought(entries: list[Any]) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    resources, removed = [], []
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        resource, request = entry.get("resource"), entry.get("request")
        if isinstance(resource, dict):
            resources.append(resource)
        elif isinstance(request, dict) and request.get("method") == "DELETE":
            removed.append(_text(request.get("url")))
    return tuple(resources), tuple(removed)


def _kind(value: Any, place: str) -> Kind:  # noqa: ANN401 - any JSON
    if _text(value) not in _KINDS:
        raise BadNotification(place, f"the type of a notification is one of {', '.join(sorted(_KINDS))}")
    return cast("Kind", value)


def _number(value: Any, place: str) -> int | None:  # noqa: ANN401 - any JSON
    """A 64-bit number that is not negative, whether it is written as one or as a string."""
    if value is None:
        return None
    number = -1
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, Decimal) and 0 <= value <= _HIGHEST and value == value.to_integral_value():
        number = int(value)
    if not 0 <= number <= _HIGHEST:
        raise BadNotification(place, "a number of events is a whole number from 0 on, of 64 bits")
    return number


def _listed(holder: Mapping[str, Any], name: str, place: str) -> list[Any]:
    value = holder.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _MOST_EVENTS:
        raise BadNotification(f"{place}.{name}", f"it is a list, of {_MOST_EVENTS} at most")
    return value


def _reference(value: Any) -> str:  # noqa: ANN401 - any JSON
    return _text(value.get("reference")) if isinstance(value, dict) else ""


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    return value if isinstance(value, str) else ""


def _codes(concepts: Iterable[Any]) -> tuple[str, ...]:
    """Of CodeableConcepts; some servers send a Coding in the place of one."""
    found = []
    for concept in concepts:
        if isinstance(concept, dict):
            codings = concept.get("coding")
            for coding in codings if isinstance(codings, list) else [concept]:
                code = coding.get("code") if isinstance(coding, dict) else None
                if isinstance(code, str):
                    found.append(code)
    return tuple(found)
