"""Keys of declarations that no code reads: an analyst would write them, and nothing would come of it.

mypy knows the type of every expression, and notes in its cache which function depends on which attribute of which class
(`cache_fine_grained`): a key is read where code depends on it outside of its declaration and of the `check` there. So a
key with a common name is told from all others of that name. `make lint` runs it behind mypy:

python -m support.unread_keys
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from casecart.runtime.kinds import destination_specs, listener_specs
from casecart.workspace.channel_tests import TestsFile
from casecart.workspace.schema import FILES
from support.checkout import ROOT
from support.declarations import all_declarations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["ROOT", "Attribute", "dependants", "unread"]

SOURCES = [ROOT / name for name in ("engine", "listeners", "destinations")]

_PARTS = "engine/casecart/runtime/parts.py"
_TESTING = "engine/casecart/commands/one_test.py"
_PAGES = "engine/casecart/commands/site_pages"

# Read by their names, of settings of whatever kind, in templates, or name by name: the file, and the words there.
BY_NAME = {
    "batch": (_PARTS, 'getattr(settings, "batch"'),
    "concurrency": (_PARTS, 'getattr(settings, "concurrency"'),
    "rate": (_PARTS, 'getattr(settings, "rate"'),
    "tries": (_PARTS, 'getattr(settings, "tries"'),
    "MllpSettings.discloses": ("engine/casecart/runtime/writer.py", 'getattr(settings, "discloses"'),
    "MllpSettings.mapping": ("engine/casecart/runtime/writer.py", 'getattr(component.settings, "mapping"'),
    "Fill.department": ("engine/casecart/runtime/channel.py", "getattr(fill.fill, name) for name in TOLD"),
    "Expect.filtered": (_TESTING, "getattr(expect, name)"),
    "Expect.postings": (_TESTING, "getattr(expect, name)"),
    "Expect.exceptions": (_TESTING, "getattr(expect, name)"),
    "Channel.about": (f"{_PAGES}/channel.html", "channel.about"),
    "Channel.owner": (f"{_PAGES}/channel.html", "channel.owner"),
    "Owner.business": (f"{_PAGES}/channel.html", "channel.owner.business"),
    "Owner.technical": (f"{_PAGES}/channel.html", "channel.owner.technical"),
    "Mapping.about": (f"{_PAGES}/mapping.html", "mapping.about"),
    "OutgoingMapping.about": (f"{_PAGES}/mapping.html", "mapping.about"),
}

# That they are given is all that they say, and a rule of the declaration or the only word there is asks for it.
GIVEN = frozenset({"FieldMapping.optional", "OutgoingField.optional", "Writes.format"})


class Attribute(NamedTuple):
    """A key in Python.

    Attributes:
        owner: the class, in full.
        name: of the attribute.
        family: that class and those that it derives from or that derive from it: to read it of one is to read it.
    """

    owner: str
    name: str
    family: frozenset[str]


def dependants(cache: Path, sources: Iterable[Path]) -> Mapping[str, set[str]]:
    """`<module.Class.attribute>` → what depends on it, as mypy noted it.

    Args:
        cache: mypy's, for one version of Python.
        sources: where modules count, and have to be.
    """
    roots = list(sources)
    found: dict[str, set[str]] = defaultdict(set)
    for module, noted in _noted(cache):
        if any((root / f"{module}.py").exists() or (root / module / "__init__.py").exists() for root in roots):
            for trigger, targets in noted.items():
                found[trigger].update(targets)
    return found


def _noted(cache: Path) -> Iterator[tuple[str, Mapping[str, list[str]]]]:
    """Each module's path without its ending, and its dependencies; by files, or by rows of SQLite."""
    ending = ".deps.json"
    for file in cache.rglob(f"*{ending}"):
        yield _module(file.relative_to(cache).as_posix().removesuffix(ending)), json.loads(file.read_bytes())
    for database in cache.glob("*.db"):
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT path, data FROM files2 WHERE path LIKE ?", (f"%{ending}",))
            for path, data in rows:
                yield _module(path.removesuffix(ending)), json.loads(data)


def _module(path: str) -> str:
    return path.removesuffix("/__init__")


def unread(attributes: Iterable[Attribute], noted: Mapping[str, set[str]]) -> list[str]:
    """Those that nothing reads but their own class's check."""
    return [f"{each.owner}.{each.name}" for each in attributes if not any(_readers(each, noted))]


def _readers(attribute: Attribute, noted: Mapping[str, set[str]]) -> Iterator[str]:
    own = {f"{owner}.{method}" for owner in attribute.family for method in ("check", "__init__")}
    modules = {owner.rpartition(".")[0] for owner in attribute.family}
    for owner in attribute.family:
        for target in noted.get(f"<{owner}.{attribute.name}>", ()):
            if not target.startswith("<") and target not in own | modules:
                yield target


def declared() -> Iterator[Attribute]:
    """Every key of every declaration that is shipped."""
    kinds = [spec.settings for specs in (listener_specs(), destination_specs()) for spec in specs.values()]
    classes = all_declarations(*FILES, TestsFile, *kinds)
    named = {each: f"{each.__module__}.{each.__qualname__}" for each in classes}
    for each in classes:
        family = {named.get(other, f"{other.__module__}.{other.__qualname__}") for other in each.__mro__[:-1]}
        family |= {name for other, name in named.items() if issubclass(other, each)}
        for key in each.__keys__:
            if f"{each.__name__}.{key.attribute}" not in GIVEN and not _by_name(each.__name__, key.attribute):
                yield Attribute(named[each], key.attribute, frozenset(family))


def _by_name(owner: str, attribute: str) -> bool:
    """Whether it is read by its name where it is said to be."""
    file, words = BY_NAME.get(f"{owner}.{attribute}") or BY_NAME.get(attribute) or ("", "")
    return bool(file) and words in (ROOT / file).read_text("utf-8")


def main() -> None:
    """Says which they are, and fails where there are any."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    caches = sorted((ROOT / ".mypy_cache").glob("3.*"), key=lambda path: path.name != version)
    noted = dependants(caches[0], SOURCES) if caches else {}
    if not noted:
        sys.exit("mypy has noted no dependencies: run it first, with cache_fine_grained")
    if found := unread(declared(), noted):
        sys.exit("\n".join(f"{name} is declared as a key, and no code reads it" for name in found))


if __name__ == "__main__":
    main()
