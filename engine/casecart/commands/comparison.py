"""What was expected beside what was received: the differences, each with its path. Pure: values in, differences out.

A block names the fields that are compared, and says nothing of others. A list is complete unless one of its entries is
`...`, and its order does not count: each entry is set beside the received thing that fits it, or else beside the one
that differs least. Numbers are compared as numbers and days as days, whatever the analyst's way to write them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final, TypeAlias

from casecart.workspace.channel_tests import OTHERS
from casecart.workspace.findings import NOWHERE, Place
from casecart.workspace.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.workspace.shape import Tree

__all__ = ["NOTHING", "Difference", "Opened", "Value", "compare", "compare_list", "shown_value"]

NOTHING: Final = "nothing"
"""Stands for a value that is not there."""

_YES: Final = {True: frozenset({"yes", "true"}), False: frozenset({"no", "false"})}
_LONGEST: Final = 200  # characters of a value that are shown

Value: TypeAlias = "str | bool | int | Decimal | date | Opened | Mapping[str, Value] | Sequence[Value] | None"


@dataclass(frozen=True, slots=True)
class Opened:
    """A text that can be looked into: as a text it is compared with a text, and by its pieces with a block."""

    text: str
    pieces: Callable[[], Mapping[str, Value]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is other than expected."""

    path: str
    """Such as ``postings[0].serial``; the number is that of the entry in the test."""
    expected: str
    received: str
    place: Place = NOWHERE
    """Where in the test it is expected."""


def compare(expected: Tree, received: Value, path: str) -> list[Difference]:
    """The differences of one value.

    Args:
        expected: as the test has it.
        received: what it is compared with.
        path: of the value.
    """
    wanted = expected.value
    if isinstance(wanted, Text):
        return [] if _same(wanted, received) else [_different(expected, received, path)]
    if wanted is None:
        return [] if _absent(received) else [_different(expected, received, path)]
    if isinstance(received, Opened):
        received = received.pieces()
    if isinstance(wanted, tuple):
        if received is None or (isinstance(received, Sequence) and not isinstance(received, str)):
            return compare_list(wanted, received or (), path, expected.place)
        return [_different(expected, received, path)]
    if not isinstance(received, Mapping):
        return [_different(expected, received, path)]
    return [
        difference
        for name, tree in wanted.items()
        for difference in compare(tree, received.get(str(name)), f"{path}.{name}" if path else str(name))
    ]


def compare_list(
    expected: Sequence[Tree], received: Sequence[Value], path: str, place: Place = NOWHERE
) -> list[Difference]:
    """The differences of a list.

    Args:
        expected: its entries in the test, perhaps with `...` among them.
        received: what they are compared with.
        path: of the list.
        place: of the list in the test.
    """
    wanted = [(number, tree) for number, tree in enumerate(expected) if tree.value != OTHERS]
    found = {number: [compare(tree, each, f"{path}[{number}]") for each in received] for number, tree in wanted}
    pairs = _fitting({number: [at for at, each in enumerate(of) if not each] for number, of in found.items()})
    left = [at for at in range(len(received)) if at not in pairs.values()]
    open_ = [(number, tree) for number, tree in wanted if number not in pairs]
    # The nearest first: what differs least is most likely what was meant.
    near = sorted((len(found[number][at]), number, at) for number, _ in open_ for at in left)
    trees = dict(open_)
    differences: dict[int, list[Difference]] = {}
    alone = len(open_) == len(left) == 1
    for count, number, at in near:
        if number in differences or at not in left or (count >= _leaves(trees[number]) and not alone):
            continue
        differences[number] = found[number][at]
        left.remove(at)
    for number, tree in open_:
        missing = Difference(f"{path}[{number}]", _shown_tree(tree), NOTHING, tree.place)
        differences.setdefault(number, [missing])
    made = [each for number in sorted(differences) for each in differences[number]]
    if len(wanted) == len(expected):
        made += [
            Difference(path, NOTHING if not wanted else "no more", shown_value(received[at]), place) for at in left
        ]
    return made


def _fitting(candidates: Mapping[int, list[int]]) -> dict[int, int]:
    """As many entries as can be, each with a received thing of its own that fits it (augmenting paths, by Kuhn)."""
    owner: dict[int, int] = {}
    has: dict[int, int] = {}
    for number in candidates:
        reached: dict[int, int] = {}
        waiting = deque([number])
        while waiting:
            entry = waiting.popleft()
            free = None
            for at in candidates[entry]:
                if at in reached:
                    continue
                reached[at] = entry
                if at not in owner:
                    free = at
                    break
                waiting.append(owner[at])
            if free is not None:
                _give(free, number, reached, owner, has)
                break
    return has


def _give(at: int, number: int, reached: Mapping[int, int], owner: dict[int, int], has: dict[int, int]) -> None:
    """Let each entry on the way from `number` to what is free take the next thing, and free the one that it had."""
    while True:
        entry = reached[at]
        before = has.get(entry)
        owner[at], has[entry] = entry, at
        if entry == number or before is None:
            return
        at = before


def _leaves(tree: Tree) -> int:
    """How many values are compared; with as many differences nothing is alike."""
    if isinstance(tree.value, Mapping):
        return sum(map(_leaves, tree.value.values()))
    return 1


def _absent(received: Value) -> bool:
    return received is None or received == "" or (isinstance(received, Sequence) and not received)


def _same(expected: Text, received: Value) -> bool:  # noqa: PLR0911 - a return a type
    """Whether a text means a value."""
    if expected == OTHERS and expected.plain:
        return not _absent(received)
    if isinstance(received, Opened):
        return expected == received.text
    if isinstance(received, str):
        return expected == received
    if isinstance(received, bool):
        return expected in _YES[received]
    try:
        if isinstance(received, Decimal | int):
            return Decimal(expected) == received
        if isinstance(received, datetime):
            return datetime.fromisoformat(expected) == received
        if isinstance(received, date):
            return date.fromisoformat(expected) == received
    except (InvalidOperation, ValueError, TypeError):
        pass
    return False


def _different(expected: Tree, received: Value, path: str) -> Difference:
    return Difference(path, _shown_tree(expected), shown_value(received), expected.place)


def _shown_tree(tree: Tree) -> str:
    return _short(_written(tree))


def _written(tree: Tree) -> str:
    value = tree.value
    if value is None:
        return NOTHING
    if isinstance(value, Text):
        return "a value" if value == OTHERS and value.plain else value or "''"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    return f"{{{', '.join(f'{name}: {_written(each)}' for name, each in value.items())}}}"


def shown_value(value: Value) -> str:
    """As a test would have it."""
    return _short(_told(value))


def _told(value: Value) -> str:  # noqa: PLR0911 - a return a type
    match value:
        case None:
            return NOTHING
        case Opened(text=text):
            return text
        case bool():
            return "yes" if value else "no"
        case str():
            return value or "''"
        case date():
            return value.isoformat()
        case Decimal() | int():
            return f"{value:f}" if isinstance(value, Decimal) else str(value)
        case Mapping():
            return f"{{{', '.join(f'{name}: {_told(each)}' for name, each in value.items() if not _absent(each))}}}"
        case _:
            return f"[{', '.join(map(_told, value))}]"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
