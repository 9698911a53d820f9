"""Postings as files: whole or not there, once, and told from others by their content."""

from __future__ import annotations

import errno
import os
import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from casecart.destinations.file import SPEC, FileSettings, write
from casecart.runtime.destination import Answer, NotDelivered, OutcomeUnknown
from support.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = [f"{digit * 32}.1" for digit in "abc"]
FILES = [(key, b'{"key":"%b"}' % key.encode()) for key in KEYS]


def read_back(key: str) -> Answer:
    return Answer("posted", proof="read back", reference=f"{key}.json")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_posting_is_a_file_of_its_own_and_nothing_else_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "inventory"
    assert write(folder, FILES) == [read_back(key) for key in KEYS]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        f"{key}.json": payload for key, payload in FILES
    }


def test_a_posting_that_comes_again_is_posted_already(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    before = (tmp_path / f"{KEYS[0]}.json").stat()
    assert write(tmp_path, FILES[:1]) == [read_back(KEYS[0])]
    assert (tmp_path / f"{KEYS[0]}.json").stat().st_ino == before.st_ino
    assert len(names(tmp_path)) == 3


@pytest.mark.parametrize("other", [b"", b'{"key":"x"}', FILES[0][1] + b" ", FILES[0][1][:-1] + b"]"])
def test_a_key_with_another_payload_is_held_and_the_file_stays(other: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"{KEYS[0]}.json"
    path.write_bytes(other)
    first, second = write(tmp_path, FILES[:2])
    assert (first.state, first.code) == ("held", "key-with-other-payload")
    assert second == read_back(KEYS[1])
    assert path.read_bytes() == other


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", ".hidden.1", "", "a/b.1", "A" * 32 + ".1", "a" * 32, "a" * 32 + ".1\n"]
)
def test_a_key_that_could_lead_elsewhere_is_held_and_nothing_is_written_for_it(key: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    first, second = write(folder, [(key, b"{}"), FILES[0]])
    assert (first.state, first.code) == ("held", "key-not-a-name")
    assert second == read_back(KEYS[0])
    assert names(folder) == [f"{KEYS[0]}.json"]
    assert names(tmp_path) == ["in"]


def test_a_folder_that_is_made_is_on_the_disk_before_anything_is_posted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronised: list[int] = []
    synchronise = os.fsync

    def watched(descriptor: int) -> None:
        synchronised.append(os.fstat(descriptor).st_ino)
        synchronise(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    folder = tmp_path / "var" / "inventory"
    write(folder, FILES[:1])
    made, posted = synchronised[:2], synchronised[2:]
    assert made == [tmp_path.stat().st_ino, folder.parent.stat().st_ino]  # what names a folder is the one above it
    synchronised.clear()
    write(folder, FILES[1:2])
    assert len(synchronised) == len(posted)


def test_what_a_crash_left_half_written_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / f".{KEYS[0]}.part").write_bytes(b'{"key":')
    assert write(tmp_path, FILES[:1]) == [read_back(KEYS[0])]
    assert names(tmp_path) == [f"{KEYS[0]}.json"]


def test_a_link_or_a_pipe_of_that_name_is_not_taken_for_the_file(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(FILES[0][1])
    (tmp_path / f"{KEYS[0]}.json").symlink_to(elsewhere)
    os.mkfifo(tmp_path / f"{KEYS[1]}.json")
    first, second = write(tmp_path, FILES[:2])
    assert (first.state, first.code) == ("unknown", "not-read-back")
    assert (second.state, second.code) == ("held", "key-with-other-payload")


@contextmanager
def as_nobody() -> Iterator[None]:
    """As a user without rights, for root may write anywhere."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_folder_without_permission_takes_nothing(tmp_path: Path) -> None:
    for folder in [tmp_path, *tmp_path.parents[:2]]:
        folder.chmod(0o755)
    (tmp_path / "in").mkdir(mode=0o555)
    with as_nobody(), pytest.raises(NotDelivered) as raised:
        write(tmp_path / "in", FILES)
    assert raised.value.code == "not-permitted"
    assert "Permission denied" in raised.value.words


def test_a_folder_that_is_a_file_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"")
    with pytest.raises(NotDelivered) as raised:
        write(tmp_path / "in" / "deeper", FILES)
    assert raised.value.code == "folder-unusable"


def test_a_disk_that_is_full_takes_none_of_the_batch_and_keeps_no_part_of_it(tmp_path: Path) -> None:
    # The kernel refuses to let a file grow, as it does on a full disk.
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(NotDelivered) as raised:
            write(tmp_path, [*FILES[:2], (KEYS[2], b"x" * 2000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert raised.value.code == "disk-full"
    assert names(tmp_path) == []
    assert write(tmp_path, FILES) == [read_back(key) for key in KEYS]


@pytest.mark.parametrize("without_links", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_links_will_do(
    without_links: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(without_links, "no links here")

    monkeypatch.setattr(os, "link", link)
    (tmp_path / f"{KEYS[0]}.json").write_bytes(b"other")
    first, *rest = write(tmp_path, FILES)
    assert (first.state, first.code) == ("held", "key-with-other-payload")
    assert rest == [read_back(key) for key in KEYS[1:]]
    assert write(tmp_path, FILES[1:]) == rest
    assert names(tmp_path) == [f"{key}.json" for key in KEYS]


def test_a_disk_that_fails_while_files_get_their_names_leaves_an_unknown_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed: list[str] = []
    link = os.link

    def fail_second(part: str, final: str, **options: object) -> None:
        if placed:
            raise OSError(errno.EIO, "Input/output error")
        placed.append(final)
        link(part, final, **options)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(os, "link", fail_second)
    with pytest.raises(OutcomeUnknown) as raised:
        write(tmp_path, FILES)
    assert raised.value.code == "folder-unusable"
    monkeypatch.undo()
    assert write(tmp_path, FILES) == [read_back(key) for key in KEYS]


def test_a_file_that_was_taken_away_at_once_was_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synchronise = os.fsync

    def taken(directory: int) -> None:
        synchronise(directory)
        (tmp_path / f"{KEYS[0]}.json").unlink(missing_ok=True)

    monkeypatch.setattr(os, "fsync", taken)
    assert write(tmp_path, FILES[:1]) == [Answer("posted", proof="handed over", reference=f"{KEYS[0]}.json")]


def test_the_settings_are_a_folder_and_how_many_at_a_time() -> None:
    settings = settings_of(FileSettings, "folder: var/inventory")
    assert (settings.folder, settings.batch) == ("var/inventory", 100)
    assert (SPEC.kind, SPEC.settings) == ("file", FileSettings)
