"""Models in every state a dashboard has to show, behind a real server whose clock the test moves on."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import suppress

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet

from monitor.model.time import HOUR_US, MINUTE_US

COLUMNS = ("age", "income", "tenure")
ROLES = {"id": "id", "timestamp": "timestamp", "prediction": "prediction", "score": "score", "label": "label"}
REFERENCE_HOURS, ROWS = 40, 200
NEVER_STALE = "30d"


class Clock:
    """The time that the server believes it is, in microseconds."""

    def __init__(self, now_us: int) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        return self.now_us


def records(start_us: int, *, rows: int, seed: int, shifted: str | None = None) -> tuple[list[dict], dict[str, str]]:
    """An hour's records with a calibrated score and a category, and the label of each by id."""
    dice = np.random.default_rng(seed)
    score = dice.beta(2.0, 3.0, rows)
    truth = np.where(dice.random(rows) < score, "yes", "no")
    columns = {name: dice.normal(40.0 + (40.0 if name == shifted else 0.0), 10.0, rows) for name in COLUMNS}
    plans = dice.choice(["basic", "pro", "team"], rows)
    stamps = np.sort(dice.integers(start_us, start_us + HOUR_US, rows))
    made = [
        {
            "id": f"{start_us}-{n}", "timestamp": int(stamps[n]), "score": float(score[n]),
            "features": {name: float(values[n]) for name, values in columns.items()} | {"plan": str(plans[n])},
            "prediction": "yes" if score[n] >= 0.5 else "no",
        }
        for n in range(rows)
    ]  # fmt: skip
    return made, {record["id"]: str(label) for record, label in zip(made, truth, strict=True)}


def parquet(start_us: int, *, hours: int) -> bytes:
    """A reference with labels: healthy hours before the start."""
    rows: list[dict] = []
    for hour in range(-hours, 0):
        made, truth = records(start_us + hour * HOUR_US, rows=ROWS, seed=500 + hour)
        rows += [
            {k: v for k, v in record.items() if k != "features"}
            | record["features"]
            | {"label": truth[record["id"]]}
            for record in made
        ]  # fmt: skip
    table = pa.Table.from_pylist(rows)
    stamps = table["timestamp"].cast(pa.timestamp("us", tz="UTC"))
    table = table.set_column(table.schema.get_field_index("timestamp"), "timestamp", stamps)
    sink = io.BytesIO()
    pa.parquet.write_table(table, sink)
    return sink.getvalue()


class WatchedFleet:
    """``drifted``, ``healthy``, ``stale``, ``few_rows`` and ``no_reference``, an hour at a time."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._page_url, self._clock = f"{url}/metrics", clock
        self._api = api = httpx.Client(base_url=f"{url}/api/v1", timeout=60)
        self.start_us = clock.now_us
        reference = parquet(self.start_us, hours=REFERENCE_HOURS)
        for name in ("drifted", "healthy", "stale", "few_rows", "no_reference"):
            settings = {
                "task": "binary_classification", "team": f"team-{name}", "window": "1h", "lateness": "5m",
                "false_alarms": "1 per day", "labels": {"delay": "1h"},
                "stale_after": "2h" if name == "stale" else NEVER_STALE,
            }  # fmt: skip
            if name == "stale":  # without the check of volume, which would alarm of the silence first
                settings["checks"] = [{"name": "drift", "kind": "drift"}]
            assert api.put(f"/models/{name}", json=settings).status_code == 201
            assert api.put(f"/models/{name}/versions/1", json={"positive": "yes"}).status_code == 201
            if name != "no_reference":
                answer = api.put(
                    f"/models/{name}/versions/1/reference", params=ROLES, content=reference,
                    headers={"Content-Type": "application/vnd.apache.parquet"},
                )  # fmt: skip
                assert answer.status_code == 201, answer.text

    def hour(self, number: int, *, drifted: bool) -> None:
        """Posts the hour's traffic with the labels of what is healthy or drifted, and lets its window close."""
        start_us = self.start_us + number * HOUR_US
        self._clock.now_us = start_us + HOUR_US
        for name in ("drifted", "healthy", "few_rows", "no_reference", *(("stale",) if number == 0 else ())):
            shifted = "age" if name == "drifted" and drifted else None
            made, truth = records(
                start_us, rows=20 if name == "few_rows" else ROWS, seed=number + 1_000 * len(name), shifted=shifted
            )
            self.post(f"/models/{name}/versions/1/predictions", made)
            if name in ("drifted", "healthy"):
                # A tenth is never labelled, and some labels are of records that nobody sent.
                known = list(truth.items())[: ROWS * 9 // 10] + [(f"unknown-{number}-{n}", "no") for n in range(5)]
                self.post(f"/models/{name}/labels", [{"id": id, "label": label} for id, label in known])
        self._clock.now_us = start_us + HOUR_US + 6 * MINUTE_US

    def trouble(self) -> None:
        """What a service sees beside its traffic: refusals, quarantine, repeats, late rows."""
        made, _ = records(self.start_us, rows=30, seed=77)
        late = [record | {"id": f"late-{n}"} for n, record in enumerate(made)]
        self.post("/models/drifted/versions/1/predictions", late)
        self.post("/models/drifted/versions/1/predictions", late[:5])
        self._api.post("/models/healthy/versions/1/predictions", json={"records": [{"timestamp": "never"}]})
        self._api.post("/models/nobody/versions/1/predictions", json={"records": late})
        self._api.get("/models/nobody")

    def close(self) -> None:
        self._api.close()

    def post(self, path: str, made: list[dict]) -> None:
        answer = self._api.post(path, json={"records": made})
        assert answer.status_code == 200, answer.text

    def wait(self, found: Callable[[dict[str, float]], bool], *, what: str, seconds: float = 60.0) -> dict[str, float]:
        """The page's series once they are as expected."""
        until = time.monotonic() + seconds
        page: dict[str, float] = {}
        while time.monotonic() < until:
            text = self._api.get(self._page_url).text
            page = {}
            for line in text.splitlines():
                if not line.startswith("#"):
                    series, _, value = line.rpartition(" ")
                    with suppress(ValueError):
                        page[series] = float(value)
            if found(page):
                return page
            time.sleep(0.2)
        raise AssertionError(f"{what} within {seconds:.0f} s; the page:\n" + "\n".join(sorted(page)))
