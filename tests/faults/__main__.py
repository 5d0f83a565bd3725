"""``make test-faults``: every fault at its full length, several at once; their table goes to ``docs/reliability.md``.

``python -m tests.faults kill replicas`` runs these parts only and replaces their rows; ``--list`` names the parts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.page import Run, ended_of, table, write
from tests.faults.report import GATHERED, read
from tests.faults.selection import FAULTS, parts, paths_of
from tests.service import PATIENCE

ROOT = FAULTS.parents[1]
PAGE = ROOT / "docs" / "reliability.md"
AT_ONCE = os.cpu_count() or 1  # more share the cores: measured, four of them kept two busy at 93 %


def main(words: Sequence[str] | None = None) -> int:
    """Runs the suite in processes of its own; its exit code. The page is written whatever became of it."""
    told = _parser().parse_args(words)
    if told.list:
        sys.stdout.write("\n".join(parts()) + "\n")
        return 0
    paths = paths_of(told.parts)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        rows, results = Path(directory) / "rows", Path(directory) / "results.xml"
        rows.touch()
        code = _run_tests(paths, at_once=told.at_once, rows=rows, results=results)
        outcomes = sorted(read(rows), key=lambda outcome: (outcome.fault, outcome.database))
        run = Run(parts=tuple(told.parts), ended=datetime.now(UTC), seconds=time.monotonic() - began,
                  at_once=told.at_once, cores=os.cpu_count() or 1, patience=PATIENCE,
                  tests=ended_of(results, code=code))  # fmt: skip
    sys.stdout.write(f"\n{table(outcomes)}\n\n{run}\n")
    write(PAGE, outcomes, run=run)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="which parts; all where none is named")
    parser.add_argument("-n", "--at-once", type=int, default=AT_ONCE, help="how many tests at once (%(default)s)")
    parser.add_argument("--list", action="store_true", help="name the parts and end")
    return parser


def _run_tests(paths: Sequence[Path], *, at_once: int, rows: Path, results: Path) -> int:
    """pytest's exit code. A test that cannot run here fails (``CI``): a fault that did not happen proves nothing."""
    command = [
        sys.executable, "-m", "pytest", *map(str, paths), "-vv", "-n", str(at_once), "--dist", "loadgroup",
        "--durations=10", f"--junitxml={results}", "-p", "no:cacheprovider",
    ]  # fmt: skip
    environment = os.environ | {"FAULTS": "whole", "CI": "1", GATHERED: str(rows)}
    with subprocess.Popen(command, env=environment, cwd=ROOT) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:  # pytest has it too, and ends by itself what it began
            return process.wait()


if __name__ == "__main__":
    sys.exit(main())
