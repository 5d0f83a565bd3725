"""The metrics that users' dashboards and rules are written to: their names, their labels, what those may say."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families as read

OF_CHECK = "model version segment check"
OF_COLUMN = "model version segment column metric"
OF_RESULT = "model version segment metric kind"
LABELS = {
    "driftline_check_failing": f"{OF_CHECK} severity",
    "driftline_check_unknown": f"{OF_CHECK} reason",
    "driftline_check_columns_failing": OF_CHECK,
    "driftline_column_status": f"{OF_CHECK} column",
    "driftline_drift_score": OF_COLUMN,
    "driftline_drift_threshold": OF_COLUMN,
    "driftline_columns_drifted_ratio": "model version segment",
    "driftline_quality_ratio": OF_COLUMN,
    "driftline_performance": OF_RESULT,
    "driftline_performance_lower": OF_RESULT,
    "driftline_performance_upper": OF_RESULT,
    "driftline_performance_reference": "model version segment metric",
    "driftline_label_coverage_ratio": "model version segment",
    "driftline_labels_unmatched": "model",
    "driftline_window_rows": "model version segment",
    "driftline_window_start_timestamp_seconds": "model version",
    "driftline_window_end_timestamp_seconds": "model version",
    "driftline_model_stale": "model version",
    "driftline_model_info": "model version team task state",
    "driftline_records_total": "model version result",
    "driftline_records_deduplicated_total": "model version",
    "driftline_late_rows_total": "model version",
    "driftline_requests_total": "route code",
    "driftline_ingest_duration_seconds_bucket": "le",
    "driftline_commit_duration_seconds_bucket": "le",
    "driftline_queue_bytes": "",
    "driftline_queue_limit_bytes": "",
    "driftline_unfolded_rows": "",
    "driftline_disk_free_bytes": "",
    "driftline_step_runs_total": "step outcome",
    "driftline_step_last_success_timestamp_seconds": "step",
    "driftline_step_duration_seconds_bucket": "step le",
    "driftline_windows_missed": "",
    "driftline_series_dropped": "",
    "driftline_build_info": "version database public_url",
}
# What a later release brings: not exported before it means anything.
LATER = {"driftline_actions": "actions"}
STEPS = {"fold", "join", "evaluate", "verdict", "compact", "retention"}  # and outbox, with actions
WORDS = {
    ("driftline_check_failing", "severity"): {"warning", "critical"},
    ("driftline_performance", "kind"): {"realised", "estimated"},
    ("driftline_records_total", "result"): {"stored", "quarantined", "duplicate", "rejected"},
    ("driftline_quality_ratio", "metric"): {"missing", "invalid", "unseen", "out_of_range"},
    ("driftline_step_runs_total", "step"): STEPS,
    ("driftline_step_runs_total", "outcome"): {"done", "failed", "lost"},
    ("driftline_step_last_success_timestamp_seconds", "step"): STEPS,
    ("driftline_step_duration_seconds_count", "step"): STEPS,
}
# What the fleet of the test does not do, so that the word is not there.
UNSEEN = {
    ("driftline_check_failing", "severity"): {"critical"},
    ("driftline_records_total", "result"): {"duplicate"},
    ("driftline_step_runs_total", "outcome"): {"failed", "lost"},
}


def labels_of(page: str) -> dict[str, set[str]]:
    """The labels of each name of a page in the text format; one that has others in another place is an error."""
    found: dict[str, set[str]] = {}
    for family in read(page):
        for sample in family.samples:
            assert found.setdefault(sample.name, set(sample.labels)) == set(sample.labels), sample
    return found


def words_of(page: str, *, name: str, label: str) -> set[str]:
    """What the label of that name says on the page."""
    lines = [line for line in page.splitlines() if line.startswith(f"{name}{{")]
    return {match[1] for line in lines if (match := re.search(rf'[{{,]{label}="([^"]*)"', line))}
