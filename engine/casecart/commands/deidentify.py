"""De-identify a file: its messages without what says whose they are, in the order and the wrapping that they have."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from casecart.commands.refusal import Refusal
from casecart.commands.site import NotAWorkspace, require_workspace
from casecart.commands.workspace import read_workspace
from casecart.formats.deidentify import LARGEST, LeftOver, NotRead, deidentify
from casecart.formats.hl7v2.file import pieces_of
from casecart.formats.mllp import Fault, Framer
from casecart.runtime.secret_keys import deidentification_key
from casecart.workspace import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date
    from pathlib import Path

    from casecart.formats.deidentify import Deidentified

__all__ = ["DeidentifiedFile", "DeidentifyFile", "deidentified", "key_of"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FRAME = b"\x0b"
_END = b"\x1c\r"
_KEY = 32


class DeidentifiedFile(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a file."""

    data: bytes
    messages: int
    replaced: int
    """Values that are others now."""
    kept: int
    """Values that stayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeidentifyFile:
    """A wish to de-identify what a file holds: HL7 v2 (messages, a batch, a capture of MLLP frames), or FHIR as JSON.

    Attributes:
        data: of the file.
        key: by which other values are made.
        today: for ages, and centuries in devices' codes.
        keep, allow: as `casecart.formats.deidentify.deidentify` has them.
    """

    data: bytes
    key: bytes
    today: date
    keep: Collection[str] = ()
    allow: Collection[str] = ()

    def run(self) -> DeidentifiedFile:
        """All of it.

        Raises:
            Refusal: it can't be read whole, or something of what is replaced would be left.
        """
        if len(self.data) > LARGEST:
            raise Refusal("bad-value", f"this is larger than {LARGEST // 1_000_000} MB: cut it into parts")
        frames = _frames(self.data)
        parts = [[each] if _is_json(each) else _parts(each) for each in frames]
        made = deidentified(
            [part for frame in parts for part in frame],
            key=self.key,
            today=self.today,
            keep=self.keep,
            allow=self.allow,
        )
        bodies = iter(made.bodies)
        written = [b"".join(next(bodies) for _ in frame) for frame in parts]
        framed = self.data.startswith(_FRAME)
        return DeidentifiedFile(
            data=b"".join(_FRAME + each + _END if framed else each for each in written),
            messages=sum(_is_message(part) for frame in parts for part in frame),
            replaced=made.replaced,
            kept=made.kept,
        )


def deidentified(
    bodies: list[bytes],
    *,
    key: bytes,
    today: date,
    keep: Collection[str] = (),
    allow: Collection[str] = (),
    charset: str | None = None,
) -> Deidentified:
    """Messages without what says whose they are; a reason for a person where that can't be.

    Raises:
        Refusal: one can't be read, or something of what is replaced would be left; it names the place, not the value.
    """
    try:
        return deidentify(bodies, key=key, today=today, keep=keep, allow=allow, charset=charset)
    except NotRead as wrong:
        words = wrong.words[:1].lower() + wrong.words[1:].removesuffix(".")
        raise Refusal("bad-value", f"message {_nth(bodies, wrong.number)} can't be read: {words}") from None
    except LeftOver as left:
        number = _nth(bodies, left.number)
        if not left.place:
            words = f"message {number} holds something over several values that is replaced elsewhere"
            raise Refusal("bad-value", f"{words}; nothing was written. Take it out by hand") from None
        path = left.place.partition("[")[0] + left.place.rpartition("]")[2] if "[" in left.place else left.place
        words = f"message {number} holds at {left.place} something that is replaced elsewhere; nothing was written"
        raise Refusal("bad-value", f"{words}. If that says nothing of a person, repeat with --allow {path}") from None


def key_of(root: Path, environment: Mapping[str, str] = os.environ) -> tuple[bytes, bool]:
    """By which other values are made: the workspace's own key, or where there is none to be had one for this time only.

    Returns:
        The key, and whether it is the workspace's: then the same values become the same ones the next time.
    """
    try:
        require_workspace(root)
        return deidentification_key(read_workspace(root), environment), True
    except (NotAWorkspace, WorkspaceError):
        return secrets.token_bytes(_KEY), False


def _nth(bodies: list[bytes], number: int) -> int:
    """Which message it is, where batches have more than messages."""
    return max(1, sum(map(_is_message, bodies[:number])))


def _is_message(body: bytes) -> bool:
    return body[:3] not in (b"FHS", b"BHS", b"BTS", b"FTS")


def _is_json(data: bytes) -> bool:
    return data.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] in (b"{", b"[")


def _frames(data: bytes) -> list[bytes]:
    """What the frames of MLLP hold, or the file itself."""
    if not data.startswith(_FRAME):
        return [data]
    framer = Framer(len(data))
    events = [*framer.feed(data), framer.finish()]
    if any(isinstance(event, Fault) for event in events):
        raise Refusal("bad-value", "the capture of MLLP frames is not whole: cut off what belongs to no frame")
    return [event for event in events if isinstance(event, bytes)]


def _parts(data: bytes) -> list[bytes]:
    """Messages and what stands around them, in their order."""
    first, *others = pieces_of(data)
    if first.text.strip() or not any(piece.kind == "MSH" for piece in others):
        raise Refusal("bad-value", "something in it is no message: neither HL7 v2, which begins with MSH, nor JSON")
    return [piece.text for piece in others]
