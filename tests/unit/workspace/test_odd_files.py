"""Files that are no files, or would never end: one finding each, and at once."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from casecart.workspace import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from unit.workspace.conftest import Load

SECOND = 1.0


def loop(path: Path) -> None:
    path.symlink_to(path.name)


ODD: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a pipe that nobody writes to": os.mkfifo,
    "a link to itself": loop,
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a device that never ends": lambda path: path.symlink_to("/dev/zero"),
    "a file that can't be read": lambda path: path.symlink_to("/proc/self/mem"),
    "10 MB": lambda path: path.write_bytes(b"# a remark that goes on\n" * 420_000),
    "10 MB in one line": lambda path: path.write_bytes(b"a" * 10_000_000),
    "NUL bytes": lambda path: path.write_bytes(b"\0" * 1000),
    "UTF-16": lambda path: path.write_bytes("channel: more\n".encode("utf-16")),
    "brackets without end": lambda path: path.write_bytes(b"[" * 1_000_000),
    "braces without end": lambda path: path.write_bytes(b"{" * 1_000_000),
    "values without end": lambda path: path.write_bytes(b"[" + b"a," * 500_000 + b"]"),
    "aliases of aliases": lambda path: path.write_text(
        "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*{'a' if n == 0 else f'b{n - 1}'}, *a]\n" for n in range(1000)),
        "utf-8",
    ),
    "a block that holds itself": lambda path: path.write_text("channel: &a {about: *a}\n", "utf-8"),
}

PLACES = ["channels/more.yaml", "mappings/more.yaml", "mappings/tables/more.csv", "config/ownership.yaml"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_file_is_one_finding_within_a_second(workspace: Load, tmp_path: Path, odd: str, place: str) -> None:
    workspace()
    ODD[odd](tmp_path / place)
    start = time.process_time()
    with pytest.raises(WorkspaceError) as raised:
        workspace()
    assert time.process_time() - start < SECOND
    assert [finding.place.file for finding in raised.value.findings] == [place]
