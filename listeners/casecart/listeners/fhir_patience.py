"""When a FHIR server is asked again after it gave no answer that helps, and what is told of that."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from twisted.logger import Logger

from casecart.runtime.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.runtime.fhir_server import FhirTrouble

__all__ = ["Patience"]


class Patience:
    """Says when to ask again; tells that it fails, once, and when it is over.

    Args:
        what: fails, for the log.
        seconds: a clock that is never set.
    """

    log = Logger()

    def __init__(self, what: str, seconds: Callable[[], float]) -> None:
        self._what, self._seconds = what, seconds
        self._backoff = Backoff(random.SystemRandom().random)
        self._until = 0.0
        self.code = ""
        """Of the trouble; empty: there is none."""
        self.status = 0
        """Of HTTP, likewise."""

    @property
    def over(self) -> bool:
        """Whether it may be asked now."""
        return not self.code or self._seconds() >= self._until

    def failed(self, trouble: FhirTrouble) -> None:
        """There was no answer that helps."""
        wait = self._backoff.failed(retry_after=trouble.retry_after, permanent=not trouble.passing)
        self._until = self._seconds() + wait
        if trouble.code not in {self.code, "stopped"}:
            words = "{what}: {words} It is tried again."
            self.log.warn(words, what=self._what, words=str(trouble))  # noqa: G010 - the logger is Twisted's
        self.code, self.status = trouble.code, trouble.status

    def well(self) -> None:
        """There was one."""
        self._backoff.succeeded()
        if self.code:
            self.log.info("{what}: it works again.", what=self._what)
        self.code, self.status = "", 0
