"""A message of HL7 v2 or a FHIR resource, as something whose values can be looked at and replaced."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from casecart.formats.deidentify import fhir, hl7v2
from casecart.formats.fhir import Refused as FhirRefused
from casecart.formats.fhir import read_resource, write_resource
from casecart.formats.hl7v2 import STANDARD, Refused, detect, parse, read_delimiters, read_header

if TYPE_CHECKING:
    from collections.abc import Collection

    from casecart.formats.deidentify.rules import Turn
    from casecart.formats.hl7v2 import Delimiters

__all__ = ["Document", "NotRead", "read_document"]

_HEADS: Final = (b"FHS", b"BHS")
_AROUND: Final = (*_HEADS, b"BTS", b"FTS")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class NotRead(Exception):
    """A message can't be read, so that nobody knows what is in it.

    Attributes:
        number: of the message, from 1.
        words: why.
    """

    def __init__(self, number: int, words: str) -> None:
        super().__init__(f"message {number}: {words}")
        self.number, self.words = number, words


@dataclass(slots=True)
class _Hl7:
    text: str
    charset: str
    patient: str
    keep: Collection[str]

    def turned(self, turn: Turn) -> str:
        return hl7v2.turned(self.text, self.charset, turn, self.keep)

    @property
    def names(self) -> Collection[str]:
        return ()

    def again(self, text: str) -> _Hl7:
        return _Hl7(text, self.charset, self.patient, self.keep)

    def bytes_of(self, text: str) -> bytes:
        return text.encode(self.charset)


@dataclass(slots=True)
class _Around:
    """Segments around messages: the head of a batch or file, or its end."""

    text: str
    charset: str
    delimiters: Delimiters
    keep: Collection[str]
    patient: str = ""

    @property
    def names(self) -> Collection[str]:
        return ()

    def turned(self, turn: Turn) -> str:
        return hl7v2.turned_header(self.text, self.delimiters, self.charset, turn, self.keep)

    def again(self, text: str) -> _Around:
        return replace(self, text=text)

    def bytes_of(self, text: str) -> bytes:
        return text.encode(self.charset)


@dataclass(slots=True)
class _Fhir:
    resource: dict[str, Any]
    patient: str
    keep: Collection[str]
    spread: bool
    """Whether it is written over several lines."""

    def turned(self, turn: Turn) -> str:
        written = write_resource(fhir.turned(self.resource, turn, self.keep))
        return (msgspec.json.format(written, indent=2) + b"\n" if self.spread else written).decode("utf-8")

    @property
    def names(self) -> Collection[str]:
        return fhir.names()

    def again(self, text: str) -> _Fhir:
        return _Fhir(read_resource(text.encode()), self.patient, self.keep, self.spread)

    def bytes_of(self, text: str) -> bytes:
        return text.encode()


Document: TypeAlias = _Hl7 | _Around | _Fhir


def read_document(number: int, body: bytes, keep: Collection[str], charset: str | None) -> Document:
    """A message, ready to be looked at.

    Args:
        number: of it, from 1.
        body: as it came; or what stands around messages: FHS, BHS, BTS, FTS.
        keep: fields and elements whose values stay.
        charset: of HL7 v2, where the sender's is known better than MSH-18 has it.

    Raises:
        NotRead: it is neither HL7 v2 nor a FHIR resource.
    """
    try:
        if body.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] in (b"{", b"["):
            resource = read_resource(body)
            return _Fhir(resource, fhir.patient_of(resource), keep, b"\n" in body.strip())
        if body[:3] in _AROUND:
            return _around(body, keep)
        header = read_header(body.lstrip(b"\xef\xbb\xbf\r\n\t \0"))
        name = detect(body, header.character_set, charset)[0]
        text = body.decode(name)
        return _Hl7(text, name, hl7v2.patient_of(parse(text, name)), keep)
    except (Refused, FhirRefused) as refused:
        raise NotRead(number, refused.problem.words) from None


def _around(body: bytes, keep: Collection[str]) -> _Around:
    charset = detect(body)[0]
    text = body.decode(charset)
    separator = text[3:4].strip() or STANDARD.field
    # An end declares none, but its separator of fields.
    delimiters = STANDARD._replace(field=separator)
    if body[:3] in _HEADS:
        delimiters = read_delimiters(separator, text[4:].splitlines()[0].partition(separator)[0])
    return _Around(text, charset, delimiters, keep)
