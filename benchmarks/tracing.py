"""What traces cost ingest: the same server with traces off, on with one request in a hundred recorded, and on with all.

The servers run at once, on one core, on databases (SQLite) of their own, and the load comes from the other core, in
turns; so other work on the machine hits all alike. The receiver is a real one. Ratios are held against traces off: the
geometric mean over the rounds and its 95 % interval, of requests a second and of the server's processor time a request.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.before import ratio
from benchmarks.ingest import ARROW, arrow_body, json_body, prepare
from benchmarks.serving import Load, driftline, post_load

ROUNDS = 6
RECEIVER = """
import time
from tests.tracing.receiver import receiving
with receiving(keeping=False) as received:
    print(received.url, flush=True)
    time.sleep(3600)
"""
SAMPLED = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
CASES = (
    ("JSON, 1 record a request", json_body(1), "application/json", 64),
    ("Arrow, 500 records a request", arrow_body(500), ARROW, 16),
)


@contextmanager
def receiver() -> Iterator[str]:
    """The address of a receiver of OTLP that throws away what it has read."""
    process = subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


@contextmanager
def servers(url: str) -> Iterator[dict[str, tuple[str, int]]]:
    """The address of ingest and the process of each server, by what it traces."""
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": url}
    settings = {"off": {}, "on, 1 in 100 recorded": traced | SAMPLED, "on, all recorded": traced}
    with ExitStack() as stack:
        found = {}
        for name, more in settings.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            service = stack.enter_context(driftline(folder, **more))
            found[name] = prepare(service.url), service.process.pid
        yield found


def main() -> None:
    """Prints the table."""
    print("| ingest | traces | requests/s | ratio (95 %) | CPU a request, ratio (95 %) |\n|---|---|---|---|---|")
    for case, body, content_type, connections in CASES:
        loads: dict[str, list[Load]] = {}
        with receiver() as url, servers(url) as started:
            for number in range(ROUNDS + 1):
                for name in sorted(started, reverse=number % 2 == 1):
                    target, process = started[name]
                    load = post_load(target, body=body, content_type=content_type, connections=connections,
                                     seconds=3, server=process)  # fmt: skip
                    assert load.errors == 0, name
                    if number:  # the first warms up
                        loads.setdefault(name, []).append(load)
        for name, found in loads.items():
            rate = statistics.median(load.requests_per_second for load in found)
            cells = [case, name, f"{rate:,.0f}"]
            for figure in ("requests_per_second", "server_ms"):
                pairs = [[getattr(load, figure) for load in side] for side in (found, loads["off"])]
                cells.append("{:.3f} ({:.3f} to {:.3f})".format(*ratio(*pairs)))
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
