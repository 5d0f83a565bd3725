"""``python -m monitor.cli``: the same as ``driftline``."""

from __future__ import annotations

from monitor.cli import main

main()
