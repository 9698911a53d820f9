"""Who asks, and what they may do."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from typing import Literal

__all__ = ["Actor", "Permission", "local_actor"]

Permission = Literal["see", "see bodies", "operate"]
"""`see`: lists, envelopes, states, counts. `see bodies`: what a message says of a patient; each look is audited.
`operate`: change what the engine does."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a program, by the name that the audit trail has for it."""

    name: str
    permissions: frozenset[Permission]


def local_actor() -> Actor:
    """Whoever runs a command on this machine: who can read the store and its secrets needs no other permission."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number and no name
        name = f"uid {os.getuid()}"
    return Actor(name, frozenset({"see", "see bodies", "operate"}))
