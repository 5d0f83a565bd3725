"""Resident memory of the server (API and jobs in one process) over a load of several minutes: flat, at most 400 MiB.

``python -m benchmarks.memory [seconds]``; 300 unless told. The slope is of the last two thirds, in MiB a minute.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

from benchmarks.ingest import ARROW, arrow_body, json_body, prepare
from benchmarks.serving import driftline, post_load

INTERVAL_SECONDS = 2.0


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


def main() -> None:
    """Prints the table."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    print(
        "| load | seconds | records/s | first MiB | last MiB | most MiB | slope MiB/min |\n"
        "|---|---|---|---|---|---|---|"
    )
    for name, arguments in (("API alone", ("--no-jobs",)), ("API and jobs", ())):
        with (
            tempfile.TemporaryDirectory() as folder,
            driftline(Path(folder), arguments=arguments, pinned=False) as service,
        ):
            url = prepare(service.url)
            watch = Watch(service.process.pid)
            watch.start()
            records = 0.0
            for share, body, records_each, content_type in (
                (0.5, json_body(500), 500, "application/json"), (0.5, arrow_body(500), 500, ARROW),
            ):  # fmt: skip
                part = int(seconds / 2 * share)
                load = post_load(url, body=body, content_type=content_type, connections=4, seconds=part)
                records += load.requests_per_second * records_each * share
            watch.halt.set()
            watch.join()
        later = np.array(watch.samples[len(watch.samples) // 3 :])
        slope = np.polyfit(np.arange(len(later)) * INTERVAL_SECONDS / 60, later, 1)[0]
        print(f"| {name} | {seconds // 2} | {records:,.0f} | {watch.samples[0]:.0f} | {watch.samples[-1]:.0f} "
              f"| {max(watch.samples):.0f} | {slope:.1f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
