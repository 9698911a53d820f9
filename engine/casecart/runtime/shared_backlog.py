"""The backlog where several engines are at work: each works off the partitions that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from casecart.runtime.backlog import GROUP, TRYING, UNTIL, WAIT, Backlog
from casecart.store import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from casecart.store import Change, Fence, Message, SharedStore

__all__ = ["SharedBacklog", "marks_of"]

LOOK: Final = 0.02  # seconds between looks for what others stored


def marks_of(member: bytes) -> tuple[str, str]:
    """The names under which an engine marks what it has in hand: the first, and the last."""
    return f"{TRYING}:{member.hex()}", f"{UNTIL}:{member.hex()}"


class SharedBacklog(Backlog):
    """Works off what waits in the partitions that this engine holds, and looks again and again.

    What one engine does to a message and that it is done are written together, under the lease of its partition: an
    engine that was stopped and lost the lease writes nothing.

    Args:
        member: this engine.
        partitions: those that it holds, with what is to be written under.
        lost: told of leases that are over.
        maps: whether what arrives here may be mapped as it comes.
        others: as for `Backlog`.
    """

    def __init__(
        self,
        *,
        member: bytes,
        partitions: Mapping[int, Fence],
        lost: Callable[[Collection[Fence]], None],
        maps: bool,
        **others: Any,  # noqa: ANN401 - passed on
    ) -> None:
        super().__init__(**others)
        self._partitions, self._told_lost, self._maps = partitions, lost, maps
        self._trying, self._until = marks_of(member)

    def begin(self) -> None:
        """Look for what waits, from now on."""
        self._journal.store_first = True
        self._start()

    def end(self) -> None:
        """A clean stop: nothing is in hand."""
        self._stop()

    def inherit(self, member: bytes) -> None:
        """A partition came from an engine that was killed: what it had in hand is under suspicion."""
        self._suspect_what_stands_in(*marks_of(member))

    def _rest(self) -> None:
        if self._maps and not self.careful:
            self._journal.store_first = False
        self._call = self._reactor.callLater(WAIT if self.careful else LOOK, self._turn)

    def _waiting(self) -> list[Message]:
        return cast("SharedStore", self._store).waiting_in(self._partitions, GROUP)

    def _write(self, change: Change, messages: list[Message]) -> bool:
        try:
            # As they are held now; of one that is not held any more, what was mapped is another one's to do.
            change.fences += {self._partitions[message.partition] for message in messages}
            self._store.write(change)
        except KeyError:
            self._store.let_go()
            return False
        except LeaseLost as error:
            self._told_lost(error.lost)
            return False
        return True
