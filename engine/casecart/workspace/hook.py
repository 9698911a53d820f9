"""The step of a channel that hands its lines to a Python file of the workspace, and the look at that file."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from casecart.workspace.declaration import Declared, declared, key
from casecart.workspace.findings import Finding, Place
from casecart.workspace.scalar import Duration
from casecart.workspace.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FUNCTION", "LARGEST", "Hook", "HookStep", "faults_of"]

FUNCTION: Final = "hook"
"""What the function is called that a hook's file must have."""

LARGEST: Final = 1_000_000  # bytes


@declared(name="hook", about="A Python file of the workspace that may change a message's lines.", shorthand="file")
class Hook(Declared):
    """A Python file of the workspace that may change a message's lines."""

    file: Text = key(
        about=f"The file below the workspace; it has a function {FUNCTION}(lines).",
        example="hooks/half-boxes.py",
        pattern=r"hooks/[A-Za-z0-9][A-Za-z0-9_-]{0,60}\.py",
        form="hooks/NAME.py, of letters, digits, '-' and '_'",
    )
    limit: Duration = key(
        about=(
            "How long a call for one message may take. Then its process is killed and the message put aside; until "
            "then everybody waits."
        ),
        example="500ms",
        default="1s",
        minimum="10ms",
        maximum="2s",
    )


@declared(name="hook", about="A step that has a Python file look at the lines, in a process of its own.")
class HookStep(Declared):
    """A step that has a Python file of the workspace look at the lines, in a process of its own."""

    hook: Hook = key(
        about="The file, and how long a call of it may take.", example="{file: hooks/half-boxes.py, limit: 500ms}"
    )


def faults_of(source: bytes, file: str) -> Iterator[Finding]:
    """What is wrong with a hook's file, as far as that can be seen without running it."""
    try:
        tree = ast.parse(source, file)
    except SyntaxError as error:
        place = Place(file, error.lineno or 1, error.offset or 1)
        yield Finding(place, "error", "bad-hook", f"this is not Python: {error.msg}")
        return
    except ValueError as error:  # a NUL, or bytes that are not UTF-8
        yield Finding(Place(file), "error", "bad-hook", f"this is not Python: {error}")
        return
    found = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == FUNCTION]
    if not found:
        words = f"the file has no function {FUNCTION}(lines)"
        yield Finding(Place(file), "error", "bad-hook", words)
    elif len(found[-1].args.posonlyargs + found[-1].args.args) != 1:
        words = f"{FUNCTION} takes one thing, the lines of a message"
        yield Finding(Place(file, found[-1].lineno, 1), "error", "bad-hook", words)
