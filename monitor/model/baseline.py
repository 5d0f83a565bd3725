"""Baselines: what a window is held against when that is not the reference (CONFIG.md, "Baseline")."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

from monitor.model.errors import InvalidInput
from monitor.model.names import nearest, valid_name
from monitor.model.time import parse_instant, rfc3339
from monitor.model.window import FIXED_US, WindowSpec

Kind = Literal[
    "reference", "previous", "rolling", "same_hour", "same_day_of_week", "same_hour_of_week", "version", "windows"
]
Skip = Literal["alert", "none"]
KINDS: tuple[str, ...] = get_args(Kind)
SKIPS: tuple[str, ...] = get_args(Skip)
MOST_WINDOWS = 720  # that one window may be held against: a month of hours
_COUNTED = ("windows", "gap", "min_windows", "skip")
# What each kind takes beside its name, and what is taken where nothing is said.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "reference": (), "previous": (), "rolling": _COUNTED, "same_hour": _COUNTED, "same_day_of_week": _COUNTED,
    "same_hour_of_week": _COUNTED, "version": ("version",), "windows": ("from", "to"),
}  # fmt: skip
DEFAULTS: Mapping[str, tuple[int, int, int]] = {  # windows, gap, min_windows
    "rolling": (28, 1, 7), "same_hour": (28, 0, 7), "same_day_of_week": (8, 0, 3), "same_hour_of_week": (8, 0, 3),
}  # fmt: skip
SEASONAL = ("same_hour", "same_day_of_week", "same_hour_of_week")
MOVING = ("previous", "rolling", *SEASONAL, "version")  # another one for every window


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A rule that says what a window is held against.

    ``windows`` are the places on the calendar that are looked at (of the seasonal kinds: occurrences), nearest first,
    behind ``gap`` that are left out; places without a window, with one of too few rows and, with ``skip`` alert, with
    one in alert stay empty. Fewer than ``min_windows`` filled ones are too few. ``version`` names the other version,
    ``from_us`` and ``to_us`` bound fixed windows.
    """

    kind: Kind = "reference"
    windows: int = 1
    gap: int = 0
    min_windows: int = 1
    skip: Skip = "none"
    version: str = ""
    from_us: int = 0
    to_us: int = 0

    @property
    def moving(self) -> bool:
        """Whether every window has one of its own."""
        return self.kind in MOVING

    def to_json(self) -> dict[str, Any]:
        """The whole shape, with what was not said."""
        told: dict[str, Any] = {
            "windows": self.windows, "gap": self.gap, "min_windows": self.min_windows, "skip": self.skip,
            "version": self.version, "from": rfc3339(self.from_us), "to": rfc3339(self.to_us),
        }  # fmt: skip
        return {"kind": self.kind} | {name: told[name] for name in FIELDS[self.kind]}

    @property
    def text(self) -> str:
        """The canonical text: the same for shapes that mean the same.

        >>> parse_baseline({"kind": "version", "version": "41"}).text
        '{"kind": "version", "version": "41"}'
        """
        return json.dumps(self.to_json())


REFERENCE = Baseline()


def parse_baseline(shape: Any, *, name: str = "baseline") -> Baseline:
    """The baseline of a JSON shape; ``InvalidInput`` says what is wrong with it.

    >>> parse_baseline({"kind": "rolling"}).windows
    28
    """
    if not isinstance(shape, dict):
        raise InvalidInput(f'{name}: expected an object such as {{"kind": "same_hour"}}, found {str(shape)[:80]}')
    kind = shape.get("kind")
    if kind not in KINDS:
        raise InvalidInput(
            f"{name}: kind {str(kind)[:40]!r} is not one of {', '.join(KINDS)}{nearest(str(kind), KINDS)}"
        )
    for key in shape:
        if key != "kind" and key not in FIELDS[kind]:
            known = ", ".join(FIELDS[kind]) or "nothing else"
            raise InvalidInput(
                f"{name}: unknown key {str(key)[:40]!r}{nearest(str(key), FIELDS[kind])}: {kind!r} takes {known}"
            )
    if kind in DEFAULTS:
        return _counted(shape, kind=kind, name=name)
    if kind == "version":
        return Baseline(kind="version", version=_version(shape.get("version"), name=f"{name}.version"))
    if kind == "windows":
        return _fixed(shape, name=name)
    return Baseline(kind=kind)


def fit(baseline: Baseline, *, spec: WindowSpec, name: str = "baseline") -> None:
    """``InvalidInput`` where the rule makes no sense for windows of that length."""
    short = spec.length in FIXED_US
    if baseline.kind in ("same_hour", "same_hour_of_week") and not short:
        other = "same_day_of_week" if spec.length == "1d" else "rolling"
        raise InvalidInput(
            f"{name}: {baseline.kind!r} needs windows shorter than a day, found window {spec.length!r}: "
            f"use {other!r}, or a shorter window"
        )
    if baseline.kind == "same_day_of_week" and spec.length != "1d":
        other = "same_hour_of_week" if short else "rolling"
        raise InvalidInput(
            f"{name}: 'same_day_of_week' needs windows of a day ('1d'), found window {spec.length!r}: use {other!r}"
        )


def check_level(baseline: Baseline | None, *, kind: str, where: str) -> None:
    """``InvalidInput`` for a check of a kind that is always held against the reference."""
    if baseline is not None and baseline.kind != "reference" and kind not in ("drift", "quality", "volume"):
        raise InvalidInput(
            f"{where}.baseline: a {kind} check is held against the reference: leave the baseline out "
            "(drift, quality and volume checks take one)"
        )


@lru_cache(maxsize=256)
def parsed(text: str) -> Baseline:
    """The baseline of its JSON text: asked for every window."""
    return parse_baseline(json.loads(text))


def _counted(shape: dict[str, Any], *, kind: Kind, name: str) -> Baseline:
    windows, gap, least = DEFAULTS[kind]
    windows = _whole(shape, "windows", name=name, least=1, most=MOST_WINDOWS, default=windows)
    gap = _whole(shape, "gap", name=name, least=0, most=MOST_WINDOWS, default=gap)
    least = _whole(shape, "min_windows", name=name, least=1, most=windows, default=min(least, windows))
    skip = shape.get("skip")
    if skip is not None and skip not in SKIPS:
        raise InvalidInput(
            f"{name}.skip: {str(skip)[:40]!r} is not one of {', '.join(SKIPS)}{nearest(str(skip), SKIPS)}"
        )
    return Baseline(kind=kind, windows=windows, gap=gap, min_windows=least, skip=skip or "alert")


def _whole(shape: dict[str, Any], key: str, *, name: str, least: int, most: int, default: int) -> int:
    value = shape.get(key)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidInput(
            f"{name}.{key}: expected a whole number from {least} to {most}"
            f"{' (windows)' if key == 'min_windows' else ''}, found {str(value)[:40]}"
        )
    return value


def _version(value: Any, *, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{name}: expected the name of another version as a text (quote it), found {value!r}"[:200])
    return valid_name(value, kind="version")


def _fixed(shape: dict[str, Any], *, name: str) -> Baseline:
    bounds = {}
    for key in ("from", "to"):
        value = shape.get(key)
        if not isinstance(value, str):
            raise InvalidInput(
                f"{name}.{key}: expected a time such as 2026-03-01T00:00:00Z, found {str(value)[:40]!r}: "
                "'windows' takes from and to"
            )
        bounds[key] = parse_instant(value, name=f"{name}.{key}")
    if bounds["from"] >= bounds["to"]:
        raise InvalidInput(f"{name}: from {shape['from']} is not before to {shape['to']}: expected from < to")
    return Baseline(kind="windows", from_us=bounds["from"], to_us=bounds["to"])
