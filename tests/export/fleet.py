"""Facts of versions for the tests, without a database."""

from __future__ import annotations

from monitor.export.columns import Columns, columns_of
from monitor.export.facts import VersionFacts, Window
from monitor.model.entities import Model, Version
from monitor.model.results import CheckState, ResultRow
from monitor.model.time import HOUR_US

NOW = 1_800_000_000_000_000


def row(column: str = "age", metric: str = "surprise", value: float | None = 1.0, **more) -> ResultRow:
    known = {"check": "drift", "kind": "drift", "rows": 1000, "reference_rows": 5000, "status": "ok"}
    return ResultRow(column=column, metric=metric, value=value, **(known | more))


def state(check: str = "drift", status: str = "ok", **more) -> CheckState:
    known = {
        "kind": "drift", "segment": "", "severity": "warning", "unknown_reason": None, "since_us": NOW,
        "window_start_us": NOW - HOUR_US, "window_end_us": NOW, "value": 1.0, "threshold": 2.0, "rows": 1000,
        "needs": None, "columns_failing": 0, "columns": (),
    }  # fmt: skip
    return CheckState(check=check, status=status, **(known | more))


def facts(
    name: str = "churn", *, rows: list[ResultRow] = (), number: int = 1, age_us: int = 0, state_: str = "live", **more
) -> VersionFacts:
    model = Model(id=number, name=name, team=more.pop("team", "crm"), created_us=NOW)
    version = Version(id=number, model_id=number, name="1", state=state_, created_us=NOW)
    end_us = NOW - age_us
    return VersionFacts(
        model=model,
        version=version,
        states=more.pop("states", (state(),)),
        window=Window(start_us=end_us - HOUR_US, end_us=end_us, rows=1000),
        newest_end_us=end_us,
        columns=columns_of(rows),
        **more,
    )


def plain_columns(count: int, *, failing: int = 0, importance: dict[str, float] | None = None) -> Columns:
    """``count`` columns c000, c001, …, the last ``failing`` of them in alert; six series each."""
    rows = []
    for n in range(count):
        status = "alert" if n >= count - failing else "ok"
        rows += [
            row(f"c{n:03}", "surprise", 1.0, threshold=4.0, status=status),
            row(f"c{n:03}", "psi", 0.1),
            row(f"c{n:03}", "missing", 0.0, check="missing", kind="quality"),
        ]
    return columns_of(rows, importance=importance)
