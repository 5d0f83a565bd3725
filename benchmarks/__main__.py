"""Run every benchmark (or those named), one after the other: ``python -m benchmarks [name …]``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ORDER = (
    "counting", "check", "access", "ingest_core", "ingest", "tracing", "labels_ingest", "window", "scales", "join",
    "fleet", "scrape", "reading", "memory", "alarms", "drifted", "falls", "intervals", "estimates", "apply", "before",
    "deletion", "soak",
)  # fmt: skip


def main(names: list[str]) -> int:
    """The number of benchmarks that failed to run; each runs in a process of its own."""
    here = Path(__file__).parent
    failed = 0
    for name in names or ORDER:
        print(f"\n## {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=here.parent, check=False)
        failed += done.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
