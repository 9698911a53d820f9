"""Subscriptions as a server is asked for them: the resource of each dialect, and what a server's own one says.

*Classic* R4 has a search in `criteria` and one subscription for each search. The *Backport* to R4 and R4B has the
canonical of a topic there, and extensions for what R4 lacks. *R5* has elements for all of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from casecart.formats.fhir.subscribed import (
    BACKPORT_PROFILE,
    CONTENT,
    FILTER,
    HEARTBEAT,
    Header,
    subscribed,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from casecart.formats.fhir.notification import Content, Dialect
    from casecart.formats.fhir.read import Resource

__all__ = ["BadSubscription", "Wanted", "asked_again", "criterion", "subscriptions", "switched_off"]

_MIME: Final = "application/fhir+json"
_REASON: Final = "casecart: what was used on patients, for the inventory"
_CHANNELS: Final = "http://terminology.hl7.org/CodeSystem/subscription-channel-type"
_DEFINITIONS: Final = "http://hl7.org/fhir/StructureDefinition/"
_SEARCH: Final = re.compile(r"(?P<type>[A-Z][A-Za-z]{1,63})(?:\?(?P<query>[^\s?#<>\x00-\x1f\x7f]{0,2000}))?")
_NAME: Final = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,99})(?::(?P<modifier>[A-Za-z-]{1,30}))?")
_OF_RESULTS: Final = frozenset(
    {
        "_contained",
        "_containedType",
        "_count",
        "_elements",
        "_format",
        "_include",
        "_maxresults",
        "_pretty",
        "_revinclude",
        "_score",
        "_sort",
        "_summary",
        "_total",
        "_lastUpdated",
    }
)
"""Parameters that say how a search answers, or since when: a subscription has no use for them."""
_MODIFIERS: Final = frozenset(
    {
        "missing",
        "exact",
        "contains",
        "not",
        "text",
        "in",
        "not-in",
        "below",
        "above",
        "type",
        "identifier",
        "of-type",
        "code-text",
        "text-advanced",
        "iterate",
    }
)
"""R5's value set search-modifier-code."""


class BadSubscription(Exception):
    """It can't be asked for like this; the words say why, and never what a secret is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be subscribed to.

    Attributes:
        dialect: as the server has it.
        endpoint: where it is to send.
        topic: canonical; not in the classic dialect.
        criteria: searches as `criterion` gives them: in the classic dialect what each subscription is about, else
            filters on the topic, which must all hold.
        content: how much is sent; the classic dialect has no `id-only`.
        headers: what it is to show with each notification.
        heartbeat: seconds between signs of life; None: none are wanted. Not in the classic dialect.
    """

    dialect: Dialect
    endpoint: str
    topic: str = ""
    criteria: tuple[str, ...] = ()
    content: Content = "empty"
    headers: tuple[Header, ...] = field(default=(), repr=False)
    heartbeat: int | None = None


def criterion(search: str) -> str:
    """A search without what only says how it is answered; of a type alone it is `Procedure?`.

    Raises:
        BadSubscription: it is no search.
    """
    match = _SEARCH.fullmatch(search)
    if match is None:
        raise BadSubscription("a criterion is a search such as Procedure?status=completed, with no address before it")
    kept = [each for each in (match["query"] or "").split("&") if each and not _of_results(each)]
    return f"{match['type']}?{'&'.join(kept)}"


def subscriptions(wanted: Wanted) -> list[Resource]:
    """The resources to create: in the classic dialect one for each criterion, else one.

    Raises:
        BadSubscription: something is missing, or the dialect does not have it.
    """
    if wanted.dialect != "classic" and not wanted.topic:
        raise BadSubscription(f"a subscription of the dialect {wanted.dialect} is to a topic: say which")
    if wanted.dialect == "R5":
        return [_r5(wanted)]
    if wanted.dialect == "backport":
        return [_backport(wanted)]
    if wanted.topic or wanted.heartbeat is not None:
        raise BadSubscription("a classic subscription has neither a topic nor a heartbeat: it has criteria")
    if wanted.content == "id-only":
        raise BadSubscription("a classic subscription sends nothing (empty) or the resource (full-resource)")
    if not wanted.criteria:
        raise BadSubscription("a classic subscription needs a criterion, such as Procedure?status=completed")
    return [_classic(wanted, each) for each in wanted.criteria]


def asked_again(resource: Mapping[str, Any], headers: Collection[Header]) -> Resource:
    """A server's subscription, to be sent back so that it is made active again; all else stays as it was.

    Args:
        resource: as the server gave it.
        headers: what it is to show from now on, in place of what it said of headers of these names; none: as it was.
    """
    again = {name: value for name, value in resource.items() if name != "error"} | {"status": "requested"}
    if not headers:
        return again
    names = {header.name.casefold() for header in headers}
    if subscribed(resource).dialect == "R5":
        others = [each for each in _listed(resource, "parameter") if _name(each) not in names]
        return again | {"parameter": [*others, *map(_parameter, headers)]}
    channel = resource.get("channel")
    held = dict(channel) if isinstance(channel, dict) else {}
    lines = [each for each in _listed(held, "header") if _begin(each) not in names]
    held.pop("_header", None)  # it stands beside the lines by their numbers
    return again | {"channel": held | {"header": [*lines, *(header.line for header in headers)]}}


def switched_off(resource: Mapping[str, Any]) -> Resource:
    """The same, to be sent back so that nothing more is sent."""
    return dict(resource) | {"status": "off"}


# --- the dialects


def _classic(wanted: Wanted, search: str) -> Resource:
    channel: dict[str, Any] = {"type": "rest-hook", "endpoint": wanted.endpoint}
    if wanted.content == "full-resource":
        channel["payload"] = _MIME
    return _of_r4(search, channel | _lines(wanted))


def _backport(wanted: Wanted) -> Resource:
    channel: dict[str, Any] = {
        "type": "rest-hook",
        "endpoint": wanted.endpoint,
        "payload": _MIME,
        "_payload": {"extension": [{"url": CONTENT, "valueCode": wanted.content}]},
    }
    if wanted.heartbeat is not None:
        channel["extension"] = [{"url": HEARTBEAT, "valueUnsignedInt": wanted.heartbeat}]
    made = _of_r4(wanted.topic, channel | _lines(wanted)) | {"meta": {"profile": [BACKPORT_PROFILE]}}
    if wanted.criteria:
        made["_criteria"] = {"extension": [{"url": FILTER, "valueString": each} for each in wanted.criteria]}
    return made


def _of_r4(criteria: str, channel: dict[str, Any]) -> Resource:
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": _REASON,
        "criteria": criteria,
        "channel": channel,
    }


def _lines(wanted: Wanted) -> dict[str, Any]:
    return {"header": [header.line for header in wanted.headers]} if wanted.headers else {}


def _r5(wanted: Wanted) -> Resource:
    made: dict[str, Any] = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": _REASON,
        "topic": wanted.topic,
        "channelType": {"system": _CHANNELS, "code": "rest-hook"},
        "endpoint": wanted.endpoint,
        "contentType": _MIME,
        "content": wanted.content,
    }
    filters = [each for search in wanted.criteria for each in _filters(search)]
    if filters:
        made["filterBy"] = filters
    if wanted.headers:
        made["parameter"] = [_parameter(header) for header in wanted.headers]
    if wanted.heartbeat is not None:
        made["heartbeatPeriod"] = wanted.heartbeat
    return made


def _filters(search: str) -> list[dict[str, str]]:
    """Each parameter of a search; the prefix of a value (`ge2026-01-01`) stays in it, as FHIR lets it."""
    resource_type, _, query = search.partition("?")
    if not query:
        raise BadSubscription("a filter on a topic has a parameter, such as Procedure?status=completed")
    filters = []
    for each in query.split("&"):
        told, _, value = each.partition("=")
        match = _NAME.fullmatch(told)
        if match is None or not value or (match["modifier"] and match["modifier"] not in _MODIFIERS):
            raise BadSubscription("a filter on a topic is a parameter and a value; R5 has no chains there")
        made = {"resourceType": f"{_DEFINITIONS}{resource_type}", "filterParameter": match["name"]}
        if match["modifier"]:
            made["modifier"] = match["modifier"]
        filters.append(made | {"value": value})
    return filters


def _parameter(header: Header) -> dict[str, str]:
    return {"name": header.name, "value": header.value}


def _of_results(parameter: str) -> bool:
    return parameter.partition("=")[0].partition(":")[0] in _OF_RESULTS


def _listed(holder: Mapping[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    return value if isinstance(value, list) else []


def _name(parameter: Any) -> str:  # noqa: ANN401 - any JSON
    return str(parameter.get("name", "")).casefold() if isinstance(parameter, dict) else ""


def _begin(line: Any) -> str:  # noqa: ANN401 - any JSON
    return line.partition(":")[0].strip().casefold() if isinstance(line, str) else ""
