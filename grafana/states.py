"""What the colours say: states of versions, verdicts of columns, shares."""

from __future__ import annotations

from grafana.board import Scale
from grafana.metrics import shared

OK, UNDECIDED, STALE, WARNING, CRITICAL = range(5)
STATE = Scale(
    words=(
        (OK, "ok", "green"), (UNDECIDED, "undecided", "purple"), (STALE, "stale", "blue"),
        (WARNING, "warning", "orange"), (CRITICAL, "critical", "red"),
    )
)  # fmt: skip
COLUMN_STATUS = Scale(
    words=((0, "ok", "green"), (1, "warning", "orange"), (2, "alert", "red"), (3, "unknown", "purple"))
)
PLAIN = Scale(steps=((None, "green"),))
ANY_IS_BAD = Scale(steps=((None, "green"), (1, "red")))
OF_THRESHOLD = Scale(steps=((None, "green"), (0.7, "yellow"), (1, "red")))
SHARE_IS_BAD = Scale(steps=((None, "green"), (0.1, "orange"), (0.3, "red")))
COVERAGE = Scale(steps=((None, "red"), (0.5, "orange"), (0.8, "green")))


def state(*, by: str, where: str = "", at_end: bool = False) -> str:
    """The state of versions (or of their checks, where ``by`` says so): the worst of what is known of them.

    Severity is of alert rules: a check that fails at ``critical`` is 4, one that fails at ``warning`` 3.
    """
    model = f"{where}," if where else ""

    def failing(severity: str) -> str:
        wanted = f'{model}severity="{severity}"'
        return shared("driftline_check_failing", by=f"{by}, severity", where=wanted, at_end=at_end)

    parts = [f"{CRITICAL} * {failing('critical')}", f"{WARNING} * {failing('warning')}"]
    if "check" not in by:
        parts.append(f"{STALE} * {shared('driftline_model_stale', by=by, where=where, at_end=at_end)}")
    parts.append(f"{UNDECIDED} * {shared('driftline_check_unknown', by=f'{by}, reason', where=where, at_end=at_end)}")
    return f"max by ({by}) ({' or '.join(parts)})"
