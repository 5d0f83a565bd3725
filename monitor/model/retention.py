"""How long what is stored is kept, by its age."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from monitor.model.entities import Model
from monitor.model.errors import InvalidInput, NotAvailableYet
from monitor.model.names import known_fields
from monitor.model.time import DAY_US, format_duration, parse_duration

_FIELDS = {"rows": "rows_us", "unlabelled": "unlabelled_us", "results": "results_us"}
_PRIVACY = ("rows", "retention")
_LONGEST_CHARS = 12  # more digits of days would pass the range of an instant
TURNS = 30  # of its age: what is due waits for a turn, so that a file of many windows is not rewritten for each of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """From the newest receipt in a window on: how long its rows are kept, what its labels are held against, and
    its results.

    >>> Retention(rows_us=DAY_US, unlabelled_us=DAY_US).results_us // DAY_US
    400
    """

    rows_us: int = 30 * DAY_US
    unlabelled_us: int = 180 * DAY_US
    results_us: int = 400 * DAY_US

    def __post_init__(self) -> None:
        if not self.rows_us <= self.unlabelled_us <= self.results_us:
            raise InvalidInput(
                f"retention keeps rows for {format_duration(self.rows_us)}, unlabelled records for "
                f"{format_duration(self.unlabelled_us)} and results for {format_duration(self.results_us)}: expected "
                "each to be as long as the one before it, or longer",
                code="retention",
            )

    @property
    def turn_us(self) -> int:
        """How long rows that are due may wait for others, to be removed together."""
        return min(DAY_US, self.rows_us // TURNS)


def retention_of(model: Model, *, usual: Retention) -> Retention:
    """What the model's ``privacy.retention`` says, and ``usual`` where it says nothing.

    What a model keeps for longer than is usual for what comes after it, that is kept for as long.

    >>> model = Model(name="churn", settings={"privacy": {"retention": {"rows": "200d"}}})
    >>> retention_of(model, usual=Retention()).unlabelled_us // DAY_US
    200
    """
    own = own_retention(model.settings.get("privacy") or {})
    rows_us = own.get("rows_us", usual.rows_us)
    unlabelled_us = own.get("unlabelled_us", max(rows_us, usual.unlabelled_us))
    results_us = own.get("results_us", max(unlabelled_us, usual.results_us))
    rows_us = rows_us if "rows_us" in own else min(rows_us, unlabelled_us, results_us)
    unlabelled_us = unlabelled_us if "unlabelled_us" in own else min(unlabelled_us, results_us)
    return replace(usual, rows_us=rows_us, unlabelled_us=unlabelled_us, results_us=results_us)


def own_retention(privacy: Any) -> dict[str, int]:
    """The fields of ``Retention`` that a model's ``{"rows"?: "keep", "retention"?: {"rows"?, "unlabelled"?,
    "results"?}}`` says; ``InvalidInput`` where it does not fit.

    >>> own_retention({"rows": "keep", "retention": {"rows": "14d"}})
    {'rows_us': 1209600000000}
    """
    shape = known_fields(privacy, name="privacy", known=_PRIVACY, code="retention")
    if shape.get("rows", "keep") != "keep":
        raise NotAvailableYet(
            f"privacy.rows {str(shape['rows'])[:40]!r} is not available yet: expected keep; with a short "
            "privacy.retention.rows they go soon after they came"
        )
    kept = shape.get("retention") or {}
    given = known_fields(kept, name="privacy.retention", known=tuple(_FIELDS), code="retention")
    own = {_FIELDS[key]: _duration(value, name=f"privacy.retention.{key}") for key, value in given.items()}
    ordered = [(own[field], key) for key, field in _FIELDS.items() if field in own]
    for (shorter, before), (longer, after) in pairwise(ordered):
        if shorter > longer:
            raise InvalidInput(
                f"privacy.retention keeps {before} for {given[before]} and {after} for {given[after]}: expected "
                f"{after} to be kept as long, or longer",
                code="retention",
            )
    return own


def _duration(value: Any, *, name: str) -> int:
    if not isinstance(value, str) or len(value) > _LONGEST_CHARS:
        raise InvalidInput(
            f"{name} {value!r:.40} is not a duration: expected a text such as 12h or 30d", code="retention"
        )
    return min(parse_duration(value, name=name), 2**62)
