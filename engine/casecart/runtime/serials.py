"""Which serial numbers have been used before: a thing with one is used once, unless its use was taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from casecart.runtime.made import decode_made
from casecart.store import Damaged, lookup_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from casecart.canonical import Usage
    from casecart.runtime.copy import Copy
    from casecart.store import Store

__all__ = ["Serials"]

MOST = 50
"""Messages that are read for one serial number. What stands for none, such as `N/A`, may be in any number of them."""

ALL = 1_000_000
"""More exceptions than a message can have."""


class _Use(NamedTuple):
    """A line that names a serial number."""

    position: int
    channel: str
    line: str
    case: str | None
    action: str | None
    item: str | None
    di: str | None


class Serials:
    """The uses of the serial numbers that the copies speak of.

    Args:
        store: asked once, for all of them; what it finds is read from the documents of those messages.
        copies: of the messages in hand, resolved.
        books: channel → the ledger that its lines are in: what is charged is not used once more by that. What a channel
            made that is gone counts as used.
        states: channels of which each word on a line replaces the one before.
    """

    def __init__(
        self, store: Store, copies: Iterable[Copy], books: Mapping[str, str], states: Collection[str] = ()
    ) -> None:
        self._store, self._books, self._states = store, books, states
        self._uses: dict[str, list[_Use]] = {}
        self._added: list[str] = []
        self._damaged: dict[str, Damaged] = {}
        wanted = {
            lookup_key("serial", document.serial): document.serial
            for copy in copies
            if copy.channel.verify is not None
            for document in copy.documents
            if document.serial is not None
        }
        if not wanted:
            return
        store.lock(wanted)
        try:
            self._read_all(wanted)
        except Damaged:  # of one of them: the others are not to suffer for it
            self._uses = {}
            for key, serial in wanted.items():
                try:
                    self._read_all({key: serial})
                except Damaged as damage:
                    self._damaged[serial] = damage

    def _read_all(self, wanted: Mapping[int, str]) -> None:
        serials = set(wanted.values())
        for position in self._store.looked_up(wanted, limit=MOST):
            self._read(position, serials)

    def _read(self, position: int, serials: set[str]) -> None:
        """The uses in a message: of each place what its last run made, and nothing that a person rejected."""
        latest: dict[tuple[str, str], tuple[str, Usage]] = {}
        for run in self._store.runs(position):
            for place, line, usage in decode_made(run.documents).documents:
                latest[run.channel, place] = (line, usage)
        rejected = {
            (hold.channel, hold.place) for hold in self._store.holds(position=position, state="rejected", limit=ALL)
        }
        for (channel, place), (line, usage) in latest.items():
            if usage.serial in serials and (channel, place) not in rejected:
                self._uses.setdefault(usage.serial, []).append(_use(usage, line, position, channel))

    def uses(self, usage: Usage, line: str, position: int, channel: str) -> int:
        """How often other lines used this very thing, less what credits took back.

        Args:
            usage: with a serial number.
            line: its own id: what is stated again about the same line is no second use.
            position: of its message.
            channel: whose line it is: what other channels make of the same message is no second use.

        Raises:
            Damaged: an earlier use can't be read.
        """
        if usage.serial in self._damaged:
            raise self._damaged[usage.serial]
        net, book = 0, self._books.get(channel, "")
        last: dict[tuple[str, str | None, str], bool] = {}
        for use in self._uses.get(usage.serial or "", ()):
            same_thing = (use.item is not None and use.item == usage.item) or (
                use.di is not None and use.di == usage.di
            )
            other_line = (use.case, use.line) != (usage.case, line)
            same_book = self._books.get(use.channel, "") == book
            if same_thing and same_book and other_line and (use.position != position or use.channel == channel):
                if use.channel in self._states:
                    last[use.channel, use.case, use.line] = use.action != "reverse"
                else:
                    net += -1 if use.action == "reverse" else 1
        return net + sum(last.values())

    def add(self, usage: Usage, line: str, position: int, channel: str) -> None:
        """A line that is worked now, with a serial number."""
        serial = usage.serial or ""
        self._uses.setdefault(serial, []).append(_use(usage, line, position, channel))
        self._added.append(serial)

    @property
    def mark(self) -> int:
        """How much has been added."""
        return len(self._added)

    def take_back(self, mark: int) -> None:
        """What was added since the mark is not made after all."""
        for serial in reversed(self._added[mark:]):
            self._uses[serial].pop()
        del self._added[mark:]


def _use(usage: Usage, line: str, position: int, channel: str) -> _Use:
    return _Use(position, channel, line, usage.case, usage.action, usage.item, usage.di)
