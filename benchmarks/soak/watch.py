"""What processes take, about each second: memory, file descriptors, threads; and how busy the machine is."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

# Not in step with what is watched: free memory is given back, and an hour of the models is over, each ten seconds.
# Sampled each five or ten, the same minutes rose by 2.8 MiB or fell by 0.9.
SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One process at one moment, ``at`` seconds since the start; ``load`` is the machine's average of a minute."""

    process: str
    at: float
    resident_mib: float
    descriptors: int
    threads: int
    cpu_seconds: float
    load: float


class Watch(threading.Thread):
    """Samples processes until told to stop."""

    def __init__(self, processes: Mapping[str, int], *, began: float) -> None:
        super().__init__(daemon=True)
        self.halt, self.samples = threading.Event(), list[Sample]()
        self._processes, self._began = processes, began

    def run(self) -> None:
        """Samples until told to stop, or until a process is gone."""
        while not self.halt.wait(random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)):
            for name, pid in self._processes.items():
                self.samples.append(sample(name, pid, at=time.monotonic() - self._began))

    def of(self, process: str) -> list[Sample]:
        """Those of one process."""
        return [sample for sample in self.samples if sample.process == process]


def sample(name: str, pid: int, *, at: float) -> Sample:
    """The process as the kernel sees it now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines if ":" in line)
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Sample(
        process=name,
        at=at,
        resident_mib=int(status["VmRSS"].split()[0]) / 1024,
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),
        threads=int(status["Threads"]),
        cpu_seconds=(int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"),
        load=os.getloadavg()[0],
    )


def as_rows(samples: list[Sample]) -> list[dict[str, object]]:
    """The samples as plain dicts."""
    return [asdict(sample) for sample in samples]
