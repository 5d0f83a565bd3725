"""One step, watched: how long it took, how it ended, when it last went well."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from monitor.model.errors import FenceLost
from monitor.telemetry import Telemetry


def caught_up(step: str, *, telemetry: Telemetry) -> None:
    """Says that the step has nothing left to do: an idle service is not a late one."""
    telemetry.step_last_success.labels(step=step).set_to_current_time()


@contextmanager
def watched(step: str, *, telemetry: Telemetry) -> Iterator[None]:
    """Counts the block as one run of the step: ``done``, ``lost`` (somebody else does it) or ``failed``."""
    began = time.perf_counter()
    outcome = "failed"
    try:
        yield
        outcome = "done"
        caught_up(step, telemetry=telemetry)
    except FenceLost:
        outcome = "lost"
        raise
    finally:
        telemetry.step_runs.labels(step=step, outcome=outcome).inc()
        telemetry.step_seconds.labels(step=step).observe(time.perf_counter() - began)
