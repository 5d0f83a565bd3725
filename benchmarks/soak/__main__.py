"""A load of half an hour against a real API and a real worker: ``python -m benchmarks.soak``.

Mixed traffic at a steady rate, of four models with 50 columns whose hours pass in ten seconds each, so that folding,
judging, joining labels and compaction go on all the time. They have a week of windows before it begins. Memory, file
descriptors and threads of both processes are sampled about each second; latency counts from when a request was due,
beside a no-op Starlette endpoint that is sent a record in the same way. ``--database postgresql`` starts one that
flushes. ``--write`` puts the figures into ``docs/reliability.md``; ``--keep FILE`` keeps every sample and answer, one
JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.database import DATABASES, database_url
from benchmarks.serving import driftline, uvicorn_app
from benchmarks.soak.bodies import RECORDS, Bodies, EventClock, prepare
from benchmarks.soak.report import Run, faults, page
from benchmarks.soak.traffic import Sender, senders
from benchmarks.soak.watch import Watch
from tests.faults.page import put_between

HOLDS = {"1 record": 1, "JSON 500": RECORDS, "Arrow 500": RECORDS}
DOCS = Path(__file__).parents[2] / "docs" / "reliability.md"


def counted(url: str, name: str, *, label: str, **where: str) -> dict[str, int]:
    """The samples of a counter on ``/metrics``, summed by one of its labels."""
    sums: dict[str, int] = {}
    for family in text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=60).text):
        for sample in family.samples:
            if sample.name == name and where.items() <= sample.labels.items():
                of = sample.labels[label]
                sums[of] = sums.get(of, 0) + int(sample.value)
    return sums


def _stored(url: str) -> int:
    return counted(url, "driftline_records_total", label="result")["stored"]


def _worked(url: str) -> dict[str, int]:
    return counted(url, "driftline_step_runs_total", label="step", outcome="done")


def load(clients: list[Sender], watch: Watch, *, until: float) -> None:
    """Everything runs for as long as the load lasts; a client or a watch that ends before raises here."""
    for thread in (watch, *clients):
        thread.start()
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(5.0, left))
        for thread in (watch, *clients):
            if not thread.is_alive():
                raise RuntimeError(f"{thread} ended before its time") from getattr(thread, "error", None)
    for thread in (watch, *clients):
        thread.halt.set()
    for thread in (watch, *clients):
        thread.join(timeout=90)


def run(database: str, *, minutes: int) -> Run:
    """One load on one database."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(database_url(database))
        api, worker = (
            stack.enter_context(driftline(folder, command=command, arguments=options, pinned=False, database_url=url))
            for command, options in (("serve", ("--no-jobs",)), ("worker", ()))
        )
        noop, _ = stack.enter_context(uvicorn_app("benchmarks.baselines:noop", pinned=False))
        prepare(api.url, EventClock(began=time.monotonic(), seconds=60 * minutes))
        before, worked = _stored(api.url), _worked(worker.url)
        began = time.monotonic()
        bodies = Bodies(EventClock(began=began, seconds=60 * minutes))
        clients = senders(bodies, port=api.port, noop_port=int(noop.rstrip("/").rpartition(":")[2]), began=began)
        watch = Watch({"API": api.process.pid, "worker": worker.process.pid}, began=began)
        load(clients, watch, until=began + 60 * minutes)
        answers = sorted((answer for client in clients for answer in client.answers), key=lambda answer: answer.at)
        return Run(
            database=DATABASES[database],
            minutes=minutes,
            samples=watch.samples,
            answers=answers,
            acked=sum(HOLDS.get(answer.kind, 0) for answer in answers if answer.status == 200),
            missed=sum(client.missed for client in clients),
            stored=_stored(api.url) - before,
            work={step: runs - worked.get(step, 0) for step, runs in _worked(worker.url).items()},
        )


def keep(file: Path, done: Run) -> None:
    """Writes every sample and every answer, one JSON object a line."""
    with file.open("a", encoding="utf-8") as out:
        for row in (*done.samples, *done.answers):
            out.write(json.dumps({"database": done.database} | asdict(row)) + "\n")


def main() -> int:
    """The number of runs that were not as promised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--database", choices=DATABASES, action="append", help="both unless told")
    parser.add_argument("--minutes", type=int, default=30, help="at least 3")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {DOCS.name}")
    parser.add_argument("--keep", type=Path, help="a file that gets every sample and answer")
    told = parser.parse_args()
    if told.minutes < 3:
        parser.error(f"--minutes is {told.minutes}: expected at least 3, of which the last two are looked at")
    failed = 0
    for database in told.database or DATABASES:
        done = run(database, minutes=told.minutes)
        if told.keep is not None:
            keep(told.keep, done)
        text = page(done)
        print(f"\n{text}", flush=True)
        failed += bool(list(faults(done)))
        if told.write:
            begin = f"<!-- soak {database}: written by python -m benchmarks.soak --write -->"
            put_between(DOCS, begin=begin, end=f"<!-- /soak {database} -->", text=text)
    return failed


if __name__ == "__main__":
    sys.exit(main())
