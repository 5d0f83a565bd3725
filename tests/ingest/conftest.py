"""The ingest service alone behind a bare Starlette application, on both databases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pyarrow as pa
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from monitor.columns.batch import decode_batch
from monitor.columns.conform import conform
from monitor.columns.keyed_ids import hash_ids, hash_key
from monitor.ingest.limits import Limits
from monitor.ingest.service import IngestService
from monitor.model.entities import Model, Task, Version
from monitor.model.errors import DriftlineError
from monitor.model.schema import Column, Schema
from monitor.store import Store, batches, label_quarantine, labels, models, quarantine, schemas
from monitor.store.kept_aside import QuarantineRow
from monitor.telemetry import Telemetry

NOW = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z
SCHEMA = Schema(
    columns=(
        Column(name="age"), Column(name="color", type="categorical"),
        Column(name="prediction", role="prediction", type="categorical"), Column(name="score", role="score"),
    )
)  # fmt: skip
JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"


@dataclass
class Door:
    """One server process's ingest: posts to it, and looks into its store."""

    store: Store
    service: IngestService
    telemetry: Telemetry
    runner: asyncio.Runner
    clock: list[int] = field(default_factory=lambda: [NOW])

    def post(
        self, body: Any, media_type: str = JSON, *, path: str = "/models/m/versions/1", query: str = "", **headers
    ):
        return self.runner.run(self.send(body, media_type, path=path, query=query, **headers))

    def label(self, body: Any, media_type: str = JSON, *, model: str = "m", query: str = "", **headers):
        return self.runner.run(
            self.send(body, media_type, path=f"/models/{model}", query=query, route="labels", **headers)
        )

    async def send(
        self, body: Any, media_type: str = JSON, *, path: str = "/models/m/versions/1", query="", route="predictions",
        **headers,
    ):  # fmt: skip
        content = body if isinstance(body, bytes | str) else json.dumps({"records": body})
        sent = {"content-type": media_type, **{k.replace("_", "-"): v for k, v in headers.items()}}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://door") as client:
            return await client.post(f"{path}/{route}{query}", content=content, headers=sent)

    @property
    def app(self) -> Starlette:
        async def problem(_: Any, error: Exception) -> Response:
            assert isinstance(error, DriftlineError)
            retry = getattr(error, "retry_after_seconds", None)
            shape = {"detail": error.detail, "errors": error.errors, "code": getattr(error, "code", None)}
            headers = {} if retry is None else {"Retry-After": str(retry)}
            return Response(json.dumps(shape), error.status, headers)

        routes = [
            Route("/models/{model}/versions/{version}/predictions", self.service.predictions, methods=["POST"]),
            Route("/models/{model}/predictions", self.service, methods=["POST"]),
            Route("/models/{model}/labels", self.service.labels, methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={DriftlineError: problem})

    def version_id(self, name: str = "1") -> int:
        with self.store.read() as conn:
            return models.get_version(conn, model="m", version=name)[1].id

    def stored(self, name: str = "1", schema: Schema = SCHEMA) -> list[dict[str, Any]]:
        """Every stored row, conformed, in the order of the commits."""
        rows: list[dict[str, Any]] = []
        with self.store.read() as conn:
            for info in batches.unfolded(conn, version_id=self.version_id(name), max_rows=10**6):
                batch = conform(decode_batch(*batches.payload(conn, id=info.id)), schema)
                assert batch.num_rows == info.rows
                rows += batch.to_pylist()
        return rows

    def model_id(self) -> int:
        with self.store.read() as conn:
            return models.get_model(conn, name="m").id

    def labelled(self) -> list[dict[str, Any]]:
        """Every stored label in the order in which they count, by key."""
        with self.store.read() as conn:
            waiting = labels.waiting_labels(conn, model_id=self.model_id(), max_rows=10**6, max_bytes=10**9)
        tables = [(b, decode_batch(b.payload)) for b in waiting]
        assert [b.rows for b, _ in tables] == [t.num_rows for _, t in tables]
        return [row for _, table in tables for row in table.to_pylist()]

    def keys(self, *ids: str) -> list[int]:
        return hash_ids(pa.array(ids, pa.string()), key=hash_key(self.store.secret)).tolist()

    def labels_by_id(self, *ids: str) -> dict[str, Any]:
        """The last label of each id that has one."""
        keys = self.keys(*ids)
        last = {row["key"]: row["label"] for row in self.labelled()}
        assert set(last) <= set(keys)
        return {id: last[key] for id, key in zip(ids, keys, strict=True) if key in last}

    def labels_quarantined(self) -> list[QuarantineRow]:
        with self.store.read() as conn:
            return label_quarantine.list_quarantine(conn, model_id=self.model_id())

    def labels_counted(self, result: str) -> float:
        value = self.telemetry.registry.get_sample_value("driftline_labels_total", {"model": "m", "result": result})
        return value or 0.0

    def quarantined(self, name: str = "1") -> list[QuarantineRow]:
        with self.store.read() as conn:
            return quarantine.list_quarantine(conn, version_id=self.version_id(name))

    def counted(self, result: str) -> float:
        value = self.telemetry.registry.get_sample_value(
            "driftline_records_total", {"model": "m", "version": "1", "result": result}
        )
        return value or 0.0


@pytest.fixture
def opened(store: Store) -> Iterator[Callable[..., Door]]:
    """Makes doors onto one store: several are several server processes."""
    doors: list[Door] = []

    def make(
        *, schema: Schema | None = SCHEMA, limits: Limits | None = None, auto_create: bool = False, task: Task = "none"
    ) -> Door:
        if not doors:
            with store.write() as conn:
                model = models.insert_model(conn, Model(name="m", task=task))
                for name in ("1", "2"):
                    version = models.insert_version(conn, Version(model_id=model.id, name=name))
                    if schema is not None:
                        schemas.save_schema(conn, version_id=version.id, schema=schema)
        telemetry = Telemetry()
        clock = [NOW]
        service = IngestService(
            store, telemetry, limits=limits or Limits(), clock=lambda: clock[0], auto_create=auto_create
        )
        doors.append(Door(store, service, telemetry, asyncio.Runner(), clock))
        return doors[-1]

    yield make
    for door in doors:
        door.service.close()
        door.runner.close()


@pytest.fixture
def door(opened: Callable[..., Door]) -> Door:
    return opened()
