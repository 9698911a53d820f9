"""Whether a destination is well: the trouble that it is in, and when it is tried again, also after a restart."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from casecart.runtime.backoff import LONGEST, Backoff
from casecart.runtime.marks import DISPATCHER
from casecart.runtime.waiting import Waiting
from casecart.store import Timer

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.runtime.clock import Call, Clock
    from casecart.runtime.error_class import ErrorClass
    from casecart.store import Change

__all__ = ["Health"]

log = logging.getLogger(__name__)


class Health:
    """Of one destination.

    Args:
        name: the destination's.
        random: in [0, 1), for jitter.
        reactor: for the waiting.
        now: wall clock, µs since 1970.
        write: has something added to the next change.
        go_on: called when the waiting is over.
    """

    def __init__(
        self,
        *,
        name: str,
        random: Callable[[], float],
        reactor: Clock,
        now: Callable[[], int],
        write: Callable[[Callable[[Change], None]], None],
        go_on: Callable[[], None],
    ) -> None:
        self._name, self._random, self._reactor, self._now = name, random, reactor, now
        self._write, self._go_on = write, go_on
        self._backoff = Backoff(random)
        self._resume: Call | None = None
        self._noted = False  # whether a timer row is there
        self.trouble = ""
        """Why the destination is being waited for, in plain words; empty when all is well."""
        self.error: ErrorClass | None = None
        """The class of the trouble."""

    def begin(self, resume_at: int | None, note: str) -> None:
        """As an earlier run left it: not before `resume_at` (µs), and with as many failures as the note says."""
        self._noted = resume_at is not None
        if resume_at is None:
            return
        self._backoff = Backoff(self._random, Waiting.read(note).failures)
        wait = (resume_at - self._now()) / 1e6
        if wait > 0:
            # It may be hours by a clock that was set back while no engine ran.
            self.wait(min(wait, LONGEST))

    # --- what calls come to
    @property
    def round(self) -> int:
        """What a call remembers from its beginning to its failure."""
        return self._backoff.round

    def failed(
        self, code: str, words: str, error: ErrorClass, *, began: int | None = None, retry_after: float | None = None
    ) -> None:
        """A call failed, and not for one posting's sake: wait."""
        if not self.trouble:
            log.warning("destination %s: %s (%s, %s); trying again", self._name, words, code, error)
        self.trouble, self.error = f"{words} ({code})", error
        delay = self._backoff.failed(began, retry_after=retry_after, permanent=error == "permanent")
        delay = max(delay, self.next_try or 0.0)
        due = self._now() + int(delay * 1e6)
        timer = Timer(DISPATCHER, self._name, due, Waiting(code, error, self._backoff.failures).written())
        self._noted = True
        self._write(lambda change: change.timers.append(timer))
        self.wait(delay)

    def succeeded(self) -> None:
        """It answered, whatever it said."""
        self._backoff.succeeded()
        if self.trouble:
            log.warning("destination %s: answers again", self._name)
        self.trouble, self.error = "", None
        if self._noted:
            self._noted = False
            self._write(self._forget_try)

    def _forget_try(self, change: Change) -> None:
        """Also one that was noted in the same change, which would be set after what is taken away."""
        mine = (DISPATCHER, self._name)
        change.timers = [timer for timer in change.timers if (timer.owner, timer.key) != mine]
        change.timers_done.append(mine)

    # --- the waiting
    def wait(self, delay: float) -> None:
        """Nothing is asked of it for that many seconds."""
        self.stop()
        self._resume = self._reactor.callLater(delay, self._resumed)

    def stop(self) -> None:
        """Wait no more, and don't go on."""
        if self._resume is not None and self._resume.active():
            self._resume.cancel()
        self._resume = None

    def _resumed(self) -> None:
        self._resume = None
        self._go_on()

    @property
    def next_try(self) -> float | None:
        """Seconds until it is tried again; None when it is not being waited for."""
        return None if self._resume is None else self._resume.getTime() - self._reactor.seconds()

    @property
    def breaker_open(self) -> bool:
        """Whether it failed so often that only one posting at a time probes it."""
        return self._backoff.open
