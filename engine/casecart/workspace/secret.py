"""Secrets: a workspace file names where one is kept, and never holds one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from casecart.workspace.findings import NOWHERE, Finding, Place, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Secret"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A reference to a secret: the environment variable `env`, or the file `file`; exactly one of them."""

    env: str | None = None
    file: str | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def reveal(self, environment: Mapping[str, str], base: Path) -> str:
        """The secret itself. A relative file is looked for under `base`; its last line end is dropped.

        Raises:
            WorkspaceError: `secret-missing` at the reference's place: not set, empty or unreadable.
        """
        if self.env is not None:
            return environment.get(self.env) or self._missing(f"the environment variable {self.env} is not set")
        path = base / (self.file or "")
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            self._missing(f"the file {self.file} is not UTF-8 text")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "no such file"
            self._missing(f"the file {self.file} could not be read ({reason.lower()})")
        return text.removesuffix("\n").removesuffix("\r") or self._missing(f"the file {self.file} is empty")

    def _missing(self, why: str) -> NoReturn:
        message = f"{why}, and a secret is expected there"
        raise WorkspaceError([Finding(self.place, "error", "secret-missing", message)])
