"""Every query of every dashboard is asked of a real Prometheus that has scraped a real server."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics

from grafana.pictures.asking import Prometheus
from grafana.pictures.page import html
from grafana.pictures.variables import Choice, choices, escaped, fill, options
from monitor.app import create_app
from monitor.jobs.settings import JobSettings
from monitor.model.time import HOUR_US
from monitor.settings import Settings
from tests.api.running import running as served
from tests.e2e import contract
from tests.e2e.alerting import binary, running
from tests.e2e.watched_fleet import Clock, WatchedFleet
from tests.service import free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dashboards")]  # one fleet is enough for all

BOARDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[2] / "grafana/dashboards").glob("*.json"))
}
FAILING = 'driftline_check_failing{model="drifted",version="1",segment="",check="drift",severity="warning"}'
WINDOW_END = 'driftline_window_end_timestamp_seconds{model="%s",version="1"}'
STALE = 'driftline_model_stale{model="stale",version="1"}'

LOST = ("service", "Runs of steps that did not succeed", "A")
# (dashboard, title, query) of what has no series here, and why that is right.
EMPTY = {
    ("column", "PSI and other scores", "B"): "no check holds another metric than surprise against a threshold",
    ("column", "Unseen", "A"): "a number has no categories that could be unseen",
    LOST: "every step succeeded",
}
WANTED = {"model": {"model": "drifted"}, "column": {"model": "drifted", "column": "age"}}


class Watched(NamedTuple):
    prometheus: Prometheus
    pages: dict[str, bytes]  # by media type, as the server serves them in the end


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A Prometheus that has watched four hours of the fleet: healthy, drifted, healthy, drifted."""
    directory = tmp_path_factory.mktemp("dashboards")
    now_us = time.time_ns() // 1000
    clock = Clock(now_us - now_us % HOUR_US - 5 * HOUR_US)
    application = create_app(
        Settings(data_dir=directory), now_us=clock, refresh_seconds=1.0,
        rhythm=JobSettings(tick_us=250_000, fold_interval_us=0, gather_us=0, fold_rows=1),
    )  # fmt: skip
    began = time.time()
    with served(application) as url, scraping(directory, target=url.removeprefix("http://")) as server:
        fleet = WatchedFleet(url, clock)
        for hour, drifted in enumerate((False, True, False, True)):
            fleet.hour(hour, drifted=drifted)
            end = clock.now_us // HOUR_US * 3600
            fleet.wait(
                lambda page, end=end, drifted=drifted: (
                    page.get(WINDOW_END % "drifted") == end
                    and page.get(WINDOW_END % "healthy") == end
                    and page.get(FAILING) == drifted
                ),
                what=f"hour {hour} judged, failing {drifted}",
            )
            if hour == 2:
                fleet.trouble()
            seen(server, FAILING, value=drifted)
            time.sleep(2.5)  # two scrapes of that state
        fleet.wait(lambda page: page[STALE] == 1, what="the silent model stale")
        fleet.trouble()
        time.sleep(2.5)
        fleet.close()
        pages = {
            kind: httpx.get(f"{url}/metrics", headers={"Accept": kind}).content
            for kind in ("text/plain", "application/openmetrics-text")
        }
        yield Watched(Prometheus(url=server, start=began, end=time.time(), step=1), pages)


def seen(server: str, series: str, *, value: float) -> None:
    """Waits until Prometheus has scraped the series at this value: its first scrape comes when it pleases."""
    until = time.monotonic() + 60
    while True:
        found = Prometheus(url=server, start=0, end=time.time(), step=1).instant(series)
        if [samples[-1][1] for _, samples in found] == [value]:
            return
        assert time.monotonic() < until, (series, value, found)
        time.sleep(0.1)


@pytest.fixture
def prometheus(watched: Watched) -> Prometheus:
    return watched.prometheus


@contextmanager
def scraping(directory: Path, *, target: str) -> Iterator[str]:
    """The address of a Prometheus that scrapes the target every second."""
    port = free_port()
    config = directory / "prometheus.yml"
    jobs = [{"job_name": "driftline", "static_configs": [{"targets": [target]}]}]
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))
    command = [
        binary("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={directory / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with running(command, ready=f"http://127.0.0.1:{port}/-/ready", log=directory / "prometheus.log"):
        yield f"http://127.0.0.1:{port}"


def panels(name: str) -> list[dict]:
    return [panel for panel in BOARDS[name]["panels"] if panel["type"] != "row"]


def empty_here(name: str, prometheus: Prometheus) -> set[tuple[str, str, str]]:
    """What of ``EMPTY`` the dashboard has; a step that lost its race and was run again is shown as what it is."""
    lost = prometheus.instant('driftline_step_runs_total{outcome="lost"}')
    known = {place for place in EMPTY if place[0] == name}
    return known - ({LOST} if lost else set())


def filled(name: str, prometheus: Prometheus) -> dict[str, Choice]:
    """The variables of the dashboard as Grafana would choose them, at the rhythm of the test's scrapes."""
    chosen = choices(BOARDS[name], prometheus=prometheus, wanted=WANTED.get(name))
    rhythm = {"__interval": "1s", "__rate_interval": "4s", "__range": "60s"}
    return chosen | {known: Choice(text=value, value=value) for known, value in rhythm.items()}


@pytest.mark.parametrize("name", BOARDS)
def test_every_panels_every_query_returns_series_or_is_listed_with_the_reason(prometheus, name):
    values = filled(name, prometheus)
    asked, empty = 0, set()
    for panel in panels(name):
        for target in panel["targets"]:
            ask = prometheus.instant if target["instant"] else prometheus.range
            found = [samples for _, samples in ask(fill(target["expr"], values))]
            numbers = [value for samples in found for _, value in samples if not math.isnan(value)]
            asked += 1
            if not numbers:
                empty.add((name, panel["title"], target["refId"]))
    assert asked == sum(len(panel["targets"]) for panel in panels(name)) > 10
    assert empty == empty_here(name, prometheus)


@pytest.mark.parametrize("name", BOARDS)
def test_every_variable_has_options_and_its_default_is_one_of_them(prometheus, name):
    values = filled(name, prometheus)
    for variable in BOARDS[name]["templating"]["list"]:
        if variable["type"] == "query":
            found = [one.text for one in options(variable, prometheus=prometheus, values=values)]
            assert found, variable["name"]
            default = variable.get("current", {}).get("text", found[0])
            assert default in ("All", ["All"]) or default in found, variable["name"]


def test_every_series_of_the_contract_is_on_the_page_with_its_labels_and_no_other(watched):
    shown = contract.labels_of(watched.pages["text/plain"].decode())
    assert {name: shown.get(name) for name in contract.LABELS} == {
        n: set(o.split()) for n, o in contract.LABELS.items()
    }
    assert contract.LATER.keys() & shown.keys() == set()


def test_what_a_label_of_the_contract_may_say_is_said_and_nothing_else(watched):
    page = watched.pages["text/plain"].decode()
    for (name, label), words in contract.WORDS.items():
        found = contract.words_of(page, name=name, label=label)
        assert found <= words, (name, label)
        assert found >= words - contract.UNSEEN.get((name, label), set()), (name, label)


def test_models_of_every_state_are_shown_as_what_they_are(prometheus):
    table = next(panel for panel in panels("fleet") if panel["type"] == "table")
    (state,) = [target for target in table["targets"] if target["refId"] == "A"]
    found = prometheus.instant(fill(state["expr"], filled("fleet", prometheus)))
    words = {
        float(value): shown["text"]
        for override in table["fieldConfig"]["overrides"] if override["matcher"]["options"] == "State"
        for known in override["properties"] if known["id"] == "mappings"
        for mapping in known["value"] for value, shown in mapping["options"].items()
    }  # fmt: skip
    assert {labels["model"]: words[samples[-1][1]] for labels, samples in found} == {
        "drifted": "warning", "healthy": "ok", "stale": "stale", "few_rows": "undecided", "no_reference": "undecided",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["model", "column"])
def test_transitions_are_marked_where_a_check_began_to_fail_and_where_it_ended(prometheus, name):
    values = filled(name, prometheus)
    marks = {
        annotation["name"]: prometheus.range(fill(annotation["target"]["expr"], values))
        for annotation in BOARDS[name]["annotations"]["list"]
    }
    began = [(labels["check"], len(samples)) for labels, samples in marks["Began to fail"]]
    assert ("drift", 2) in began
    assert [(labels["check"], len(samples)) for labels, samples in marks["Ended"]] == [("drift", 1)]


def test_the_fleets_marks_are_of_critical_checks_of_which_none_failed(prometheus):
    values = filled("fleet", prometheus)
    for annotation in BOARDS["fleet"]["annotations"]["list"]:
        assert prometheus.range(fill(annotation["target"]["expr"], values)) == []


def test_a_segment_of_any_name_is_matched_by_the_value_of_its_choice(prometheus):
    (variable,) = [one for one in BOARDS["model"]["templating"]["list"] if one["name"] == "segment"]
    inner = re.search(r"max by \(segment\) \(.*?\}\)", variable["query"]["query"])[0]
    for name in ("", "evening", "region=(other)", "a.b*c", "über 65"):
        made = f'label_replace(vector(1), "segment", "{name}", "", "")'
        asked = variable | {"query": {"query": variable["query"]["query"].replace(inner, made)}}
        (choice,) = options(asked, prometheus=prometheus, values={})
        assert choice.text == (name or "all traffic")
        matched = f'group(label_replace(vector(1), "segment", "{name}", "", "")) by (segment)'
        shown = f'count_values("x", {matched}) and on () label_replace(vector(1), "y", "hit", "", "")'
        assert prometheus.instant(shown)
        series = prometheus.instant(f'{{__name__=~"driftline_check_failing",segment=~"{escaped(choice.value)}"}}')
        assert bool(series) is (name == "")


@pytest.mark.parametrize("name", BOARDS)
def test_a_picture_has_every_panel_and_says_of_an_empty_one_what_that_means(prometheus, name):
    page, height = html(BOARDS[name], prometheus=prometheus, values=filled(name, prometheus))
    shown = page[page.rindex("<body>") :]
    values = filled(name, prometheus)
    assert [
        panel["title"] for panel in panels(name) if escape(fill(panel["title"], values, shown=True)) not in shown
    ] == []
    here = empty_here(name, prometheus)
    empty = [
        panel for panel in panels(name) if all((name, panel["title"], t["refId"]) in here for t in panel["targets"])
    ]
    assert shown.count("class=nothing") == len(empty)
    assert all(escape(panel["fieldConfig"]["defaults"]["noValue"]) in shown for panel in empty)
    assert height > 38 * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels(name))


def test_the_page_of_every_state_is_good_metrics_text_and_open_metrics_without_a_repeated_series(watched):
    text, openmetrics = (watched.pages[kind].decode() for kind in ("text/plain", "application/openmetrics-text"))
    checked = subprocess.run(
        [binary("promtool"), "check", "metrics"], check=False, input=text.encode(), capture_output=True
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    names = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(names) == len(set(names)) > 200
    samples = [sample for family in read_openmetrics(openmetrics) for sample in family.samples]
    series = {(sample.name, tuple(sorted(sample.labels.items()))) for sample in samples}
    assert len(series) == len(samples) == len(names)
