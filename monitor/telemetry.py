"""The process's own counters: made once by ``app.py`` on a registry of its own and handed down."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from monitor.tracing import Tracer

_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STEPS = ("fold", "join", "evaluate", "verdict", "outbox", "retention", "compact")


class Telemetry:
    """Counters, histograms and gauges of one process (names of API 4), which ``registry`` renders, and its traces.

    ``tracer`` is None where traces are off.
    """

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        self.looked_ready: float | None = None
        self.was_ready = False
        self.registry = registry = CollectorRegistry(auto_describe=False)
        self.records = Counter(
            "driftline_records", "Records by what became of them", ["model", "version", "result"], registry=registry
        )
        self.labels = Counter(
            "driftline_labels", "Labels by what became of them", ["model", "result"], registry=registry
        )
        self.deduplicated = Counter(
            "driftline_records_deduplicated", "Repeats of an id dropped when folded", ["model", "version"],
            registry=registry,
        )  # fmt: skip
        self.late_rows = Counter(
            "driftline_late_rows", "Rows folded after their window had closed", ["model", "version"], registry=registry
        )
        self.erased = Counter(
            "driftline_erased", "What erasures found and erased, by what it was", ["model", "what"], registry=registry
        )
        self.notifications = Counter(
            "driftline_notifications", "What Alertmanager notified of, by what became of it", ["result"],
            registry=registry,
        )  # fmt: skip
        self.requests = Counter("driftline_requests", "HTTP requests", ["route", "code"], registry=registry)
        self.quota_refused = Counter(
            "driftline_quota_refused", "Requests refused for a token's quota", ["token", "quota"], registry=registry
        )
        self.ingest_seconds = Histogram(
            "driftline_ingest_duration_seconds", "From request to answer on the ingest route",
            buckets=_LATENCY_BUCKETS, registry=registry,
        )  # fmt: skip
        self.commit_seconds = Histogram(
            "driftline_commit_duration_seconds", "One group commit", buckets=_LATENCY_BUCKETS, registry=registry
        )
        self.queue_bytes = Gauge("driftline_queue_bytes", "Bytes of requests in flight", registry=registry)
        self.queue_limit_bytes = Gauge("driftline_queue_limit_bytes", "Budget of bytes in flight", registry=registry)
        self._count_the_process()
        self._count_work()

    def note_ready(self, *, ready: bool, at: float) -> None:
        """Notes what a look at the process's readiness found, and when by the clock that nobody sets."""
        self.ready.set(ready)
        self.was_ready = ready
        self.looked_ready = at

    def count_spans(self, result: str, number: int) -> None:
        """Counts spans that were ``recorded``, ``sent``, or ``failed`` to be sent."""
        self.spans.labels(result).inc(number)

    def _count_the_process(self) -> None:
        """Makes the metrics of whether the process is well, and of its traces."""
        registry = self.registry
        self.spans = Counter("driftline_spans", "Spans of traces by what became of them", ["result"], registry=registry)
        self.ready = Gauge(
            "driftline_ready", "1 while this process can do its work, as /readyz says", registry=registry
        )
        self.clock_skew = Gauge(
            "driftline_clock_skew_seconds", "How far this host's clock is ahead of the database's", registry=registry
        )

    def _count_work(self) -> None:
        """Makes the metrics of steps and of what hangs."""
        registry = self.registry
        self.step_runs = Counter(
            "driftline_step_runs", "Runs of a step by outcome (done, failed, lost)", ["step", "outcome"],
            registry=registry,
        )  # fmt: skip
        self.step_last_success = Gauge(
            "driftline_step_last_success_timestamp_seconds", "When a step last succeeded here", ["step"],
            registry=registry,
        )  # fmt: skip
        self.hanging = Gauge(
            "driftline_work_hanging", "Versions, models and jobs whose work hangs in this process", registry=registry
        )
        self.step_seconds = Histogram(
            "driftline_step_duration_seconds", "How long a step took", ["step"], buckets=_LATENCY_BUCKETS,
            registry=registry,
        )  # fmt: skip
