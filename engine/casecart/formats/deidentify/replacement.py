"""Values for other values: of the same shape, the same one each time, and never to be traced back without the key."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["FILLER", "Shapes", "filler"]

FILLER: Final = "xxxxx "
"""What stands for text."""

# Without vowels, so that no words come about.
_LETTERS: Final = "bcdfghjklmnpqrstvwxz"
_HEX: Final = "0123456789abcdef"
_UUID: Final = re.compile(r"(urn:uuid:)?([0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})")
_TRIES: Final = 200
_SHORT: Final = 4
_FEW_TRIES: Final = 20  # of so short a shape there may be none left


def filler(length: int) -> str:
    """As many characters that say nothing."""
    text = (FILLER * (length // len(FILLER) + 1))[:length]
    return f"{text[:-1]}x" if text.endswith(" ") else text


class Shapes:
    """Gives each value another one of its shape: digits for digits, letters for letters, all else as it is.

    The same value, whatever its capitals, gets the same one each time, and no two get the same one where there is
    room. Which one depends on the key alone, unless two would have got the same.

    Args:
        key: of the workspace, at most 64 bytes.
        attempt: another one gives other values.
        avoid: what no value may become, in small letters.
    """

    def __init__(self, key: bytes, attempt: int, avoid: Collection[str]) -> None:
        self._key, self._attempt, self._avoid = key, attempt, avoid
        self._numbers: dict[str, int] = {}
        self._taken: set[str] = set()

    def of(self, value: str) -> str:
        """The value that stands for this one. Blanks around it stay."""
        core = value.strip()
        if not core:
            return value
        start = value.index(core)
        return value[:start] + self._of(core) + value[start + len(core) :]

    def _of(self, core: str) -> str:
        name = core.casefold()
        number = self._numbers.get(name)
        if number is None:
            number = next(
                (each for each in range(_FEW_TRIES if len(core) <= _SHORT else _TRIES) if self._free(name, each)), 0
            )
            self._numbers[name] = number
            self._taken.add(self._shaped(name, name, number))
        return self._shaped(core, name, number)

    def _free(self, name: str, number: int) -> bool:
        new = self._shaped(name, name, number)
        return new not in self._taken and new not in self._avoid

    def _shaped(self, core: str, name: str, number: int) -> str:
        octets = self._stream(name, number, len(core))
        if (match := _UUID.fullmatch(core)) is not None:
            start = len(match[1] or "")
            return core[:start] + "".join(
                sign if sign == "-" else _HEX[octet % 16]
                for sign, octet in zip(core[start:], octets[start:], strict=True)
            )
        zeros = len(core) - len(core.lstrip("0"))
        return "".join(
            _like(sign, octet, first=at == zeros) if at >= zeros else sign
            for at, (sign, octet) in enumerate(zip(core, octets, strict=True))
        )

    def _stream(self, name: str, number: int, length: int) -> bytes:
        """As many bytes; those of a value and its number."""
        # The whole value once: it may be as long as a message.
        seed = blake2b(name.encode("utf-8", "surrogatepass"), key=self._key, person=b"casecart value").digest()
        found = bytearray()
        block = 0
        while len(found) < length:
            salt = bytes((self._attempt % 256, number % 256)) + block.to_bytes(6, "big")
            found += blake2b(seed, key=self._key, salt=salt, person=b"casecart shapes").digest()
            block += 1
        return bytes(found[:length])


def _like(sign: str, octet: int, *, first: bool) -> str:
    """A character of the same class. A number does not begin with a zero where it did not."""
    if sign.isdecimal():
        return str(1 + octet % 9) if first else str(octet % 10)
    letter = _LETTERS[octet % len(_LETTERS)]
    if "A" <= sign <= "Z":
        return letter.upper()
    # Other alphabets become small letters, so that no line of text begins as a segment does.
    return sign if sign.isascii() and not sign.isalpha() else sign if sign.isspace() else letter
