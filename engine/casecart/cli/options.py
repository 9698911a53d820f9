"""The options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DIRECTORY", "as_json", "directory_argument", "json_option", "workspace_option"]

_F = TypeVar("_F", bound="Callable[..., Any]")

DIRECTORY = click.Path(path_type=Path)

_ABOUT = "The workspace's folder.  [default: the current one; CASECART_WORKSPACE]"


def workspace_option(function: _F) -> _F:
    """`--workspace DIR`, given to the command as `root`."""
    option = click.option(
        "-w",
        "--workspace",
        "root",
        type=DIRECTORY,
        default=".",
        envvar="CASECART_WORKSPACE",
        metavar="DIR",
        help=_ABOUT,
    )
    return option(function)


def directory_argument(function: _F) -> _F:
    """`[DIR]`, or `--workspace DIR`; given to the command as `directory` and `root`."""
    return click.argument("directory", required=False, type=DIRECTORY, metavar="[DIR]")(workspace_option(function))


def json_option(function: _F) -> _F:
    """`--json`, given to the command as `json`."""
    return click.option("--json", is_flag=True, help="Print one JSON document, for programs.")(function)


def as_json(value: object, *, one_line: bool = False) -> str:
    """A document of the command's answer. Times are in UTC; keys are only ever added."""
    written = msgspec.json.format(msgspec.json.encode(value), indent=0 if one_line else 2).decode()
    # Between the line ends of the layout only texts can hold what a terminal would obey: there it is escaped.
    return "".join(sign if sign.isprintable() or sign == "\n" else _escaped(sign) for sign in written)


def _escaped(sign: str) -> str:
    """As JSON escapes it, in pairs beyond the first plane."""
    units = sign.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
