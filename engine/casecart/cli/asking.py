"""Asks a destination one thing from a command: the reactor runs until the answer is there, or the time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import click

from casecart.cli.exit import Exit
from casecart.cli.failure import Stop
from casecart.cli.reactor import in_reactor
from casecart.commands.refusal import Refusal
from casecart.runtime.destination import NothingThere, NotRead

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import TypeAlias, TypeVar

    from twisted.internet.defer import Deferred

    from casecart.commands.asking import AskedDestination
    from casecart.runtime.destination import Readable

    _T = TypeVar("_T")

    Question: TypeAlias = Callable[[Readable], Deferred[_T] | Coroutine[Deferred[Any], Any, _T]]

__all__ = ["asked", "not_read", "timeout_option"]

# What is answered, and shows that the configuration or the rights over there are not as they should be.
_NOT_THE_NETWORK = frozenset({"key-refused", "not-permitted", "nothing-there", "http-404", "answer-not-understood"})


def timeout_option(seconds: float) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """`--timeout SECONDS`."""
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0.1),
        default=seconds,
        show_default=True,
        help="Seconds after which it gives up.",
    )


def asked(destination: AskedDestination, question: Question[_T], timeout: float) -> _T:
    """The answer. Once in a process: a reactor that ran does not run again.

    Args:
        destination: whom.
        question: asks it; fails with `NotRead` or `NothingThere`.
        timeout: seconds for all of it.

    Raises:
        Stop: it did not answer, or not as it should.
        Refusal: it answered that it has no such thing.
    """
    from twisted.internet.defer import ensureDeferred  # noqa: PLC0415 - for help nobody should wait for Twisted

    async def ask(reactor: Any) -> _T:  # noqa: ANN401 - zope interfaces say nothing to mypy
        reader = destination.reader(reactor)
        try:
            return await ensureDeferred(question(reader)).addTimeout(timeout, reactor, late)
        finally:
            await reader.stop()

    def late(_: object, __: float) -> NoReturn:
        raise NotRead("timeout", f"not all of it was answered within {timeout:g} s")

    try:
        return in_reactor(ask)
    except NothingThere as error:
        raise Refusal("not-found", str(error)) from error
    except NotRead as error:
        raise not_read(destination.name, error) from error


def not_read(destination: str, error: NotRead) -> Stop:
    """What is told of a destination that could not be asked, and the exit code."""
    code = Exit.CONFIGURATION if error.code in _NOT_THE_NETWORK else Exit.NETWORK
    return Stop(code, f"'{destination}' was not read: {error.words.rstrip('.')} ({error.code})")
