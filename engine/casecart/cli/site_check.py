"""Asks all that `casecart check --env` asks over the network, at once and each for some seconds only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from casecart.cli.reactor import in_reactor
from casecart.commands.configured import read_engine
from casecart.commands.site import CONFIGURATION
from casecart.commands.site_check import asked_of, here, sorted_in
from casecart.runtime.probe import Unfit
from casecart.workspace import Finding, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from casecart.commands.site_check import Asked
    from casecart.commands.workspace import Checked

__all__ = ["answers", "with_site"]

LIMIT: Final = 10.0
"""Seconds in which each must have answered."""


def with_site(root: Path, checked: Checked, limit: float = LIMIT) -> Checked:
    """What was found, with what is found of the site; where its configuration can't be read there is nothing to ask."""
    try:
        engine = read_engine(root)
    except WorkspaceError:
        click.echo(f"the site was not looked at: {CONFIGURATION} can't be read", err=True)
        return checked
    found = [*here(root, engine)]
    asked = asked_of(root, engine)
    if asked:
        found += in_reactor(lambda reactor: answers(asked, reactor, limit))
    # A file of TLS that isn't here is a warning to `check`, and here an error.
    worse = {(finding.place, finding.code) for finding in found}
    kept = (finding for finding in checked.findings if (finding.place, finding.code) not in worse)
    return replace(checked, findings=sorted_in((*kept, *found)))


async def answers(asked: Sequence[Asked], reactor: Any, limit: float) -> list[Finding]:  # noqa: ANN401 - Twisted's
    """What is told of all of them, each given up after `limit` seconds."""
    from twisted.internet.defer import gatherResults, maybeDeferred  # noqa: PLC0415 - for help nobody waits for Twisted

    def late(_: object, __: float) -> NoReturn:
        raise TimeoutError

    waiting = [maybeDeferred(_answer, each, reactor, limit, late) for each in asked]
    return [finding for found in await gatherResults(waiting) for finding in found]


async def _answer(each: Asked, reactor: Any, limit: float, late: Any) -> list[Finding]:  # noqa: ANN401 - Twisted's
    from twisted.internet.defer import maybeDeferred  # noqa: PLC0415 - as above

    try:
        await maybeDeferred(each.ask, reactor).addTimeout(limit, reactor, late)
    except Unfit as why:
        return [Finding(why.place, "error", why.code, f"'{each.name}': {why.words}")]
    except WorkspaceError as error:
        return [finding for finding in error.findings if finding.code not in {"secret-missing", "bad-certificate"}]
    except TimeoutError:
        return [Finding(each.place, "error", "not-reached", f"'{each.name}': no answer within {limit:g} s")]
    return []
