"""A difference on the screen: per model and version, field by field, in colour where somebody looks."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from monitor.cli.output import cell

_SIGNS = {"create": "+", "update": "~", "delete": "-"}
_COLOURS = {"+": "green", "~": "yellow", "-": "red"}


def print_changes(changes: Iterable[dict[str, Any]]) -> None:
    """Writes the changes of an answer of ``POST /apply``."""
    lines = [line for change in changes for line in change_lines(change)]
    if not sys.stdout.isatty():
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for line in lines:
        console.print(Text(line, style=_COLOURS.get(line.lstrip()[:1], "")), soft_wrap=True)


def change_lines(change: dict[str, Any]) -> Iterator[str]:
    """One change as lines, each with its sign before it.

    >>> field = {"field": "lateness", "old": "5m", "new": "10m"}
    >>> list(change_lines({"action": "update", "model": "churn", "version": None, "fields": [field]}))
    ['~ churn', '    ~ lateness: 5m → 10m']
    """
    version = "" if change["version"] is None else f" {change['version']}"
    yield f"{_SIGNS[change['action']]} {change['model']}{version}"
    for field in change["fields"]:
        name, old, new = cell(field["field"]), field["old"], field["new"]
        if old is None:
            yield f"    + {name}: {cell(new)}"
        elif new is None:
            yield f"    - {name}: {cell(old)}"
        else:
            yield f"    ~ {name}: {cell(old)} → {cell(new)}"


def summary_of(changes: Iterable[dict[str, Any]], *, dry_run: bool) -> str:
    """The changes counted.

    >>> summary_of([{"action": "create", "model": "churn", "version": "42"}], dry_run=True)
    'would change: 1 version created'
    """
    counted = Counter(("model" if c["version"] is None else "version", c["action"]) for c in changes)
    parts = [
        f"{number} {noun}{'s' if number > 1 else ''} {action}d"
        for (noun, action), number in sorted(counted.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
    if not parts:
        return "no change"
    return f"{'would change' if dry_run else 'changed'}: {', '.join(parts)}"
