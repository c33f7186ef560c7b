"""What `import fvhooks` costs beside `import torch`.

    python benchmarks/importing.py [--turns 9]

Fresh interpreters take turns, since other work slows both; prints the median of each by the clock and by
processor time, and the median of the turns' ratios. The first turn, which fills the system's cache, does
not count.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

TARGET = 1.5


class Cost(NamedTuple):
    clock: float
    processor: float


def cost_of(statement: str) -> Cost:
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", statement])  # noqa: S603 - of the two below
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{statement!r} failed")
    return Cost(time.perf_counter() - start, used.ru_utime + used.ru_stime)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=9)
    turns = parser.parse_args().turns
    found = [(cost_of("import torch"), cost_of("import fvhooks")) for _ in range(turns + 1)][1:]
    for field in Cost._fields:
        alone, ours = ([getattr(cost, field) for cost in costs] for costs in zip(*found, strict=True))
        ratios = [mine / bare for bare, mine in zip(alone, ours, strict=True)]
        seconds = f"torch {statistics.median(alone):.2f} s, fvhooks {statistics.median(ours):.2f} s"
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"{field}: {seconds}, ratio {spread}, target {TARGET}")


if __name__ == "__main__":
    main()
