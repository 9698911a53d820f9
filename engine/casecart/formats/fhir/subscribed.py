"""A subscription as a server has it, read leniently: what can't be read is as if it were not there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from casecart.formats.fhir.notification import Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BACKPORT_PROFILE",
    "CONTENT",
    "FILTER",
    "HEARTBEAT",
    "Header",
    "Subscribed",
    "headers_of",
    "same_endpoint",
    "same_subscription",
    "subscribed",
]

_BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
# Backport 1.1.0, the profile Backport Subscription and its extensions.
BACKPORT_PROFILE: Final = f"{_BACKPORT}backport-subscription"
FILTER: Final = f"{_BACKPORT}backport-filter-criteria"
CONTENT: Final = f"{_BACKPORT}backport-payload-content"
HEARTBEAT: Final = f"{_BACKPORT}backport-heartbeat-period"

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_STATUS: Final = frozenset({"requested", "active", "error", "off", "entered-in-error"})
_ADDRESS: Final = re.compile(r"(https?|urn):", re.IGNORECASE)
_MOST: Final = 100
_PORTS: Final = {"https": 443, "http": 80}


class Header(NamedTuple):
    """What a server shows with each notification. It is a secret."""

    name: str
    value: str

    @property
    def line(self) -> str:
        """As R4 has it."""
        return f"{self.name}: {self.value}"

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Header({self.name!r})"


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says of one of its subscriptions; texts are empty where it doesn't say it."""

    id: str
    version: str
    """`meta.versionId`, for If-Match."""
    status: str
    dialect: Dialect
    endpoint: str
    topic: str
    criteria: tuple[str, ...]
    """Classic: the search. Else the filters on the topic, each as a search."""
    content: str
    """`empty`, `id-only`, `full-resource`, as each dialect says it."""
    heartbeat: int | None
    """Seconds."""
    end: str
    """When the server will end it, as it says it."""
    error: str
    """The server's own words, of R4."""


def subscribed(resource: Mapping[str, Any]) -> Subscribed:
    """A server's Subscription, of whichever dialect it is."""
    channel = _object(resource.get("channel"))
    if "topic" in resource or "channelType" in resource:
        return Subscribed(
            dialect="R5",
            endpoint=_text(resource.get("endpoint")),
            topic=_text(resource.get("topic")),
            criteria=_filters(resource),
            content=_text(resource.get("content")),
            heartbeat=_whole(resource.get("heartbeatPeriod")),
            **_common(resource),
        )
    criteria, filters = _text(resource.get("criteria")), _extensions(resource.get("_criteria"), FILTER)
    content = _extensions(channel.get("_payload"), CONTENT)
    profiles = _object(resource.get("meta")).get("profile")
    is_backport = (
        filters
        or content
        or _ADDRESS.match(criteria)
        or (isinstance(profiles, list) and BACKPORT_PROFILE in [_text(each).partition("|")[0] for each in profiles])
    )
    heartbeat = _extensions(channel, HEARTBEAT)
    return Subscribed(
        dialect="backport" if is_backport else "classic",
        endpoint=_text(channel.get("endpoint")),
        topic=criteria if is_backport else "",
        criteria=tuple(_search(_text(each)) for each in filters if _text(each))
        if is_backport
        else ((_search(criteria),) if criteria else ()),
        content=_text(content[0]) if content else ("full-resource" if _text(channel.get("payload")) else "empty"),
        heartbeat=_whole(heartbeat[0]) if heartbeat else None,
        **_common(resource),
    )


def headers_of(resource: Mapping[str, Any]) -> list[Header]:
    """What the server says that it shows; many servers hide the values."""
    if "channel" not in resource:
        parameters = [_object(each) for each in _list(resource.get("parameter"))]
        return [Header(_text(each.get("name")), _text(each.get("value"))) for each in parameters]
    lines = [_text(each) for each in _list(_object(resource.get("channel")).get("header"))]
    return [Header(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]


def same_subscription(there: Subscribed, wanted: Subscribed) -> bool:
    """Whether two tell of the same to the same address; how much they tell, and what they show, may differ."""
    url, _, version = there.topic.partition("|")
    wanted_url, _, wanted_version = wanted.topic.partition("|")
    return (
        there.dialect == wanted.dialect
        and same_endpoint(there.endpoint, wanted.endpoint)
        and url == wanted_url
        and (version == wanted_version or not version or not wanted_version)
        and set(there.criteria) == set(wanted.criteria)
    )


def same_endpoint(one: str, other: str) -> bool:
    """Whether two addresses are one; a slash at the end, capitals of the host and the usual port don't matter."""
    return _told_apart(one) == _told_apart(other)


def _told_apart(address: str) -> tuple[object, ...]:
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return (address,)
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/"), parts.query


def _common(resource: Mapping[str, Any]) -> dict[str, Any]:
    status, identifier = _text(resource.get("status")), _text(resource.get("id"))
    return {
        "id": identifier if _ID.fullmatch(identifier) and identifier not in {".", ".."} else "",
        "version": _version(resource),
        "status": status if status in _STATUS else "",
        "end": _text(resource.get("end")),
        "error": _text(resource.get("error")),
    }


def _version(resource: Mapping[str, Any]) -> str:
    version = _text(_object(resource.get("meta")).get("versionId"))
    return version if _ID.fullmatch(version) else ""


def _filters(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """R5's, one search for each type of resource, in the order in which the types come."""
    found: dict[str, list[str]] = {}
    for each in _list(resource.get("filterBy")):
        told = _object(each)
        modifier = _text(told.get("modifier"))
        name = f"{_text(told.get('filterParameter'))}{':' if modifier else ''}{modifier}"
        kind = _text(told.get("resourceType")).rpartition("/")[2]
        value = f"{_text(told.get('comparator'))}{_text(told.get('value'))}"
        found.setdefault(kind, []).append(f"{name}={value}")
    return tuple(f"{kind}?{'&'.join(parameters)}" for kind, parameters in found.items())


def _search(text: str) -> str:
    return text if "?" in text else f"{text}?"


def _extensions(holder: Any, url: str) -> list[Any]:  # noqa: ANN401 - any JSON
    """The values of the extensions with a URL, of whichever type they are."""
    return [
        value
        for each in _list(_object(holder).get("extension"))
        if isinstance(each, dict) and each.get("url") == url
        for name, value in each.items()
        if name.startswith("value")
    ]


def _whole(value: Any) -> int | None:  # noqa: ANN401 - any JSON
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def _object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    return value[:_MOST] if isinstance(value, list) else []


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    return value if isinstance(value, str) else ""
