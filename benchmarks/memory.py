"""Resident memory under a load of ten minutes: flat; an API process of at most 400 MiB, a worker of at most 1 GiB.

``python -m benchmarks.memory [seconds [apart|together]]``; 600 and both unless told: the API and a worker as two
processes, and all in one. JSON and Arrow requests of 500 records take turns. The slope is of the last two thirds, in
MiB a minute.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import numpy as np

from benchmarks.ingest import ARROW, arrow_body, json_body, prepare
from benchmarks.serving import driftline, post_load
from tests.service import Service

INTERVAL_SECONDS = 2.0
TURN_SECONDS = 10
RECORDS = 500
BODIES = ((json_body, "application/json"), (arrow_body, ARROW))


class Watch(threading.Thread):
    """Samples a process's resident set size, MiB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.halt, self.samples = pid, threading.Event(), list[float]()

    def run(self) -> None:
        """Samples until told to stop."""
        while not self.halt.wait(INTERVAL_SECONDS):
            lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
            self.samples.append(int(next(x for x in lines if x.startswith("VmRSS:")).split()[1]) / 1024)

    def stop(self) -> None:
        """Takes no more samples."""
        self.halt.set()
        self.join()

    def row(self) -> str:
        """First, least, most and last sample, and the slope: columns of the table."""
        later = np.array(self.samples[len(self.samples) // 3 :])
        slope = np.polyfit(np.arange(len(later)) * INTERVAL_SECONDS / 60, later, 1)[0]
        shown = (self.samples[0], min(self.samples), max(self.samples), self.samples[-1])
        return " | ".join([*(f"{mib:.0f}" for mib in shown), f"{slope:+.1f}"])


def loads(url: str, *, seconds: int) -> Iterator[float]:
    """Records a second of each turn, as it ends."""
    turns = cycle([(make(RECORDS), content_type) for make, content_type in BODIES])
    for _ in range(max(1, seconds // TURN_SECONDS)):
        body, content_type = next(turns)
        load = post_load(url, body=body, content_type=content_type, connections=4, seconds=TURN_SECONDS)
        yield load.requests_per_second * RECORDS


def measured(*, split: bool, seconds: int) -> None:
    """Prints a line for each process."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def started(command: str, *arguments: str) -> Service:
            return stack.enter_context(driftline(folder, command=command, arguments=arguments, pinned=False))

        api = started("serve", *(["--no-jobs"] if split else []))
        processes = {"API": api, "worker": started("worker")} if split else {"API and jobs": api}
        url = prepare(api.url)
        watches = {name: Watch(service.process.pid) for name, service in processes.items()}
        for watch in watches.values():
            watch.start()
        rates = list(loads(url, seconds=seconds))
        for watch in watches.values():
            watch.stop()
    for name, watch in watches.items():
        print(f"| {name} | {len(rates) * TURN_SECONDS} | {np.mean(rates):,.0f} | {watch.row()} |", flush=True)


def main() -> None:
    """Prints the table."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    ways = sys.argv[2:] or ["apart", "together"]
    print("| process | seconds | records/s | first MiB | least | most | last | slope MiB/min |\n" + "|---" * 8 + "|")
    for way in ways:
        measured(split=way == "apart", seconds=seconds)


if __name__ == "__main__":
    main()
