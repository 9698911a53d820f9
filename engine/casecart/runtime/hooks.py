"""Hooks at work: the lines of a message go to a Python file of the workspace, and come back changed or held."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from casecart.canonical import FIELDS, Usage
from casecart.mapping.problem import Problem
from casecart.mapping.value import LONGEST
from casecart.rules import Trouble
from casecart.runtime.fault import NotWorkable
from casecart.runtime.hook_process import AFTERWARDS, HookProcess
from casecart.workspace import Finding, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from casecart.mapping import Mapped
    from casecart.workspace import Channel

__all__ = ["KEPT", "Hooks", "change"]

KEPT: Final = frozenset({"facility", "case", "encounter", "line", "source"}) | {
    name for name, field in FIELDS.items() if field.made_by
}
"""Fields that a hook sees and can't change: they say whose line it is, or are another step's to say."""

_MOST_WORDS: Final = 200  # characters

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class _Process(Protocol):
    def call(self, lines: bytes) -> msgspec.Raw:
        """What the hook makes of the lines."""


class Hooks:
    """The hooks of all channels, each in a process of its own.

    Args:
        channels: as declared, by name.
        sources: of the hooks' files, by their paths below the workspace.
        clock: monotonic seconds.
    """

    def __init__(self, channels: Mapping[str, Channel], sources: Mapping[str, str], clock: Callable[[], float]) -> None:
        steps = {name: step.hook for name, channel in channels.items() if (step := channel.hook)}
        self._places = {name: hook.at("file") for name, hook in steps.items()}
        self._made_of = {name: (str(hook.file), sources[hook.file], hook.limit) for name, hook in steps.items()}
        self._processes = {name: HookProcess(*made_of, clock) for name, made_of in self._made_of.items()}
        self._begun = frozenset[str]()

    def keep(self, others: Hooks) -> None:
        """Take over, before the start, the processes of hooks that are the same; they are run by either."""
        before, processes = others._made_of, others._processes
        same = {name for name, made_of in self._made_of.items() if before.get(name) == made_of}
        self._processes |= {name: processes[name] for name in same}
        self._begun = frozenset(same)

    def start(self) -> None:
        """Have their processes ready. Raises `WorkspaceError` with what can't be loaded."""
        findings = []
        begun = []
        for name, process in self._processes.items():
            if name in self._begun:
                continue
            begun.append(process)
            try:
                process.start()
            except NotWorkable as fault:
                findings.append(Finding(self._places[name], "error", "bad-hook", fault.trouble.words.partition(";")[0]))
        if findings:
            for process in begun:
                process.stop()
            raise WorkspaceError(findings)

    def run(self, channel: str, mapped: Mapped) -> Mapped:
        """The lines as the channel's hook wants them. Raises `NotWorkable`: the message can't be worked."""
        return change(self._processes[channel], mapped) if mapped.documents else mapped

    def stop(self, but: Hooks | None = None) -> None:
        """End their processes, but for those that others took over, or that were taken over from them."""
        kept = set() if but is None else {*but._processes.values()}  # noqa: SLF001 - of its own kind
        for process in self._processes.values():
            if process not in kept:
                process.stop()


def change(process: _Process, mapped: Mapped) -> Mapped:
    """Has a hook look at the lines of a message.

    Raises:
        NotWorkable: it failed in some way, or what it gave back are not these lines.
    """
    rows: Any = None
    with suppress(msgspec.DecodeError):
        rows = _decode(process.call(_encode(mapped.documents)))
    if not isinstance(rows, list) or len(rows) != len(mapped.documents):
        raise _nonsense(f"did not give back a list of the {len(mapped.documents)} lines that it was given")
    documents, places, held = [], [], []
    for row, place, usage in zip(rows, mapped.places, mapped.documents, strict=True):
        if isinstance(row, dict) and row.keys() == {"hold"}:
            held.append(_held(row["hold"], place))
        else:
            documents.append(_line(row, place, usage))
            places.append(place)
    exceptions = [*mapped.exceptions, *held]
    return msgspec.structs.replace(mapped, documents=documents, places=places, exceptions=exceptions)


def _held(words: object, place: str) -> Problem:
    if not isinstance(words, str) or not 0 < len(words) <= _MOST_WORDS or not words.isprintable():
        raise _nonsense(f"held {place} without words, or with more than {_MOST_WORDS} characters of them")
    return Problem(place, "held-by-hook", "", "", words)


def _line(row: object, place: str, usage: Usage) -> Usage:
    if not isinstance(row, dict) or not row.keys() <= FIELDS.keys():
        raise _nonsense(f"gave back for {place} what is no line, or has a field that a line doesn't")
    try:
        line = msgspec.convert(row, Usage)
    except msgspec.ValidationError:
        raise _nonsense(f"gave back for {place} a field with a value that it can't have") from None
    if line.quantity is not None and not _is_quantity(line.quantity):
        raise _nonsense(f"gave back for {place} a quantity that is none: never negative, action says the direction")
    if line.quantity is not None:
        line = msgspec.structs.replace(line, quantity=Decimal(f"{line.quantity:f}"))  # 2E+1 is nobody's way to write 20
    for name in KEPT:
        if getattr(line, name) != getattr(usage, name):
            raise _nonsense(f"changed {name} of {place}, which a hook can't")
    return line


def _is_quantity(number: Decimal) -> bool:
    """Whether a mapping could have made it: digits and a point."""
    return number.is_finite() and number >= 0 and number.adjusted() < LONGEST and len(str(number)) <= LONGEST


def _nonsense(words: str) -> NotWorkable:
    return NotWorkable(Trouble("hook-answer", "", f"The channel's hook {words}; {AFTERWARDS}", ""))
