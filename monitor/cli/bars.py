"""Bars of long work on standard error: one a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Told = Callable[[str, int, int], None]


@contextmanager
def bars() -> Iterator[Told]:
    """What is told (step, how much of how much) as a bar a step, if somebody looks at it."""
    from monitor.cli.sending import progress

    with progress() as bar:
        tasks: dict[str, Any] = {}

        def told(step: str, done: int, of: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=of)
            bar.update(tasks[step], completed=done, total=of)

        yield told
