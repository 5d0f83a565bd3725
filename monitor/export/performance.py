"""A version's performance on the page: realised of the newest window whose labels were due, estimated of the newest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from monitor.export.families import labels
from monitor.model.checks import LABELLED_KINDS
from monitor.model.results import ResultRow

Sample = tuple[str, str, float]  # (family, labels behind the version's, value)
COVERAGE = "label_coverage"
_KINDS = {"performance": "realised", "estimate": "estimated"}


def with_labelled(newest: Sequence[ResultRow], *, labelled: Sequence[ResultRow] | None) -> list[ResultRow]:
    """The rows to show: those that labels decide from the window that was judged by them, where there is one."""
    if labelled is None:
        return list(newest)
    kept = [row for row in newest if row.kind not in LABELLED_KINDS]
    return kept + [row for row in labelled if row.kind in LABELLED_KINDS]


def performance_samples(rows: Iterable[ResultRow]) -> tuple[Sample, ...]:
    """The samples of performance among a result's rows."""
    return tuple(sample for row in rows for sample in _samples(row))


def _samples(row: ResultRow) -> Iterator[Sample]:
    if row.kind not in _KINDS or row.value is None:
        return
    if row.metric == COVERAGE:
        yield "driftline_label_coverage_ratio", labels(segment=row.segment), row.value
        return
    text = labels(segment=row.segment, metric=row.metric, kind=_KINDS[row.kind])
    yield "driftline_performance", text, row.value
    for family, bound in (("driftline_performance_lower", row.lower), ("driftline_performance_upper", row.upper)):
        if bound is not None:
            yield family, text, bound
    reference = row.method.get("reference")
    if row.kind == "performance" and reference is not None:
        yield "driftline_performance_reference", labels(segment=row.segment, metric=row.metric), reference
