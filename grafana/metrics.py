"""The metrics that dashboards ask for, and how one answer is made of many processes.

Model series are exported by every replica alike: ``shared`` takes the largest. Counters and histograms are each
process's own: ``added`` sums their rates. Gauges of a process are ``shared`` too, or kept apart by ``instance``.
"""

from __future__ import annotations

from monitor.export.families import FAMILIES

OWN: dict[str, str] = {
    "driftline_records_total": "counter",
    "driftline_labels_total": "counter",
    "driftline_records_deduplicated_total": "counter",
    "driftline_late_rows_total": "counter",
    "driftline_requests_total": "counter",
    "driftline_ingest_duration_seconds_bucket": "histogram",
    "driftline_commit_duration_seconds_bucket": "histogram",
    "driftline_step_duration_seconds_bucket": "histogram",
    "driftline_step_runs_total": "counter",
    "driftline_step_last_success_timestamp_seconds": "gauge",
    "driftline_queue_bytes": "gauge",
    "driftline_queue_limit_bytes": "gauge",
}
GAUGES = frozenset(FAMILIES) | {name for name, kind in OWN.items() if kind == "gauge"}
COUNTED = frozenset(OWN) - GAUGES


def shared(family: str, *, by: str = "", where: str = "", at_end: bool = False) -> str:
    """The largest value of a gauge among the processes, by labels; ``at_end``: at the end of the range shown.

    >>> shared("driftline_model_stale", by="model, version")
    'max by (model, version) (driftline_model_stale)'
    """
    return f"max{_by(family, GAUGES, by)} ({_selector(family, where)}{' @ end()' if at_end else ''})"


def added(family: str, *, by: str = "", where: str = "", at_end: bool = False) -> str:
    """The rate per second of a counter over all processes, by labels.

    >>> added("driftline_requests_total", by="code", where='route!=""')
    'sum by (code) (rate(driftline_requests_total{route!=""}[$__rate_interval]))'
    """
    end = " @ end()" if at_end else ""
    return f"sum{_by(family, COUNTED, by)} (rate({_selector(family, where)}[$__rate_interval]{end}))"


def quantile(q: float, family: str, *, by: str = "", where: str = "") -> str:
    """The quantile of a histogram over all processes, in its unit."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {added(f'{family}_bucket', by=labels, where=where)})"


def _by(family: str, known: frozenset[str], by: str) -> str:
    if family not in known:
        raise ValueError(f"metric {family!r} is not among the {len(known)} of its kind; see docs/metrics.md")
    return f" by ({by})" if by else ""


def _selector(family: str, where: str) -> str:
    return f"{family}{{{where}}}" if where else family
