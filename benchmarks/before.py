"""Ingest of the code as it is against that of an earlier revision: both servers in one run, in turns.

``python -m benchmarks.before [--against REV] [--rounds N] [--seconds N] [--database …]``. The earlier code is taken out
of git into a temporary directory and runs with this environment's packages. Both servers stand on one core all the
time and the load comes from the other; a round sends to one and then to the other, the next the other way round.
Ratios are of the new code to the old: the geometric mean over the rounds and its 95 % interval (Student's t of the
logarithms), of requests a second and of the server's processor time a request, which other work disturbs less.
"""

from __future__ import annotations

import argparse
import io
import math
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.database import DATABASES, database_url
from benchmarks.ingest import CASES, prepare
from benchmarks.serving import Load, driftline, post_load

BEFORE_DURABILITY = "0ddd8fb"  # the last commit before flushes were watched, quotas, request ids and limits
LEAST_RATIO = 0.9
NAMES = ("JSON, 1 record a request, 64 connections", "JSON, 500 records a request", "Arrow, 500 records a request",
         "Arrow, 5,000 records a request")  # fmt: skip


def ratio(new: Sequence[float], old: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean of the pairs' ratios, and its 95 % interval.

    >>> ratio([2.0, 4.0], [1.0, 2.0])
    (2.0, 2.0, 2.0)
    """
    logarithms = np.log(np.asarray(new) / np.asarray(old))
    half = float(stats.t.ppf(0.975, len(logarithms) - 1)) * float(logarithms.std(ddof=1)) / math.sqrt(len(logarithms))
    middle = float(logarithms.mean())
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """A directory with the files of a revision."""
    here = Path(__file__).parents[1]
    packed = subprocess.run(["git", "archive", revision], cwd=here, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as files:
            files.extractall(folder, filter="data")
        yield Path(folder)


@dataclass(frozen=True, slots=True)
class Side:
    """A server's process, and where it takes predictions."""

    pid: int
    url: str


@contextmanager
def sides(database: str, *, code: Path) -> Iterator[tuple[Side, Side]]:
    """The new server and the old one, each on a database of its own."""
    with ExitStack() as stack:

        def started(code: Path | None) -> Side:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url = stack.enter_context(database_url(database))
            service = stack.enter_context(driftline(folder, database_url=url, code=code))
            return Side(service.process.pid, prepare(service.url))

        yield started(None), started(code)


def rounds(case: tuple, both: tuple[Side, Side], *, count: int, seconds: int) -> Iterator[tuple[Load, Load]]:
    """(new, old) of each round that a busy machine answered at all, after one that warms both up."""
    _, records, body, content_type, connections = case
    sent = {"body": body(records), "content_type": content_type, "connections": connections, "seconds": seconds}
    for number in range(count + 1):
        loads: dict[int, Load] = {}
        for which in (0, 1) if number % 2 else (1, 0):
            loads[which] = post_load(both[which].url, **sent, server=both[which].pid)
        if number and all(load.requests_per_second for load in loads.values()):
            yield loads[0], loads[1]


def line(name: str, pairs: Sequence[tuple[Load, Load]], *, records: int) -> str:
    """A row of the table."""
    new, old = zip(*pairs, strict=True)
    cells = [f"{np.median([load.requests_per_second for load in side]) * records:,.0f}" for side in (old, new)]
    for figure in ("requests_per_second", "server_ms"):
        middle, lower, upper = ratio([getattr(load, figure) for load in new], [getattr(load, figure) for load in old])
        cells.append(f"{middle:.3f} ({lower:.3f} to {upper:.3f})")
    p99 = ratio([load.p99_ms for load in new], [load.p99_ms for load in old])[0]
    errors = sum(load.errors for load in (*new, *old))
    return f"| {name} | {len(pairs)} | {' | '.join(cells)} | {p99:.2f} | {errors} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.before", description=__doc__)
    parser.add_argument("--against", default=BEFORE_DURABILITY, help=f"a revision; {BEFORE_DURABILITY} unless told")
    parser.add_argument("--rounds", type=int, default=12, help="at least 3; 12 unless told")
    parser.add_argument("--seconds", type=int, default=4, help="of each load; 4 unless told")
    parser.add_argument("--database", choices=DATABASES, action="append", help="both unless told")
    parser.add_argument("--case", help="only cases whose name holds this")
    told = parser.parse_args()
    print(f"against {told.against}; ratios at least {LEAST_RATIO} of records/s are within budget\n")
    print("| ingest | rounds | records/s before | now | ratio (95 %) | CPU a request, ratio (95 %) | p99 | errors |")
    print("|---" * 8 + "|", flush=True)
    with checkout(told.against) as code:
        for database in told.database or DATABASES:
            with sides(database, code=code) as both:
                for case in (case for case in CASES if case[0] in NAMES and (told.case or "") in case[0]):
                    pairs = list(rounds(case, both, count=max(3, told.rounds), seconds=told.seconds))
                    print(line(f"{DATABASES[database]}: {case[0]}", pairs, records=case[1]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
