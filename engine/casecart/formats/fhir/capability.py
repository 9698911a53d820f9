"""What a CapabilityStatement says that a server does, as far as reading and subscribing need it.

Servers leave out what they do, repeat it, or write it otherwise than FHIR has it. What can't be read counts as not
said; nothing here refuses a statement but for being another resource. What isn't said is told from what is said not to
be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from casecart.formats.fhir.notification import Dialect

__all__ = ["Capability", "Offer", "capability_of"]

BACKPORT: Final = "/uv/subscriptions-backport/"
"""In all canonicals of the Backport, of any version of it."""

_TOPICS: Final = "capabilitystatement-subscriptiontopic-canonical"
"""End of the extension by which a server tells its topics (Backport 1.1.0, conformance)."""
_SECURITY: Final = frozenset({"Basic", "Certificates", "Kerberos", "NTLM", "OAuth", "SMART-on-FHIR"})
"""FHIR's value set restful-security-service."""
_VERSION: Final = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]{1,3})?")
_CANONICAL: Final = re.compile(r"[a-z]+:[!-~]{1,500}")
_MOST: Final = 2_000
"""Of any list; R5 has 157 types of resources."""
_FEW: Final = 100
"""Topics and types of one list that a person would read."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What is said of one type of resource.

    Attributes:
        interactions: `read`, `create`, `search-type` …; None where it isn't said which.
        operations: names of operations and ends of their canonicals, without `$`.
        parameters: of a search.
    """

    interactions: frozenset[str] | None = None
    operations: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Capability:
    """A statement.

    Attributes:
        version: of FHIR, such as `4.0.1`; empty where it isn't said.
        offers: type of resource → what is said of it.
        backport: whether anything in it is of the Backport.
        topics: canonicals of the subscription topics that it tells.
        security: codes of how a client is to show who it is.
    """

    version: str = ""
    offers: Mapping[str, Offer] = field(default_factory=lambda: MappingProxyType({}))
    backport: bool = False
    topics: tuple[str, ...] = ()
    security: tuple[str, ...] = ()

    def does(self, resource_type: str, interaction: str) -> bool | None:
        """Whether it says that it does this; None where it says nothing of it."""
        offer = self.offers.get(resource_type)
        if offer is None:
            return False if self.offers else None
        return None if offer.interactions is None else interaction in offer.interactions

    def operates(self, operation: str) -> bool:
        """Whether it names an operation on subscriptions, such as `events`."""
        offer = self.offers.get("Subscription", Offer())
        return any(name == operation or name.endswith(f"subscription-{operation}") for name in offer.operations)

    @property
    def dialects(self) -> tuple[Dialect, ...]:
        """In which a subscription can be asked for, the one with counted events first; none: in none that is known."""
        if self.does("Subscription", "create") is False and self.does("Subscription", "update") is False:
            return ()
        if self.version.startswith("5."):
            return ("R5",)
        if not self.version.startswith("4."):
            return ()
        return ("backport", "classic") if self._of_backport else ("classic",)

    @property
    def _of_backport(self) -> bool:
        counted = any(self.operates(name) for name in ("status", "events"))
        return self.backport or bool(self.topics) or counted or "SubscriptionTopic" in self.offers


def capability_of(statement: Mapping[str, Any]) -> Capability | None:
    """What it says; None: it is no CapabilityStatement.

    Args:
        statement: JSON of any shape.
    """
    if statement.get("resourceType") != "CapabilityStatement":
        return None
    version = _text(statement.get("fhirVersion"))
    canonicals = [*_texts(statement.get("implementationGuide")), *_texts(statement.get("instantiates"))]
    canonicals += _texts(statement.get("imports"))
    topics: dict[str, None] = {}
    security: set[str] = set()
    offers: dict[str, Offer] = {}
    for rest in _objects(statement.get("rest")):
        if rest.get("mode") == "client":  # what it would ask of others
            continue
        topics.update(dict.fromkeys(_topics(rest)))
        security.update(_services(rest.get("security")))
        for resource in _objects(rest.get("resource")):
            kind = _text(resource.get("type"))
            if not kind.isidentifier() or len(offers) >= _MOST:
                continue
            offers[kind] = _merged(offers.get(kind), _offer(resource))
            if kind in {"Subscription", "SubscriptionTopic"}:
                topics.update(dict.fromkeys(_topics(resource)))
                canonicals += [*_texts(resource.get("supportedProfile")), *_texts([resource.get("profile")])]
                canonicals += [_text(each.get("definition")) for each in _objects(resource.get("operation"))]
    return Capability(
        version=version if _VERSION.match(version) and len(version) <= _FEW else "",
        offers=MappingProxyType(offers),
        backport=any(BACKPORT in each for each in canonicals),
        topics=tuple(topics)[:_FEW],
        security=tuple(sorted(security)),
    )


def _offer(resource: Mapping[str, Any]) -> Offer:
    listed = resource.get("interaction")
    codes = frozenset(_text(each.get("code")) for each in _objects(listed))
    operations = [
        name.lstrip("$").rpartition("/")[2]
        for each in _objects(resource.get("operation"))
        for name in (_text(each.get("name")), _text(each.get("definition")))
    ]
    return Offer(
        interactions=codes if isinstance(listed, list | dict) else None,
        operations=frozenset(filter(None, operations)),
        parameters=frozenset(_text(each.get("name")) for each in _objects(resource.get("searchParam"))) - {""},
    )


def _merged(before: Offer | None, more: Offer) -> Offer:
    """Of a type that stands there twice, what either says."""
    if before is None:
        return more
    said = [each for each in (before.interactions, more.interactions) if each is not None]
    return Offer(
        interactions=frozenset().union(*said) if said else None,
        operations=before.operations | more.operations,
        parameters=before.parameters | more.parameters,
    )


def _topics(holder: Mapping[str, Any]) -> Iterator[str]:
    for extension in _objects(holder.get("extension")):
        value = next((extension[name] for name in ("valueCanonical", "valueUri", "valueUrl") if name in extension), "")
        if _text(extension.get("url")).endswith(_TOPICS) and _CANONICAL.fullmatch(_text(value)):
            yield value


def _services(security: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    for described in _objects(security):
        for service in _objects(described.get("service")):
            for coding in _objects(service.get("coding")):
                if _text(coding.get("code")) in _SECURITY:
                    yield coding["code"]


def _objects(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """The objects of a list; also of one that was written without a list around it."""
    listed = value[:_MOST] if isinstance(value, list) else [value]
    return [each for each in listed if isinstance(each, dict)]


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - any JSON
    listed = value[:_MOST] if isinstance(value, list) else [value]
    return [each for each in listed if isinstance(each, str)]


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    return value if isinstance(value, str) else ""
