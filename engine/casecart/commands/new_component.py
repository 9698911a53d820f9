"""A listener or destination more in config/engine.yaml, made from the declaration of its kind."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from casecart.commands.new_files import good_name, put, sound
from casecart.commands.refusal import Refusal
from casecart.commands.site import CONFIGURATION
from casecart.runtime.kinds import installed_kinds
from casecart.workspace.findings import did_you_mean, listed, shown
from casecart.workspace.insertion import inserted
from casecart.workspace.shape import SecretReference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from casecart.workspace import Declared, Finding, Key, Workspace

__all__ = ["Added", "add_component"]

_LONGEST: Final = 118
_COMMENT: Final = 38  # the column of comments, as in the shipped files
_BLOCKS: Final = {"listener": "listeners", "destination": "destinations"}
_HERE: Final = "127.0.0.1"


class Added(NamedTuple):
    """What was added.

    Attributes:
        lines: as they stand in the file, without their indentation.
        secrets: environment variables that it refers to.
        warnings: what `check` says.
    """

    lines: tuple[str, ...]
    secrets: tuple[str, ...]
    warnings: tuple[Finding, ...]


def add_component(root: Path, sort: str, name: str, kind: str, given: Mapping[str, str]) -> Added:
    """Adds it at the end of its block.

    Args:
        root: the workspace.
        sort: `listener` or `destination`.
        name: its own.
        kind: an installed one.
        given: values by key, as written in YAML.

    Raises:
        NotAWorkspace: there is none.
        WorkspaceError: the workspace has errors, or would have.
        Refusal: the name or kind is none, or the name is taken.
    """
    good_name(name)
    kinds = installed_kinds().of(sort)
    if kind not in kinds:
        words = f"{shown(kind)} is not an installed kind of {sort}; those are {listed(sorted(kinds))}"
        raise Refusal("bad-value", words, did_you_mean(kind, kinds))
    declaration = kinds[kind]
    known = {key.name for key in declaration.__keys__}
    for key in given.keys() - known:
        words = f"{shown(key)} is not a key of {declaration.__declaration__.name}, which knows {listed(sorted(known))}"
        raise Refusal("bad-value", words, did_you_mean(key, known))
    workspace = sound(root)
    if name in getattr(workspace.engine, _BLOCKS[sort]):
        raise Refusal("bad-value", f"there is a {sort} {shown(name)} already; nothing is overwritten")
    values = {**_usual(workspace, sort, name, kind), **given}
    lines = tuple(_lines(name, kind, declaration, values))
    before = (root / CONFIGURATION).read_bytes()
    after = inserted(before, CONFIGURATION, _BLOCKS[sort], name, lines)
    warnings = put(root, {}, {CONFIGURATION: (before, after)})
    return Added(lines, tuple(dict.fromkeys(re.findall(r"\{env: (\w+)\}", "\n".join(lines)))), warnings)


def _lines(name: str, kind: str, declaration: type[Declared], values: Mapping[str, str]) -> Iterator[str]:
    yield from _commented(f"{name}:", declaration.__declaration__.about)
    yield f"  kind: {kind}"
    for key in declaration.__keys__:
        if not key.required and key.name not in values:
            continue
        value = values.get(key.name) or _example(name, key)
        if "\n" in value:
            yield from _commented(f"  {key.name}:", key.about)
            yield from (f"    {line}" for line in value.splitlines())
        else:
            yield from _commented(f"  {key.name}: {value}", key.about)


def _example(name: str, key: Key) -> str:
    """As it is declared, with a secret named after who has it."""
    return f"{{env: {_variable(name, key.name)}}}" if isinstance(key.shape, SecretReference) else key.example


def _variable(name: str, key: str) -> str:
    word = re.sub(r"[^A-Z0-9]+", "_", f"{name}_{key}".upper())
    return word if word[:1].isalpha() else f"X{word}"


def _commented(line: str, about: str) -> Iterator[str]:
    """With the first sentence of what it is behind it, or above it where there is no room."""
    said = re.split(r"(?<=[.;])\s", about, maxsplit=1)[0].rstrip(".;")
    behind = f"{line.ljust(_COMMENT - 2)}  # {said}"
    if len(behind) <= _LONGEST:
        yield behind
        return
    indent = line[: len(line) - len(line.lstrip())]
    yield from textwrap.wrap(said, _LONGEST, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
    yield line


def _usual(workspace: Workspace, sort: str, name: str, kind: str) -> dict[str, str]:
    """What a kind of ours begins with, so that it runs at once; of others the examples are taken."""
    engine = workspace.engine
    facility = next(iter(engine.facilities))
    word = re.sub(r"[^A-Z0-9]+", "", name.upper()) or "SENDER"
    match = f"{name}: {{match: {{MSH-3: {word}, MSH-4: {facility}}}, facility: {facility}}}"
    if sort == "listener":
        # A line of its own each, so that more can be written below it.
        hl7 = {"peers": f"{match}   # by what its MSH says\n"}
        http = f"{name}: {{facility: {facility}, networks: 127.0.0.0/8}}   # for one elsewhere: a token, and TLS\n"
        return {
            "mllp": {"port": str(_port(engine.listeners, 2575)), **hl7},
            "file": {"folder": f"var/{name}", **hl7},
            "http": {"port": str(_port(engine.listeners, 8443)), "peers": http},
            "fhir": {"facility": facility, "searches": "[Procedure]", "every": "5m"},
            "item-changes": {"facility": facility},
        }.get(kind, {})
    return {
        "file": {"folder": f"var/{name}"},
        "rest": {"headers": f"{{Authorization: {{env: {_variable(name, 'authorization')}}}}}"},
        "mllp": {"host": _HERE, **_writer(workspace)} if kind == "mllp" else {},
    }.get(kind, {})


def _writer(workspace: Workspace) -> dict[str, str]:
    """The first mapping that writes what was used, and what it discloses."""
    for name, mapping in workspace.outgoing.items():
        if mapping.source == "Usage":
            discloses = dict.fromkeys(str(each.disclose) for each in mapping.fields.values() if each.disclose)
            return {"mapping": name, **({"discloses": f"[{', '.join(discloses)}]"} if discloses else {})}
    raise Refusal(
        "not-found", "there is no mapping that writes messages of what was used: make one with `writes` first"
    )


def _port(components: Mapping[str, Any], usual: int) -> int:
    """The first one from the usual one on that no listener of the workspace has."""
    taken = {getattr(each.settings, "port", None) for each in components.values()}
    return next(port for port in range(usual, 65536) if port not in taken)
