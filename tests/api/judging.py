"""A version with a reference and judged hours behind it, made over HTTP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.model.time import HOUR_US, MINUTE_US
from tests.api.tables import ARROW, PARQUET, arrow_of, hour, parquet_of

V = "/api/v1/models/churn/versions/42"
HOURS = 40


def judged_hours(client, clock, tick, *, shifts: Sequence[float], rows: int = 120) -> list[int]:
    """The starts of so many judged hours, each shifted so; the reference is of 40 hours before."""
    rng = np.random.default_rng(5)
    begin = clock.now_us - clock.now_us % HOUR_US
    reference = parquet_of(*(hour(rng, start_us=begin - k * HOUR_US, rows=rows) for k in range(HOURS, 0, -1)))
    roles = {"timestamp": "at", "score": "score"}
    assert client.put(V + "/reference", content=reference, headers=PARQUET, params=roles).status_code == 201
    starts = [begin + k * HOUR_US for k in range(len(shifts))]
    for start_us, shift in zip(starts, shifts, strict=True):
        clock.now_us = start_us + 59 * MINUTE_US
        traffic = arrow_of(hour(rng, start_us=start_us, rows=rows, shift=shift))
        sent = client.post(V + "/predictions", content=traffic, headers=ARROW, params={"timestamp": "at"})
        assert sent.json()["stored"] == rows, sent.text[:300]
        clock.now_us = start_us + HOUR_US + 6 * MINUTE_US
        tick()
    return starts
