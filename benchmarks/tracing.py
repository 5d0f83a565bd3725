"""What traces cost ingest: the same server with traces off, on with one request in a hundred recorded, and on with all.

One record of 50 features a request, 64 connections, on SQLite; in turns, so that other work on the machine hits all
alike. The receiver is a real one, in a process of its own on the load's core. "CPU ms" is the server's processor time a
request; the ratio is held against the server with traces off.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ingest import json_body, prepare
from benchmarks.serving import driftline, post_load

ROUNDS = 3
RECEIVER = """
import time
from tests.tracing.receiver import receiving
with receiving(keeping=False) as received:
    print(received.url, flush=True)
    time.sleep(3600)
"""
SAMPLED = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}


@contextmanager
def receiver() -> Iterator[str]:
    """The address of a receiver of OTLP that throws away what it has read."""
    process = subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Prints the table."""
    found: dict[str, list[tuple[float, float]]] = {}
    body = json_body(1)
    with receiver() as url:
        cases = {
            "off": {},
            "on, 1 in 100 recorded": {"OTEL_EXPORTER_OTLP_ENDPOINT": url} | SAMPLED,
            "on, all recorded": {"OTEL_EXPORTER_OTLP_ENDPOINT": url},
        }
        for _ in range(ROUNDS):
            for name, settings in cases.items():
                with tempfile.TemporaryDirectory() as folder, driftline(Path(folder), **settings) as service:
                    load = post_load(prepare(service.url), body=body, content_type="application/json",
                                     server=service.process.pid)  # fmt: skip
                assert load.errors == 0, name
                found.setdefault(name, []).append((load.requests_per_second, load.server_ms))
    print("| traces | requests/s | CPU ms | ÷ off |\n|---|---|---|---|")
    off = statistics.median(ms for _, ms in found["off"])
    for name, loads in found.items():
        rate, ms = (statistics.median(column) for column in zip(*loads, strict=True))
        print(f"| {name} | {rate:,.0f} | {ms:.3f} | {ms / off:.2f} |")


if __name__ == "__main__":
    main()
