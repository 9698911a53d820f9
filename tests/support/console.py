"""Does what a page of the docs tells its reader to do, in order, and compares what is shown.

Of the page's fenced blocks these are done:

- `console`: a line that begins with `$ ` is typed; the lines below it are what is shown, in this order, among others.
  `…` stands for any text. `casecart run` goes on until a line `^C`, or the page's end. `ID` in what is typed is the
  first word of the line that was looked for last.
- any block with `file=PATH` behind its language: the file, whole. With the language `diff`: lines that go (`-`) and
  come (`+`) in it; the others say where.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

__all__ = ["Block", "Reader", "blocks", "usual_environment"]

FENCE = re.compile(r"^```(?P<language>[a-z0-9]*)(?: file=(?P<file>\S+))?$")
LIMIT = 60.0


class Block(NamedTuple):
    """A fenced block: its language, the file that it is, and its lines."""

    line: int
    language: str
    file: str
    lines: list[str]


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    fence: re.Match[str] | None = None
    inside: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if fence is None:
            fence, inside = FENCE.match(line), []
        elif line == "```":
            yield Block(number - len(inside) - 1, fence["language"], fence["file"] or "", inside)
            fence = None
        else:
            inside.append(line)


@dataclass
class Reader:
    """Somebody who does what a page says.

    Args:
        folder: where the terminal is at first.
        environment: of what is typed.
        instead: is asked before a command is run, and may do something in its place: gives what is shown then.
        after: is told of each command that was run.
    """

    folder: Path
    environment: dict[str, str]
    instead: Callable[[str, Reader], str | None] = lambda _command, _reader: None
    after: Callable[[str, Reader], None] = lambda _command, _reader: None
    _named: str = "ID"
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._interrupt()

    def follow(self, page: str) -> int:
        """Does all that the page says; how many commands that were. `AssertionError`: something else is shown."""
        count = 0
        for block in blocks(page):
            if block.file and block.language == "diff":
                self._edit(self.folder / block.file, block)
            elif block.file:
                path = self.folder / block.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("\n".join(block.lines) + "\n", "utf-8")
            elif block.language == "console":
                for number, command, expected in _commands(block):
                    shown = self._typed(re.sub(r"\bID\b", self._named, command))
                    for line in _found(shown, expected, f"line {number}: {command}"):
                        self._named = line.split(maxsplit=1)[0]
                    count += 1
        return count

    def _typed(self, command: str) -> str:
        if command == "^C":
            self._interrupt()
            return ""
        command = re.sub(r"\s+# .*$", "", command)
        shown = self.instead(command, self)
        if shown is not None:
            return shown
        if command.startswith("cd "):
            self.folder = (self.folder / command[3:].strip()).resolve()
            assert self.folder.is_dir(), command
            return ""
        if command.startswith("export "):
            name, _, value = command[7:].partition("=")
            self.environment[name] = value.strip("'\"")
            return ""
        if re.match(r"casecart run\b(?!.*--help)", command):
            return self._begin(command)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
            check=False,
        )
        self.after(command, self)
        return done.stdout.decode()

    def _begin(self, command: str) -> str:
        """Goes on in the background; what it says until it listens."""
        log = self.folder / "var" / f"terminal-{len(self._running)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment, stdout=out, stderr=out
            )
        self._running.append(process)
        end = time.monotonic() + LIMIT
        while "takes postings" not in (said := log.read_text("utf-8")):
            assert process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.05)
        return said

    def _interrupt(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(LIMIT)
        self._running.clear()

    @staticmethod
    def _edit(path: Path, block: Block) -> None:
        """Finds the lines that stay or go, one below the other, and puts in their place those that stay or come."""
        before = [line[1:] for line in block.lines if line[:1] in {" ", "-"}]
        after = [line[1:] for line in block.lines if line[:1] in {" ", "+"}]
        text = path.read_text("utf-8")
        old, new = ("".join(f"{line}\n" for line in lines) for lines in (before, after))
        assert text.count(old) == 1, f"line {block.line}: {path} has these lines {text.count(old)} times:\n{old}"
        path.write_text(text.replace(old, new), "utf-8")


def _commands(block: Block) -> Iterator[tuple[int, str, list[str]]]:
    """Each command with its line in the page, and what is shown."""
    found: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(block.lines, block.line + 1):
        if line.startswith("$ ") or line == "^C":
            found.append((number, line.removeprefix("$ "), []))
        elif found and line.strip():
            found[-1][2].append(line)
    yield from found


def _found(shown: str, expected: list[str], where: str) -> list[str]:
    """The lines that were expected, as they are shown."""
    lines = iter(shown.splitlines())
    found: list[str] = []
    for wanted in expected:
        pattern = re.compile(".*".join(map(re.escape, wanted.split("…"))))
        line = next((line for line in lines if pattern.fullmatch(line)), None)
        assert line is not None, f"{where}\nexpected: {wanted}\nshown:\n{shown}"
        found.append(line)
    return found


def usual_environment(venv: Path) -> dict[str, str]:
    """That of somebody who has activated a virtual environment."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TZ") if name in os.environ}
    return {**kept, "PATH": f"{venv / 'bin'}:{os.environ['PATH']}", "COLUMNS": "160"}
