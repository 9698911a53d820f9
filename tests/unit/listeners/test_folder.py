"""A folder that files come to: what counts as complete, what is read, and where it goes."""

from __future__ import annotations

import os
import resource
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from casecart.listeners.folder import Folder, FolderTrouble
from casecart.listeners.found import shown
from support.listening import message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE = message("1")
LARGEST = 10_000


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """A folder whose files are complete when they are there."""
    made = Folder(tmp_path, 0.0, LARGEST)
    yield made
    made.close()


def names(found: list) -> list[str]:
    return [one.name for one in found]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_files_are_taken_by_name_and_each_is_put_where_it_belongs(folder: Folder, tmp_path: Path) -> None:
    for name in ("b.hl7", "a.hl7", "c.hl7"):
        (tmp_path / name).write_bytes(ONE)
    found = folder.look(0)
    assert names(found) == ["a.hl7", "b.hl7", "c.hl7"]
    assert found[0].content.messages == (ONE,)
    folder.put_away([(found[0], ""), (found[1], "no-header: It has none."), (found[2], "")])
    assert left(tmp_path) == ["done", "failed"]
    assert left(tmp_path / "done") == ["a.hl7", "c.hl7"]
    assert left(tmp_path / "failed") == ["b.hl7", "b.hl7.reason"]
    assert (tmp_path / "failed" / "b.hl7.reason").read_text("utf-8") == "no-header: It has none.\n"
    assert folder.look(1) == []


@pytest.mark.parametrize(
    "name", [".a.hl7", "a.hl7.tmp", "a.part", "A.PART", "a.partial", "a.filepart", "a.crdownload", "a.hl7~", ".x.swp"]
)
def test_what_is_called_unfinished_is_left_alone(folder: Folder, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(ONE)
    assert folder.look(0) == []
    (tmp_path / name).rename(tmp_path / "a.hl7")
    assert names(folder.look(1)) == ["a.hl7"]


def test_a_file_is_complete_when_it_was_not_changed_for_the_time_to_settle(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 5.0, LARGEST)
    (tmp_path / "a.hl7").write_bytes(ONE[:20])
    assert [folder.look(now) for now in (0.0, 3.0)] == [[], []]
    with (tmp_path / "a.hl7").open("ab") as file:
        file.write(ONE[20:])
    assert [folder.look(now) for now in (6.0, 10.9)] == [[], []]
    (found,) = folder.look(11.0)
    assert found.content.messages == (ONE,)
    folder.close()


def test_a_file_that_is_still_written_holds_up_those_behind_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 5.0, LARGEST)
    for name in ("a.hl7", "b.hl7", "c.hl7"):
        (tmp_path / name).write_bytes(ONE)
    folder.look(0)
    (tmp_path / "b.hl7").write_bytes(ONE + message("2"))
    assert names(folder.look(6)) == ["a.hl7"]
    assert folder.held_up == 6.0
    assert names(folder.look(11)) == ["a.hl7", "b.hl7", "c.hl7"]
    assert folder.held_up == 0.0
    folder.close()


def test_a_file_that_changes_after_it_was_read_stays_and_is_read_again(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "a.hl7").write_bytes(ONE)
    (found,) = folder.look(0)
    (tmp_path / "a.hl7").write_bytes(ONE + message("2"))
    folder.put_away([(found, "")])
    assert left(tmp_path / "done") == []
    (again,) = folder.look(1)
    assert again.content.messages == (ONE, message("2"))


def test_a_file_that_was_taken_away_meanwhile_is_passed_over(folder: Folder, tmp_path: Path) -> None:
    for name in ("a.hl7", "b.hl7"):
        (tmp_path / name).write_bytes(ONE)
    found = folder.look(0)
    (tmp_path / "a.hl7").unlink()
    folder.put_away([(one, "x: y") for one in found])
    assert left(tmp_path / "failed") == ["b.hl7", "b.hl7.reason"]


def test_nothing_in_done_or_failed_is_ever_overwritten(folder: Folder, tmp_path: Path) -> None:
    for number in range(3):
        for name in ("a.hl7", "b.hl7"):
            (tmp_path / name).write_bytes(message(str(number)))
        first, second = folder.look(number)
        folder.put_away([(first, ""), (second, f"code: {number}")])
    bodies = [path.read_bytes() for path in (tmp_path / "done").iterdir()]
    assert sorted(bodies) == [message("0"), message("1"), message("2")]
    for path in (tmp_path / "failed").glob("*.reason"):
        said = path.read_text("utf-8").split()[1]
        assert path.with_suffix("").read_bytes() == message(said)


def test_links_pipes_and_sockets_are_never_followed_nor_waited_for(folder: Folder, tmp_path: Path) -> None:
    inbox_name = "secret.txt"
    elsewhere = tmp_path.parent / f"{tmp_path.name}-{inbox_name}"
    elsewhere.write_bytes(ONE)
    (tmp_path / "link.hl7").symlink_to(elsewhere)
    (tmp_path / "dangling.hl7").symlink_to("../nowhere")
    os.mkfifo(tmp_path / "pipe.hl7")
    (tmp_path / "folder.hl7").mkdir()
    found = folder.look(0)
    assert [(one.name, one.content.code) for one in found] == [
        ("dangling.hl7", "not-a-file"), ("link.hl7", "not-a-file"), ("pipe.hl7", "not-a-file"),
    ]  # fmt: skip
    folder.put_away([(one, f"{one.content.code}: {one.content.words}") for one in found])
    assert elsewhere.read_bytes() == ONE
    assert left(tmp_path) == ["done", "failed", "folder.hl7"]
    assert (tmp_path / "failed" / "link.hl7").is_symlink()


def test_a_file_that_is_too_large_is_not_read(folder: Folder, tmp_path: Path) -> None:
    with (tmp_path / "a.hl7").open("wb") as file:
        file.truncate(1_000_000_000_000)  # sparse: a terabyte that takes no room
    (found,) = folder.look(0)
    assert (found.content.code, found.start) == ("too-large", b"")


def test_a_large_inbox_is_worked_in_bounded_pieces(tmp_path: Path) -> None:
    folder = Folder(tmp_path, 0.0, 5_000_000)
    for number in range(40):
        (tmp_path / f"{number:04}.hl7").write_bytes(ONE)
    assert names(folder.look(0)) == [f"{number:04}.hl7" for number in range(25)]
    for number in range(3):
        (tmp_path / f"-{number}.hl7").write_bytes(ONE + b"NTE|" + b"x" * 4_500_000)
    assert names(folder.look(0)) == ["-0.hl7"]  # the next would make it more than 8 MB
    folder.close()


def test_names_that_are_no_text_and_very_long_ones_are_names_all_the_same(folder: Folder, tmp_path: Path) -> None:
    wild = [b"\xff\xfe.hl7", b"a\nb.hl7", b"-rf", b"x" * 255, "Müller.hl7".encode()]
    for name in wild:
        (tmp_path / os.fsdecode(name)).write_bytes(ONE)
    found = folder.look(0)
    assert [os.fsencode(one.name) for one in found] == sorted(wild)
    assert shown(found[-1].name) == "\\xff\\xfe.hl7"
    folder.put_away([(one, "" if index % 2 else "a: b") for index, one in enumerate(found)])
    assert left(tmp_path) == ["done", "failed"]
    assert len(left(tmp_path / "done")) + len(left(tmp_path / "failed")) == len(wild) + 3


def test_only_one_takes_files_from_a_folder_and_the_next_may_when_it_is_gone(folder: Folder, tmp_path: Path) -> None:
    other = Folder(tmp_path, 0.0, LARGEST)
    (tmp_path / "a.hl7").write_bytes(ONE)
    assert len(folder.look(0)) == 1
    with pytest.raises(FolderTrouble) as raised:
        other.look(0)
    assert raised.value.code == "in-use"
    folder.close()
    assert len(other.look(1)) == 1
    other.close()


def test_a_folder_that_vanishes_is_told_of_and_used_again_when_it_is_back(folder: Folder, tmp_path: Path) -> None:
    assert folder.look(0) == []
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    with pytest.raises(FolderTrouble) as raised:
        folder.look(1)
    assert raised.value.code == "folder-gone"
    tmp_path.mkdir()
    (tmp_path / "a.hl7").write_bytes(ONE)
    assert names(folder.look(2)) == ["a.hl7"]


@pytest.mark.parametrize("inner", ["done", "failed"])
def test_a_link_in_the_place_of_done_or_failed_leads_nowhere(folder: Folder, tmp_path: Path, inner: str) -> None:
    elsewhere = tmp_path / ".elsewhere"
    elsewhere.mkdir()
    (tmp_path / inner).symlink_to(elsewhere)
    (tmp_path / "a.hl7").write_bytes(ONE)
    with pytest.raises(FolderTrouble):
        folder.look(0)
    assert list(elsewhere.iterdir()) == []
    assert (tmp_path / "a.hl7").exists()


@contextmanager
def as_nobody() -> Iterator[None]:
    """As a user without rights, for root may do anything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_folder_that_can_not_be_written_to_is_not_read_either(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "a.hl7").write_bytes(ONE)
    for above in [tmp_path, *(each for each in tmp_path.parents if each.name.startswith(("pytest-", "popen-")))]:
        above.chmod(0o755)
    inbox.chmod(0o555)
    folder = Folder(inbox, 0.0, LARGEST)
    with as_nobody(), pytest.raises(FolderTrouble) as raised:
        folder.look(0)
    assert raised.value.code == "not-permitted"
    assert "a.hl7" not in str(raised.value)
    folder.close()


def test_a_file_without_permission_is_put_aside_and_others_are_taken(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for above in [tmp_path, *(each for each in tmp_path.parents if each.name.startswith(("pytest-", "popen-")))]:
        above.chmod(0o755)
    inbox.chmod(0o777)
    for name in ("a.hl7", "b.hl7"):
        (inbox / name).write_bytes(ONE)
    (inbox / "a.hl7").chmod(0)
    folder = Folder(inbox, 0.0, LARGEST)
    with as_nobody():
        found = folder.look(0)
        assert [one.content.code for one in found] == ["not-permitted", ""]
        folder.put_away([(one, one.content.code) for one in found])
        folder.close()
    assert left(inbox / "failed") == ["a.hl7", "a.hl7.reason"]


def test_a_full_disk_leaves_the_file_where_it_is_with_no_half_reason(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "a.hl7").write_bytes(ONE)
    found = folder.look(0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # with SIGXFSZ ignored, as Python has it: EFBIG
    try:
        with pytest.raises(FolderTrouble) as raised:
            folder.put_away([(found[0], "code: words")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert raised.value.code == "disk-full"
    assert left(tmp_path / "failed") == []
    folder.put_away([(found[0], "code: words")])
    assert left(tmp_path / "failed") == ["a.hl7", "a.hl7.reason"]


class _Killed(BaseException):
    """What ends a process, as far as the code can see."""


@pytest.mark.parametrize("reason", ["", "code: words"])
@pytest.mark.parametrize("call", ["stat", "open", "rename", "unlink"])
@pytest.mark.parametrize("nth", range(8))
def test_killed_at_any_call_a_file_is_whole_in_one_place_and_is_put_away_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, call: str, nth: int
) -> None:
    (tmp_path / "a.hl7").write_bytes(ONE)
    folder = Folder(tmp_path, 0.0, LARGEST)
    found = folder.look(0)
    real, calls = getattr(os, call), []

    def killed(*arguments: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == nth + 1:
            raise _Killed
        return real(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, killed)
        with suppress(_Killed):
            folder.put_away([(found[0], reason)])
    folder.close()
    again = Folder(tmp_path, 0.0, LARGEST)
    again.put_away([(one, reason) for one in again.look(1)])
    again.close()
    where = tmp_path / ("failed" if reason else "done")
    bodies = {path.name: path.read_bytes() for path in where.iterdir() if path.suffix != ".reason"}
    assert list(bodies.values()) == [ONE]
    (name,) = bodies
    assert not reason or (where / f"{name}.reason").read_text("utf-8") == "code: words\n"
    assert left(tmp_path) == ["done", "failed"]
