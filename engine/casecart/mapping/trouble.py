"""What the compiled mapping calls when something is wrong with a field; never on the way of a good line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from casecart.formats.fhir import read_reference
from casecart.formats.fhir.path.names import RESOURCES
from casecart.formats.udi import Ambiguous, Udi, Unreadable
from casecart.mapping.problem import Problem
from casecart.mapping.udi import UNREAD, read_udi, unite
from casecart.mapping.value import fault, read
from casecart.workspace.findings import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from casecart.formats.fhir import Problem as NotValid
    from casecart.formats.fhir.path import PathFailed
    from casecart.formats.fhir.path.value import Json
    from casecart.mapping.plan import FieldPlan

    _Given = str | date | tuple[str, ...] | None

__all__ = [
    "Found",
    "Trouble",
    "line_twice",
    "means_otherwise",
    "not_found",
    "not_valid",
    "path_failed",
    "resource_deleted",
    "told_twice",
]


class Found(msgspec.Struct, frozen=True, order=True, gc=False):
    """A problem that doesn't know its line yet; in the order of the mapping's fields."""

    order: int
    code: str
    field: str
    path: str
    words: str
    subject: str = ""

    def at(self, place: str) -> Problem:
        """The problem of this line."""
        return Problem(place, self.code, self.field, self.path, self.words, self.subject)


def told_twice(leader: str, field: str) -> tuple[Found]:
    """Segments that make one document say the same sort of thing: they may be of two devices."""
    words = (
        f"several {leader} with the same {field} say the same sort of thing, such as a UDI: each device needs "
        "another, or nobody knows what belongs together"
    )
    return (Found(-1, "conflict", "", field, words),)


def means_otherwise() -> tuple[Found]:
    """A resource may mean something else than it says (`modifierExtension`)."""
    words = (
        "the resource has a modifierExtension or implicitRules, which may turn what it says into something else: find "
        "out from its sender what they mean, and book the line by hand or leave it"
    )
    return (Found(-1, "modifier-extension", "", "modifierExtension", words),)


def not_valid(version: str, problem: NotValid, path: str, *, several: bool) -> tuple[Found]:
    """A resource is not as a version of FHIR defines it; what is said of it repeats nothing that stands there.

    Args:
        version: R4, R4B or R5.
        problem: what is wrong.
        path: where in the message.
        several: other things are wrong as well.
    """
    # Where in the message is no part of the cause: of a hundred resources with one mistake a person hears once.
    words = (
        f"the resource is not as FHIR {version} has it at {problem.place} ({problem.code}"
        f"{', and more' if several else ''}). {problem.words} Have its sender mend it and send it again, or let the "
        "mapping take such resources by validate: none"
    )
    return (Found(-1, "invalid-resource", "", path, words),)


def line_twice() -> tuple[Found]:
    """Two elements of a message have the same line, and only one of them would count."""
    words = (
        "two elements of the message have this case and line, and the last word on a line stands: give line something "
        "that tells them apart, or book the second one by hand"
    )
    return (Found(-1, "conflict", "line", "", words),)


def resource_deleted() -> tuple[Found]:
    """A resource is deleted at its server, which is no word on what was used: errors are entered as errors."""
    words = (
        "the resource is deleted at its server, which tells nothing of the reason: find out from its sender whether "
        "this was used; if it was not, take it back with --accept, else reject this"
    )
    return (Found(-1, "resource-deleted", "", "", words),)


def not_found(alias: str, path: str) -> Callable[[Sequence[Json]], tuple[Found]]:
    """Says that what a `bind` refers to is not in the message; of the references themselves only the type is told.

    Args:
        alias: of the `bind`.
        path: which ends in `resolve()`.
    """

    def found(missed: Sequence[Json]) -> tuple[Found]:
        kinds = {_kind(reference) for reference in missed}
        kind = kinds.pop() if len(kinds) == 1 else ""
        words = (
            f"bind {alias}: {f'the {kind} that' if kind else 'what'} {path} leads to is not in the message, or two "
            "might be meant: have its sender put it into the bundle, or a listener of kind fhir fetch it by include; "
            "once it can be had, replay the notification, or have the resource sent again"
        )
        return (Found(-1, "reference-not-found", "", path, words),)

    return found


def _kind(reference: Json) -> str:
    """The type of the resource that is meant, as far as a Reference or its text tells one that FHIR has."""
    element = reference if reference.__class__ is dict else {"reference": reference}
    kind = read_reference(str(element["reference"])).type or str(element.get("type"))
    return kind if kind in RESOURCES else ""


def path_failed(what: str, path: str) -> Callable[[PathFailed], tuple[Found]]:
    """Says that a path has no answer."""
    return lambda failed: (Found(-1, "path-failed", "", path, f"{what}: {failed}"),)


class Trouble:
    """Says what is wrong with one field. Nothing in it repeats the message, but for a code that its table lacks."""

    def __init__(self, plan: FieldPlan) -> None:
        self._plan = plan
        self._missing = self._nothing()

    def _found(self, code: str, words: str, path: str | None = None) -> tuple[Found]:
        place = self._plan.place if path is None else path
        return (Found(self._plan.order, code, self._plan.name, place, words),)

    def missing(self) -> tuple[Found]:
        """No source has a value."""
        return self._missing

    def _nothing(self) -> tuple[Found]:
        where = f"at {self._plan.place}" if len(self._plan.paths) == 1 else f"at any of {self._plan.place}"
        words = f"{self._plan.name} is required, and there is no value {where}"
        return self._found("missing", words)

    def unreadable(self, text: str, time_zone: ZoneInfo, path: str | None = None) -> tuple[Found]:
        """The text is not in the table, or not of the type."""
        plan = self._plan
        if plan.codes is not None:
            code = text if _CODE.fullmatch(text) else ""
            words = (
                f"the code {code + ' ' if code else ''}for {plan.name} is not in table {plan.codes.name}: add a row "
                "for it, or a * row for every code without one of its own"
            )
            place = plan.place if path is None else path
            return (Found(plan.order, "code-not-in-table", plan.name, place, words, f"table:{plan.codes.name}={code}"),)
        code = fault(text, plan.type, time_zone)
        return self._found(code, f"{plan.name} {_FAULTS[code]}", path)

    def failed(self, failed: PathFailed) -> tuple[Found]:
        """A path has no answer for this resource."""
        return self._found("path-failed", f"{self._plan.name}: {failed}")

    def not_allowed(self) -> tuple[Found]:
        """The document doesn't have this value."""
        plan = self._plan
        allowed = " or ".join(sorted(plan.allowed or ()))
        words = f"{plan.name} can only be {allowed}: leave such lines out by where, or have a table give one of these"
        return self._found("not-allowed", words)

    def sign(self) -> tuple[Found]:
        """The quantity is negative where it can't be."""
        if self._plan.sign is None:
            words = "the quantity is negative, and the mapping doesn't say what that means: give quantity a sign"
        elif self._plan.sign == "by-action":
            words = "the quantity is negative, and the action doesn't take anything back"
        else:
            words = "the quantity is negative, and the action takes back already: that would be a double negative"
        return self._found("quantity-sign", words)

    def settle(self, sources: Sequence[_Given], time_zone: ZoneInfo, today: date) -> tuple[object, tuple[Found, ...]]:
        """The value that sources with different texts agree on, or the problem that there is none.

        Args:
            sources: what each path gave: text, or a day that has been read already.
            time_zone: of the sender.
            today: at the facility.
        """
        values: list[object] = []
        paths: list[str] = []
        for path, given in self._given(sources):
            value = self._read(given, time_zone, today) if isinstance(given, str) else given
            if value is None:
                return None, self.unreadable(str(given), time_zone, path)
            values.append(value)
            paths.append(path)
        if any(value != values[0] for value in values):
            return None, self._conflict(paths)
        return values[0], ()

    def refused(self, reading: Ambiguous | Unreadable, path: str | None = None) -> tuple[Found]:
        """A device's code can't be read, or not in one way only."""
        name, words = self._plan.name, reading.words.removesuffix(".")
        if isinstance(reading, Ambiguous):
            return self._found("udi-ambiguous", f"{name} can be read in more than one way: {words}", path)
        where = "" if reading.position is None else f" from its character {reading.position + 1} on"
        return self._found("udi-unreadable", f"{name} can't be read{where}: {words}", path)

    def settle_udi(self, sources: Sequence[_Given], today: date) -> tuple[str | None, Udi, tuple[Found, ...]]:
        """Text and reading of the device that codes with different texts agree on, or the problem that there is none.

        Args:
            sources: what each path gave.
            today: at the facility.
        """
        readings: list[Udi] = []
        paths: list[str] = []
        for path, text in self._given(sources):
            reading = read_udi(str(text), today)
            if not isinstance(reading, Udi):
                return None, UNREAD, self.refused(reading, path)
            readings.append(reading)
            paths.append(path)
        united = unite(readings)
        if united is None:
            return None, UNREAD, self._conflict(paths)
        return united.text, united, ()

    def _given(self, sources: Sequence[_Given]) -> Iterator[tuple[str, str | date]]:
        """What the paths gave, one by one, and the path of each."""
        for path, given in zip(self._plan.paths, sources, strict=True):
            for each in given if isinstance(given, tuple) else () if given is None else (given,):
                yield str(path), each

    def _conflict(self, paths: Sequence[str]) -> tuple[Found]:
        named = list(dict.fromkeys(paths))
        say = f"{listed(named)} say" if len(named) > 1 else f"the repetitions of {named[0]} say"
        words = f"{say} different things about {self._plan.name}: find out which is right"
        return self._found("conflict", words, ", ".join(named))

    def _read(self, text: str, time_zone: ZoneInfo, today: date) -> object:
        if self._plan.codes is not None:
            return self._plan.codes.value(text, today)
        return read(text, self._plan.type, time_zone)


# What looks like a code of a list; free text that came to stand there may tell a patient, and is not repeated.
_CODE = re.compile(r"[A-Za-z0-9_.+-]{1,20}", re.ASCII)

_FAULTS = {
    "udi-unreadable": "is no device identifier: a GTIN, or one of HIBCC, ICCBBA or IFA",
    "not-a-number": "is not a number as HL7 writes it: digits, perhaps a sign and a decimal point, nothing else",
    "not-a-date": "is not a date as HL7 writes it: YYYYMMDD, in FHIR YYYY-MM-DD, perhaps with a time behind it",
    "date-precision": "is less exact than it must be: the sender gave only a part of it",
    "time-ambiguous": "has a time without an offset that the sender's clock showed twice, as summer time ended",
    "time-skipped": "has a time without an offset that the sender's clock never showed, as summer time began",
}
