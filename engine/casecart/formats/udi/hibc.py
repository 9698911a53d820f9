"""HIBCC's codes: primary, secondary, both in one, with supplemental data (ANSI/HIBC Supplier Labeling Standard)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from casecart.formats.udi.control import refuse_others
from casecart.formats.udi.draft import Draft
from casecart.formats.udi.hibc_data import secondary, supplement
from casecart.formats.udi.note import CHECK_BLANK, CHECK_CHARACTER, NO_DI
from casecart.formats.udi.reading import REFUSALS, Ambiguous, Udi, Wrong

if TYPE_CHECKING:
    from casecart.formats.udi.reading import Form

__all__ = ["check_character", "identify", "is_identifier", "labeled"]

# Code 39's alphabet; the place of a character is its value (modulus 43).
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
_CODE: Final = re.compile(r"\+[0-9A-Z\-. $/+%]{2,}")

# LIC, PCN, unit of measure.
_IDENTIFIER: Final = re.compile(r"([A-Z][A-Z0-9]{3})([A-Z0-9]{1,18})([0-9])")

_LOST: Final = (
    "Either the check character is wrong, or it was a blank that got lost at the end: "
    "the device identifier is another one in each case."
)


def check_character(code: str) -> str:
    """The check character (modulus 43) for a code that begins with its `+`; all must be of Code 39's alphabet."""
    return _ALPHABET[sum(map(_VALUES.__getitem__, code)) % len(_ALPHABET)]


def is_identifier(text: str) -> bool:
    """Whether it looks like LIC + PCN + unit of measure, as GUDID has it: without `+` and check character."""
    return _IDENTIFIER.fullmatch(text) is not None


def identify(draft: Draft, start: int, end: int) -> None:
    """Reads LIC, PCN and unit of measure, which are the device identifier.

    Raises:
        Wrong: it is none.
    """
    match = _IDENTIFIER.fullmatch(draft.text, start, end)
    if match is None:
        raise Wrong("structure", "After + come a letter and three characters, a product number and a digit.", start)
    for number, kind in enumerate(("labeler", "product", "level"), start=1):
        draft.mark(kind, "", match.start(number), match.start(number), match.end(number))
    draft.state("di", match[0], start)


def labeled(text: str, start: int, end: int, year: int) -> Udi | Ambiguous:
    """What a code that begins with `+` says.

    Args:
        text: the code, perhaps between the asterisks of a printed label. The check character may be a blank,
            printed `_`.
        start: where it begins, behind the scanner's prefix.
        end: where it ends.
        year: the current one.

    Raises:
        Wrong: it is no HIBC.
    """
    form: Form = "scanned"
    if text[start] == "*":
        form, start = "printed", start + 1
        if end > start and text[end - 1] == "*":
            end -= 1
    body = text[start:end]
    if body.endswith("_"):
        body = f"{body[:-1]} "
    if not _CODE.fullmatch(body):
        refuse_others(text, start, end)
        if not body.isupper() and _CODE.fullmatch(body.upper()):
            raise Wrong("structure", "HIBC has capitals only, and this has small letters.", start)
        raise Wrong("structure", "HIBC begins with + and has capitals, digits and - . blank $ / + % only.", start)
    fits = check_character(body[:-1]) == body[-1]
    if fits or body.endswith(" ") or check_character(body) != " ":
        return _read(text, body, start, year, form=form, fits=fits)
    # As if the blank were still there: one reading more, and the only one if the other breaks.
    restored = _read_or_none(text, f"{body} ", start, year, form=form, lost=True)
    written = _read_or_none(text, body, start, year, form=form)
    if restored is None:
        return _read(text, body, start, year, form=form, fits=False)
    if written is None:
        return restored
    return Ambiguous(text=text, code="check-lost", words=_LOST, readings=(written, restored))


def _read_or_none(text: str, body: str, start: int, year: int, *, form: Form, lost: bool = False) -> Udi | None:
    try:
        return _read(text, body, start, year, form=form, fits=lost, lost=lost)
    except Wrong:
        return None


def _read(text: str, body: str, start: int, year: int, *, form: Form, fits: bool, lost: bool = False) -> Udi:
    """Reads `body`, which stands at `start`, with its last character as the check character.

    Args:
        text: the code.
        body: what is read; the check character is a blank, and not in the text, if it was `lost`.
        start: where it stands.
        year: the current one.
        form: how it was written.
        fits: whether the check character is right.
        lost: whether it is none of the text.
    """
    draft = Draft(text)
    draft.mark("flag", "", start, start, start + 1)
    stop = start + len(body) - 1
    if lost:
        draft.note(CHECK_BLANK)
    elif not fits:
        draft.note(CHECK_CHARACTER)
    at = start + 1
    if body[1].isalpha():
        at = text.find("/", at, stop)
        at = stop if at < 0 else at
        identify(draft, start + 1, at)
        if at < stop:
            if at + 1 == stop:
                raise Wrong("structure", "A slash has nothing behind it.", at)
            _data(draft, at + 1, stop, year)
    else:
        draft.note(NO_DI)
        if stop - 1 <= at:
            raise Wrong("structure", REFUSALS["structure"], at)
        _data(draft, at, stop - 1, year, alone=True)
        draft.mark("link", "", stop - 1, stop - 1, stop)
    draft.mark("check", "", stop, stop, stop if lost else stop + 1)
    return draft.udi("HIBCC", form)


def _data(draft: Draft, start: int, stop: int, year: int, *, alone: bool = False) -> None:
    """Reads secondary and supplemental data, which slashes divide."""
    at = start
    while at < stop:
        end = draft.text.find("/", at, stop)
        end = stop if end < 0 else end
        if not secondary(draft, at, end, year):
            if alone and at == start:
                raise Wrong("structure", "After + comes a letter, a $, or a date of five digits.", at)
            supplement(draft, at, end)
        at = end + 1
    if at == stop and stop > start:
        raise Wrong("structure", "A slash has nothing behind it.", stop)
