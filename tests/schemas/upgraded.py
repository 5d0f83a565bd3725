"""An upgraded database under today's code: what it shows, and what it still takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from monitor.app import create_app
from monitor.jobs.runner import JobRunner
from monitor.jobs.settings import JobSettings
from monitor.model.grants import Grant, digest_of, new_token
from monitor.model.time import HOUR_US, MINUTE_US, parse_instant, rfc3339
from monitor.settings import Settings
from monitor.store import Store, tokens
from tests.api.running import client_of
from tests.schemas.life import M, V

# Of each table's definition in PostgreSQL: columns with their types, keys, indexes.
_SHAPES = (
    "SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name "
    "FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
)


def shape(store: Store) -> dict[str, Any]:
    """Everything that the schema of a database is made of, whatever the way on which it came to be."""
    with store.read() as conn:
        if conn.dialect.name == "postgresql":
            found = {query: sorted(map(tuple, conn.exec_driver_sql(query)), key=str) for query in _SHAPES}
            return dict(found)
        inspector = sa.inspect(conn)
        return {
            name: {
                "columns": sorted(map(str, conn.exec_driver_sql(f"PRAGMA table_info({name})"))),
                "keys": (inspector.get_pk_constraint(name), inspector.get_foreign_keys(name)),
                "unique": sorted(map(str, inspector.get_unique_constraints(name))),
                "indexes": sorted(map(str, conn.exec_driver_sql(
                    "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ?", (name,)))),
            }
            for name in inspector.get_table_names()
        }  # fmt: skip


class Today:
    """A server of an upgraded store, by the clock at which its release was left; ``tick`` does what is due."""

    def __init__(self, client: httpx.Client, *, ingests: str, services: Any, now_us: list[int]) -> None:
        self.client, self._now_us = client, now_us
        self._ingests = {"Authorization": f"Bearer {ingests}"}
        self.tick = JobRunner(
            services.store, services.telemetry, now_us=lambda: now_us[0],
            settings=JobSettings(fold_interval_us=0, gather_us=0, workers=1),
        ).tick  # fmt: skip

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """What a route answers."""
        answer = self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text[:500]
        return dict(answer.json())

    def records(self) -> dict[str, dict[str, Any]]:
        """Every stored record by its id, which none shares."""
        found = self.get(V + "/records", limit=10_000)["results"]
        by_id = {record["id"]: record for record in found}
        assert len(by_id) == len(found)
        return by_id

    def next_hour(self, *, rows: int = 80) -> str:
        """The start of one more hour, whose records and labels came and which is judged."""
        start_us = self._now_us[0] - self._now_us[0] % HOUR_US + HOUR_US
        self._now_us[0] = start_us + 59 * MINUTE_US
        at = [rfc3339(start_us + n * 1_000_000) for n in range(rows)]
        sent = [
            {"id": f"new-{n}", "timestamp": at[n], "prediction": n % 2 == 0, "score": (n % 10) / 10,
             "features": {"age": 30.0 + n % 20, "plan": "pro" if n % 3 else "free"}}
            for n in range(rows)
        ]  # fmt: skip
        taken = self.client.post(V + "/predictions", json={"records": sent}, headers=self._ingests)
        assert (taken.status_code, taken.json().get("stored")) == (200, rows), taken.text[:500]
        labels = [{"id": f"new-{n}", "label": n % 2 == 0} for n in range(rows)]
        posted = self.client.post(M + "/labels", json={"records": labels}, headers=self._ingests)
        assert posted.json()["stored"] == rows, posted.text[:500]
        self._now_us[0] = start_us + HOUR_US + 6 * MINUTE_US
        self.tick()
        return rfc3339(start_us)


@contextmanager
def today(store: Store, *, url: str, data_dir: Path, now_us: int) -> Iterator[Today]:
    """A server of the store while the block runs."""
    clock, made = [now_us], {role: new_token() for role in ("admin", "ingest")}
    with store.write() as conn:
        for role, token in made.items():
            tokens.insert_token(conn, Grant(name=role, role=role), digest=digest_of(token), now_us=now_us)
    application = create_app(Settings(database_url=url, data_dir=data_dir), jobs=False, now_us=lambda: clock[0])
    with client_of(application) as client:
        client.headers["Authorization"] = f"Bearer {made['admin']}"
        yield Today(client, ingests=made["ingest"], services=application.state.services, now_us=clock)


def as_text(value: Any) -> Any:
    """A class or a label as the project writes it: ``true`` of True."""
    return value if isinstance(value, str) else json.dumps(value)


def as_sent(record: dict[str, Any]) -> dict[str, Any]:
    """A record as it was sent, of one as it is shown."""
    return {name: record[name] for name in ("id", "features", "score")} | {
        "timestamp": parse_instant(record["timestamp"]), "prediction": as_text(record["prediction"]),
    }  # fmt: skip
