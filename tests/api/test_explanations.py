"""Why an alert fired, over HTTP, from what is stored of its window."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from monitor.cli import build
from monitor.model.time import HOUR_US, MINUTE_US, rfc3339
from tests.api.tables import ARROW, PARQUET, arrow_of, hour, parquet_of

M = "/api/v1/models/churn"
V = M + "/versions/42"
HOURS, JUDGED, DRIFTED, ROWS = 48, 7, 2, 400


@pytest.fixture
def alarmed(churn, clock, tick):
    """A version with a reference of two days and seven judged hours behind them, the last two of them drifted.

    ``ages`` are the raw values by window, ``own`` those of the reference.
    """
    rng = np.random.default_rng(6)
    assert churn.put(M, json={"false_alarms": "1 per 2 days"}).status_code == 200
    begin = clock.now_us - clock.now_us % HOUR_US
    churn.starts = [begin + k * HOUR_US for k in range(JUDGED)]
    past = [hour(rng, start_us=begin - k * HOUR_US, rows=ROWS) for k in range(HOURS, 0, -1)]
    churn.own = np.concatenate([table["age"].to_numpy() for table in past])
    set_reference(churn, parquet_of(*past))
    churn.ages = []
    for position, start_us in enumerate(churn.starts):
        clock.now_us = start_us + 59 * MINUTE_US
        shift = 25.0 if position >= JUDGED - DRIFTED else 0.0
        churn.ages.append(send(churn, hour(rng, start_us=start_us, rows=ROWS, shift=shift)))
        clock.now_us = start_us + HOUR_US + 6 * MINUTE_US
        tick()
    return churn


def set_reference(client, content):
    roles = {"timestamp": "at", "score": "score"}
    assert client.put(V + "/reference", content=content, headers=PARQUET, params=roles).status_code == 201


def send(client, table):
    sent = client.post(V + "/predictions", content=arrow_of(table), headers=ARROW, params={"timestamp": "at"})
    assert sent.json()["stored"] == len(table), sent.text[:300]
    return table["age"].to_numpy()


def firing(client):
    """The drift alert, explained."""
    (alert,) = client.get("/api/v1/alerts", params={"state": "firing"}).json()["results"]
    return client.get(f"/api/v1/alerts/{alert['id']}").json()


def explain(client, start_us, **asked):
    return client.post(V + "/explain", json={"start": rfc3339(start_us), **asked})


def test_an_alert_says_which_column_which_way_since_when_and_how_unusual(alarmed):
    alert = firing(alarmed)
    (age,) = alert["why"]["columns"]
    first = JUDGED - DRIFTED
    assert (alert["check"], age["column"], age["share"]) == ("drift", "age", 1.0)
    assert age["direction"] == {"kind": "location", "change": "higher"}
    assert (age["value"], age["threshold"]) == (alert["value"], alert["threshold"])
    median = age["facts"][0]
    assert (median["measure"], median["current"]) == ("median", pytest.approx(np.median(alarmed.ages[first]), abs=0.5))
    assert median["reference"] == pytest.approx(np.median(alarmed.own), abs=0.1)
    outside = np.mean(alarmed.ages[first] > alarmed.own.max())
    assert age["facts"][1]["current"] == pytest.approx(outside)
    assert age["since"]["window_start"] == rfc3339(alarmed.starts[first])
    assert alert["why"]["rarity"] == {
        "kind": "rarer_than", "once_in_seconds": HOURS * 3_600, "healthy_windows": HOURS,
        "words": "rarer than once in 2 days, which is as far as 48 healthy windows can tell",
    }  # fmt: skip
    assert (alert["why"]["revision"], alert["why"]["reference"]) == (1, 1)
    assert alert["explanation"].startswith(
        f"drift is in alert in the window of 2026-03-02 17:00 UTC, {ROWS} rows: 1 of 3 columns. `age`: higher: median "
    )
    assert alert["explanation"].endswith("False alarms are budgeted at 1 per 2 days.")


def test_the_result_row_of_a_failing_column_says_why_in_its_method(alarmed):
    params = {"column": "age", "metric": "surprise", "latest": "true"}
    (row,) = alarmed.get(V + "/results", params=params).json()["results"]
    assert row["method"]["why"] == {
        "evidence": 1.0, "way": "higher", "once_in_seconds": HOURS * 3_600, "bound": True,
    }  # fmt: skip


def test_any_judged_window_is_explained_in_the_same_shape(alarmed):
    alert = firing(alarmed)
    same = explain(alarmed, alarmed.starts[JUDGED - DRIFTED]).json()
    shared = ("model", "version", "check", "kind", "segment", "status", "window_start", "window_end", "explanation",
              "why")  # fmt: skip
    assert same == {name: alert[name] for name in shared}
    within = explain(alarmed, alarmed.starts[JUDGED - DRIFTED] + 17 * MINUTE_US).json()
    assert within == same
    later = explain(alarmed, alarmed.starts[-1], check="drift", column="age").json()
    assert later["why"]["columns"][0]["since"]["window_start"] == rfc3339(alarmed.starts[JUDGED - DRIFTED])
    healthy = explain(alarmed, alarmed.starts[0], check="missing").json()
    assert (healthy["status"], healthy["why"]["columns_failing"]) == ("ok", 0)


def test_late_rows_revise_the_explanation(alarmed, clock, tick):
    before = firing(alarmed)
    rng = np.random.default_rng(8)
    start_us = alarmed.starts[JUDGED - DRIFTED]
    late = send(alarmed, hour(rng, start_us=start_us, rows=1_200))
    for _ in range(2):
        clock.now_us += MINUTE_US
        tick()
    after = alarmed.get(f"/api/v1/alerts/{before['id']}").json()
    together = np.concatenate([alarmed.ages[JUDGED - DRIFTED], late])
    (age,) = after["why"]["columns"]
    assert (after["why"]["revision"], after["why"]["rows"]) == (2, len(together))
    fact = next(fact for fact in age["facts"] if fact["measure"] == "share above the range")
    assert fact["current"] == pytest.approx(np.mean(together > alarmed.own.max()))


def test_a_window_is_explained_by_the_reference_that_judged_it(alarmed):
    before = firing(alarmed)
    rng = np.random.default_rng(9)
    begin = alarmed.starts[0]
    other = [hour(rng, start_us=begin - k * HOUR_US, rows=ROWS, shift=25.0) for k in range(HOURS, 0, -1)]
    set_reference(alarmed, parquet_of(*other))
    after = alarmed.get(f"/api/v1/alerts/{before['id']}").json()
    assert (after["why"], after["explanation"]) == (before["why"], before["explanation"])
    assert alarmed.get(V + "/reference").json()["reference"] == 2


def test_the_list_has_the_words_too_and_late_rows_revise_them(alarmed, clock, tick):
    """All but since when, which asking for the alert adds."""

    def words():
        (alert,) = alarmed.get("/api/v1/alerts", params={"state": "firing"}).json()["results"]
        return alert["explanation"]

    asked = firing(alarmed)["explanation"]
    assert words() == re.sub(r", (first in this window|since [^.]*)(?=\.)", "", asked)
    start_us = alarmed.starts[JUDGED - DRIFTED]
    send(alarmed, hour(np.random.default_rng(8), start_us=start_us, rows=1_200))
    for _ in range(2):
        clock.now_us += MINUTE_US
        tick()
    assert ", 1,600 rows: " in words()


def test_an_alert_whose_window_is_judged_otherwise_since_says_so(alarmed, clock, tick):
    before = firing(alarmed)
    assert alarmed.put(M, json={"min_effect": 1_000.0}).status_code == 200
    span = {"from": before["window_start"], "to": before["window_end"]}
    assert alarmed.post(V + "/evaluate", params=span).status_code == 202
    for _ in range(2):
        clock.now_us += MINUTE_US
        tick()
    after = alarmed.get(f"/api/v1/alerts/{before['id']}").json()
    assert (before["status"], after["status"], after["why"]["status"], after["why"]["revision"]) == (
        "alert", "alert", "ok", 2,
    )  # fmt: skip
    assert after["explanation"].startswith("Judged again since (revision 2): drift is ok in the window of ")


def test_a_check_that_was_taken_away_leaves_the_words_it_ended_with(alarmed, clock, tick):
    before = firing(alarmed)
    assert alarmed.put(M, json={"checks": [{"name": "volume", "kind": "volume"}]}).status_code == 200
    start_us = alarmed.starts[-1] + HOUR_US
    clock.now_us = start_us + 59 * MINUTE_US
    send(alarmed, hour(np.random.default_rng(8), start_us=start_us, rows=ROWS))
    clock.now_us = start_us + HOUR_US + 6 * MINUTE_US
    tick()
    (ended, *_) = alarmed.get("/api/v1/alerts").json()["results"]
    shown = alarmed.get(f"/api/v1/alerts/{ended['id']}").json()
    assert (shown["status"], shown["explanation"], shown["why"]) == (
        "ok",
        "drift is no longer a check of the model",
        None,
    )
    still = alarmed.get(f"/api/v1/alerts/{before['id']}").json()
    assert still["why"]["columns"] == before["why"]["columns"]


def test_the_command_line_explains_the_newest_window_or_another(alarmed, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_URL", str(alarmed.base_url).rstrip("/"))

    def run(word, *options, of=("churn", "42")):
        done = CliRunner().invoke(build(), [word, *of, *options], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    start = rfc3339(alarmed.starts[JUDGED - DRIFTED])
    newest, that = run("explain"), run("explain", "--at", start)
    assert newest.startswith("drift is in alert in the window of 2026-03-02 18:00 UTC")
    assert that.splitlines()[0] == firing(alarmed)["explanation"]
    head, line = (text.split() for text in that.splitlines()[-2:])
    assert head == ["column", "status", "evidence", "what", "since"]
    assert (line[:4], line[-1]) == (["age", "alert", "100", "%"], start)
    assert json.loads(run("explain", "--at", start, "--json"))["why"] == firing(alarmed)["why"]
    assert "`age`: higher: median " in run("status")
    shown = run("alerts", of=("get", firing(alarmed)["id"]))
    assert shown.splitlines()[-4:] == that.splitlines()[-4:]
    assert '"why"' not in shown


def test_what_cannot_be_explained_says_why(alarmed):
    start = rfc3339(alarmed.starts[-1])
    for asked, status, words in [
        ({"start": start, "check": "drfit"}, 404, "did you mean 'drift'"),
        ({"start": start, "column": "agee"}, 404, "did you mean 'age'"),
        ({"start": "2020-01-01T00:00:00Z"}, 404, "was not judged"),
        ({"start": "yesterday"}, 422, "is not a time"),
        ({"check": "drift"}, 422, "explain.start"),
        ({"start": start, "chek": "drift"}, 422, "did you mean 'check'"),
        ({"start": start, "check": 7}, 422, "expected a text"),
    ]:  # fmt: skip
        answer = alarmed.post(V + "/explain", json=asked)
        assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
