"""What the report counts, and how it reads."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime

import httpx
import pytest
from rich.console import Console

from monitor.demo.calendar import calendar_for
from monitor.demo.findings import Auc, findings_of, read, windows_by_state
from monitor.demo.screen import Screen

CALENDAR = calendar_for(datetime(2026, 11, 24, tzinfo=UTC))  # 690 weeks


def row(day: date, column: str = "temp", status: str = "ok", **more) -> dict:
    start = datetime.combine(CALENDAR.shifted(day), datetime.min.time(), tzinfo=UTC).replace(hour=5)
    known = {"check": "drift", "kind": "drift", "metric": "surprise", "window_start": start.isoformat(), "method": {}}
    return {**known, "column": column, "status": status, **more}


ROWS = [
    row(date(2013, 3, 1), "", "ok"),
    row(date(2013, 3, 1)),
    row(date(2013, 3, 2), "", "unknown"),
    row(date(2013, 7, 1), "", "alert"),
    row(date(2013, 7, 1), "temp", "alert"),
    row(date(2013, 7, 1), "temp", "alert", metric="out_of_range"),
    row(date(2013, 7, 2), "temp", "alert"),
    row(date(2013, 7, 2), "dest", "warning"),
    row(date(2013, 7, 2), "dest", "alert", check="unseen", kind="quality"),
    row(date(2013, 7, 2), "carrier"),
]


def test_days_in_alarm_are_counted_once_by_check_column_and_month():
    findings = findings_of(ROWS, calendar=CALENDAR)
    assert findings.days == {(2013, 3): 2, (2013, 7): 2}
    assert findings.judged == {(2013, 3): 1, (2013, 7): 1}
    assert findings.in_alarm == {("drift", ""): {(2013, 7): 1}, ("drift", "temp"): {(2013, 7): 2},
                                 ("unseen", "dest"): {(2013, 7): 1}}  # fmt: skip
    assert findings.columns == ("temp", "dest", "carrier")
    assert findings.quiet == ("carrier",)


def test_the_report_says_which_columns_when_which_not_and_where_to_look():
    written = io.StringIO()
    alert = {
        "check": "drift",
        "status": "alert",
        "window_start": "2026-11-21T05:00:00Z",
        "columns": [{"column": "temp"}],
        "explanation": "`temp`: above everything in the reference in 100 % of rows.",
    }
    screen = Screen(Console(file=written, width=120))
    screen.report(findings_of(ROWS, calendar=CALENDAR), alerts=[alert], url="http://127.0.0.1:8000")
    text = written.getvalue()
    lines = [line.replace("│", " ").split() for line in text.splitlines()]
    assert ["drift", "the", "model", "·", "1"] in lines
    assert ["drift", "temp", "·", "2"] in lines
    assert "Never in alarm: carrier." in text
    assert "Firing now: drift (alert) since the window of 2026-11-21: temp" in text
    assert f"Why? {alert['explanation']}" in text
    for place in ("/docs", "/metrics", "/api/v1/models/flights/versions/1/results"):
        assert f"http://127.0.0.1:8000{place}" in text
    assert "\x1b" not in text


def test_a_list_is_read_to_its_last_page():
    pages = {None: {"results": [1, 2], "next": "b"}, "b": {"results": [3], "next": None}}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=pages[request.url.params.get("cursor")]))
    with httpx.Client(base_url="http://demo", transport=transport) as client:
        assert read(client, "/x") == [1, 2, 3]


def test_windows_are_counted_by_state():
    assert windows_by_state([{"state": "closed"}, {"state": "gap"}, {"state": "closed"}]) == {"closed": 2, "gap": 1}


def test_the_model_is_worth_the_mean_of_its_days_by_month_weighed_by_their_rows():
    auc = {"metric": "roc_auc", "rows": 100}
    rows = [
        row(date(2013, 3, 1), "", kind="performance", value=0.7, method={"reference": 0.72}, **auc),
        row(date(2013, 3, 2), "", kind="performance", value=0.6, **(auc | {"rows": 300})),
        row(date(2013, 3, 2), "", kind="estimate", value=0.65, **auc),
        row(date(2013, 3, 2), "", kind="performance", metric="label_coverage", value=0.5, rows=400),
        row(date(2013, 4, 1), "", kind="estimate", value=0.66, **auc),
    ]
    findings = findings_of(rows, calendar=CALENDAR)
    assert findings.auc == {
        (2013, 3): Auc(estimated=0.65, realised=pytest.approx(0.625), coverage=0.5),
        (2013, 4): Auc(estimated=0.66, realised=None, coverage=0.0),
    }
    assert findings.reference_auc == 0.72
    written = io.StringIO()
    Screen(Console(file=written, width=120)).report(findings, alerts=[], url="http://127.0.0.1:8000")
    lines = [line.replace("│", " ").split() for line in written.getvalue().splitlines()]
    assert ["realised", "0.720", "0.625", "–"] in lines
    assert ["label", "coverage", "50%", "0%"] in lines
