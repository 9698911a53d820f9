"""In which dialect a FHIR server is asked for a subscription, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.commands.fhir_status import topics_of
from casecart.commands.refusal import Refusal
from casecart.workspace.findings import listed

if TYPE_CHECKING:
    from casecart.formats.fhir.capability import Capability
    from casecart.formats.fhir.notification import Dialect
    from casecart.runtime.fhir_server import FhirServer

__all__ = ["chosen_dialect"]


async def chosen_dialect(
    server: FhirServer, capability: Capability, told: Dialect | None, topic: str
) -> tuple[Dialect, str]:
    """The dialect, and words for why it is this one.

    Args:
        server: is asked for its topics where one must be named.
        capability: what it says that it does.
        told: by a person, who may know better; None: nothing.
        topic: that a person named; empty: none.

    Raises:
        Refusal: the server offers no dialect, or a topic must be named, or there are none in its dialect.
    """
    if told is not None:
        if told != "classic" and not topic:
            raise Refusal("bad-value", await _which_topic(server, capability))
        return told, "as you said"
    offered = capability.dialects
    if not offered:
        raise Refusal("bad-value", _none_offered(capability))
    version = f"FHIR {capability.version}"
    if offered == ("R5",):
        if not topic:
            raise Refusal("bad-value", await _which_topic(server, capability))
        return "R5", f"the server speaks {version}"
    if "backport" in offered:
        if not topic:
            words = await _which_topic(server, capability)
            raise Refusal("bad-value", f"{words}; or, without counted events, say --dialect classic")
        return "backport", f"the server speaks {version}, and says that it has subscriptions to topics"
    if topic:
        words = (
            f"a topic was named, and the server, which speaks {version}, does not say that it has subscriptions to "
            "topics; if you know that it has, say --dialect backport"
        )
        raise Refusal("bad-value", words)
    return "classic", f"the server speaks {version}, and does not say that it has subscriptions to topics"


async def _which_topic(server: FhirServer, capability: Capability) -> str:
    topics = await topics_of(server, capability)
    known = f"it offers {listed(topics)}" if topics else "it does not say which it offers, so ask those who run it"
    return f"the server has subscriptions to topics: say by --topic which; {known}"


def _none_offered(capability: Capability) -> str:
    polled = "without notifications the listener finds changes by its searches, with 'every'"
    if capability.version.startswith(("4.", "5.")):
        return f"the server says that no subscription can be made there; {polled}. If you know better, say --dialect"
    spoken = f"the server speaks FHIR {capability.version}" if capability.version else "the server says no FHIR version"
    return f"{spoken}, of which no dialect of subscriptions is known; if you know it, say --dialect; {polled}"
