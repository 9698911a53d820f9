"""The JSON Schemas of a workspace's files, written into it for editors: from the declarations that also read them."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from casecart.commands.site import require_workspace
from casecart.workspace import Finding, Place, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["FOLDER", "State", "modeline", "outdated", "schema_files", "schema_states", "write_schemas"]

FOLDER: Final = "config/schema"
"""Where they are, from the workspace on."""

State = Literal["current", "outdated", "missing"]

_GROUPS: Final = ("casecart.listeners", "casecart.destinations")
_LARGEST: Final = 10_000_000


def modeline(schema: str, file: str) -> str:
    """The first line of a YAML file, by which a YAML language server finds its schema.

    Args:
        schema: which: `engine`, `ownership`, `channel`, `mapping`, `outgoing mapping`.
        file: the path below the workspace.
    """
    up = "../" * file.count("/")
    return f"# yaml-language-server: $schema={up}{FOLDER}/{_name(schema)}\n"


def schema_files() -> Mapping[str, bytes]:
    """The schemas, by their paths below the workspace, with all the kinds that are installed."""
    # Who only looks whether they are current loads no kind of listener.
    from casecart.canonical import FIELDS  # noqa: PLC0415 - as above
    from casecart.commands.expected_fields import EXPECTED, NAMES  # noqa: PLC0415 - as above
    from casecart.master.documents import documents  # noqa: PLC0415 - as above
    from casecart.runtime.kinds import installed_kinds  # noqa: PLC0415 - as above
    from casecart.workspace.schema import schemas  # noqa: PLC0415 - as above

    made = schemas(installed_kinds(), {"field": FIELDS, **EXPECTED, **NAMES}, documents())
    origin = {"$comment": _origin()}
    return {f"{FOLDER}/{_name(name)}": _written({**origin, **schema}) for name, schema in made.items()}


def schema_states(root: Path) -> Mapping[str, State]:
    """How each schema of a workspace is, by its path. Raises `NotAWorkspace`."""
    require_workspace(root)
    return {file: _state(root / file, wanted) for file, wanted in schema_files().items()}


def write_schemas(root: Path) -> tuple[str, ...]:
    """Writes the schemas that are not current; gives their paths.

    Raises:
        NotAWorkspace: there is none.
        WorkspaceError: `unwritable`; each file is as before, or current.
    """
    states = schema_states(root)
    wanted = schema_files()
    outdated_files = tuple(file for file, state in states.items() if state != "current")
    for file in outdated_files:
        _replace(root, file, wanted[file])
    return outdated_files


def outdated(root: Path) -> Finding | None:
    """A warning where a workspace has schemas, and they are another casecart's; None where it has none."""
    folder = root / FOLDER
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError:
        return None
    now = _origin()
    for path in found:
        made_by = _made_by(path)
        if made_by != now:
            message = (
                f"editors complete and check by schemas of {made_by or 'another time'}, and this is {now}: "
                "`casecart schema --write` makes them anew"
            )
            return Finding(Place(f"{FOLDER}/{path.name}"), "warning", "old-schema", message)
    return None


def _origin() -> str:
    """What they are made by: casecart, and the packages that bring kinds."""
    packages = {
        point.dist.name: point.dist.version for each in _GROUPS for point in entry_points(group=each) if point.dist
    }
    return ", ".join(f"{name} {of}" for name, of in sorted({"casecart": version("casecart"), **packages}.items()))


def _made_by(path: Path) -> str:
    with suppress(OSError, ValueError, msgspec.MsgspecError):
        if path.stat().st_size <= _LARGEST:
            return str(msgspec.json.decode(path.read_bytes(), type=dict[str, object]).get("$comment", ""))[:100]
    return ""


def _state(path: Path, wanted: bytes) -> State:
    try:
        return "current" if path.read_bytes() == wanted else "outdated"
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "outdated"


def _written(schema: Mapping[str, object]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(schema), indent=1) + b"\n"


def _replace(root: Path, file: str, content: bytes) -> None:
    """Whole or not at all: an editor may read it at any moment."""
    path = root / file
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        reason = (error.strerror or "unknown reason").lower()
        words = f"it could not be written ({reason})"
        raise WorkspaceError([Finding(Place(file), "error", "unwritable", words)]) from error


def _name(schema: str) -> str:
    return f"{schema.replace(' ', '-')}.json"
