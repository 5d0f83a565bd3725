"""The model series of the page: which there are, and how one of them is written as a line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from monitor.model.results import SEVERITY_ORDER

# Every family of the cached part, in the order of the page. All are gauges, so that one text serves the Prometheus
# text format and OpenMetrics alike.
FAMILIES: dict[str, str] = {
    "driftline_model_info": "Always 1: team, task and state of a version, to join on",
    "driftline_model_stale": "1 while the newest window is older than the model's stale_after",
    "driftline_window_rows": "Rows of the newest judged window",
    "driftline_window_start_timestamp_seconds": "Start of the newest judged window",
    "driftline_window_end_timestamp_seconds": "End of the newest judged window",
    "driftline_check_failing": "1 while the check is at that severity or above",
    "driftline_check_unknown": "1 while the newest window could not be decided",
    "driftline_check_silenced": "1 while a silence or a snooze holds back what the check found: nobody is to be told",
    "driftline_check_unknown_silenced": "1 while a silence holds back, too, that the check cannot be decided",
    "driftline_model_silenced": "1 while a silence holds back everything of the version",
    "driftline_check_columns_failing": "How many columns are behind the check's verdict",
    "driftline_columns_drifted_ratio": "Share of judged columns that have drifted, 0 to 1",
    "driftline_column_status": "0 ok, 1 warning, 2 alert, 3 unknown",
    "driftline_column_evidence_ratio": "Share of a failing check's evidence that the column gave, 0 to 1; which way",
    "driftline_column_rarity_seconds": "How often healthy traffic goes as far as the column; at_least: as can be told",
    "driftline_drift_score": "Drift of the newest judged window, by metric",
    "driftline_drift_threshold": "What the drift score of that metric is held against",
    "driftline_quality_ratio": "Share of rows, 0 to 1, by metric: missing, invalid, unseen, out_of_range",
    "driftline_performance": "Performance by metric: realised of labels, or estimated, which assumes no concept drift",
    "driftline_performance_lower": "Lower end of its 95 % interval",
    "driftline_performance_upper": "Upper end of its 95 % interval",
    "driftline_performance_reference": "The reference's own value of that metric",
    "driftline_label_coverage_ratio": "Share of the window's records that have a label, 0 to 1",
    "driftline_label_coverage_required_ratio": "The model's labels.min_coverage: below it nothing is decided by labels",
    "driftline_labels_unmatched": "Labels of the model that are in no record so far",
    "driftline_labels_waiting": "Labels of the model that are stored and not yet joined",
    "driftline_unfolded_rows": "Rows stored and not yet profiled",
    "driftline_windows_missed": "Windows that could not be computed",
    "driftline_series_dropped": "Model series left out of this page by MAX_SERIES",
    "driftline_disk_free_bytes": "Free space where the data directory is",
    "driftline_build_info": "Always 1: version, database and public address of this process",
}

STATUS_VALUE: Mapping[str, int] = SEVERITY_ORDER

# Control characters (NUL ends a line for Prometheus' lexer) and lone surrogates, which have no UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_NEEDS_CARE = re.compile('[\x00-\x1f\x7f-\x9f\ud800-\udfff"\\\\]')


def escape_label(value: str) -> str:
    r"""The text between the quotes of a label: escaped, and with what no scraper reads shown as U+FFFD.

    Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (``\\``, ``\"`` and ``\n``).

    >>> escape_label('say "hi"\n')
    'say \\"hi\\"\\n'
    >>> escape_label("lone \ud800") == "lone \ufffd"
    True
    """
    if _NEEDS_CARE.search(value) is None:
        return value
    plain = _UNPRINTABLE.sub("\ufffd", value)
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def labels(**values: str) -> str:
    """Labels in the order given, ready for braces.

    >>> labels(model="churn", version="1")
    'model="churn",version="1"'
    """
    return ",".join(f'{name}="{escape_label(value)}"' for name, value in values.items())


def without_credentials(address: str) -> str:
    """A web address fit for a label, which everybody who reads metrics sees: without user and password.

    >>> without_credentials("https://ops:secret@drift.example.org/driftline")
    'https://drift.example.org/driftline'
    """
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def number(value: float) -> str:
    """A sample's value as both formats read it: whole numbers without a fraction.

    >>> number(2.0), number(0.25), number(1e-9), number(float("inf"))
    ('2', '0.25', '1e-09', '+Inf')
    """
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
