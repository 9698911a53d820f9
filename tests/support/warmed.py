"""For the process that others are forked off: it has done once what each of them would do for the first time.

Modules that a command imports when it needs them are there, and what is remembered of paths and declarations is known.
"""

from __future__ import annotations

import gc
from pathlib import Path
from tempfile import TemporaryDirectory

from casecart.commands.workspace import check, make_workspace

with TemporaryDirectory() as folder:
    root = Path(folder) / "ws"
    make_workspace(root)
    assert check(root).workspace is not None
gc.collect()
gc.freeze()  # so that a process looks for garbage among its own only
