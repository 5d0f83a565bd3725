"""strace on a running process: what it did, call by call, and calls made to fail or to take long."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.service import PATIENCE

# "12345 1700000000.123456 fdatasync(7</data/driftline.db-wal>) = 0 <0.000210>"; an unfinished call has two lines
_LINE = re.compile(r"^(?P<pid>\d+) +(?P<at>\d+\.\d+) (?P<rest>.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One system call that has returned; when it began and returned in seconds of the epoch."""

    pid: int
    name: str
    text: str
    began: float
    returned: float


def living(pids: Iterable[int]) -> list[int]:
    """Those of the processes that there still are."""
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def need_strace() -> None:
    """Skips the test where there is no strace; in CI that is a failure."""
    if shutil.which("strace") is None:
        (pytest.fail if os.environ.get("CI", "").lower() in ("1", "true") else pytest.skip)("strace is not installed")


@contextmanager
def traced(*pids: int, calls: str, log: Path, inject: str = "") -> Iterator[Path]:
    """Traces the processes, their threads and children to come; ``inject`` as strace's own option of that name."""
    command = ["strace", "-f", "-ttt", "-T", "-y", "-s", "100", "-o", str(log), "-e", f"trace={calls}"]
    command += [word for pid in pids for word in ("-p", str(pid))]
    if inject:
        command += ["-e", f"inject={inject}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            _until_attached(tracer, pids)
            yield log
        finally:
            if tracer.poll() is None:
                tracer.send_signal(signal.SIGINT)  # lets go of the process


def _until_attached(tracer: subprocess.Popen[str], pids: tuple[int, ...]) -> None:
    for _ in range(round(200 * PATIENCE)):
        pids = tuple(pid for pid in pids if Path(f"/proc/{pid}").exists())
        if not pids:
            return  # what the tracer did to them has ended them
        if tracer.poll() is not None:
            said = tracer.stderr.read() if tracer.stderr is not None else ""
            if "not permitted" in said and os.environ.get("CI", "").lower() not in ("1", "true"):
                pytest.skip(f"strace may not attach here: {said.strip()}")
            raise AssertionError(f"strace ended: {said}")
        with suppress(FileNotFoundError):  # a thread, or a process, that ends meanwhile
            tasks = [task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
            if all("TracerPid:\t0" not in (task / "status").read_text() for task in tasks):
                return
        time.sleep(0.05)
    raise AssertionError(f"strace did not attach within {10 * PATIENCE:.0f} s")


def calls_of(log: Path) -> list[Call]:
    """The calls in the order in which they returned."""
    begun: dict[int, tuple[float, str]] = {}
    found = []
    for line in log.read_text(errors="replace").splitlines():
        matched = _LINE.match(line)
        if matched is None:
            continue
        pid, at, rest = int(matched["pid"]), float(matched["at"]), matched["rest"]
        if rest.endswith("<unfinished ...>"):
            begun[pid] = at, rest.removesuffix("<unfinished ...>")
            continue
        if rest.startswith("<... ") and pid in begun:
            at, head = begun.pop(pid)
            rest = head + rest.partition(" resumed>")[2]
        name, took = re.match(r"\w+", rest), re.search(r"<(\d+\.\d+)>$", rest)
        if name is not None and took is not None:
            found.append(Call(pid=pid, name=name[0], text=rest, began=at, returned=at + float(took[1])))
    return sorted(found, key=lambda call: call.returned)
