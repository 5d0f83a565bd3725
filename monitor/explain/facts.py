"""What changed in a column, before and now, in words: the numbers behind a direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.explain.amounts import part_text, share_pair, share_text, value_pair, value_text
from monitor.explain.direction import Direction, category_moves, category_name, cells_of, share_sides, shares_of
from monitor.explain.sides import Sides
from monitor.model.schema import TIME_UNITS
from monitor.profile.profile import Profile
from monitor.profile.summary import mean_and_sd, quantiles

_AS_MUCH = 0.5  # a second category is named where it moved at least so much of what the first did
_MOST_NEW = 3  # names of new categories
_BULK = (("0.25", "0.75", "the middle half"), ("0.05", "0.95", "the middle 90 %"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One number before and now; ``words`` say it to people, ``measure`` names it for programs."""

    measure: str
    reference: float | None
    current: float | None
    words: str

    def to_json(self) -> dict[str, Any]:
        """The fact as JSON values."""
        return {
            "measure": self.measure, "reference": self.reference, "current": self.current, "words": self.words,
        }  # fmt: skip


def facts_of(
    sides: Sides, *, column: int, direction: Direction, unit: str = "", strays: bool = False
) -> tuple[Fact, ...]:
    """The facts behind a column's direction, the most telling first.

    ``strays``: that values lie outside the reference's range was found as well, and is said too.
    """
    kind = direction.kind
    found: tuple[Fact | None, ...] = ()
    if kind in ("missing", "invalid", "unseen"):
        found = (_share(sides, column=column, test=kind),)
    elif kind == "category":
        found = _categories(sides, column=column, direction=direction)
    elif kind in ("value", "range"):
        found = (_one_cell(sides, column=column, direction=direction, unit=unit),)
    elif kind == "spread":
        found = (_bulk(sides, column=column, unit=unit),)
    elif kind == "location":
        found = (_middle(sides, column=column, unit=unit),)
    outside = _outside(sides, column=column, unit=unit) if kind == "out_of_range" or strays else ()
    if kind == "out_of_range":
        return tuple(fact for fact in (*outside, _middle(sides, column=column, unit=unit)) if fact is not None)
    return tuple(fact for fact in (*found, *outside) if fact is not None)


def of_what(sides: Sides, *, column: int) -> str:
    """What shares of a column's valid values are of: its rows, unless some are missing or invalid."""
    return "rows" if sides.values(column)[1] == sides.current.rows else "values"


def _middle(sides: Sides, *, column: int, unit: str) -> Fact | None:
    """The median; the mean, which is exact, where medians are the same or one lies outside the cells' range."""
    reference, current = (_known_quantiles(sides, profile, column=column) for profile in _profiles(sides))
    pair, measure = (reference.get("0.5"), current.get("0.5")), "median"
    if pair[0] is None or pair[1] is None or pair[0] == pair[1]:
        moments, measure = _moments(sides, column=column), "mean"
        pair = moments[0][0], moments[1][0]
    return _pair(measure, pair, unit=unit)


def _bulk(sides: Sides, *, column: int, unit: str) -> Fact | None:
    """Between which values the middle half lies, or the middle 90 % where those tell more; the facts are the widths.

    The standard deviation, which is exact, where an end lies outside the cells' range.
    """
    reference, current = (_known_quantiles(sides, profile, column=column) for profile in _profiles(sides))
    best: tuple[float, Fact] | None = None
    for low, high, name in _BULK:
        ends = [side.get(share) for side in (reference, current) for share in (low, high)]
        a, b, c, d = ends
        if a is None or b is None or c is None or d is None:
            continue
        telling = abs(float(np.log(max(d - c, 1e-300) / max(b - a, 1e-300))))
        before = f"{value_text(a, unit=unit)} to {value_text(b, unit=unit)}"
        now = f"{value_text(c, unit=unit)} to {value_text(d, unit=unit)}"
        fact = Fact(
            measure=f"width of {name}", reference=b - a, current=d - c,
            words=f"{name} of its values lie from {now}, in the reference from {before}",
        )  # fmt: skip
        if best is None or telling > best[0]:
            best = telling, fact
    if best is not None:
        return best[1]
    moments = _moments(sides, column=column)
    return _pair("standard deviation", (moments[0][1], moments[1][1]), unit="" if unit in TIME_UNITS else unit)


def _pair(measure: str, pair: tuple[float | None, float | None], *, unit: str) -> Fact | None:
    if pair[0] is None or pair[1] is None:
        return None
    before, now = value_pair(pair[0], pair[1], unit=unit)
    return Fact(measure=measure, reference=pair[0], current=pair[1], words=f"{measure} {before} to {now}")


def _one_cell(sides: Sides, *, column: int, direction: Direction, unit: str) -> Fact:
    """The share of one value, or of a range of them."""
    q, p = (shares_of(counts) for counts in sides.counts(column))
    inside = [direction.cell]
    if direction.kind == "range":
        inside = cells_of(sides, column=column, pooled=sides.pooled_cell(column, cell=direction.cell))
    before, now = float(q[inside].sum()), float(p[inside].sum())
    texts, of = share_pair(before, now), of_what(sides, column=column)
    return Fact(
        measure=f"share of {direction.of}", reference=before, current=now,
        words=f"{_values(sides, column=column, cells=inside, unit=unit)} in {texts[1]} of {of}, "
        f"in the reference {texts[0]}",
    )  # fmt: skip


def _values(sides: Sides, *, column: int, cells: list[int], unit: str) -> str:
    """The values of some neighbouring cells in words."""
    edges = sides.layout.columns[column].edges
    assert edges is not None  # noqa: S101 - a column of numbers
    high = value_text(float(edges[cells[-1]]), unit=unit, digits=6 if len(cells) == 1 else 3)
    if len(cells) == 1:
        return f"the value {high}"
    low = value_text(float(edges[cells[0] - 1]), unit=unit if unit in TIME_UNITS else "")
    return f"values from {low} to {high}"


def _categories(sides: Sides, *, column: int, direction: Direction) -> tuple[Fact, ...]:
    """The share of the category that moved, and of the one that moved most the other way, if it moved as much."""
    reference, current = sides.counts(column)
    q, p = shares_of(reference), shares_of(current)
    step = p - q
    first, moves = direction.cell, category_moves(sides, column=column)
    other = np.where(np.sign(step) == -np.sign(step[first]), np.abs(moves), 0.0)
    second = int(other.argmax())
    told = [first] + ([second] if abs(step[second]) >= _AS_MUCH * abs(step[first]) and other[second] > 0 else [])
    return tuple(_category(sides, column=column, cell=cell, q=float(q[cell]), p=float(p[cell])) for cell in told)


def _category(sides: Sides, *, column: int, cell: int, q: float, p: float) -> Fact:
    name, texts = category_name(sides, column=column, cell=cell), share_pair(q, p)
    return Fact(measure=f"share of {name}", reference=q, current=p, words=f"category `{name}` {texts[0]} to {texts[1]}")


def _share(sides: Sides, *, column: int, test: str) -> Fact:
    """A share of the rows that are missing or invalid, or of the values that are new, with their names."""
    before, now = share_sides(sides, column=column, test=test)
    texts = share_pair(before, now)
    if test != "unseen":
        words = f"{test} in {texts[1]} of rows, in the reference {texts[0]}"
        return Fact(measure=test, reference=before, current=now, words=words)
    names = _new_names(sides, column=column)
    of = of_what(sides, column=column)
    words = f"categories that the reference does not have in {texts[1]} of {of}" + (f": {names}" if names else "")
    return Fact(measure=test, reference=before, current=now, words=words)


def _new_names(sides: Sides, *, column: int) -> str:
    """The most frequent new categories with their shares."""
    found = sides.current.unseen.get(sides.layout.columns[column].name, {})
    values = max(sides.values(column)[1], 1)
    top = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:_MOST_NEW]
    return ", ".join(f"`{name}` {share_text(count / values)}" for name, count in top)


def _outside(sides: Sides, *, column: int, unit: str) -> tuple[Fact, ...]:
    """How many values lie above and below the range that the cells were made for, the larger share first."""
    edges = sides.layout.columns[column].edges
    reference, current = sides.counts(column)
    if edges is None or not len(edges):
        return ()
    q, p, values = shares_of(reference), shares_of(current), int(current.sum())
    of, facts = of_what(sides, column=column), []
    # the first edge is the float below the minimum
    for cell, side, end in ((-1, "above", float(edges[-1])), (0, "below", float(np.nextafter(edges[0], np.inf)))):
        if not current[cell]:
            continue
        bound, now = value_text(end, unit=unit), part_text(int(current[cell]), values, of=of)
        words = f"{side} everything in the reference ({bound}) in {now}"
        if reference[cell]:
            words = f"{side} {bound} in {now}, in the reference {share_text(float(q[cell]))}"
        facts.append(
            Fact(measure=f"share {side} the range", reference=float(q[cell]), current=float(p[cell]), words=words)
        )
    return tuple(sorted(facts, key=lambda fact: -(fact.current or 0.0)))


def _profiles(sides: Sides) -> tuple[Profile, Profile]:
    return sides.reference, sides.current


def _known_quantiles(sides: Sides, profile: Profile, *, column: int) -> dict[str, float]:
    """The quantiles that lie in a cell with two ends: those outside are known to no better than the distance to the
    extreme."""
    cells = slice(*sides.layout.offsets[column : column + 2].tolist())
    counts = profile.counts[cells]
    reached = np.cumsum(counts)
    found = quantiles(sides.layout, profile, column=column)
    inner = range(1, len(counts) - 1)
    return {
        share: value
        for share, value in found.items()
        if value is not None and int(np.searchsorted(reached, float(share) * int(reached[-1]))) in inner
    }


def _moments(sides: Sides, *, column: int) -> list[tuple[float | None, float | None]]:
    """The mean and standard deviation, of the reference and of the window: exact, wherever the values lie."""
    return [
        mean_and_sd(sides.layout, profile, column=column, values=values)
        for profile, values in zip(_profiles(sides), sides.values(column), strict=True)
    ]
