"""What the soak's clients send: records and labels of models whose hours pass in ten seconds each."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import numpy as np
import pyarrow as pa

from benchmarks.ingest import ARROW, table
from monitor.store.windows import JUDGED

MODELS = 4
RECORDS = 500
REFERENCE_ROWS, REFERENCE_HOURS = 36_000, 720
# Hours with traffic before the run: the longest scale sums 168 windows and pages of them hold 100, so that a run that
# begins without any takes longer and more each minute until it is over.
HISTORY_ROWS, HISTORY_HOURS = 10_000, 200
_JUDGED_SECONDS = 600
HOUR_SECONDS = 10.0  # of real time, for an hour of the models'
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventClock:
    """The models' time: it passes 360 times as fast, and is now when the run of ``seconds`` is over."""

    began: float
    seconds: float

    def __call__(self) -> datetime:
        """The models' time at this moment; never later than an hour ago."""
        left = self.began + self.seconds - time.monotonic()
        event = time.time() - 3_600 - max(0.0, left) * 3_600 / HOUR_SECONDS
        return datetime.fromtimestamp(event, UTC)


def path(number: int) -> str:
    """The version that takes the ``number``-th request: each model in its turn."""
    return f"/api/v1/models/soak{number % MODELS}/versions/1"


def _before(clock: EventClock, *, rows: int, hours: int, name: str) -> pa.Table:
    """So many records over the hours before the run."""
    end = clock().timestamp() - 7_200
    at = np.linspace(end - hours * 3_600, end, rows, endpoint=False)
    data = _with_roles(table(rows, seed=2), ids=[f"{name}-{i}" for i in range(rows)])
    return data.append_column("timestamp", pa.array((at * 1e6).astype(np.int64), pa.timestamp("us", "UTC")))


def _reference(clock: EventClock) -> bytes:
    """30 days before the run, 50 records an hour, with predictions and labels."""
    data = _before(clock, rows=REFERENCE_ROWS, hours=REFERENCE_HOURS, name="reference")
    return _stream(data.append_column("label", pa.array(_truth(data))))


def _with_roles(data: pa.Table, *, ids: list[str]) -> pa.Table:
    score = data["score"].to_numpy()
    return data.append_column("prediction", pa.array(score > 0.5)).append_column("id", pa.array(ids))


def _truth(data: pa.Table) -> np.ndarray:
    """bool[n]: labels as likely as the scores say."""
    return np.random.default_rng(3).uniform(size=data.num_rows) < data["score"].to_numpy()


def _stream(data: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write_table(data)
    return sink.getvalue()


def prepare(url: str, clock: EventClock) -> None:
    """Makes the models, each with a version, a reference that thresholds are calibrated from, and a week's traffic
    whose windows have been judged when this returns.
    """
    reference = _reference(clock)
    history = _stream(_before(clock, rows=HISTORY_ROWS, hours=HISTORY_HOURS, name="history"))
    roles = {"id": "id", "timestamp": "timestamp", "prediction": "prediction", "label": "label", "score": "score"}
    with httpx.Client(base_url=url, timeout=300) as client:
        for number in range(MODELS):
            client.put(
                path(number).partition("/versions")[0], json={"task": "binary_classification", "window": "1h"}
            ).raise_for_status()
            client.put(path(number), json={"positive": "true"}).raise_for_status()
            client.put(
                f"{path(number)}/reference", params=roles, content=reference, headers={"Content-Type": ARROW}
            ).raise_for_status()
            client.post(
                f"{path(number)}/predictions", content=history, headers={"Content-Type": ARROW}
            ).raise_for_status()
        began = time.monotonic()
        while any(_judged(client, number) < HISTORY_HOURS - 1 for number in range(MODELS)):
            if time.monotonic() - began > _JUDGED_SECONDS:
                raise RuntimeError(f"the windows of {HISTORY_HOURS} hours were not judged in {_JUDGED_SECONDS} s")
            time.sleep(1)


def _judged(client: httpx.Client, number: int) -> int:
    """How many of a version's windows have been judged."""
    page = client.get(f"{path(number)}/windows", params={"limit": 1_000}).raise_for_status().json()
    return sum(window["state"] in JUDGED for window in page["results"])


def _record(number: int, row: dict[str, float | str]) -> dict[str, object]:
    score = float(row.pop("score"))
    who = {"id": f"@ID@-{number}", "timestamp": "@TIME@"}
    return who | {"features": row, "prediction": score > 0.5, "score": score}


class Bodies:
    """Makes the ``number``-th body of each kind: what differs is put into what was written once."""

    def __init__(self, clock: EventClock) -> None:
        self._clock = clock
        self._table = table(RECORDS)
        self._records = [json.dumps(_record(i, row)).encode() for i, row in enumerate(self._table.to_pylist())]
        self._truth = _truth(self._table)
        self._batch = b'{"records": [' + b", ".join(self._records) + b"]}"

    def single(self, number: int) -> bytes:
        """One record."""
        return b'{"records": [' + self._filled(self._records[number % RECORDS], f"single-{number}") + b"]}"

    def batch(self, number: int) -> bytes:
        """500 records as JSON."""
        return self._filled(self._batch, f"json-{number}")

    def arrow(self, number: int) -> bytes:
        """500 records as an Arrow stream."""
        data = _with_roles(self._table, ids=[f"arrow-{number}-{i}" for i in range(RECORDS)])
        now = np.full(RECORDS, int(self._clock().timestamp() * 1e6))
        return _stream(data.append_column("timestamp", pa.array(now, pa.timestamp("us", "UTC"))))

    def labels(self, number: int) -> bytes:
        """The labels of a batch of 500 records."""
        labels = [{"id": f"json-{number}-{i}", "label": bool(true)} for i, true in enumerate(self._truth)]
        return json.dumps({"records": labels}).encode()

    def _filled(self, written: bytes, id: str) -> bytes:
        now = self._clock().isoformat(timespec="seconds").replace("+00:00", "Z")
        return written.replace(b"@ID@", id.encode()).replace(b"@TIME@", now.encode())
