"""Deletion of a model with gigabytes while another one is sent records: how long it takes, and what the other notices.

``python -m benchmarks.deletion [gibibytes [sqlite|postgresql]]``; 2 and both unless told. The baseline is the same load
on the same server just before. What is deleted is written into the database straight away: batches, id runs, profiles,
results and request keys, of bytes that nothing can pack.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import sqlalchemy as sa

from benchmarks.database import DATABASES, database_url
from benchmarks.ingest import json_body, prepare
from benchmarks.memory import Watch
from monitor.model.entities import Model, Version
from monitor.store import Store, models, open_store, tables
from tests.service import Service

BASELINE_SECONDS = 75  # with a fold in it
CONNECTIONS, PAUSE_SECONDS, RECORDS = 4, 0.02, 20
MOST_SECONDS = 1_800
CODE = Path(os.environ["CODE"]) if "CODE" in os.environ else None
KIB, GIB = 2**10, 2**30
# table → (its share of the bytes, bytes of a payload)
SHARES = {"log_batch": (0.6, 48 * KIB), "id_run": (0.1, 1024 * KIB), "profile": (0.15, 100 * KIB),
          "result": (0.15, 30 * KIB)}  # fmt: skip
KEYS = 50_000
_TOGETHER = 8 * 2**20
_FIRST = 1_000_000_000  # the ids of what is deleted: out of the way of those that the server gives


@dataclass
class Load:
    """What clients of the other model saw since ``begin``: milliseconds, and answers that were no 200."""

    milliseconds: list[float] = field(default_factory=list)
    refused: int = 0

    def begin(self) -> None:
        """Forgets what was."""
        self.milliseconds, self.refused = [], 0

    def row(self) -> str:
        """Requests, p50, p99, the slowest, errors: columns of the table."""
        found = np.array(self.milliseconds)
        shown = (np.quantile(found, 0.5), np.quantile(found, 0.99), found.max())
        return " | ".join([f"{len(found):,}", *(f"{ms:,.0f}" for ms in shown), str(self.refused)])


@contextmanager
def sending(url: str) -> Iterator[Load]:
    """Clients that send a small request, wait for the answer and a little longer, for the length of the block."""
    load, halt, body = Load(), threading.Event(), json_body(RECORDS)

    def send() -> None:
        with httpx.Client(timeout=60, headers={"Content-Type": "application/json"}) as client:
            while not halt.wait(PAUSE_SECONDS):
                began = time.perf_counter()
                answer = client.post(url, content=body)
                load.milliseconds.append(1_000 * (time.perf_counter() - began))
                load.refused += answer.status_code != 200

    threads = [threading.Thread(target=send, daemon=True) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        halt.set()
        for thread in threads:
            thread.join()


def fill(store: Store, *, size: int) -> int:
    """The id of a version with so many bytes of payload, of the model ``victim``."""
    with store.write() as conn:
        model = models.insert_model(conn, Model(name="victim"))
        id = models.insert_version(conn, Version(model_id=model.id, name="1")).id
        key = {"version_id": id, "route": "predictions", "digest": "d", "created_us": 1, "status": 200, "answer": b"{}"}
        conn.execute(tables.request_key.insert(), [key | {"key": str(n)} for n in range(KEYS)])
    for name, (share, length) in SHARES.items():
        for some in np.array_split(np.arange(int(share * size / length)), max(1, int(share * size / _TOGETHER))):
            with store.write() as conn:
                _insert(conn, name, numbers=some.tolist(), length=length, version_id=id)
    return id


def _insert(conn: sa.Connection, name: str, *, numbers: list[int], length: int, version_id: int) -> None:
    table, of = tables.metadata.tables[name], {"version_id": version_id}
    noise = os.urandom(length * len(numbers))
    payloads = [noise[n * length : (n + 1) * length] for n in range(len(numbers))]
    rows = []
    for number, payload in zip(numbers, payloads, strict=True):
        more = {"id": _FIRST + number} if name in ("log_batch", "id_run") else {"segment": ""}
        filler = {int: 1, str: "x", bytes: payload, bool: False}
        needed = {c.name: filler[c.type.python_type] for c in table.c if not c.nullable and c.name not in of | more}
        at = {key: number for key in ("window_start_us", "position") if key in table.c}
        folded = {"fold": 1, "bytes": length} if "bytes" in table.c else {}
        rows.append(needed | of | more | at | folded)
    conn.execute(table.insert(), rows)
    if name == "log_batch":
        conn.execute(tables.log_payload.insert(), [
            {"batch_id": _FIRST + number, "payload": payload} for number, payload in zip(numbers, payloads, strict=True)
        ])  # fmt: skip


def gone(store: Store, *, version_id: int) -> bool:
    """Whether nothing of the version is left."""
    with store.read() as conn:
        return conn.execute(sa.select(tables.version.c.id).where(tables.version.c.id == version_id)).first() is None


def measured(database: str, *, gibibytes: float) -> None:
    """Prints the lines of one database."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(database_url(database))
        store = open_store(url or "", data_dir=folder, migrate=True)
        stack.callback(store.close)
        version_id = fill(store, size=int(gibibytes * GIB))
        service = Service(folder, database_url=url, code=CODE)
        stack.callback(service.stop)
        service.start(within_seconds=120)
        load = stack.enter_context(sending(prepare(service.url)))
        watch = Watch(service.process.pid)
        watch.start()
        load.begin()
        time.sleep(BASELINE_SECONDS)
        before, memory = load.row(), max(watch.samples)
        began = time.monotonic()
        httpx.delete(f"{service.url}/api/v1/models/victim", timeout=60).raise_for_status()
        load.begin()
        while not gone(store, version_id=version_id):
            if time.monotonic() - began > MOST_SECONDS:
                raise SystemExit(f"not gone within {MOST_SECONDS} s")
            time.sleep(1)
        seconds = time.monotonic() - began
        print(f"| {DATABASES[database]} | before | | {before} | {memory:.0f} |")
        after = f"{seconds:.0f} | {load.row()} | {max(watch.samples):.0f}"
        print(f"| {DATABASES[database]} | {gibibytes:g} GiB go | {after} |")
        watch.stop()


def main() -> None:
    """Runs what the arguments say."""
    gibibytes = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    print("| database | | s | requests | p50 ms | p99 ms | slowest ms | refused | most MiB |\n" + "|---" * 9 + "|")
    for database in sys.argv[2:] or DATABASES:
        measured(database, gibibytes=gibibytes)


if __name__ == "__main__":
    main()
