"""`python -m casecart.cli` is `casecart`."""

from __future__ import annotations

from casecart.cli.main import main

if __name__ == "__main__":
    main()
