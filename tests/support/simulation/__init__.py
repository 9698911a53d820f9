"""The core of the engine on a clock, a store and a network that are made up, each run following from one number.

The engine is the real one, put together by itself; what is around it fails as the seed says. A run that went wrong goes
wrong in the same way each time it is made again:

    PYTHONPATH=tests python -m support.simulation 4711
"""

from __future__ import annotations

from support.simulation.world import Ended, simulate

__all__ = ["Ended", "simulate"]
