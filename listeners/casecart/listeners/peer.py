"""Peers: which sender a message is from, and what is particular about it."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Final, Literal
from zlib import crc32
from zoneinfo import ZoneInfo, available_timezones

from casecart.formats.hl7v2 import codec
from casecart.listeners.acknowledge import Acknowledge
from casecart.listeners.completion import Policy
from casecart.listeners.moment import Stamp
from casecart.listeners.networks import faults_in
from casecart.listeners.partition import PARTITIONS
from casecart.runtime.certificate import Identity
from casecart.workspace import Declared, Finding, Text, declared, key
from casecart.workspace.findings import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from casecart.formats.hl7v2 import Header, Mode

__all__ = ["Match", "Peer", "Peers", "Sender", "peers_key", "unreachable"]


@declared(name="match", about="What the header of a peer's messages says. All that is given must be there.")
class Match(Declared):
    """What the header of a peer's messages says; the first component of a field is enough."""

    msh_3: Text | None = key(
        about="The sending application.", example="ORSYS", default=None, written="MSH-3", pattern="[ -~]+"
    )
    msh_4: Text | None = key(
        about="The sending facility.", example="NORTH", default=None, written="MSH-4", pattern="[ -~]+"
    )
    msh_5: Text | None = key(
        about="The receiving application.", example="CASECART", default=None, written="MSH-5", pattern="[ -~]+"
    )
    msh_6: Text | None = key(
        about="The receiving facility.", example="MERCY", default=None, written="MSH-6", pattern="[ -~]+"
    )

    @property
    def conditions(self) -> tuple[tuple[int, bytes], ...]:
        """(which of MSH-3 to MSH-6, counted from 0; what it says)."""
        fields = (self.msh_3, self.msh_4, self.msh_5, self.msh_6)
        return tuple((index, said.encode("ascii")) for index, said in enumerate(fields) if said is not None)

    def check(self) -> Iterable[Finding]:
        """Something is given: a peer that matches all messages knows nobody."""
        if not self.conditions:
            words = "a peer is told by its header: give MSH-3 and MSH-4 at best"
            yield Finding(self.place, "error", "one-of", words)


@declared(name="peer", about="A sender that a listener knows.")
class Peer(Declared):
    """A sender that a listener knows."""

    match: Match = key(about="How its messages are told from others.", example="{MSH-3: ORSYS, MSH-4: NORTH}")
    facility: Text = key(about="The site that it speaks for.", example="NORTH", names="facility")
    time_zone: Text | None = key(
        about="The zone of the times that it sends without one; if absent, the facility's.",
        example="America/Denver",
        default=None,
    )
    charset: Text | None = key(
        about="The character set that it really sends in, whatever MSH-18 says; a name of HL7 table 0211.",
        example="8859/1",
        default=None,
    )
    sequence_numbers: Literal["ignore", "follow"] = key(
        about=(
            "Whether MSH-13 counts the messages of this peer: with `follow` one out of its turn is not taken, and "
            "MSA-4 says which is expected. Many senders write something there that counts nothing."
        ),
        example="follow",
        default="ignore",
    )
    continuation_pointer: Literal["follow", "ignore"] = key(
        about=(
            "Whether MSH-14 says that a message of this peer goes on from another one. With `ignore` what stands there "
            "is passed over, for a sender that writes the same in all of its messages: else none of them is whole."
        ),
        example="ignore",
        default="follow",
    )
    acknowledge: Acknowledge | None = key(
        about="How this peer is answered, in place of the listener's `acknowledge` as a whole.",
        example="{mode: enhanced}",
        default=None,
    )

    certificate: Identity | None = key(
        about=(
            "Its certificate, with `tls` and its `authorities`: its messages are taken on connections with that one "
            "only, and no other peer's are taken there."
        ),
        example="{subject: CN=orsys}",
        default=None,
    )
    networks: tuple[Text, ...] = key(
        about="Where its messages may come from; anywhere that the listener takes connections from, if absent.",
        example="[10.1.2.3, 10.2.0.0/16]",
        default="[]",
        scalar=True,
    )
    connections: int | None = key(
        about="How many connections it may have at once; as many as there are, if absent.",
        example=2,
        default=None,
        minimum=1,
        maximum=50000,
    )

    def check(self) -> Iterable[Finding]:
        """Zone, character set and networks exist."""
        yield from faults_in(self.networks)
        if self.time_zone is not None and self.time_zone not in (known := available_timezones()):
            words = f"'{self.time_zone}' is not a time zone; write one such as America/Chicago or Europe/Berlin"
            suggestion = did_you_mean(self.time_zone, known)
            yield Finding(self.at("time_zone"), "error", "unknown-value", words, suggestion)
        if self.charset is not None and codec(self.charset) is None:
            words = f"'{self.charset}' is not a character set known here; write one such as 8859/1 or UNICODE UTF-8"
            yield Finding(self.at("charset"), "error", "unknown-value", words)


def peers_key() -> Any:  # noqa: ANN401 - a field specifier, as `key`
    """The key `peers` of a listener."""
    return key(
        about="The senders that are known, by a name for each. A message of any other is recorded and rejected.",
        example="{orsys: {match: {MSH-3: ORSYS, MSH-4: NORTH}, facility: NORTH}}",
        defines="peer",
        at_least=1,
    )


def unreachable(peers: Mapping[str, Peer]) -> Iterable[Finding]:
    """Peers that never come up, since one before them takes all of their messages."""
    before: list[tuple[str, set[tuple[int, bytes]]]] = []
    for name, peer in peers.items():
        conditions = set(peer.match.conditions)
        for other, its in before:
            if its <= conditions:
                words = f"all messages of the peer '{name}' match '{other}', which stands before it"
                yield Finding(peer.match.place, "error", "bad-value", words)
                break
        before.append((name, conditions))


class Sender:
    """A peer as the way of a message needs it.

    Attributes:
        known: False for the one that stands for all who are no peer.
        numbered: whether it gives sequence numbers.
        pointed: whether its MSH-14 says that a message goes on from another one.
        mode: how it is answered; what is an acknowledgement itself never is, see `silent`.
        complete_within: seconds that its answer waits for the work on its message; None: it doesn't.
        policy: what it is told of that work.
        partition: of its messages that have no value at the listener's paths.
        stamp: writes the time of our answers by its clock.
    """

    __slots__ = (
        "charset",
        "complete_within",
        "facility",
        "known",
        "mode",
        "name",
        "numbered",
        "partition",
        "pointed",
        "policy",
        "stamp",
        "tell_not_stored",
        "zone",
    )

    def __init__(
        self,
        name: str,
        facility: str,
        zone: str,
        charset: str | None,
        acknowledge: Acknowledge,
        *,
        numbered: bool = False,
        pointed: bool = True,
    ) -> None:
        self.name = name
        self.known = bool(name)
        self.numbered, self.pointed = numbered, pointed
        self.facility = facility
        self.zone = ZoneInfo(zone)
        self.charset = charset
        self.mode: Mode = acknowledge.mode
        self.complete_within = acknowledge.complete_within
        self.policy = Policy(acknowledge)
        self.tell_not_stored = acknowledge.not_stored == "error"
        self.partition = crc32(name.encode()) % PARTITIONS
        self.stamp = Stamp(self.zone)

    def silent(self) -> Sender:
        """The same, and never answered."""
        same = copy(self)
        same.mode, same.tell_not_stored = "none", False
        return same


class Peers:
    """Tells the sender of a message.

    Args:
        peers: by name; the first that matches is taken.
        acknowledge: how those are answered that say nothing of their own, and those who are no peer.
        time_zones: facility → zone.
    """

    def __init__(self, peers: Mapping[str, Peer], acknowledge: Acknowledge, time_zones: Mapping[str, str]) -> None:
        self.nobody: Final = Sender("", "", "UTC", None, acknowledge)
        self._known = [
            (
                peer.match.conditions,
                Sender(
                    str(name),
                    str(peer.facility),
                    peer.time_zone or time_zones[peer.facility],
                    None if peer.charset is None else str(peer.charset),
                    peer.acknowledge or acknowledge,
                    numbered=peer.sequence_numbers == "follow",
                    pointed=peer.continuation_pointer == "follow",
                ),
            )
            for name, peer in peers.items()
        ]

    def named(self, name: str) -> Sender:
        """One of them, by its name. `StopIteration`: there is none."""
        return next(sender for _, sender in self._known if sender.name == name)

    def of(self, header: Header) -> Sender:
        """The sender of a message by its header; `nobody` if it is no peer."""
        split = header.delimiters.component.encode("ascii")
        said = [(field.strip(), field.split(split, 1)[0].strip()) for field in header.fields[2:6]]
        for conditions, sender in self._known:
            if all(value in said[index] for index, value in conditions):
                return sender
        return self.nobody
