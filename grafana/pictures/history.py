"""Weeks of scrapes in minutes: the service's clock is moved on three hours at a time, and each time its page is kept.

Every sample is of the real page that the real service served at that (moved) time; ``promtool`` makes blocks of them.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from grafana.pictures import traffic
from grafana.pictures.served import Clock, serving, settled_page
from monitor.demo import flights
from monitor.demo.calendar import FIRST_REFERENCE_DAY, LAST_REFERENCE_DAY, Calendar
from monitor.demo.classifier import Classifier
from monitor.demo.serving import LABEL_DAYS, ServingApplication
from monitor.model.time import DAY_US, HOUR_US, MINUTE_US

if TYPE_CHECKING:
    import pandas as pd

DAYS = 21
LAST_FLIGHT_DAY = date(2013, 4, 20)  # when it gets warmer than it was in the reference's January and February
SCRAPE_HOURS = 3
LAST_SUCCESS = "driftline_step_last_success_timestamp_seconds"
INSTANCE = 'instance="driftline:8000",job="driftline"'


class Kept:
    """Scraped pages as OpenMetrics with their times, family by family."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = defaultdict(list)

    def page(self, page: str, *, at_us: int) -> None:
        """Keeps what Prometheus would have kept of a scrape at that time."""
        seconds = at_us / 1e6
        count = 0
        for line in page.splitlines():
            if line.startswith("#"):
                continue
            series, _, value = line.rpartition(" ")
            name, brace, labels = series.partition("{")
            if name == LAST_SUCCESS:  # of the real clock: what counts is how long ago it was
                value = repr(seconds - (time.time() - float(value)))
            known = f"{{{INSTANCE},{labels}" if brace else f"{{{INSTANCE}}}"
            self._lines[name].append(f"{name}{known} {value} {seconds}")
            count += 1
        self._lines["scrape_samples_scraped"].append(f"scrape_samples_scraped{{{INSTANCE}}} {count} {seconds}")

    def blocks(self, directory: Path) -> None:
        """Writes them as blocks of a Prometheus."""
        with tempfile.NamedTemporaryFile("w", suffix=".om", encoding="utf-8") as file:
            for lines in self._lines.values():
                file.writelines(f"{line}\n" for line in lines)
            file.write("# EOF\n")
            file.flush()
            command = [
                "promtool", "tsdb", "create-blocks-from", "--quiet", "--max-block-duration=512h",
                "openmetrics", file.name, str(directory),
            ]  # fmt: skip
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 -- fixed arguments


def make(directory: Path) -> tuple[float, float]:
    """Makes blocks in the directory; the first and the last time they hold, in seconds."""
    end_us = traffic.midnight_us(time.time_ns() // 1000)
    start_us = end_us - DAYS * DAY_US
    reference, live = _flights(start_us=start_us, end_us=end_us)
    clock, kept = Clock(start_us), Kept()
    with tempfile.TemporaryDirectory(prefix="driftline-pictures-") as data, serving(Path(data), clock=clock) as url:
        application = ServingApplication(url)
        with httpx.Client(base_url=url, timeout=120) as client:
            for story in traffic.STORIES:
                traffic.set_up(client, story, start_us=start_us)
            application.set_up(reference)
            for hour in range(SCRAPE_HOURS, DAYS * 24 + 1, SCRAPE_HOURS):
                clock.now_us = start_us + hour * HOUR_US
                _post(client, application, hour=hour, start_us=start_us, live=live)
                clock.now_us += 6 * MINUTE_US
                kept.page(settled_page(client), at_us=clock.now_us)
        application.close()
    kept.blocks(directory)
    return (start_us + SCRAPE_HOURS * HOUR_US + 6 * MINUTE_US) / 1e6, clock.now_us / 1e6


def _post(
    client: httpx.Client, application: ServingApplication, *, hour: int, start_us: int, live: pd.DataFrame
) -> None:
    """What came in since the scrape before."""
    now = datetime.fromtimestamp(start_us / 1e6, UTC) + timedelta(hours=hour)
    rows = _between(live, now - timedelta(hours=SCRAPE_HOURS), now)
    if len(rows):
        application.post_day(now, rows)
    arrived = now - timedelta(days=LABEL_DAYS)
    known = _between(live, arrived - timedelta(hours=SCRAPE_HOURS), arrived)
    if len(known):
        application.post_labels(now, known)
    if hour % traffic.WINDOW_HOURS == 0:
        for story in traffic.STORIES:
            traffic.post(client, story, start_us=start_us, window=hour // traffic.WINDOW_HOURS - 1)


def _between(live: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """The flights that should leave in ``[start, end)``."""
    return live[(live["timestamp"] >= start) & (live["timestamp"] < end)]


def _flights(*, start_us: int, end_us: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The demo's reference, and its live flights of the time, predicted by a model that saw neither."""
    weeks = (datetime.fromtimestamp(end_us / 1e6, UTC).date() - LAST_FLIGHT_DAY).days // 7
    calendar = Calendar(weeks=weeks, last_day=LAST_FLIGHT_DAY)
    table = flights.schedule(flights.load())
    training, reference = flights.halves(flights.between(table, FIRST_REFERENCE_DAY, LAST_REFERENCE_DAY))
    classifier = Classifier().fit(training)
    first, last = (
        calendar.original(datetime.fromtimestamp(us / 1e6, UTC).date()) + timedelta(days=more)
        for us, more in ((start_us, -1), (end_us, 1))
    )
    live = classifier.predict(flights.between(table, first, last))
    return flights.moved(classifier.predict(reference), calendar), flights.moved(live, calendar)
