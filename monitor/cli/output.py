"""What commands print: JSON for programs, aligned columns for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def print_json(value: Any) -> None:
    """Writes the value as indented JSON, and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_table(rows: Iterable[Mapping[str, Any]], *, columns: Sequence[str]) -> None:
    """Writes aligned columns with a header; nothing is cut off, so that ``grep`` and ``awk`` work."""
    lines = [list(columns), *([cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[position]) for line in lines) for position in range(len(columns))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def print_fields(fields: Mapping[str, Any]) -> None:
    """Writes one thing, a field a line."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        sys.stdout.write(f"{name.ljust(width)}  {cell(value)}".rstrip() + "\n")


def cell(value: Any) -> str:
    """A value as text on one line; nothing is an en dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return "".join(c if c.isprintable() else "\ufffd" for c in text)  # nothing from a server drives the terminal
