"""`casecart init`: a new workspace, made from the reference workspace."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, NoReturn

from casecart.workspace import reference
from casecart.workspace.findings import Finding, Place, WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["initialise"]

_SECRETS = ("var/secrets/keys", "var/secrets/tokens")
_IGNORED = "# What the engine keeps here: its database, its secrets, what it handed over.\nvar/\n"


def initialise(target: Path) -> tuple[str, ...]:
    """Copies the reference workspace into a folder, and makes the secrets that its configuration refers to.

    The folder may exist if nothing but `.git` is in it. The result is what was written, as paths below it.

    Raises:
        WorkspaceError: `folder-not-empty` or `unwritable`; then nothing, or not all, was written.
    """
    try:
        if target.is_dir() and any(path.name != ".git" for path in target.iterdir()):
            _refuse(target, "folder-not-empty", "the folder is not empty; name one that is, or a new one")
        written = [_copy(source, target) for source in _files()]
        (target / ".gitignore").write_text(_IGNORED, encoding="utf-8")
        (target / "var").mkdir(mode=0o700)
        (target / "var" / "secrets").mkdir(mode=0o700)
        for secret in _SECRETS:
            _secret(target / secret)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        _refuse(target, "unwritable", f"the workspace could not be written there ({reason})")
    return (*written, ".gitignore", *_SECRETS)


def _files() -> list[str]:
    root = reference.root()
    found = [path for folder in reference.FOLDERS for path in sorted((root / folder).rglob("*")) if path.is_file()]
    return [path.relative_to(root).as_posix() for path in found]


def _copy(file: str, target: Path) -> str:
    copy = target / file
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes((reference.root() / file).read_bytes())
    return file


def _secret(path: Path) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(secrets.token_hex(32) + "\n")


def _refuse(target: Path, code: str, message: str) -> NoReturn:
    raise WorkspaceError([Finding(Place(str(target)), "error", code, message)])
