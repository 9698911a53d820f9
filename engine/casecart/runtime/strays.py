"""Wishes that are left to listeners which are configured no more: nobody would ever see to them, so a person does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from casecart.rules import Trouble
from casecart.runtime.effect import hold
from casecart.runtime.marks import FOLLOW
from casecart.store import LEFT_TO, Change, LeaseLost

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from casecart.store import Fence, SharedStore, Store

__all__ = ["Strays"]

EVERY: Final = 60  # looks from one to the next that counts all
MOST: Final = 200  # wishes in one look


class Strays:
    """Looks for them, and puts an exception in the place of each.

    Args:
        store: of the engine.
        listeners: that are configured.
        identifier: mints ids of exceptions.
        fences: what is written under.
    """

    def __init__(
        self,
        store: Store,
        listeners: Collection[str],
        identifier: Callable[[], bytes],
        fences: Callable[[], Collection[Fence]] = tuple,
    ) -> None:
        self._store, self.listeners, self._identifier, self._fences = store, listeners, identifier, fences
        self._looks = 0
        self._gone: list[str] = []

    def look(self) -> None:
        """Do some of it, each second."""
        self._gone = [name for name in self._gone if name not in self.listeners]
        if not self._gone:
            self._looks = (self._looks + 1) % EVERY
            if self._looks != 1:
                return
            self._gone = [name for name in self._store.left_counts() if not self._known(name)]
        if not self._gone:
            return
        name = self._gone[0]
        words = f"There is no listener '{name}' any more that could follow this notification up."
        why = Trouble("listener-gone", "", words, "")
        wishes = self._store.left(name, MOST)
        if not wishes:
            self._gone.pop(0)
            return
        change = Change(fences=list(self._fences()))
        for wish in wishes:
            change.replays_done.append((wish.hold,))
            message = self._store.message(wish.position)
            if message is not None:
                change.holds.append(hold(message, self._identifier(), why, channel=f"{LEFT_TO}{name}"))
        with suppress(LeaseLost):  # another engine sees to it
            self._store.write(change)

    def _known(self, name: str) -> bool:
        """Whether it is configured, here or, while configurations are being changed, in another engine's."""
        members = cast("SharedStore", self._store).members() if self._store.shared else []
        return name in self.listeners or any(f"{FOLLOW}{name}" in member.roles.split() for member in members)
