"""What result rows themselves say of an explanation: for metrics, which know nothing but a window's newest rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from monitor.alert.evidence import NATS
from monitor.explain.deciding import Decided, decided_rows, shares_of_evidence
from monitor.explain.direction import Direction, find_direction
from monitor.explain.rarity import rarity_of
from monitor.explain.sentence import way_text
from monitor.explain.sides import Sides
from monitor.model.results import ResultRow

MOST = 5  # columns of a check: what a page shows, and what a window can afford


def with_marks(rows: Sequence[ResultRow], *, sides: Sides) -> tuple[ResultRow, ...]:
    """The rows, those of each check's five worst failing columns with ``why`` in their method.

    ``why`` is ``{"evidence": share, "way": which way in a word or three, "once_in_seconds", "bound"}``: how often
    healthy traffic goes so far, ``bound`` true where it is rarer than can be told.
    """
    if not any(row.status in ("warning", "alert") and row.column for row in rows):
        return tuple(rows)
    found: dict[int, dict[str, Any]] = {}
    for check in dict.fromkeys(row.check for row in rows if row.status in ("warning", "alert")):
        failing = [one for one in decided_rows(row for row in rows if row.check == check) if one.fails]
        shares = shares_of_evidence(failing)
        for one in failing[:MOST]:
            found[id(one.row)] = _why(one, share=shares[one.row.column], sides=sides)
    return tuple(
        msgspec.structs.replace(row, method=row.method | {"why": found[id(row)]}) if id(row) in found else row
        for row in rows
    )


def _why(decided: Decided, *, share: float, sides: Sides) -> dict[str, Any]:
    told: dict[str, Any] = {"evidence": share}
    position = sides.layout.positions.get(decided.row.column)
    # of several windows together there are only judged counts here, not the profile that a direction is found in
    if position is not None and decided.windows == 1:
        if decided.test == "columns":
            direction = Direction(kind="gone", change="more")
        else:
            direction = find_direction(sides, column=position, test=decided.test)
        told["way"] = way_text(direction)
    rarity = None
    if decided.surprise is not None:
        rarity = rarity_of(decided.surprise * NATS, calibration=sides.calibration)
    if rarity is not None and rarity.kind != "more_often_than":
        told |= {"once_in_seconds": rarity.once_in_us // 1_000_000, "bound": rarity.kind == "rarer_than"}
    return told
