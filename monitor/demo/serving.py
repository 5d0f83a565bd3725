"""A small serving application: sets the model up once, then posts what it predicted, batch by batch, over HTTP."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from monitor.demo.calendar import TIMEZONE
from monitor.demo.flights import FEATURES, UNITS
from monitor.demo.server import ServiceFailed

if TYPE_CHECKING:
    import pandas as pd

MODEL, VERSION = "flights", "1"
BATCH = 500
LABELS = 5_000  # of one request
LABEL_DAYS = 3  # after so many days it is known who arrived late
ATTEMPTS = 20
ROLES = {"id": "id", "timestamp": "timestamp", "prediction": "prediction", "score": "score", "label": "late"}
# Only what cannot be seen from rows: the other columns and their types are.
SCHEMA = {"columns": [{"name": name, "unit": unit} for name, unit in UNITS.items()], "open": True}
SETTINGS = {
    "task": "binary_classification",
    "description": "Will a flight out of New York arrive more than 15 minutes late?",
    "team": "demo",
    "window": "1d",
    "timezone": TIMEZONE,
    "false_alarms": "1 per month",
    "labels": {"delay": f"{LABEL_DAYS + 1}d"},
}


class ServingApplication:
    """Talks to the server as any application would: JSON records, an ``Idempotency-Key`` a batch, retries on 503.

    ``access`` are the headers that model and reference are set with, ``ingest_access`` those records are posted with.
    """

    def __init__(
        self, url: str, *, access: Mapping[str, str] | None = None, ingest_access: Mapping[str, str] | None = None
    ) -> None:
        self._client = httpx.Client(base_url=f"{url}/api/v1", timeout=120)
        self._access = dict(access or {})
        self._ingest_access = dict(ingest_access or self._access)
        self._encode = msgspec.json.Encoder().encode

    def set_up(self, reference: pd.DataFrame) -> dict[str, Any]:
        """Makes model and version and sets the reference; the server's answer to the last."""
        self._ask("PUT", f"/models/{MODEL}", json=SETTINGS, headers=self._access)
        self._ask(
            "PUT", f"/models/{MODEL}/versions/{VERSION}", json={"positive": "true", "schema": SCHEMA},
            headers=self._access,
        )  # fmt: skip
        return self._ask(
            "PUT", f"/models/{MODEL}/versions/{VERSION}/reference", params={**ROLES, "source": "nycflights13"},
            content=parquet(reference), headers={"Content-Type": "application/vnd.apache.parquet", **self._access},
        )  # fmt: skip

    def post_day(self, day: date, predictions: pd.DataFrame) -> int:
        """How many records the server stored of one day's predictions."""
        stored = 0
        for number, records in enumerate(batches(predictions)):
            answer = self._ask(
                "POST", f"/models/{MODEL}/versions/{VERSION}/predictions", content=self._encode({"records": records}),
                headers=self._posting(f"{day.isoformat()}-{number}"),
            )  # fmt: skip
            stored += answer["stored"]
        return stored

    def post_labels(self, day: date, predictions: pd.DataFrame) -> int:
        """How many labels the server stored of one day's flights; those that never arrived have none."""
        arrived = predictions[predictions["late"].notna()]
        pairs = zip(arrived["id"].tolist(), arrived["late"].tolist(), strict=True)
        records = [{"id": id, "label": bool(late)} for id, late in pairs]
        stored = 0
        for number, start in enumerate(range(0, len(records), LABELS)):
            answer = self._ask(
                "POST", f"/models/{MODEL}/labels", content=self._encode({"records": records[start : start + LABELS]}),
                headers=self._posting(f"labels-{day.isoformat()}-{number}"),
            )  # fmt: skip
            stored += answer["stored"]
        return stored

    def close(self) -> None:
        """Gives the connections back."""
        self._client.close()

    def _posting(self, key: str) -> dict[str, str]:
        return {"Content-Type": "application/json", "Idempotency-Key": key, **self._ingest_access}

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._client.request(method, path, **request)
            except httpx.TransportError as error:
                raise ServiceFailed(f"{method} {path}: {error}") from None
            if answer.status_code not in (409, 503) or attempt == ATTEMPTS:
                break
            time.sleep(float(answer.headers.get("Retry-After", "1")))
        if not answer.is_success:
            raise ServiceFailed(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return dict(answer.json())


def parquet(table: pd.DataFrame) -> bytes:
    """The reference's file: features, prediction, score, label, id and timestamp."""
    import pyarrow as pa
    import pyarrow.parquet

    columns = ["id", "timestamp", *FEATURES, "prediction", "score", "late"]
    sink = io.BytesIO()
    pa.parquet.write_table(pa.Table.from_pandas(table[columns], preserve_index=False), sink)
    return sink.getvalue()


def batches(predictions: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
    """Predictions as Records of the ingest route, at most ``BATCH`` at a time; a missing value is null."""
    features = [[_known(value) for value in predictions[name].tolist()] for name in FEATURES]
    stamps = predictions["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").tolist()
    others = zip(
        predictions["id"], stamps, predictions["prediction"].tolist(), predictions["score"].tolist(), strict=True
    )
    records = [
        {"id": id, "timestamp": stamp, "features": dict(zip(FEATURES, values, strict=True)),
         "prediction": prediction, "score": score}
        for (id, stamp, prediction, score), values in zip(others, zip(*features, strict=True), strict=True)
    ]  # fmt: skip
    for start in range(0, len(records), BATCH):
        yield records[start : start + BATCH]


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
