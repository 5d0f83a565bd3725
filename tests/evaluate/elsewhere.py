"""A statement on an SQLite file by a process of its own: a second library in this one would drop its locks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_DONE_BY = """
import sys
from monitor.store.sqlite import library
connection = library().connect(sys.argv[1], isolation_level=None, timeout=30)
print(*connection.execute(sys.argv[2]).fetchall())
"""


def elsewhere(path: Path, statement: str) -> str:
    """What the statement answered."""
    words = [sys.executable, "-c", _DONE_BY, str(path), statement]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
