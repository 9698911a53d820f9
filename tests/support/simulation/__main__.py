"""Runs the seeds that are named, and tells what happened in each.

    PYTHONPATH=tests python -m support.simulation SEED [LAST]

Of one seed all is told, of a range the violations.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from support.simulation import simulate


def _main(first: int, last: int | None) -> int:
    if last is None:
        ended = simulate(first, tell=True)
        sys.stdout.write("\n".join([*ended.story, *ended.violations, str(dict(ended.counts)), ended.trace, ""]))
        return bool(ended.violations)
    counts: Counter[str] = Counter()
    began, wrong = time.process_time(), 0
    for seed in range(first, last + 1):
        ended = simulate(seed)
        counts += ended.counts
        if ended.violations:
            wrong += 1
            sys.stdout.write(f"seed {seed}: {ended.violations}\n")
    seconds = time.process_time() - began
    sys.stdout.write(f"{last + 1 - first} seeds, {wrong} wrong, {seconds:.1f} s CPU; {dict(counts)}\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else None))
