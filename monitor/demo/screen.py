"""What the demo shows: steps and a progress bar, then which columns drifted when. Plain where it is not a terminal."""

from __future__ import annotations

import calendar as names
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from monitor.demo.findings import Findings, Month, day_of
from monitor.demo.serving import MODEL, VERSION


class Screen:
    """Writes to the terminal, or plain lines to a file or pipe."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    def step(self, text: str) -> None:
        """One line: what has been done or is being done."""
        self.console.print(text, markup=False, soft_wrap=True)

    def reference(self, answer: Mapping[str, Any], *, status: Mapping[str, Any]) -> None:
        """What the server made of the reference."""
        calibration = status["calibration"]
        self.step(
            f"Reference {answer['reference']}: {answer['rows']:,} rows, {len(answer['schema']['columns'])} columns; "
            f"thresholds {calibration['state']} on its {calibration['windows']} days for one false alarm a month."
        )

    @contextmanager
    def waiting(self, text: str) -> Iterator[Callable[[str], None]]:
        """One line that changes on a terminal, and is written once elsewhere; the block says how far it is."""
        if not self.console.is_terminal:
            self.step(f"{text}.")
            yield lambda _: None
            return
        with self.console.status(text) as status:
            yield lambda so_far: status.update(f"{text}: {so_far}")

    @contextmanager
    def posting(self, days: int) -> Iterator[Posting]:
        """A bar that counts days, or a line a month where there is no terminal."""
        progress = Progress(
            TextColumn("posting {task.fields[day]}"), BarColumn(), MofNCompleteColumn(), TextColumn("days"),
            TextColumn("{task.fields[records]:,} records, {task.fields[judged]} windows judged"), TimeElapsedColumn(),
            console=self.console, disable=not self.console.is_terminal,
        )  # fmt: skip
        with progress:
            yield Posting(self, progress, days=days)

    def report(self, findings: Findings, *, alerts: Sequence[Mapping[str, Any]], url: str) -> None:
        """The table of alarm days, what fires now, and where to look."""
        self.step("\nDays in alarm, by month of the flights:")
        self.console.print(alarm_table(findings))
        self.step(_quiet(findings))
        if findings.auc:
            self.step("\nWhat the model was worth, by month: ROC AUC estimated without labels, and realised with them:")
            self.console.print(worth_table(findings))
        for alert in alerts:
            columns = ", ".join(str(each["column"]) for each in alert["columns"][:5])
            began = f"the window of {day_of(alert['window_start'])}"
            self.step(f"Firing now: {alert['check']} ({alert['status']}) since {began}" + (columns and f": {columns}"))
            self.step(f"Why? {alert['explanation']}")
        if not alerts:
            self.step("Firing now: nothing.")
        self.step(places(url))


class Posting:
    """The progress of posting day by day."""

    def __init__(self, screen: Screen, progress: Progress, *, days: int) -> None:
        self._screen, self._progress = screen, progress
        self._task = progress.add_task("", total=days, day="", records=0, judged=0)
        self._records = 0
        self._month: Month | None = None

    def day(self, day: date, *, records: int) -> None:
        """One day's predictions are stored."""
        self._records += records
        self._progress.update(self._task, advance=1, day=day.isoformat(), records=self._records)
        if not self._screen.console.is_terminal and self._month != (day.year, day.month):
            self._month = day.year, day.month
            self._screen.step(f"  posting {names.month_name[day.month]} {day.year} day by day")

    def judged(self, windows: int) -> None:
        """So many windows have been judged meanwhile."""
        self._progress.update(self._task, judged=windows)


def alarm_table(findings: Findings) -> Table:
    """A row for each check and column that was ever in alarm, a column for each month: days in alarm."""
    table = Table()
    table.add_column("check")
    table.add_column("column")
    for month, days in findings.days.items():
        table.add_column(f"{names.month_abbr[month[1]]}\nof {days}", justify="right")
    for (check, column), by_month in sorted(findings.in_alarm.items(), key=_loudest):
        cells = [cell(by_month.get(month, 0), of=days) for month, days in findings.days.items()]
        table.add_row(escape(check), escape(column) or "[bold]the model[/bold]", *cells)
    return table


def worth_table(findings: Findings) -> Table:
    """A row for the estimate, the realised value and the label coverage, a column for each month."""
    table = Table()
    table.add_column("ROC AUC")
    table.add_column("reference", justify="right")
    for month in findings.auc:
        table.add_column(names.month_abbr[month[1]], justify="right")
    found = findings.auc.values()
    table.add_row("estimated", _two(findings.reference_auc), *(_two(auc.estimated) for auc in found))
    table.add_row("realised", _two(findings.reference_auc), *(_two(auc.realised) for auc in found))
    table.add_row("label coverage", "", *(f"{auc.coverage:.0%}" for auc in found))
    return table


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def cell(days: int, *, of: int) -> str:
    """A count, redder the larger its share of the month.

    >>> cell(0, of=31), cell(3, of=31), cell(30, of=31)
    ('·', '[yellow]3[/yellow]', '[red]30[/red]')
    """
    if days == 0:
        return "·"
    colour = "red" if days * 2 > of else "yellow"
    return f"[{colour}]{days}[/{colour}]"


def places(url: str) -> str:
    """Where to look, while the server runs."""
    version = f"{url}/api/v1/models/{MODEL}/versions/{VERSION}"
    return (
        f"\nWhere to look:\n  {url}/docs\n  {url}/metrics\n"
        f"  {version}/status\n  {version}/results?latest=true\n  {version}/profile?column=temp"
    )


def _loudest(entry: tuple[tuple[str, str], Mapping[Month, int]]) -> tuple[bool, str, int, str]:
    (check, column), by_month = entry
    return column != "", check, -sum(by_month.values()), column


def _quiet(findings: Findings) -> str:
    if not findings.in_alarm:
        return "No column was ever in alarm."
    return (
        f"Never in alarm: {', '.join(findings.quiet)}." if findings.quiet else "Every column was in alarm on some day."
    )
