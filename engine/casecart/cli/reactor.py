"""The reactor, run for as long as one question to a destination takes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, TypeVar

import click

from casecart.cli.run import install_reactor

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

__all__ = ["in_reactor"]

_T = TypeVar("_T")


def in_reactor(ask: Callable[[Any], Deferred[_T] | Coroutine[Deferred[Any], Any, _T]]) -> _T:
    """What a question comes to, or its failure as an exception. Once in a process: a reactor runs once.

    Args:
        ask: called with the reactor when it runs.

    Raises:
        click.Abort: Ctrl-C came before the answer.
    """
    from twisted.internet.defer import maybeDeferred  # noqa: PLC0415 - for help nobody should wait for Twisted

    reactor: Any = install_reactor()
    answers: list[_T] = []
    failures: list[Failure] = []

    def begin() -> None:
        asked = maybeDeferred(ask, reactor).addCallbacks(answers.append, failures.append)
        asked.addBoth(lambda _: reactor.stop() if not interrupted else None)

    interrupted: list[bool] = []
    reactor.callWhenRunning(begin)
    # What fails because connections are closed at the end is no answer.
    reactor.addSystemEventTrigger("before", "shutdown", lambda: interrupted.append(not answers and not failures))
    # The reactor takes these for itself, and does not give them back: what follows could not be interrupted.
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        reactor.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if any(interrupted):
        raise click.Abort
    for failure in failures:
        failure.raiseException()
    return answers[0]
