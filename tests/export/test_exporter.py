"""The page as a whole: from a real database, from a cache, with the process's own series beside it."""

from __future__ import annotations

import shutil
import subprocess
import threading

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from monitor.evaluate.join import Joiner
from monitor.export import Exporter, StoreReader
from monitor.model.entities import Model, Version
from monitor.model.schema import Column, Schema
from monitor.model.time import HOUR_US, SECOND_US
from monitor.store.models import delete_model, insert_model
from monitor.store.results import StoredResult, pack_rows, put_result
from monitor.store.schemas import save_schema
from monitor.store.verdicts import put_states
from monitor.store.versions import insert_version
from monitor.store.windows import WindowRow, upsert_window
from monitor.telemetry import Telemetry
from tests.evaluate.labelling import post_labels
from tests.export.fleet import NOW, facts, row, state
from tests.export.test_page import DRIFTED, series
from tests.export.test_rules import promtool  # noqa: F401 -- a fixture

BUILD = {"version": "0.1.0", "database": "sqlite", "public_url": "https://drift.example.org"}


class Clock:
    def __init__(self) -> None:
        self.us = NOW

    def __call__(self) -> int:
        return self.us


class Fleet:
    """A reader of given facts, which can be away."""

    def __init__(self, *fleet):
        self.fleet, self.reads, self.away = list(fleet), 0, False

    def read(self, *, now_us):
        self.reads += 1
        if self.away:
            raise RuntimeError("the database is away")
        return self.fleet, {"driftline_unfolded_rows": 7.0}


@pytest.fixture(autouse=True)
def steady_disk(monkeypatch):
    """Two bytes free, whatever else writes to this disk meanwhile."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(3, 1, 2))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def exporter(reader, clock, tmp_path, **more) -> Exporter:
    telemetry = more.pop("telemetry", None) or Telemetry()
    return Exporter(reader=reader, registry=telemetry.registry, now_us=clock, build=BUILD, data_dir=tmp_path, **more)


def add_version(store, name: str, *, rows, states=(), start_us: int = NOW - HOUR_US, state: str = "closed") -> Version:
    with store.write() as conn:
        model = insert_model(conn, Model(name=name, team="crm", created_us=NOW, updated_us=NOW))
        version = insert_version(conn, Version(model_id=model.id, name="1", created_us=NOW, updated_us=NOW))
        add_window(conn, version, rows=rows, start_us=start_us, state=state)
        put_states(conn, version_id=version.id, states=states)
    return version


def add_window(conn, version, *, rows, start_us: int, state: str = "closed", revision: int = 1) -> None:
    end_us = start_us + HOUR_US
    window = WindowRow(version_id=version.id, start_us=start_us, end_us=end_us, state=state, rows=10, dirty=False)
    upsert_window(conn, window)
    if state == "closed":
        result = StoredResult(
            version_id=version.id, window_start_us=start_us, window_end_us=end_us, revision=revision,
            reference_number=1, status="ok", rows=10, reference_rows=100, computed_us=start_us + revision,
            payload=pack_rows(rows),
        )  # fmt: skip
        put_result(conn, result)


def scrape(made: Exporter) -> dict[str, float]:
    made.refresh()
    return series(made.page(openmetrics=False).decode())


def test_what_the_database_holds_is_what_the_page_says(store, clock, tmp_path):
    version = add_version(store, "churn", rows=DRIFTED, states=[state(status="alert", columns_failing=1)])
    with store.write() as conn:
        save_schema(conn, version_id=version.id, schema=Schema(columns=(Column(name="fee", importance=0.5),)))
    made = exporter(StoreReader(store), clock, tmp_path)
    found = scrape(made)
    alone = 'model="churn",version="1",segment=""'
    assert found[f'driftline_check_failing{{{alone},check="drift",severity="warning"}}'] == 1
    assert found[f'driftline_column_status{{{alone},column="age",check="drift"}}'] == 2
    assert found[f"driftline_window_rows{{{alone}}}"] == 10
    assert found['driftline_model_stale{model="churn",version="1"}'] == 0
    assert (found["driftline_unfolded_rows"], found["driftline_windows_missed"], found["driftline_series_dropped"]) == (
        0,
        0,
        0,
    )
    text = made.page(openmetrics=False).decode()
    assert text.index('column="age",metric="psi"') < text.index('column="fee",metric="surprise"')


def test_a_failing_column_says_how_much_which_way_and_how_rarely(store, clock, tmp_path):
    why = {"evidence": 0.75, "way": "higher", "once_in_seconds": 86_400, "bound": True}
    bare = {"evidence": 0.25}
    rows = [row("age", value=5.0, status="alert", method={"why": why}), row("fee", value=4.0, method={"why": bare})]
    add_version(store, "churn", rows=rows, states=[state(status="alert", columns_failing=2)])
    found = scrape(exporter(StoreReader(store), clock, tmp_path))
    alone = 'model="churn",version="1",segment=""'
    assert found[f'driftline_column_evidence_ratio{{{alone},column="age",check="drift",direction="higher"}}'] == 0.75
    assert found[f'driftline_column_evidence_ratio{{{alone},column="fee",check="drift",direction=""}}'] == 0.25
    assert found[f'driftline_column_rarity_seconds{{{alone},column="age",check="drift",bound="at_least"}}'] == 86_400
    assert not any("rarity" in name and 'column="fee"' in name for name in found)


def test_a_newer_window_and_a_revision_replace_what_was_shown(store, clock, tmp_path):
    version = add_version(store, "churn", rows=[row("age", value=1.0)])
    made = exporter(StoreReader(store), clock, tmp_path)
    score = 'driftline_drift_score{model="churn",version="1",segment="",column="age",metric="surprise"}'
    assert scrape(made)[score] == 1.0
    with store.write() as conn:
        add_window(conn, version, rows=[row("age", value=2.0)], start_us=NOW - HOUR_US, revision=2)
    assert scrape(made)[score] == 2.0
    with store.write() as conn:
        add_window(conn, version, rows=[row("age", value=3.0)], start_us=NOW)
    assert scrape(made)[score] == 3.0


def test_a_gap_is_counted_and_does_not_replace_the_last_result(store, clock, tmp_path):
    version = add_version(store, "churn", rows=[row("age", value=1.0)])
    with store.write() as conn:
        add_window(conn, version, rows=(), start_us=NOW, state="gap")
    found = scrape(exporter(StoreReader(store), clock, tmp_path))
    assert found["driftline_windows_missed"] == 1
    assert found['driftline_drift_score{model="churn",version="1",segment="",column="age",metric="surprise"}'] == 1.0


def test_labels_are_counted_by_model_waiting_and_in_no_record(store, clock, tmp_path):
    fleet = {}
    for name in ("churn", "fraud", "spam"):
        with store.write() as conn:
            fleet[name] = insert_model(conn, Model(name=name))
            for version in ("1", "2"):
                insert_version(conn, Version(model_id=fleet[name].id, name=version, created_us=NOW))
    post_labels(store, {"a": "yes", "b": "no"}, model_id=fleet["churn"].id)
    Joiner(store).join(model_id=fleet["churn"].id)
    post_labels(store, {f"r{n}": "yes" for n in range(3)}, model_id=fleet["churn"].id)
    post_labels(store, {"c": "yes"}, model_id=fleet["fraud"].id)
    page = scrape(exporter(StoreReader(store), clock, tmp_path))
    assert {name: value for name, value in page.items() if name.startswith("driftline_labels")} == {
        'driftline_labels_unmatched{model="churn"}': 2,
        'driftline_labels_unmatched{model="fraud"}': 0,
        'driftline_labels_waiting{model="churn"}': 3,
        'driftline_labels_waiting{model="fraud"}': 1,
    }


def test_the_share_of_labels_that_a_model_demands_is_exported_also_before_its_first_label(store, clock, tmp_path):
    with store.write() as conn:
        for name, settings in (("churn", {"labels": {"min_coverage": 0.5}}), ("fraud", {"labels": {"delay": "1d"}})):
            model = insert_model(conn, Model(name=name, task="regression", settings=settings))
            insert_version(conn, Version(model_id=model.id, name="1", created_us=NOW))
    page = scrape(exporter(StoreReader(store), clock, tmp_path))
    assert {name: value for name, value in page.items() if "required" in name} == {
        'driftline_label_coverage_required_ratio{model="churn"}': 0.5
    }


def test_a_deleted_model_is_gone_with_the_next_refresh(store, clock, tmp_path):
    add_version(store, "churn", rows=DRIFTED, states=[state(status="alert")])
    add_version(store, "fraud", rows=DRIFTED)
    made = exporter(StoreReader(store), clock, tmp_path)
    assert any('model="churn"' in name for name in scrape(made))
    with store.write() as conn:
        delete_model(conn, name="churn")
    found = scrape(made)
    assert not any('model="churn"' in name for name in found)
    assert any('model="fraud"' in name for name in found)


def test_results_are_unpacked_once(store, clock, tmp_path, monkeypatch):
    import monitor.export.reader as reader

    unpacked = []
    monkeypatch.setattr(reader, "unpack_rows", lambda payload: unpacked.append(payload) or ())
    for n in range(30):
        add_version(store, f"m{n}", rows=[row()])
    made = exporter(StoreReader(store), clock, tmp_path)
    scrape(made)
    scrape(made)
    assert len(unpacked) == 30


def test_a_scrape_asks_the_database_nothing(clock, tmp_path):
    reader = Fleet(facts(rows=DRIFTED))
    made = exporter(reader, clock, tmp_path)
    made.refresh()
    pages = {made.page(openmetrics=False) for _ in range(5)}
    assert (len(pages), reader.reads) == (1, 1)


def test_a_cache_older_than_three_refreshes_shows_no_model(clock, tmp_path):
    made = exporter(Fleet(facts(rows=DRIFTED)), clock, tmp_path, refresh_seconds=10)
    made.refresh()
    clock.us += 30 * SECOND_US
    assert b'model="churn"' in made.page(openmetrics=False)
    clock.us += 1
    assert b'model="churn"' not in made.page(openmetrics=False)
    assert b"driftline_build_info" in made.page(openmetrics=False)
    made.refresh()
    assert b'model="churn"' in made.page(openmetrics=False)


def test_a_database_that_is_away_stops_neither_the_page_nor_the_refreshing(clock, tmp_path, caplog):
    reader = Fleet(facts())
    reader.away = True
    made = exporter(reader, clock, tmp_path, refresh_seconds=0.01)
    made.start()
    try:
        assert b"driftline_build_info" in made.page(openmetrics=False)
        reader.away = False
        for _ in range(500):
            if b'model="churn"' in made.page(openmetrics=False):
                break
            threading.Event().wait(0.01)
        assert b'model="churn"' in made.page(openmetrics=False)
    finally:
        made.close()
    assert "could not be refreshed" in caplog.text


def test_both_formats_are_read_by_their_parsers_and_say_the_same(clock, tmp_path):
    telemetry = Telemetry()
    telemetry.records.labels("churn", "1", "stored").inc(5)
    telemetry.ingest_seconds.observe(0.02)
    telemetry.step_last_success.labels("fold").set(NOW / 1e6)
    made = exporter(Fleet(facts(rows=DRIFTED)), clock, tmp_path, telemetry=telemetry)
    made.refresh()
    text, openmetrics = made.page(openmetrics=False).decode(), made.page(openmetrics=True).decode()
    assert openmetrics.endswith("\n# EOF\n")
    assert openmetrics.count("# EOF") == 1

    def samples(families):
        return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}

    from_text, from_openmetrics = samples(read_text(text)), samples(read_openmetrics(openmetrics))
    assert from_text == from_openmetrics
    assert len(from_text) == len(series(text))
    assert from_text["driftline_disk_free_bytes", ()] == 2
    assert from_text["driftline_records_total", (("model", "churn"), ("result", "stored"), ("version", "1"))] == 5
    assert not any(name.endswith("_created") for name, _ in from_text)
    declared = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(set(declared)) == len(declared)


def test_promtool_finds_nothing_to_mend_on_the_whole_page(clock, tmp_path, promtool):  # noqa: F811
    telemetry = Telemetry()
    for counter in (telemetry.records.labels("churn", "1", "stored"), telemetry.requests.labels("/livez", "200")):
        counter.inc()
    telemetry.step_last_success.labels("fold").set(NOW / 1e6)
    made = exporter(Fleet(facts(rows=DRIFTED, states=(state(unknown_reason="few_rows"),))), clock, tmp_path,
                    telemetry=telemetry)  # fmt: skip
    made.refresh()
    page = made.page(openmetrics=False)
    checked = subprocess.run([promtool, "check", "metrics"], check=False, input=page, capture_output=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_a_lone_surrogate_in_the_processs_own_labels_leaves_the_page_standing(clock, tmp_path):
    telemetry = Telemetry()
    telemetry.requests.labels("/x\ud800", "200").inc()
    made = exporter(Fleet(facts()), clock, tmp_path, telemetry=telemetry)
    for openmetrics in (False, True):
        assert 'route="/x?"' in made.page(openmetrics=openmetrics).decode()


def test_no_label_is_one_that_prometheus_owns(clock, tmp_path):
    made = exporter(Fleet(facts(rows=DRIFTED, states=(state(unknown_reason="learning"),))), clock, tmp_path)
    made.refresh()
    names = {
        label
        for family in read_text(made.page(openmetrics=False).decode())
        for s in family.samples
        for label in s.labels
    }
    of_models = {
        "model",
        "version",
        "segment",
        "column",
        "check",
        "metric",
        "severity",
        "reason",
        "team",
        "task",
        "state",
    }
    assert names - of_models == {"le", "database", "public_url"}


def test_a_model_renamed_by_deletion_and_creation_is_not_the_old_one(store, clock, tmp_path):
    add_version(store, "churn", rows=[row("age", value=1.0)])
    made = exporter(StoreReader(store), clock, tmp_path)
    scrape(made)
    with store.write() as conn:
        delete_model(conn, name="churn")
    add_version(store, "churn", rows=[row("fee", value=2.0)])
    columns = {name.split('column="')[1].split('"')[0] for name in scrape(made) if 'column="' in name}
    assert columns == {"fee"}
