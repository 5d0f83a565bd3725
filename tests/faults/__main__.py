"""``make test-faults``: every fault at its full length; where all pass, their table goes to ``docs/reliability.md``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults.report import GATHERED, read, table, write

FAULTS = Path(__file__).parent
PAGE = FAULTS.parents[1] / "docs" / "reliability.md"


def main() -> int:
    """Runs the suite in a process of its own; its exit code."""
    with tempfile.TemporaryDirectory() as directory:
        gathered = Path(directory) / "rows"
        gathered.touch()
        command = [sys.executable, "-m", "pytest", str(FAULTS), "-v", *sys.argv[1:]]
        ended = subprocess.run(command, env=os.environ | {"FAULTS": "whole", GATHERED: str(gathered)}, check=False)
        rows = sorted(read(gathered), key=lambda outcome: (outcome.fault, outcome.database))
    sys.stdout.write(table(rows) + "\n")
    if ended.returncode == 0 and not sys.argv[1:]:  # of a part the page would lose the rest
        write(PAGE, rows)
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
