"""One test of a channel: its messages go in, and what came of them is compared with what it expects."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from casecart.commands.came import Came, came_of
from casecart.commands.comparison import NOTHING, Difference, compare_list
from casecart.commands.refusal import Refusal
from casecart.commands.taking import Way, taken
from casecart.commands.trying import LARGEST, cut
from casecart.runtime.completion import completion_of
from casecart.runtime.dry_run import DryRun
from casecart.runtime.listener import Receipt
from casecart.workspace.channel_tests import is_inline, moment_of
from casecart.workspace.tests_reader import inside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from casecart.commands.fixtures import FixtureStores
    from casecart.runtime.dry_run import Compiled, Worked
    from casecart.runtime.listener import Received
    from casecart.workspace.channel_tests import ChannelTest, ChannelTests, Expect, Input

__all__ = ["OneTest", "time_of"]

_SECOND: Final = 1_000_000
_LISTS: Final = ("documents", "filtered", "postings", "exceptions")


class OneTest:
    """One test.

    Args:
        compiled: its channel.
        tests: the file that it is in.
        test: what is tested.
        fixtures: gives its master data, as they were brought in at its time.
        clock: monotonic seconds.

    Raises:
        WorkspaceError: there are mistakes in its master data.
    """

    def __init__(
        self,
        compiled: Compiled,
        tests: ChannelTests,
        test: ChannelTest,
        fixtures: FixtureStores,
        clock: Callable[[], float],
    ) -> None:
        self._workspace, self._channel, self._tests, self._test = compiled.workspace, tests.channel, tests, test
        self._declared = compiled.workspace.channels[tests.channel]
        self._now = time_of(tests, test)
        numbers = itertools.count(1)
        self._dry = DryRun(
            compiled,
            known=fixtures.of(tests.file, (tests.fixtures.master, test.master)),
            environment=None,
            now=lambda: self._now,
            clock=clock,
            chance=lambda size: next(numbers).to_bytes(size, "big"),
        )

    def differences(self) -> list[Difference]:
        """What is other than expected. Raises `Refusal`: an input can't be read."""
        found: list[Difference] = []
        whole: list[tuple[Came, Worked | None]] = []
        several = len(self._test.messages) > 1
        for number, each in enumerate(self._test.messages):
            came = Came()
            for body in self._bodies(each):
                of, worked = self._came(each, body)
                came.add(of)
                whole.append((of, worked))
                self._now += _SECOND  # the next one comes later
            prefix = f"inputs[{number}]." if several else ""
            if each.expect is not None:
                found += _compared(each.expect, came, prefix)
            found += _unexpected(came, prefix, each, [each.expect, self._test.expect])
        if self._test.expect is not None:
            found += _compared(self._test.expect, self._in_the_end(whole), "")
        return found

    def came(self, each: Input, bodies: Sequence[bytes]) -> Came:
        """What comes of messages that are at hand, and do not stand in a file yet: as it is in the end.

        Args:
            each: says by which way they come.
            bodies: the messages.

        Raises:
            Refusal: the channel's listeners take no such thing.
        """
        whole: list[tuple[Came, Worked | None]] = []
        for body in bodies:
            whole.append(self._came(each, body))
            self._now += _SECOND
        return self._in_the_end(whole)

    def _in_the_end(self, whole: Sequence[tuple[Came, Worked | None]]) -> Came:
        total = Came()
        for of, worked in whole:
            now = came_of(self._dry, self._channel, worked)
            now.acknowledgements, now.outcomes, now.why, now.notes = (
                of.acknowledgements, of.outcomes, of.why, of.notes,
            )  # fmt: skip
            total.add(now)
        return total

    def _bodies(self, each: Input) -> list[bytes]:
        if is_inline(each.message):
            return _cut(_inline(each.message))
        path = inside(self._workspace.root, self._tests.file, each.message)
        try:
            if path is None:
                raise FileNotFoundError
            with path.open("rb") as file:
                data = file.read(LARGEST + 1)
        except OSError as error:
            raise Refusal("not-found", f"{each.message} can't be read: {error.strerror or 'there is none'}") from None
        try:
            return _cut(data)
        except Refusal as refused:
            raise Refusal("bad-value", f"{each.message}: {refused.words}") from None

    def _came(self, each: Input, body: bytes) -> tuple[Came, Worked | None]:
        way = Way(
            self._workspace,
            self._declared,
            now=lambda: self._now,
            listener=each.listener,
            peer=each.peer,
            version=each.version,
        )
        received = way.received(body)
        not_taken, worked = taken(self._workspace, self._declared, self._dry, received)
        came = came_of(self._dry, self._channel, worked)
        came.outcomes = [self._outcome(received, not_taken, worked)]
        came.acknowledgements = [received.acknowledged(self._receipt(received, worked)) or "none"]
        came.why = [not_taken[1] if not_taken is not None and worked is None else ""]
        stored = worked.message if worked is not None else None
        came.notes = ((stored.notes if stored is not None else received.arrival.notes) or "").split()
        came.counts["messages"] = 1
        return came, worked

    @staticmethod
    def _outcome(received: Received, not_taken: tuple[str, str] | None, worked: Worked | None) -> str:
        if received.arrival.refused:
            return "refused"
        if worked is None:
            return "unrouted" if not_taken is not None else "processed"
        if worked.message is None:
            return "duplicate"
        return str(worked.message.outcome)

    def _receipt(self, received: Received, worked: Worked | None) -> Receipt:
        if worked is not None and worked.message is None:
            return Receipt.DUPLICATE
        arrival = received.arrival
        if worked is None or worked.message is None or arrival.complete_within is None:
            return Receipt.STORED
        done = completion_of(self._dry.store, worked.message.position) if arrival.tell else None
        return Receipt("stored", done)


def _inline(message: str) -> bytes:
    """The bytes of a message that stands in a test: of HL7 v2 a line is a segment."""
    text = message.strip("\n")
    return (text if text.lstrip().startswith(("{", "[")) else text.replace("\n", "\r") + "\r").encode()


def _cut(data: bytes) -> list[bytes]:
    """As `cut`; bytes in which no message is found go in as they are: the listener says what they are."""
    if not data.strip() or len(data) > LARGEST:
        return cut(data)
    try:
        return cut(data)
    except Refusal:
        return [data]


def time_of(tests: ChannelTests, test: ChannelTest) -> int:
    """The time of a test, µs since 1970."""
    return int(moment_of(str(test.now or tests.fixtures.now)).timestamp()) * _SECOND


def _unexpected(came: Came, prefix: str, each: Input, expects: Sequence[Expect | None]) -> list[Difference]:
    """What became of a message as a whole must be said where it is trouble.

    Else a test that expects no postings would pass for a wrong reason.
    """
    given = [expect for expect in expects if expect is not None]
    if any(expect.outcome for expect in given):
        return []
    fine = set()
    if any(expect.acknowledgement for expect in given):
        fine.add("refused")  # the acknowledgement tells it
    if any(expect.exceptions is not None for expect in given):
        fine.add("quarantined")  # one of the exceptions tells it
    return [
        Difference(f"{prefix}outcome", "processed", f"{outcome}: {why}" if why else outcome, each.message.place)
        for outcome, why in zip(came.outcomes, came.why, strict=True)
        if outcome in {"refused", "unrouted", "quarantined"} - fine
    ]


def _compared(expect: Expect, came: Came, prefix: str) -> list[Difference]:
    """What is other than expected of one message, or of all."""
    found = _each(expect, "acknowledgement", expect.acknowledgement, came.acknowledgements, prefix)
    found += _each(expect, "outcome", expect.outcome, came.outcomes, prefix, came.why)
    if expect.notes is not None and {*expect.notes} != {*came.notes}:
        wanted_notes, notes = (", ".join(sorted({*map(str, each)})) for each in (expect.notes, came.notes))
        found.append(Difference(f"{prefix}notes", wanted_notes or NOTHING, notes or NOTHING, expect.at("notes")))
    for name in _LISTS:
        wanted = getattr(expect, name)
        if wanted is not None:
            found += compare_list(wanted, getattr(came, name), f"{prefix}{name}", expect.at(name))
    for name, count in expect.counts.items():
        received = came.counts.get(str(name), 0)
        if received != count:
            place = getattr(name, "place", expect.at("counts"))
            found.append(Difference(f"{prefix}counts.{name}", str(count), str(received), place))
    return found


def _each(  # noqa: PLR0917 - what is compared with what, and its names
    expect: Expect, name: str, wanted: Sequence[str], received: Sequence[str], prefix: str, why: Sequence[str] = ()
) -> list[Difference]:
    """One value for all messages, or one for each."""
    if not wanted:
        return []
    place = expect.at(name)
    if len(wanted) == 1:
        wanted = list(wanted) * len(received)
    elif len(wanted) != len(received):
        words = f"{len(received)}: {', '.join(received)}"
        return [Difference(f"{prefix}{name}", f"{len(wanted)}: {', '.join(wanted)}", words, place)]
    several = len(received) > 1
    words_of = list(why) or [""] * len(received)
    return [
        Difference(
            f"{prefix}{name}{f'[{number}]' if several else ''}", str(one), f"{two}: {words}" if words else two, place
        )
        for number, (one, two, words) in enumerate(zip(wanted, received, words_of, strict=True))
        if one != two
    ]
