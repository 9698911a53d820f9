"""Why a destination is waited for, as the row of its next try keeps it: for the next run, and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, get_args

from casecart.runtime.backoff import BREAKER
from casecart.runtime.error_class import ErrorClass
from casecart.runtime.marks import DISPATCHER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.store import Store

__all__ = ["Waiting", "tries_of"]


class Waiting(NamedTuple):
    """Why, and how often in a row."""

    code: str
    """Stable, such as ``http-503``."""
    error: ErrorClass | None = None
    """None in a row of an earlier version."""
    failures: int = 0

    @property
    def breaker_open(self) -> bool:
        """Whether it failed so often that only one posting probes it."""
        return self.failures >= BREAKER

    def written(self) -> str:
        """As a timer's data."""
        return f"{self.code} {self.error} {self.failures}"

    @classmethod
    def read(cls, data: str) -> Waiting:
        """From a timer's data, whichever version wrote it."""
        code, _, rest = data.partition(" ")
        error, _, failures = rest.partition(" ")
        known: dict[str, ErrorClass] = {name: name for name in get_args(ErrorClass)}
        return cls(code, known.get(error), int(failures) if failures.isdecimal() else 0)


def tries_of(store: Store) -> Mapping[str, tuple[int, str]]:
    """Destination → when it is to be tried again (µs), and what was noted of it; as `Dispatcher.start` takes it."""
    return {timer.key: (timer.due_at, timer.data) for timer in store.timers() if timer.owner == DISPATCHER}
