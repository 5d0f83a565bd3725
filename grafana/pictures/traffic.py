"""The fleet of the pictures: the demo's real flights, and made models beside them, each with a story."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet

from monitor.model.time import DAY_US, HOUR_US

WINDOW_HOURS = 6
REFERENCE_DAYS = 28
ROLES = {"id": "id", "timestamp": "timestamp", "prediction": "prediction", "score": "score", "label": "label"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A made model: what happens to it, and from which day on."""

    name: str
    team: str
    columns: tuple[str, ...]
    rows: int = 150  # a window
    drifting: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    from_day: float = 99.0
    until_day: float = 99.0
    silent_from_day: float = 99.0
    worse_from_day: float = 99.0  # labels that the score no longer tells
    reference: bool = True


RETAIL = ("price", "discount", "basket", "visits", "age", "tenure")
BANK = ("amount", "balance", "hour", "merchant_age", "velocity", "income")
STORIES = (
    Story(name="churn", team="crm", columns=RETAIL, drifting=("visits",), from_day=15),
    Story(name="fraud", team="risk", columns=BANK, worse_from_day=9),
    Story(name="credit", team="risk", columns=BANK, missing=("income", "balance"), from_day=12, until_day=14),
    Story(name="pricing", team="retail", columns=RETAIL),
    Story(name="ranking", team="search", columns=("ctr", "dwell", "position", "age_days"), rows=300),
    Story(name="returns", team="retail", columns=RETAIL, drifting=("discount",), from_day=6, until_day=8),
    Story(name="upsell", team="crm", columns=RETAIL, silent_from_day=18),
    Story(name="limits", team="risk", columns=BANK, rows=15),
    Story(name="stock", team="retail", columns=("sales", "lead_time", "shelf"), reference=False),
    Story(name="support", team="crm", columns=("length", "turns", "sentiment")),
)


def set_up(client: httpx.Client, story: Story, *, start_us: int) -> None:
    """The model, its version and its reference."""
    settings = {
        "task": "binary_classification", "team": story.team, "window": f"{WINDOW_HOURS}h", "lateness": "5m",
        "false_alarms": "1 per month", "labels": {"delay": "1d"},
    }  # fmt: skip
    path = f"/api/v1/models/{story.name}"
    client.put(path, json=settings).raise_for_status()
    client.put(f"{path}/versions/1", json={"positive": "yes"}).raise_for_status()
    if story.reference:
        client.put(
            f"{path}/versions/1/reference", params=ROLES, content=_reference(story, start_us=start_us),
            headers={"Content-Type": "application/vnd.apache.parquet"},
        ).raise_for_status()  # fmt: skip


def post(client: httpx.Client, story: Story, *, start_us: int, window: int) -> None:
    """The traffic of a window, and the labels of the window a day before."""
    day = window * WINDOW_HOURS / 24
    if day >= story.silent_from_day:
        return
    path = f"/api/v1/models/{story.name}"
    records = _records(story, start_us=start_us, window=window)
    sent = [
        {name: record[name] for name in ("id", "timestamp", "prediction", "score")}
        | {"features": {name: record[name] for name in story.columns}}
        for record in records
    ]  # fmt: skip
    client.post(f"{path}/versions/1/predictions", json={"records": sent}).raise_for_status()
    before = window - 24 // WINDOW_HOURS
    if before >= 0 and story.reference:
        known = [r for r in _records(story, start_us=start_us, window=before) if int(r["id"].rpartition("-")[2]) % 12]
        labels = [{"id": record["id"], "label": record["label"]} for record in known]
        client.post(f"{path}/labels", json={"records": labels}).raise_for_status()


def _records(story: Story, *, start_us: int, window: int) -> list[dict[str, Any]]:
    """The window's records; the same every time they are asked for."""
    dice = np.random.default_rng([*story.name.encode(), window + 10_000])
    day = window * WINDOW_HOURS / 24
    rows = round(story.rows * dice.uniform(0.9, 1.1))
    score = dice.beta(2.0, 3.0, rows)
    chance = np.full(rows, 0.4) * 0.6 + score * 0.4 if day >= story.worse_from_day else score
    now = story.from_day <= day < story.until_day
    columns: dict[str, Any] = {}
    for name in story.columns:
        values = dice.normal(50.0 + (6.0 if now and name in story.drifting else 0.0), 10.0, rows)
        gone = dice.random(rows) < (0.35 if now and name in story.missing else 0.01)
        columns[name] = np.where(gone, np.nan, values)
    begin = start_us + window * WINDOW_HOURS * HOUR_US
    stamps = np.sort(dice.integers(begin, begin + WINDOW_HOURS * HOUR_US, rows))
    label = np.where(dice.random(rows) < chance, "yes", "no")
    return [_record(n, columns, window=window, stamps=stamps, score=score, label=label) for n in range(rows)]


def _record(n: int, columns: Mapping[str, Any], *, window: int, stamps: Any, score: Any, label: Any) -> dict[str, Any]:
    values = {name: None if np.isnan(column[n]) else float(column[n]) for name, column in columns.items()}
    return values | {
        "id": f"{window}-{n}", "timestamp": int(stamps[n]), "score": float(score[n]), "label": str(label[n]),
        "prediction": "yes" if score[n] >= 0.5 else "no",
    }  # fmt: skip


def _reference(story: Story, *, start_us: int) -> bytes:
    windows = range(-REFERENCE_DAYS * 24 // WINDOW_HOURS, 0)
    table = pa.Table.from_pylist([r for w in windows for r in _records(story, start_us=start_us, window=w)])
    place = table.schema.get_field_index("timestamp")
    table = table.set_column(place, "timestamp", table["timestamp"].cast(pa.timestamp("us", tz="UTC")))
    sink = io.BytesIO()
    pa.parquet.write_table(table, sink)
    return sink.getvalue()


def midnight_us(now_us: int) -> int:
    """The last midnight of UTC."""
    return now_us - now_us % DAY_US
