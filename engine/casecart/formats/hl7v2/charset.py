"""Bytes to text: which character set a message is in, whatever it says of itself."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["FALLBACK", "UNKNOWN", "UNSUITABLE", "codec", "decode", "detect"]

# What `decode` notes. The text is whole in each case; these say that somebody should look at the sender.
FALLBACK: Final = "charset-fallback"  # nothing declared, not ASCII, not UTF-8: read as Windows-1252
UNSUITABLE: Final = "charset-unsuitable"  # the bytes are not in the declared character set
UNKNOWN: Final = "charset-unknown"  # not a name that we know, or one that can't be sent over MLLP

_ISO_8859_PARTS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)

# Table 0211 and the spellings met in the wild, in capitals and without what is neither letter nor digit. Left
# out on purpose: CNS 11643-1992, for which Python has no codec, and UTF-16 and UTF-32, which can't be in a
# frame. The deprecated UNICODE doesn't say which form; only UTF-8 can have arrived.
_CODECS: Final = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "ISOIR6": "ascii",
    "ANSIX341968": "ascii",
    **{f"8859{part}": f"iso8859-{part}" for part in _ISO_8859_PARTS},
    **{f"ISO8859{part}": f"iso8859-{part}" for part in _ISO_8859_PARTS},
    "LATIN1": "iso8859-1",
    "LATIN9": "iso8859-15",
    "ISOIR100": "iso8859-1",
    "ISOIR14": "shift_jis",  # JIS X 0201, of which Shift JIS is a superset
    "SHIFTJIS": "shift_jis",
    "SJIS": "shift_jis",
    "ISOIR87": "iso2022_jp",
    "ISO2022JP": "iso2022_jp",
    "ISOIR159": "iso2022_jp_2",
    "EUCJP": "euc_jp",
    "CP932": "cp932",
    "WINDOWS31J": "cp932",
    "KSX1001": "euc_kr",
    "EUCKR": "euc_kr",
    "GB180302000": "gb18030",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "GB2312": "gb2312",
    "BIG5": "big5",
    "UNICODE": "utf-8",
    "UNICODEUTF8": "utf-8",
    "UNICODE11UTF8": "utf-8",
    "UTF8": "utf-8",
    "WINDOWS1250": "cp1250",
    "WINDOWS1251": "cp1251",
    "WINDOWS1252": "cp1252",
    "ANSI": "cp1252",
    "WIN1252": "cp1252",
    "CP1250": "cp1250",
    "CP1251": "cp1251",
    "CP1252": "cp1252",
}

# In ISO 8859 these bytes are control characters, which nobody puts in a message: who sends them means another
# set.
_C1: Final = re.compile(rb"[\x80-\x9f]")


def codec(name: str) -> str | None:
    """Python's codec for a character set of table 0211 in any known spelling; None for an unknown one."""
    return _CODECS.get(re.sub(r"[^A-Z0-9]", "", name.upper()))


def decode(body: bytes, declared: bytes = b"", override: str | None = None) -> tuple[str, str | None]:
    """The text of a message, with no byte dropped or replaced.

    Decided in this order: the peer's own setting, MSH-18, strict UTF-8, Windows-1252.

    Args:
        body: the message.
        declared: the first repetition of MSH-18 (`Header.character_set`).
        override: the peer's character set, which is believed more than MSH-18.

    Returns:
        The text, and None or a note: `charset-fallback`, `charset-unsuitable` or `charset-unknown`. Where all
        is ASCII an unknown name makes no difference and is not noted.
    """
    if _plain(body):
        return body.decode("ascii"), None
    name, note = detect(body, declared, override)
    return body.decode(name), note


def detect(body: bytes, declared: bytes = b"", override: str | None = None) -> tuple[str, str | None]:
    """Python's codec for the bytes, and the note that `decode` gives with their text.

    The codec writes the text as the bytes that it was read from. Only sets that switch by control sequences (ISO
    2022) have several ways to write one text.
    """
    wanted = codec(override) if override is not None else _declared(declared)
    if wanted is not None and _suits(body, wanted):
        return wanted, None
    if wanted is not None:
        note: str | None = UNSUITABLE
    else:
        note = UNKNOWN if (declared or override is not None) and not _plain(body) else None
    if _suits(body, "utf-8"):
        return "utf-8", note
    # Windows-1252 has five holes, Latin-1 has none: the search ends here.
    return ("cp1252" if _suits(body, "cp1252") else "iso8859-1"), note or FALLBACK


def _plain(body: bytes) -> bool:
    """Whether it is ASCII in every set. Some write everything in ASCII's bytes, by control sequences."""
    return body.isascii() and b"\x1b" not in body


def _suits(body: bytes, name: str) -> bool:
    if name.startswith("iso8859") and _C1.search(body):
        return False
    try:
        body.decode(name)
    except UnicodeDecodeError:
        return False
    return True


@lru_cache(maxsize=256)
def _declared(name: bytes) -> str | None:
    return codec(name.decode("latin-1"))
