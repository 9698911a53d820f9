"""The root of an XML document, without anything that XML lets a sender do: no DTD, no entities, no other file."""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

__all__ = ["NotTaken", "root_of"]

_DEEPEST: Final = 256
_MOST_ELEMENTS: Final = 200_000


class NotTaken(Exception):
    """It is no XML, or none that is taken.

    Attributes:
        code: `xml-broken`, `xml-dtd`, `xml-too-deep` or `xml-too-large`.
        words: what is wrong, without anything of the content.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class _Reader:
    def __init__(self) -> None:
        self.root = ""
        self._depth = self._elements = 0
        self._parser = parser = expat.ParserCreate(namespace_separator="}")
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartDoctypeDeclHandler = self._no_dtd
        parser.EntityDeclHandler = self._no_dtd
        parser.ExternalEntityRefHandler = self._no_dtd
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end

    def read(self, body: bytes) -> str:
        try:
            self._parser.Parse(body, True)  # noqa: FBT003 - expat takes it by position
        except expat.ExpatError as error:
            words = f"this is no well-formed XML (line {error.lineno})"
            raise NotTaken("xml-broken", words) from None
        except (LookupError, ValueError):  # an encoding that nobody knows
            raise NotTaken("xml-broken", "the encoding that the XML declares is not known") from None
        return self.root

    def _no_dtd(self, *_: object) -> int:
        raise NotTaken("xml-dtd", "XML with a document type or entities is not taken")

    def _begin(self, name: str, _: object) -> None:
        self.root = self.root or name.rpartition("}")[2]
        self._depth += 1
        self._elements += 1
        if self._depth > _DEEPEST:
            raise NotTaken("xml-too-deep", f"more than {_DEEPEST} elements stand within each other")
        if self._elements > _MOST_ELEMENTS:
            raise NotTaken("xml-too-large", f"it has more than {_MOST_ELEMENTS} elements")

    def _end(self, _: str) -> None:
        self._depth -= 1


def root_of(body: bytes) -> str:
    """The name of the root, without its namespace.

    Raises:
        NotTaken: it is no XML, has a document type or entities, or is too deep.
    """
    return _Reader().read(body)
