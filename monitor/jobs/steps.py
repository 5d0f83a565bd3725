"""One step, watched: how long it took, how it ended, when it last went well."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from monitor.model.errors import FenceLost
from monitor.telemetry import Telemetry
from monitor.tracing import spanned

_NONE: Mapping[str, str | int] = {}


def caught_up(step: str, *, telemetry: Telemetry) -> None:
    """Says that the step has nothing left to do: an idle service is not a late one."""
    telemetry.step_last_success.labels(step=step).set_to_current_time()


@contextmanager
def watched(
    step: str, *, telemetry: Telemetry, attributes: Mapping[str, str | int] = _NONE,
    whole: Callable[[], bool] = lambda: True,
) -> Iterator[None]:  # fmt: skip
    """Counts the block as one run of the step: ``done``, ``lost`` (somebody else does it) or ``failed``.

    ``whole`` says whether the step has nothing left to do once the block is done. Where traces are on it is a span of
    its own, with the attributes and the outcome.
    """
    began = time.perf_counter()
    outcome = "failed"
    told = {"driftline.step": step, **attributes}
    with spanned(telemetry.tracer, f"step {step}", attributes=told, no_failure=FenceLost) as span:
        try:
            yield
            outcome = "done"
            if whole():
                caught_up(step, telemetry=telemetry)
        except FenceLost:
            outcome = "lost"
            raise
        finally:
            telemetry.step_runs.labels(step=step, outcome=outcome).inc()
            telemetry.step_seconds.labels(step=step).observe(time.perf_counter() - began)
            if span is not None:
                span.note({"driftline.outcome": outcome})
