"""What a message's envelope takes of a resource: its type, its identity, its time, and what keeps it in order."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from casecart.formats.fhir.notification import Notification

__all__ = ["Envelope", "changed_at", "envelope_of", "moment"]

_LONGEST: Final = 199  # characters of a control id
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Envelope(NamedTuple):
    """What is told of a resource."""

    message_type: str
    control_id: str
    """The same for the same thing sent again; empty: it has nothing that tells it from another."""
    occurred_at: int | None
    """µs since 1970, as its sender says."""
    keeps_order: str
    """Messages with the same come one after the other; empty: it says nothing of the kind."""


def envelope_of(
    resource: Mapping[str, Any], notification: Notification | None, paths: Sequence[Sequence[str]]
) -> Envelope:
    """The envelope of what was sent.

    A notification is told by its subscription and the numbers of its events, whatever its bundle is called: a server
    gives the bundle a new id when it sends the same again. Other bundles are told by their identifier, else their id; a
    resource by its id and version, and by its id alone it is told from no later one.

    Args:
        resource: as read.
        notification: the same as a notification, if it is one.
        paths: names of elements, from a resource on, of which the first with a value keeps messages in order.
    """
    said = resource.get("resourceType")
    message_type = said if isinstance(said, str) else ""
    if notification is not None and notification.numbers:
        control_id = _bounded(f"{notification.subscription}#{_ranges(notification.numbers)}")
    elif message_type == "Bundle":
        control_id = _bounded(_identifier(resource.get("identifier")) or _text(resource.get("id")))
    else:
        control_id = _bounded(_version(resource))
    keeps_order = _found(_resources(resource), paths)
    if not keeps_order and notification is not None:
        keeps_order = _tail(next((event.focus for event in notification.events if event.focus), ""))
    return Envelope(message_type, control_id, _time(resource), keeps_order)


def _identifier(identifier: Any) -> str:  # noqa: ANN401 - any JSON
    if not isinstance(identifier, dict) or not _text(identifier.get("value")):
        return ""
    return "|".join(filter(None, (_text(identifier.get("system")), identifier["value"])))


def _version(resource: Mapping[str, Any]) -> str:
    meta = resource.get("meta")
    version = _text(meta.get("versionId")) if isinstance(meta, dict) else ""
    name = _text(resource.get("id"))
    return f"{resource.get('resourceType')}/{name}/_history/{version}" if name and version else ""


def _ranges(numbers: Sequence[int]) -> str:
    """`307-308,310` of ascending numbers."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _bounded(control_id: str) -> str:
    """Without what no database keeps; the end of what is too long stands for all of it."""
    control_id = control_id.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    if len(control_id) <= _LONGEST:
        return control_id
    digest = hashlib.blake2b(control_id.encode(), digest_size=16).hexdigest()
    return f"{control_id[: _LONGEST - len(digest) - 1]}~{digest}"


def _time(resource: Mapping[str, Any]) -> int | None:
    written = _text(resource.get("timestamp"))
    return moment(written) if written else changed_at(resource)


def changed_at(resource: Mapping[str, Any]) -> int | None:
    """When a resource got to be as it is (`meta.lastUpdated`), µs since 1970; None: it doesn't say, or not readably."""
    meta = resource.get("meta")
    return moment(_text(meta.get("lastUpdated"))) if isinstance(meta, dict) else None


def moment(written: str) -> int | None:
    """An instant of FHIR, µs since 1970; None: it is none."""
    if not 20 <= len(written) <= 40:  # noqa: PLR2004 - an instant has a time and a zone
        return None
    try:
        read = datetime.fromisoformat(written)
        return None if read.tzinfo is None else (read - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def _resources(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if resource.get("resourceType") != "Bundle":
        yield resource
        return
    entries = resource.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        inner = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(inner, dict) and _text(inner.get("resourceType")) not in {"SubscriptionStatus", "Parameters"}:
            yield inner


def _found(resources: Iterable[Mapping[str, Any]], paths: Sequence[Sequence[str]]) -> str:
    for resource in resources:
        for path in paths:
            value: Any = resource
            for name in path:
                while isinstance(value, list) and value:
                    value = value[0]
                value = value.get(name) if isinstance(value, dict) else None
            if isinstance(value, str) and value:
                return _tail(value)
    return ""


def _tail(reference: str) -> str:
    """`Patient/1` of a reference in any of its forms, so that they are the same."""
    return "/".join(reference.partition("/_history/")[0].split("/")[-2:])


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    return value if isinstance(value, str) else ""
