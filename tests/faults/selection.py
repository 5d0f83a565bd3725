"""Which tests run: those of every day, or the whole of what breaks things, which is what ``FAULTS=whole`` asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from tests.faults.report import WHOLE
from tests.service import PATIENCE

FAULTS = Path(__file__).parent
TESTS = FAULTS.parent
ELSEWHERE = "elsewhere"  # the part of what is marked ``whole`` outside ``tests/faults``
_DEFAULT_TIMEOUT = 300.0


def select(items: Sequence[pytest.Item], *, whole: bool = WHOLE) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """(those that run, those that are left out).

    Without the whole, what is marked ``whole`` is left out. With it, what is neither a fault nor marked is; and what
    may take longest comes first, so that processes that share the run end together.
    """
    kept = [item for item in items if (_is_fault(item) or _is_whole(item) if whole else not _is_whole(item))]
    chosen = set(kept)
    left_out = [item for item in items if item not in chosen]
    if whole:
        kept.sort(key=_seconds_at_most, reverse=True)
    return kept, left_out


def lengthen(items: Iterable[pytest.Item], *, times: float = PATIENCE) -> None:
    """Lets every test last so many times longer than it says."""
    for item in items if times != 1 else ():
        item.add_marker(pytest.mark.timeout(_seconds_at_most(item) * times), append=False)


def parts() -> dict[str, list[Path]]:
    """What ``python -m tests.faults`` can be asked for: name → the files or the directory of it."""
    named = {path.stem.removeprefix("test_"): [path] for path in sorted(FAULTS.glob("test_*.py"))}
    named |= {path.parent.name: [path.parent] for path in sorted(FAULTS.glob("*/test_*.py"))}
    elsewhere = [path for path in sorted(TESTS.rglob("test_*.py")) if FAULTS not in path.parents and _names_whole(path)]
    return named | ({ELSEWHERE: elsewhere} if elsewhere else {})


def paths_of(names: Iterable[str]) -> list[Path]:
    """The paths of these parts, of all where none is named; ``ValueError`` that lists them where one is unknown."""
    known = parts()
    asked = list(names) or list(known)
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise ValueError(f"no such part: {', '.join(unknown)}; there are: {', '.join(known)}")
    return [path for name in asked for path in known[name]]


def _is_whole(item: pytest.Item) -> bool:
    return item.get_closest_marker("whole") is not None


def _is_fault(item: pytest.Item) -> bool:
    return FAULTS in item.path.parents


def _seconds_at_most(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker is not None else _DEFAULT_TIMEOUT


def _names_whole(path: Path) -> bool:
    return "mark.whole" in path.read_text(encoding="utf-8")
