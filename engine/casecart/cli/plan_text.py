"""A plan as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.cli.text import counted, local, printable
from casecart.workspace.findings import listed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from casecart.commands.plan import Plan, PlannedChange

__all__ = ["lines_of"]

_SIGNS = {"added": "+", "changed": "~", "removed": "-"}


def lines_of(plan: Plan, zone_name: str, zone: tzinfo) -> Iterator[str]:
    """Printable lines: what it is compared with, each change and what it means, and how many there are."""
    yield printable(_against(plan))
    for engine in plan.engines:
        if engine.refused is not None:
            yield printable(f"{engine.place} would not take revision {engine.refused}: {engine.reason}")
    if (waits := plan.scheduled) is not None:
        at = local(waits.due_at, zone)[:16]
        yield printable(f"revision {waits.revision} of {waits.actor} waits for {at} ({zone_name}): {waits.note or '-'}")
    if not plan.comparable:
        yield f"Revision {plan.revision} was written for another version of casecart: only its files are compared."
    if plan.revision is not None:
        yield from _what(plan)


def _what(plan: Plan) -> Iterator[str]:
    if plan.files:
        yield ""
    for each in plan.changes:
        yield from _change(each)
    if plan.files:
        yield printable(f"  in {', '.join(f'{_SIGNS[file.kind]}{file.file}' for file in plan.files)}")
    if plan.diff:
        yield ""
        yield from map(printable, plan.diff.split("\n"))
    yield ""
    yield _summary(plan)


def _against(plan: Plan) -> str:
    if plan.revision is None:
        return "Nothing ran on this store yet, and nothing was applied: there is nothing to compare the files with."
    if not plan.engines:
        what = "would run at the next start" if plan.wanted is not None else "ran last; no engine is at work"
        return f"Compared with revision {plan.revision}, which {what}."
    by_revision: dict[int, list[str]] = {}
    for engine in plan.engines:
        by_revision.setdefault(engine.revision, []).append(engine.place)
    if by_revision.keys() == {plan.revision}:
        return f"Compared with revision {plan.revision}, which runs."
    said = [
        f"{listed(places)} {'run' if len(places) > 1 else 'runs'} {number}" for number, places in by_revision.items()
    ]
    return f"Compared with revision {plan.revision}; {'; '.join(said)}."


def _change(planned: PlannedChange) -> Iterator[str]:
    change = planned.change
    why = f": {'; '.join(change.why)}" if change.why else ""
    restart = " (needs a restart)" if change.restart else ""
    yield printable(f"  {_SIGNS[change.kind]} {change.sort} {change.name}{why}{restart}")
    for words in planned.means:
        yield printable(f"      {words}")


def _summary(plan: Plan) -> str:
    if not plan.files:
        return "No changes."
    number = len(plan.changes)
    files = counted(len(plan.files), "file")
    if not number:
        return f"No changes of what runs, in {files} that {'is' if len(plan.files) == 1 else 'are'} written otherwise."
    return f"{counted(number, 'change')}, in {files}."
