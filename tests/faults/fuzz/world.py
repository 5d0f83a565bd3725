"""A real server that can be killed, ended, backed up and begun again elsewhere; and how to speak to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from tests.api.tables import arrow_of, csv_of, parquet_of
from tests.faults.cluster import until
from tests.faults.pair import ARROW, CSV, JSON, NDJSON, PARQUET
from tests.service import Service

API = "/api/v1"
START_SECONDS = 120.0
SOON_SECONDS = 180.0  # until jobs have done what they are woken for
MEDIA_TYPES = (JSON, NDJSON, ARROW, CSV, PARQUET)


class World:
    """One server at a time, on a place of its own; ``new_place`` gives the next empty one."""

    def __init__(self, new_place: Callable[[], tuple[Path, str | None]], *, mutation: str | None = None) -> None:
        self._new_place, self._mutation = new_place, mutation
        self.answers = 0
        self.acked: set[tuple[int, str, str]] = set()  # model, version, id
        self.read: set[tuple[int, str, str]] = set()
        self.made = 0
        self.slowest_start_seconds = 0.0
        self.models = 0
        self.service = self._begin()

    def _begin(self) -> Service:
        self.data_dir, self.url = self._new_place()
        service = Service(self.data_dir, database_url=self.url, mutation=self._mutation)
        service.start(within_seconds=START_SECONDS)
        self.client = httpx.Client(base_url=service.url + API, timeout=90)
        return service

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The answer, which is no 5xx but 503; that one is asked again, as ``Retry-After`` says."""
        for _ in range(20):
            answer = self.client.request(method, path, **more)
            self.answers += 1
            assert answer.status_code < 500 or answer.status_code == 503, (path, answer.text, self.log())
            if answer.status_code not in (409, 503) or "retry-after" not in answer.headers:
                return answer
            time.sleep(float(answer.headers["retry-after"]))
        raise AssertionError(f"{method} {path} is not able to, again and again: {answer.text}")

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every result of a list, in small pages."""
        cursor: dict[str, str] = {}
        while True:
            answer = self.ask("GET", path, params={"limit": 7, **query, **cursor})
            assert answer.status_code == 200, answer.text
            yield from answer.json()["results"]
            if answer.json()["next"] is None:
                return
            cursor = {"cursor": answer.json()["next"]}

    def done(self, job: str) -> None:
        """Waits for a job's end, which is no failure."""
        shape: dict[str, Any] = {}

        def ended() -> bool:
            shape.update(self.ask("GET", f"/jobs/{job}").json())
            return shape["state"] in ("done", "failed")

        until(ended, within_seconds=SOON_SECONDS, what=f"{job} did not end: {shape}")
        assert shape["state"] == "done", (shape, self.log())

    def again(self, *, kill: bool) -> None:
        """The process is killed, or told to end, and another takes its place."""
        if kill:
            self.service.kill()
        else:
            assert self.service.stop(within_seconds=60) == 0, self.log()
        self.slowest_start_seconds = max(
            self.slowest_start_seconds, self.service.start(within_seconds=START_SECONDS)
        )  # fmt: skip

    def backup(self) -> Path:
        """A backup by the running server."""
        file = self.data_dir / f"{time.time_ns()}.backup"
        with self.client.stream("POST", "/backup") as answer, file.open("wb") as written:
            assert answer.status_code == 200
            for piece in answer.iter_bytes():
                written.write(piece)
        return file

    def restore(self, file: Path) -> None:
        """Goes on from a backup in an empty place; what was before is over."""
        self.close()
        self.data_dir, self.url = self._new_place()
        self.run("restore", str(file))
        self.service = Service(self.data_dir, database_url=self.url, mutation=self._mutation)
        self.service.start(within_seconds=START_SECONDS)
        self.client = httpx.Client(base_url=self.service.url + API, timeout=90)

    def run(self, *words: str) -> None:
        """``driftline`` beside the server, on its place; it ends well."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("DRIFTLINE_")}
        settings = {"DRIFTLINE_DATA_DIR": str(self.data_dir)}
        if self.url is not None:
            settings["DRIFTLINE_DATABASE_URL"] = self.url
        done = subprocess.run(
            [sys.executable, "-m", "monitor.cli", *words], env=clean | settings, capture_output=True, text=True,
            timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def log(self) -> str:
        """What the log says of the first error that nobody expected."""
        text = self.service.log.read_text(encoding="utf-8", errors="replace")
        place = text.find("unexpected error")
        return text[place : place + 6_000] if place >= 0 else ""

    def close(self) -> None:
        self.client.close()
        assert self.service.stop(within_seconds=60) == 0
        assert self.log() == ""


def body_of(records: list[dict[str, Any]], media_type: str) -> bytes:
    """Flat records in a media type; a missing value is null, or an empty field."""
    if media_type == JSON:
        return json.dumps({"records": records}).encode()
    if media_type == NDJSON:
        return "\n".join(map(json.dumps, records)).encode()
    names = list(dict.fromkeys(name for record in records for name in record))
    table = pa.table({name: [record.get(name) for record in records] for name in names})
    return {ARROW: arrow_of, CSV: csv_of, PARQUET: parquet_of}[media_type](table)
