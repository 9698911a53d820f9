"""Revisions of the workspace: the text of all its files as it was applied, who runs which, and how it is encoded."""

from __future__ import annotations

import zlib
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from casecart.store.seal import Damaged, opened, sealed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "LARGEST",
    "ONLY_ENGINE",
    "Revision",
    "RevisionHead",
    "RevisionKind",
    "Running",
    "TooLarge",
    "decode_channels",
    "decode_files",
    "encode_channels",
    "encode_files",
    "files_digest",
]

LARGEST: Final = 16_000_000
"""Bytes that the files of a revision may have together."""

ONLY_ENGINE: Final = bytes(16)
"""What stands for the engine of a store that takes one."""

RevisionKind = Literal["start", "apply", "rollback"]
"""`start`: files that an engine began with, which nobody applied. Only the others are ever wanted of an engine."""


class TooLarge(Exception):
    """The files of a workspace have more bytes together than a revision may have."""


class Revision(NamedTuple):
    """The whole text of a workspace. Never changed, but that one which is not due yet may be cancelled."""

    number: int
    """From 1 on, dense: the newest one's and one more, whoever writes it."""
    kind: RevisionKind
    recorded_at: int
    actor: str
    note: str
    due_at: int | None
    """Not before this, µs; None: at once."""
    origin: int | None
    """Of a rollback: the revision whose files these are."""
    cancelled_at: int | None
    """It will never run."""
    digest: bytes
    """`files_digest`, 32 bytes."""
    channels: bytes
    """`encode_channels`: what each channel's messages run under."""
    files: bytes
    """`encode_files`."""


class RevisionHead(NamedTuple):
    """A revision without its files, as lists show it."""

    number: int
    kind: RevisionKind
    recorded_at: int
    actor: str
    note: str
    due_at: int | None
    origin: int | None
    cancelled_at: int | None
    digest: bytes
    channels: bytes


class Running(NamedTuple):
    """What one engine runs, and what it would not take."""

    member: bytes
    """`Member.id`; `ONLY_ENGINE` where the store takes one."""
    place: str
    """Host and process, for people."""
    number: int
    """The revision it runs; 0: files that are no revision."""
    since: int
    """When it began to, µs."""
    refused: int = 0
    """The revision that was wanted of it last and that it did not take; 0: none."""
    reason: str = ""
    """Why, for the person who applied it."""


_encode = msgspec.msgpack.Encoder(order="sorted").encode
_files = msgspec.msgpack.Decoder(dict[str, bytes]).decode
_channels = msgspec.msgpack.Decoder(dict[str, str]).decode


def files_digest(files: Mapping[str, bytes]) -> bytes:
    """The SHA-256 over names and contents, in the order of the names: equal exactly when the files are."""
    whole = sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{len(files[name])}\0".encode())
        whole.update(files[name])
    return whole.digest()


def encode_files(files: Mapping[str, bytes]) -> bytes:
    """Path below the workspace → contents, compressed, with a checksum. Raises `TooLarge`."""
    size = sum(map(len, files.values()))
    if size > LARGEST:
        raise TooLarge(f"the workspace's files have {size:,} bytes together, and a revision may have {LARGEST:,}")
    return sealed(zlib.compress(_encode(dict(files)), 6))


def decode_files(data: bytes) -> dict[str, bytes]:
    """What `encode_files` was given. Raises `Damaged`."""
    unpacking = zlib.decompressobj()
    try:
        # Names take a little beside the contents; what unpacks to more than that was never written.
        packed = unpacking.decompress(opened(data, "A revision's files"), 2 * LARGEST)
        if not unpacking.eof:
            raise Damaged("A revision's files came out of the store damaged: they do not end")
        return _files(packed)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise Damaged("A revision's files came out of the store damaged: they can't be read") from error


def encode_channels(digests: Mapping[str, str]) -> bytes:
    """Channel → what its messages run under (`Workspace.revision`), with a checksum."""
    return sealed(_encode(dict(digests)))


def decode_channels(data: bytes) -> dict[str, str]:
    """What `encode_channels` was given. Raises `Damaged`."""
    try:
        return _channels(opened(data, "The channels of a revision"))
    except msgspec.MsgspecError as error:
        raise Damaged("The channels of a revision came out of the store damaged: they can't be read") from error
