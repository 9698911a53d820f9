"""The versions of resources in a message at work: what the newest one of a resource leaves out is stated to be none.

What each version names is written down beside the ledger's statements, under a key of the resource, so that versions
may come in any order and the lines of a resource may be of several cases.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from casecart.canonical import Usage
from casecart.rules import Said, Trouble
from casecart.rules.ledger import net, standing
from casecart.rules.telling import Telling, folded, left_out, told_last
from casecart.runtime.fhir_body import since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from casecart.mapping import Version
    from casecart.runtime.copy import Copy
    from casecart.runtime.statements import Statements
    from casecart.store import Message

__all__ = ["ACCEPTED", "LEFT_OUT", "LeftOut", "Versions", "version_of"]

LEFT_OUT: Final = "a newer version of the resource doesn't name it"
"""Why a line of an older version that comes late is filtered."""

ACCEPTED: Final = "resource-deleted"
"""The problem of a version with which a person may have its lines taken back."""

_NONE: Final = Decimal(0)


class LeftOut(NamedTuple):
    """A line that the newest version of its resource doesn't name, and that is used so far."""

    case_key: bytes
    line: str
    said: Said
    """That it is not, from a place of its own in the message."""
    document: Usage
    why: Trouble | None
    """Nobody knows whether it is so: a person is asked."""


def version_of(message: Message, changed_at: int | None) -> int:
    """What stands over what, µs since 1970: a resource's own time, else its message's, else when that came."""
    if changed_at is not None:
        return changed_at
    return message.recorded_at if message.occurred_at is None else message.occurred_at


class Versions:
    """The versions of resources in one channel's copy of a message.

    Args:
        message: that they stand in.
        copy: has the versions, and every line of the message.
        statements: about the cases and resources in hand.
        line_id: the ledger's name of a line: usage and place.
        write: keeps what a version tells, under the key of its resource.
    """

    def __init__(
        self,
        message: Message,
        copy: Copy,
        statements: Statements,
        *,
        line_id: Callable[[Usage, str], str],
        write: Callable[[bytes, Telling], None],
    ) -> None:
        self._message, self._copy, self._statements = message, copy, statements
        self._line_id, self._write = line_id, write
        self._gone: set[tuple[bytes, str]] = set()
        self._problems: list[tuple[bytes, Version]] = []
        self._keys: dict[bytes, Version] = {}
        for version in copy.every.versions:
            self._tell(version)
        for key in self._keys:
            cases = {case_key for each in statements.tellings(key) for case_key, _ in each.lines}
            statements.also(message.facility, cases)
            self._gone |= {line for line, _ in left_out(statements.tellings(key))}

    def _tell(self, version: Version) -> None:
        message, copy = self._message, self._copy
        key = copy.pseudonyms.resource_key(copy.channel.name, version.name)
        problem, every = version.problem, copy.every
        accepted = [decided.accept for place, decided in copy.decisions.items() if version.has(place.partition("#")[0])]
        if problem is not None and problem.code == ACCEPTED and any(ACCEPTED in each for each in accepted):
            problem = None
            version = version._replace(whole=True)
        of_it = [
            (usage, place) for usage, place in zip(every.documents, every.places, strict=True) if version.has(place)
        ]
        unknown = any(version.has(each.place) for each in every.exceptions)
        unknown |= any(usage.case is None for usage, _ in of_it)
        lines = frozenset(
            (copy.pseudonyms.case_key(usage.case), self._line_id(usage, place)) for usage, place in of_it if usage.case
        )
        whole = version.whole and problem is None and not unknown
        told = Telling(version_of(message, since(message, version.changed_at)), message.position, whole, lines)
        known = folded(self._statements.tellings(key))
        if problem is not None and not unknown and not self._asked_before(told, problem.code, known):
            self._problems.append((key, version))
        before = next((each for each in known if each.age == told.age), None)
        if self._keys.get(key) is not None:  # two resources of one id: what one of them leaves out the other may name
            told = told._replace(whole=told.whole and (before is None or before.whole))
        self._keys[key] = version
        told = told if before is None else told._replace(lines=before.lines | told.lines)
        if told != before and (lines or whole or problem is not None):
            self._write(key, told)

    @staticmethod
    def _asked_before(told: Telling, code: str, known: Sequence[Telling]) -> bool:
        """A history tells of the same deletion each time it is read."""
        return code == ACCEPTED and any(
            each.version == told.version and each.position < told.position and not each.lines for each in known
        )

    def gone(self, case_key: bytes, line: str) -> bool:
        """Whether a newer version of its resource doesn't name a line any more, so that it says nothing."""
        return (case_key, line) in self._gone

    def left_out(self) -> Iterator[LeftOut]:
        """What the versions leave out and is used so far."""
        for key, version in self._keys.items():
            for (case_key, line), newest in left_out(self._statements.tellings(key)):
                yield from self._used(case_key, line, version, newest.version)

    def asked(self) -> Iterator[LeftOut]:
        """What nobody knows whether it is still used; to be asked when the lines of the message are worked."""
        for key, version in self._problems:
            now = (version_of(self._message, since(self._message, version.changed_at)), self._message.position)
            for (case_key, line), age in sorted(told_last(self._statements.tellings(key)).items()):
                if age < now and version.problem is not None:
                    problem = version.problem
                    why = Trouble(problem.code, problem.field, problem.words, problem.subject)
                    yield from self._used(case_key, line, version, now[0], why)

    def _used(
        self, case_key: bytes, line: str, version: Version, newest: int, why: Trouble | None = None
    ) -> Iterator[LeftOut]:
        message, channel = self._message, self._copy.channel.name
        known = self._statements.case(case_key).lines.get(line)
        said = [each for each in known.said if each.channel == channel] if known is not None else []
        if known is None or not said:
            return
        place, used, last = f"{version.place}#{line}", net(said), standing(said)[-1]
        again = last.source == (message.position, place, channel)  # it was held, perhaps
        if (used <= 0 and not again) or last.version > newest:
            return
        if again:
            used = sum((each.quantity for each in known.movements if each.effect == "done"), _NONE)
        nothing = last._replace(position=message.position, place=place, quantity=_NONE, replaces=True, version=newest)
        document = last.document
        fields = {name: getattr(document, name) for name in _SHARED}
        usage = Usage(**fields | {"action": "reverse", "quantity": used, "source": f"{message.control_id}#{place}"})
        yield LeftOut(case_key, line, nothing, usage, why)


_SHARED: Final = (
    "facility", "case", "line", "disposition", "item", "di", "unit", "lot", "serial", "expiry", "udi", "used_on",
    "department", "location", "cost_center", "gl_account", "charge_code", "supplier", "ownership",
)  # fmt: skip
"""Fields that a posting has of the usage that it was made of."""
