"""Writes every dashboard to ``grafana/dashboards/<name>.json``, or into the directory that is named."""

from __future__ import annotations

import sys
from pathlib import Path

from grafana.boards import BOARDS
from grafana.drawing import to_json

if __name__ == "__main__":
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "dashboards"
    for name, board in BOARDS.items():
        (directory / f"{name}.json").write_text(to_json(board), encoding="utf-8")
