"""Whether anything of what was replaced is left: in a value, in another writing, or hidden in bytes."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from casecart.formats.deidentify.days import day_in, writings
from casecart.formats.deidentify.rules import EXEMPT, KEPT, PERSONAL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from casecart.formats.deidentify.rules import Leaf, Rule

__all__ = ["SHORTEST", "Canary"]

SHORTEST: Final = 3
"""Characters of a value that is looked for. What is shorter is in everything."""

_WITHIN: Final = 5
"""From so many characters on a value is looked for within others as well; a shorter one as a word only."""

_SAYS: Final = re.compile(r"[^\W_0]")
_WORD: Final = re.compile(r"\w+")
_PARTS: Final = re.compile(r"[^\W_]+")
_DIGIT: Final = re.compile(r"\d")
_NOT_DIGITS: Final = re.compile(r"\D")
_LEAST_TEXT: Final = 8
_LEAST_BYTES: Final = 6
_LEAST_DIGITS: Final = 8  # a telephone number; shorter ones are in every device identifier
_TRIPLE: Final = 3


class _Terms(NamedTuple):
    """What is looked for, in small letters."""

    within: dict[str, set[str]]
    """By their first characters."""
    words: frozenset[str]

    def found(self, text: str, common: Collection[str] = ()) -> Iterator[str]:
        """The terms in a text that is in small letters, without those that are common."""
        for word in self.words.intersection(_WORD.findall(text)):
            if word not in common:
                yield word
        if self.within:
            for at in range(len(text) - _WITHIN + 1):
                for term in self.within.get(text[at : at + _WITHIN], ()):
                    if text.startswith(term, at) and term not in common:
                        yield term


class Canary:
    """Looks for the values that were replaced.

    Not looked for are values of one or two characters, numbers of up to four digits, and those that also stand alone as
    something that stays: a word that names a facility or an item, or a code of up to four characters.

    Args:
        replaced: the values, and the rule by which each was; `other` and `text` are not known to be a person's.
        kept: the values that stayed, and the rule by which each did.
    """

    def __init__(self, replaced: Iterable[tuple[Rule, str]], kept: Iterable[tuple[Rule, str]]) -> None:
        stays = [(rule, value.strip().casefold()) for rule, value in kept]
        self._kept = frozenset(
            value for rule, value in stays if len(value) < _WITHIN or (rule in EXEMPT and not _DIGIT.search(value))
        )
        personal: set[str] = set()
        others: set[str] = set()
        plain: set[str] = set()
        for rule, value in replaced:
            core = value.strip()
            if rule in PERSONAL and (rule != "id" or _DIGIT.search(core)):  # `example` is found in addresses
                personal.update(_terms(rule, core))
                plain.add(core)
            elif len(core) >= (_LEAST_TEXT if rule in {"text", "narrative"} else _WITHIN):
                others.add(core.casefold())
        personal = {term for term in personal if _is_sought(term)} - self._kept
        self._personal = _indexed(personal)
        self._all = _indexed(personal | (others - self._kept))
        self._bytes = _byte_forms(value for value in plain if value.casefold() not in self._kept)

    def in_description(self, value: str) -> bool:
        """Whether the text beside a code holds one of them."""
        return any(self._all.found(value.casefold()))

    def in_value(self, leaf: Leaf) -> bool:
        """Whether a value of what came out holds one of them."""
        value = leaf.value.strip().casefold()
        if leaf.rule not in KEPT:
            return any(self._personal.found(value))
        # By chance a number lies within a code; as a word of its own it was put there, also in the genitive.
        return any(
            len(term) >= _WITHIN and re.search(rf"(?<![^\W_]){re.escape(term)}s?(?![^\W_])", value)
            for term in self._personal.found(value)
        )

    def in_text(self, text: str, common: Collection[str] = ()) -> int | None:
        """The first line, counted from 1, of a text beside the messages that holds one of them.

        Args:
            text: as it is to be written.
            common: words that it has of itself, in small letters.
        """
        known = sorted((value for value in self._kept if len(value) >= SHORTEST), key=len, reverse=True)
        blank = re.compile("|".join(map(re.escape, known))) if known else None
        for number, line in enumerate(text.splitlines(), 1):
            small = line.casefold()
            if any(self._personal.found(blank.sub(" \0 ", small) if blank else small, common)):
                return number
        return None

    def in_bytes(self, data: bytes) -> bool:
        """Whether bytes hold one of them in base64, UTF-16, UTF-8 or Latin-1."""
        text = data.decode("latin-1")
        return any(self._bytes.found(text))

    def across(self, text: str, kept: str, common: Collection[str]) -> bool:
        """Whether one of them is in a message and in no value of it that stays: over several values.

        Args:
            text: all of the message.
            kept: all that stays, one value after the other.
            common: names that its format has, in small letters.
        """
        stays = kept.casefold()
        within = _Terms(self._personal.within, frozenset())
        return any(term not in stays for term in set(within.found(text.casefold(), common)))


def _is_sought(term: str) -> bool:
    return len(term) >= (_WITHIN if term.isdecimal() else SHORTEST) and _SAYS.search(term) is not None


def _terms(rule: Rule, value: str) -> Iterator[str]:
    small = value.casefold()
    yield small
    if rule in {"date", "birth"}:
        found = day_in(value)
        if found is not None and found.whole:
            yield from writings(found.day)
        return
    if rule == "name":
        yield from _PARTS.findall(small)
    digits = _NOT_DIGITS.sub("", small)
    if len(digits) >= _LEAST_DIGITS:
        yield digits


def _indexed(terms: Iterable[str]) -> _Terms:
    within: dict[str, set[str]] = {}
    words = set()
    for term in terms:
        if len(term) >= _WITHIN:
            within.setdefault(term[:_WITHIN], set()).add(term)
        elif _WORD.fullmatch(term):
            words.add(term)
    return _Terms(within, frozenset(words))


def _byte_forms(values: Iterable[str]) -> _Terms:
    within: dict[str, set[str]] = {}
    for value in values:
        for each in {value, value.lower(), value.upper(), value.title()}:
            for form in _written(each):
                within.setdefault(form[:_WITHIN], set()).add(form)
    return _Terms(within, frozenset())


def _written(value: str) -> Iterator[str]:
    """In bytes, each read as one character."""
    octets = value.encode("utf-8", "surrogatepass")
    if len(octets) < _LEAST_BYTES:
        return
    for name in ("utf-16-le", "utf-16-be"):
        # The NUL at an end is shared with what stands beside it.
        yield value.encode(name, "surrogatepass").strip(b"\0").decode("latin-1")
    if not value.isascii():
        yield octets.decode("latin-1")
        yield value.encode("latin-1", "replace").decode("latin-1")
    for start in range(_TRIPLE):
        packed = base64.b64encode(b"\0" * start + octets)
        # What hangs on the bytes before it and behind it is cut off.
        first = -(-start * 8 // 6)
        last = (start + len(octets)) * 8 // 6
        yield packed[first:last].decode("ascii")
