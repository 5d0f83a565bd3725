"""``driftline check``: two files held against each other, without a server."""

from __future__ import annotations

import sys
import traceback
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.asked import Asked, asked_of
from monitor.cli.options import Items, with_roles
from monitor.cli.output import cell, print_json, print_table
from monitor.columns.roles import Roles
from monitor.model.errors import DriftlineError, NotAvailableYet
from monitor.model.results import CheckVerdict, ResultRow

if TYPE_CHECKING:
    from monitor.compare.report import Report

ERROR, UNDECIDED = 2, 3
_COLUMNS = ("column", "metric", "value", "threshold", "p_value", "rows", "status", "reason")
_SHOWN_KINDS = ("performance", "estimate", "concept_drift")
_SHOWN_METRICS = ("surprise", "psi", "missing", "invalid", "unseen", "rows", "columns")


@with_roles
def check(
    reference: Annotated[Path, typer.Option(help="Parquet, CSV, NDJSON, Arrow or .dlp: what is held as healthy")],
    current: Annotated[Path, typer.Option(help="the same kinds of file: what is held against it")],
    roles: Items,
    window: Annotated[str | None, typer.Option(help="judge every window of current, such as 1h or 1d")] = None,
    checks: Annotated[Path | None, typer.Option(help="JSON file with the checks (docs/configuration.md)")] = None,
    config: Annotated[str | None, typer.Option(help="model file or folder: its checks and segments")] = None,
    model: Annotated[str | None, typer.Option(help="which model of --config, where there are several")] = None,
    false_alarms: Annotated[str, typer.Option(help="the budget")] = "1 per 100 runs",
    min_rows: Annotated[int, typer.Option(help="rows below which a check says unknown")] = 50,
    fail_on: Annotated[str, typer.Option(help="alert, warning or unknown: what ends with 1")] = "alert",
    as_json: Annotated[bool, typer.Option("--json", help="print results and summary as JSON and nothing else")] = False,
    html: Annotated[Path | None, typer.Option(help="write the page of a comparison (a later release)")] = None,
) -> None:
    """Holds a file against a reference and prints the drift table.

    Ends with 0 if something was decided and nothing reached --fail-on, 1 if it did, 2 for an error, 3 if nothing could
    be decided.

    Example: driftline check --reference january.parquet --current february.parquet --timestamp at --window 1d
    """
    try:
        if html is not None:
            raise NotAvailableYet("--html is not available yet: use --json or the table")
        asked = asked_of(checks=checks, config=config, model=model, items=roles)
        code = _run(reference, current, items=roles, window=window, asked=asked, false_alarms=false_alarms,
                    min_rows=min_rows, fail_on=fail_on, as_json=as_json)  # fmt: skip
    except DriftlineError as error:
        sys.stderr.write(f"error: {error.detail}\n")
        raise typer.Exit(ERROR) from None
    except BrokenPipeError:
        raise
    except Exception:  # a fault of ours must not read as drift: 1 says that something was found
        traceback.print_exc()
        raise typer.Exit(ERROR) from None
    raise typer.Exit(code)


def _run(
    reference: Path, current: Path, *, items: Items, window: str | None, asked: Asked, false_alarms: str,
    min_rows: int, fail_on: str, as_json: bool,
) -> int:  # fmt: skip
    from monitor.compare.checking import compare_sides
    from monitor.compare.report import known_level

    known_level(fail_on)
    report = compare_sides(
        reference, current, roles=roles_given(items), window=window, checks=asked.checks, segments=asked.segments,
        everywhere=asked.everywhere, false_alarms=false_alarms, min_rows=min_rows,
    )  # fmt: skip
    if as_json:
        print_json(report.to_dict())
    else:
        print_report(report)
    for note in report.notes:
        sys.stderr.write(f"note: {note}\n")
    return exit_code(report, fail_on=fail_on)


def exit_code(report: Report, *, fail_on: str) -> int:
    """0, 1 or 3, see ``check``."""
    if report.reached(fail_on):
        return 1
    return 0 if report.decided else UNDECIDED


def roles_given(items: Items) -> Roles:
    """The roles of the options."""
    return Roles.from_query(items)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def print_report(report: Report) -> None:
    """Prints the drift table: the deciding rows and psi of every column, a table a window, and the summary.

    Of segments only what is in warning or alert: a table of all of them would hide it.
    """
    columns = ("segment", *_COLUMNS) if report.segments else _COLUMNS
    for window in report.windows:
        if window.start_us is not None:
            sys.stdout.write(f"{report.window_title(window)}\n")
        print_table(
            (
                {name: getattr(row, name) for name in columns}
                | {"column": row.column or "(all)", "value": _whole(row.value) if row.metric == "rows" else row.value}
                for row in window.rows
                if _is_shown(row)
            ),
            columns=columns,
        )
        _print_verdicts(window.verdicts)
        sys.stdout.write("\n")
    summary = report.to_dict()["summary"]
    cut = f"{summary['segments_in_alert']} of {summary['segments']} segments, " if report.segments else ""
    sys.stdout.write(
        f"{summary['status']}: {summary['columns_in_alert']} of {summary['columns']} columns in alert, {cut}"
        f"{summary['rows']:,} rows against {summary['reference_rows']:,}\n"
    )


def _is_shown(row: ResultRow) -> bool:
    if row.segment:
        return row.status in ("warning", "alert")
    return row.metric in _SHOWN_METRICS or row.kind in _SHOWN_KINDS or row.status == "alert"


def _print_verdicts(verdicts: Iterable[CheckVerdict]) -> None:
    """A line for each verdict of all traffic, and for each of a segment that is not ok; the others are counted."""
    fine: Counter[str] = Counter()
    for verdict in verdicts:
        if verdict.segment and verdict.status == "ok":
            fine[verdict.check] += 1
            continue
        why = f" ({verdict.reason}, {verdict.rows:,} of {verdict.needs:,})" if verdict.needs else (
            f" ({verdict.reason})" if verdict.reason else ""
        )  # fmt: skip
        where = f" in {cell(verdict.segment)}" if verdict.segment else ""
        sys.stdout.write(f"{verdict.check}{where}: {verdict.status}{why}\n")
    for check, count in fine.items():
        sys.stdout.write(f"{check}: ok in {count} segment{'s' if count > 1 else ''}\n")
