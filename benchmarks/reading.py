"""Ingest's p99 while a client reads stored records at 1 MB/s, over that without: at most 2."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import httpx

from benchmarks.ingest import ARROW, arrow_body, json_body, prepare
from benchmarks.serving import driftline, post_load

BYTES_PER_SECOND = 1_000_000
SECONDS = 12


class Reader(threading.Thread):
    """Streams the stored records as Arrow again and again, at a bounded rate."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.halt, self.read = url, threading.Event(), 0

    def run(self) -> None:
        """Reads until told to stop."""
        with httpx.Client(timeout=60) as client:
            while not self.halt.is_set():
                with client.stream("GET", self.url, headers={"Accept": ARROW}) as answer:
                    answer.raise_for_status()
                    began, taken = time.monotonic(), 0
                    for chunk in answer.iter_raw():
                        taken += len(chunk)
                        self.read += len(chunk)
                        if self.halt.wait(max(0.0, taken / BYTES_PER_SECOND - (time.monotonic() - began))):
                            return


def main() -> None:
    """Prints the p99 without, with, and their ratio."""
    body = json_body(20)
    with tempfile.TemporaryDirectory() as folder, driftline(Path(folder)) as service:
        url = prepare(service.url)
        for _ in range(40):
            httpx.post(url, content=arrow_body(5_000), headers={"Content-Type": ARROW}, timeout=60).raise_for_status()
        load = {"body": body, "content_type": "application/json", "connections": 8, "seconds": SECONDS}
        alone = post_load(url, **load)
        reader = Reader(url.replace("/predictions", "/records"))
        reader.start()
        beside = post_load(url, **load)
        reader.halt.set()
        reader.join(timeout=30)
    print("| 20 records a request, 8 connections | requests/s | p50 ms | p99 ms | errors |\n|---|---|---|---|---|")
    print(f"| alone | {alone.requests_per_second:,.0f} | {alone.p50_ms:.1f} | {alone.p99_ms:.1f} | {alone.errors} |")
    print(
        f"| beside a reader ({reader.read / SECONDS / 1e6:.2f} MB/s) | {beside.requests_per_second:,.0f} "
        f"| {beside.p50_ms:.1f} | {beside.p99_ms:.1f} | {beside.errors} |"
    )
    print(f"\np99 ratio: {beside.p99_ms / alone.p99_ms:.2f} (budget 2)")


if __name__ == "__main__":
    main()
