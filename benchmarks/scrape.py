"""A scrape of 50,000 series: from the cache, against rendering the same series with prometheus_client.

``python -m benchmarks.scrape`` makes 1,000 models of 200 columns in an embedded database (20 columns a version are
candidates for the page), refreshes the cache from it, and takes the median of 20 pages.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from monitor.export import Exporter, StoreReader
from monitor.model.entities import Model, Version
from monitor.model.results import CheckState, ResultRow
from monitor.model.time import HOUR_US
from monitor.store import Store, open_store
from monitor.store.models import insert_model
from monitor.store.results import StoredResult, pack_rows, put_result
from monitor.store.verdicts import put_states
from monitor.store.versions import insert_version
from monitor.store.windows import WindowRow, upsert_window

MODELS, COLUMNS, SERIES = 1_000, 200, 50_000
NOW = 1_800_000_000_000_000
CHECKS = ("drift", "missing", "invalid", "unseen", "volume", "schema")
BUDGET_SECONDS = 0.5


def rows(dice: np.random.Generator) -> list[ResultRow]:
    """The rows of one window: surprise, psi and three shares a column."""
    known = {"rows": 1000, "reference_rows": 50_000, "status": "ok"}
    metrics = (
        ("surprise", "drift"),
        ("psi", "drift"),
        ("missing", "quality"),
        ("invalid", "quality"),
        ("unseen", "quality"),
    )
    return [
        ResultRow(column=f"feature_{n:03}", metric=metric, check="drift" if kind == "drift" else metric, kind=kind,
                  value=float(dice.random()), threshold=4.0 if metric == "surprise" else None, **known)
        for n in range(COLUMNS) for metric, kind in metrics
    ]  # fmt: skip


def fill(store: Store, dice: np.random.Generator) -> None:
    """A thousand models, each with one judged window."""
    packed = pack_rows(rows(dice))
    for n in range(MODELS):
        with store.write() as conn:
            model = insert_model(conn, Model(name=f"model-{n:04}", team="team", created_us=NOW, updated_us=NOW))
            version = insert_version(conn, Version(model_id=model.id, name="1", created_us=NOW, updated_us=NOW))
            place = {"version_id": version.id, "revision": 1, "rows": 1000}
            upsert_window(conn, WindowRow(start_us=NOW - HOUR_US, end_us=NOW, state="closed", dirty=False, **place))
            put_result(
                conn,
                StoredResult(window_start_us=NOW - HOUR_US, window_end_us=NOW, reference_number=1, status="ok",
                             reference_rows=50_000, computed_us=NOW, payload=packed, **place),
            )  # fmt: skip
            put_states(conn, version_id=version.id, states=[state(check) for check in CHECKS])


def state(check: str) -> CheckState:
    """A check that is well."""
    return CheckState(
        check=check, kind=check, segment="", severity="warning", status="ok", unknown_reason=None, since_us=NOW,
        window_start_us=NOW - HOUR_US, window_end_us=NOW, value=1.0, threshold=2.0, rows=1000, needs=None,
        columns_failing=0, columns=(),
    )  # fmt: skip


class SameSeries:
    """A collector that holds the page's series as prometheus_client's own families."""

    def __init__(self, page: str) -> None:
        self.parsed = list(text_string_to_metric_families(page))

    def collect(self):
        """The families, made anew as a collector of live values makes them."""
        for family in self.parsed:
            names = list(family.samples[0].labels) if family.samples else []
            made = GaugeMetricFamily(family.name, family.documentation, labels=names)
            for sample in family.samples:
                made.add_metric([sample.labels[name] for name in names], sample.value)
            yield made

    def describe(self):
        """Nothing to check."""
        return ()


def median_seconds(work: Callable[[], object], *, times: int) -> float:
    """The median time of ``work`` in seconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    """Fill, refresh, scrape, compare, print."""
    with tempfile.TemporaryDirectory() as directory:
        store = open_store("", data_dir=Path(directory), migrate=True)
        fill(store, np.random.default_rng(7))
        exporter = Exporter(
            reader=StoreReader(store), registry=CollectorRegistry(), now_us=lambda: NOW, columns="all",
            build={"version": "0", "database": "sqlite"}, data_dir=Path(directory), max_series=SERIES,
        )  # fmt: skip
        first = median_seconds(exporter.refresh, times=1)
        refresh = median_seconds(exporter.refresh, times=3)
        scrape = median_seconds(lambda: exporter.page(openmetrics=False), times=20)
        page = exporter.page(openmetrics=False)
        registry = CollectorRegistry()
        registry.register(SameSeries(page.decode()))
        baseline = median_seconds(lambda: generate_latest(registry), times=3)
        store.close()
    series = sum(not line.startswith(b"#") for line in page.splitlines())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{MODELS:,} models x {COLUMNS} columns, {series:,} series, {len(page) / 1e6:.1f} MB")
    print(f"scrape {scrape * 1e3:.1f} ms; prometheus_client {baseline * 1e3:.0f} ms, {baseline / scrape:.0f} x as long")
    print(f"refresh in the background {refresh:.2f} s, {first:.1f} s after a start; peak memory {memory:.0f} MiB")
    verdict = "met" if scrape <= BUDGET_SECONDS else "MISSED"
    print(f"budget {BUDGET_SECONDS} s: {verdict}")


if __name__ == "__main__":
    main()
