"""The same request to two real servers, one on SQLite and one on PostgreSQL: one answer, or the test fails."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text_format

from tests.service import Service

API = "/api/v1"
JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
MADE = re.compile(r"(?<=\"request_id\":\")[0-9a-f]{16}|[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")
RESULTS = ("stored", "quarantined", "duplicate", "rejected")
MIB = 1 << 20


def told(text: str) -> str:
    """An answer without what is the server's own: ids that it made, and what its clock showed."""
    return INSTANT.sub(lambda found: "now" if abs(_age_seconds(found[0])) < 300 else found[0], MADE.sub("made", text))


def _age_seconds(text: str) -> float:
    return time.time() - datetime.fromisoformat(text).timestamp()


def memory_bytes(pid: int, field: str) -> int:
    """``VmRSS`` (resident now) or ``VmHWM`` (the most since ``forget_peak``) of a process."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def forget_peak(pid: int) -> None:
    """Start ``VmHWM`` again from what is resident now (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


class Server:
    """One running ``driftline serve`` and a client of it."""

    def __init__(self, service: Service) -> None:
        service.start()
        self.service = service
        self.client = httpx.Client(base_url=service.url, timeout=90)
        assert service.process is not None
        self.pid = service.process.pid
        self.resting = memory_bytes(self.pid, "VmRSS")

    @property
    def growth(self) -> int:
        """The most bytes resident since ``forget_peak`` beyond those of the freshly started server."""
        return memory_bytes(self.pid, "VmHWM") - self.resting

    def counted(self, model: str) -> dict[str, int]:
        """What ``driftline_records_total`` says became of a model's records; the page parses in both formats."""
        page = self.client.get("/metrics", headers={"Accept": "application/openmetrics-text"}).raise_for_status().text
        plain = self.client.get("/metrics", headers={"Accept": "text/plain"}).raise_for_status().text
        samples = [s for family in openmetrics(page) for s in family.samples]
        assert samples
        assert [s for family in text_format(plain) for s in family.samples]
        named = [(s.name, *sorted(s.labels.items())) for s in samples]
        assert len(named) == len(set(named)), "a series is there twice"
        counts = dict.fromkeys(RESULTS, 0)
        for sample in samples:
            if sample.name == "driftline_records_total" and sample.labels["model"] == model:
                counts[sample.labels["result"]] += int(sample.value)
        return counts

    def close(self) -> None:
        self.client.close()
        self.service.stop()


@dataclass(frozen=True)
class Answer:
    """What both servers answered."""

    status: int
    headers: httpx.Headers
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Pair:
    """Both servers, with a model of its own for each test."""

    def __init__(self, *servers: Server) -> None:
        self.servers = servers
        self.model = ""

    def begin(self, model: str) -> None:
        """A new model with a version ``1``; peaks of memory count from here."""
        self.model = model
        assert self.put(f"{API}/models/{model}", {"task": "none"}).status == 201
        assert self.put(self.version, {}).status == 201
        for server in self.servers:
            forget_peak(server.pid)

    @property
    def version(self) -> str:
        return f"{API}/models/{self.model}/versions/1"

    def ask(
        self, method: str, path: str, *, content: bytes | Callable[[], Iterable[bytes]] = b"", **more: Any
    ) -> Answer:
        """The one answer of both servers; made ids and the servers' own numbers apart, it is the same text."""
        answers = []
        made = content() if callable(content) else content
        for server in self.servers:
            body = made if isinstance(made, bytes) else content()  # pieces are sent once
            sent = server.client.request(method, path, content=body, **more)
            answers.append(Answer(sent.status_code, sent.headers, told(sent.text)))
        first, second = answers
        assert (first.status, first.text) == (second.status, second.text)
        assert first.headers.get("content-type") == second.headers.get("content-type")
        assert first.headers.get("retry-after") == second.headers.get("retry-after")
        return first

    def put(self, path: str, shape: dict[str, Any]) -> Answer:
        return self.ask("PUT", path, content=json.dumps(shape).encode(), headers={"Content-Type": JSON})

    def post(
        self, content: bytes | Callable[[], Iterable[bytes]], media_type: str = JSON, *,
        query: str = "", **headers: str,
    ) -> Answer:  # fmt: skip
        """``POST …/predictions`` of the test's version; header names with ``_`` for ``-``."""
        named = {"Content-Type": media_type} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", self.version + "/predictions" + query, content=content, headers=named)

    def schema(self, columns: dict[str, str]) -> None:
        """Declare the version's columns: name → type."""
        described = [{"name": name, "type": kind} for name, kind in columns.items()]
        answer = self.put(self.version, {"schema": {"columns": described}})
        assert answer.status == 200, answer.text

    def records(self) -> list[dict[str, Any]]:
        """Everything ``GET …/records`` reads back (one page of 10,000 at most)."""
        answer = self.ask("GET", self.version + "/records?limit=10000")
        assert answer.status == 200, answer.text
        return answer.json["results"]

    def quarantined(self) -> list[dict[str, Any]]:
        answer = self.ask("GET", self.version + "/quarantine")
        assert answer.status == 200, answer.text
        return answer.json["results"]

    def counted(self) -> dict[str, int]:
        """What the metrics say became of the test's records, the same on both."""
        first, second = [server.counted(self.model) for server in self.servers]
        assert first == second
        return first

    def alive(self) -> None:
        for server in self.servers:
            began = time.monotonic()
            answer = server.client.get("/livez")
            assert (answer.status_code, answer.text) == (200, "ok\n")
            assert time.monotonic() - began < 1.0
            assert server.client.get("/readyz").status_code == 200

    @property
    def growth(self) -> int:
        return max(server.growth for server in self.servers)
