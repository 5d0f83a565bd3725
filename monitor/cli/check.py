"""``driftline check``: two files held against each other, without a server."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.options import Items, with_roles
from monitor.cli.output import print_json, print_table
from monitor.columns.roles import Roles
from monitor.model.errors import DriftlineError, InvalidInput, NotAvailableYet

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
        code = _run(reference, current, items=roles, window=window, checks=checks, false_alarms=false_alarms,
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
    reference: Path, current: Path, *, items: Items, window: str | None, checks: Path | None, false_alarms: str,
    min_rows: int, fail_on: str, as_json: bool,
) -> int:  # fmt: skip
    from monitor.compare.checking import compare_sides
    from monitor.compare.report import known_level

    known_level(fail_on)
    roles = roles_given(items)
    shapes = None if checks is None else read_checks(checks)
    report = compare_sides(
        reference, current, roles=roles, window=window, checks=shapes, false_alarms=false_alarms, min_rows=min_rows
    )
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
    """The roles of the options; segments are refused until they are judged."""
    roles = Roles.from_query(items)
    if roles.segment:
        raise NotAvailableYet("--segment is not available yet: check each slice as a file of its own")
    return roles


def read_checks(path: Path) -> list[Any]:
    """The check shapes of a JSON file: a list, or an object with ``checks``."""
    try:
        shape = json.loads(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"--checks {path}: {error.strerror}") from None
    except ValueError as error:
        raise InvalidInput(f"--checks {path} is not JSON: {error}") from None
    if isinstance(shape, dict):
        shape = shape.get("checks")
    if not isinstance(shape, list):
        raise InvalidInput(f'--checks {path}: expected a list of checks, or {{"checks": [...]}}')
    return shape


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def print_report(report: Report) -> None:
    """Prints the drift table: the deciding rows and psi of every column, a table a window, and the summary."""
    for window in report.windows:
        if window.start_us is not None:
            sys.stdout.write(f"{report.window_title(window)}\n")
        print_table(
            (
                {name: getattr(row, name) for name in _COLUMNS}
                | {"column": row.column or "(all)", "value": _whole(row.value) if row.metric == "rows" else row.value}
                for row in window.rows
                if row.metric in _SHOWN_METRICS or row.kind in _SHOWN_KINDS or row.status == "alert"
            ),
            columns=_COLUMNS,
        )
        for verdict in window.verdicts:
            why = f" ({verdict.reason}, {verdict.rows:,} of {verdict.needs:,})" if verdict.needs else (
                f" ({verdict.reason})" if verdict.reason else ""
            )  # fmt: skip
            sys.stdout.write(f"{verdict.check}: {verdict.status}{why}\n")
        sys.stdout.write("\n")
    summary = report.to_dict()["summary"]
    sys.stdout.write(
        f"{summary['status']}: {summary['columns_in_alert']} of {summary['columns']} columns in alert, "
        f"{summary['rows']:,} rows against {summary['reference_rows']:,}\n"
    )
