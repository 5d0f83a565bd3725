"""Several workers on one database: started, killed, stopped and woken one by one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from monitor.jobs.settings import JobSettings
from monitor.model.time import SECOND_US
from tests.faults.replicas.process import Told, run
from tests.service import PATIENCE, free_port

QUICK = JobSettings(
    tick_us=SECOND_US // 5, fold_interval_us=0, gather_us=0, lease_us=SECOND_US, retry_us=SECOND_US // 2,
    sweep_every_us=SECOND_US,
)  # fmt: skip
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.faults.replicas.process"])


class Replica:
    """One worker. ``start`` returns when it runs; ``paused`` when it came to its pause."""

    def __init__(self, url: str, directory: Path, *, rhythm: JobSettings = QUICK, **told: Any) -> None:
        port = free_port()
        self.told = Told(url=url, data_dir=directory, port=port, rhythm=rhythm, **told)
        if self.told.pause:
            self.told = replace(self.told, reached=directory / f"{port}.reached")
        self.address = f"http://127.0.0.1:{port}"
        self.log = directory / f"{port}.log"
        self._process = _forks.Process(target=run, args=(self.told,), daemon=True)

    def start(self) -> Replica:
        self._process.start()
        return self

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def paused(self, *, within_seconds: float = 30.0) -> Replica:
        reached = self.told.reached
        assert reached is not None
        until(reached.exists, within_seconds=within_seconds, why=self._last_words)
        if self.told.stops:
            until(lambda: self.state() == "T", within_seconds=within_seconds)
        return self

    def state(self) -> str:
        """R, S, T (stopped) and so on; see proc(5)."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def kill(self) -> None:
        """``kill -9``, once."""
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self.pid, signal.SIGKILL)
            self._process.join(10)

    def wake(self) -> None:
        """Lets it go on, from its pause or from where it was stopped."""
        if self.told.reached is not None:
            self.told.reached.unlink()
        os.kill(self.pid, signal.SIGCONT)

    def stop_working(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def metric(self, name: str, **labels: str) -> float:
        """The value of a series of its ``/metrics``; 0 where there is none."""
        page = httpx.get(f"{self.address}/metrics", timeout=10).raise_for_status().text
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        for line in page.splitlines():
            if line.startswith(name) and all(label in line for label in wanted):
                return float(line.rpartition(" ")[2])
        return 0.0

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return httpx.get(f"{self.address}/livez", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def ready(self) -> tuple[int, str]:
        """Status and body of ``/readyz``."""
        answer = httpx.get(f"{self.address}/readyz", timeout=10)
        return answer.status_code, answer.text

    def _last_words(self) -> str:
        return self.log.read_text()[-3000:] if self.log.exists() else "no log"


def until(check: Callable[[], Any], *, within_seconds: float, why: Callable[[], str] = str) -> float:
    """Seconds until the check held."""
    began, within_seconds = time.monotonic(), within_seconds * PATIENCE
    while not check():
        assert time.monotonic() - began < within_seconds, f"not within {within_seconds} s: {why()}"
        time.sleep(0.02)
    return time.monotonic() - began
