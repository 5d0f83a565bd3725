"""The demo from beginning to end: train, set up, post five months and more day by day, show what was found."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from monitor.demo import flights
from monitor.demo.calendar import (
    FIRST_DAY,
    FIRST_REFERENCE_DAY,
    LAST_REFERENCE_DAY,
    Calendar,
    calendar_for,
)
from monitor.demo.classifier import Classifier, roc_auc
from monitor.demo.findings import Findings, findings_of, read, windows_by_state
from monitor.demo.screen import Screen
from monitor.demo.server import DemoServer, GivenServer, Server, ServiceFailed
from monitor.demo.serving import LABEL_DAYS, MODEL, VERSION, ServingApplication

if TYPE_CHECKING:
    import pandas as pd

VERDICT_SECONDS = 120.0
PAUSE_SECONDS = 0.5
LOOK_EVERY_DAYS = 10
PATH = f"/api/v1/models/{MODEL}/versions/{VERSION}"


def run(*, once: bool, screen: Screen | None = None) -> int:
    """The exit code: 0 when every day was judged, 1 when the service failed or no verdicts came, 130 when stopped.

    Unless ``once``, the server runs on after the report until Ctrl-C, and the code is that of the report.
    """
    shown = screen or Screen()
    with tempfile.TemporaryDirectory(prefix="driftline-demo-") as directory:
        server = DemoServer(Path(directory))
        keep = None if once else lambda: _keep_running(shown, server)
        return _replay(shown, server, place=f"data in {directory}", then=keep)


def replay(server: GivenServer, *, screen: Screen | None = None) -> int:
    """The same against a server that runs already, which keeps the model; nothing if it has the model already."""
    shown = screen or Screen()
    server.wait_until_ready()
    found = httpx.get(f"{server.url}/api/v1/models/{MODEL}", headers=server.access, timeout=60)
    if found.status_code == 200:
        shown.step(f"{server.url} has the model {MODEL} already: nothing is posted twice. DELETE it to start again.")
        return 0
    if found.status_code != 404:
        shown.step(f"The service failed: {found.url} answered {found.status_code}: {found.text[:500]}")
        return 1
    return _replay(shown, server, place="with its own data")


def _replay(screen: Screen, server: Server, *, place: str, then: Callable[[], None] | None = None) -> int:
    began = time.monotonic()
    calendar = calendar_for(datetime.now(UTC))
    try:
        reference, live = _predictions(screen, calendar=calendar)
        server.wait_until_ready()
        screen.step(f"The server runs on {server.url}, {place}")
        findings = _through_the_service(screen, server, reference=reference, live=live, calendar=calendar)
        screen.step(f"\nAll that took {time.monotonic() - began:.0f} s.")
        if then is not None:
            then()
    except KeyboardInterrupt:
        return 130
    except (ServiceFailed, httpx.HTTPError) as error:
        screen.step(f"The service failed: {error}\n{server.last_words()}")
        return 1
    finally:
        server.stop()
    return 0 if findings.judged else 1


def _keep_running(screen: Screen, server: DemoServer) -> None:
    """Returns at Ctrl-C; ``ServiceFailed`` if the server ends before."""
    screen.step("The server keeps running; Ctrl-C stops it and removes its data.")
    try:
        server.wait()
    except KeyboardInterrupt:
        return
    server.check()


def _predictions(screen: Screen, *, calendar: Calendar) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The reference and the live traffic, predicted by a classifier trained on neither, in shifted time."""
    source = flights.load()
    table = flights.schedule(source)
    winter = flights.between(table, FIRST_REFERENCE_DAY, LAST_REFERENCE_DAY)
    training, reference = flights.halves(winter)
    classifier = Classifier().fit(training)
    reference = classifier.predict(reference)
    live = classifier.predict(flights.between(table, FIRST_DAY, calendar.last_day))
    screen.step(
        f"{len(table):,} flights out of New York in 2013, with the weather at departure.\n"
        f"A classifier learned from {len(training):,} flights of January and February who arrives late; the other "
        f"{len(reference):,} of those {reference['day'].nunique()} days are the reference "
        f"(ROC AUC {roc_auc(reference):.2f})."
    )
    return flights.moved(reference, calendar), flights.moved(live, calendar)


def _through_the_service(
    screen: Screen, server: Server, *, reference: pd.DataFrame, live: pd.DataFrame, calendar: Calendar
) -> Findings:
    application = ServingApplication(server.url, access=server.access, ingest_access=server.ingest_access)
    try:
        answer = application.set_up(reference)
        with _reader(server) as client:
            screen.reference(answer, status=client.get(f"{PATH}/status").raise_for_status().json())
        screen.step(
            f"Posting {len(live):,} predictions of {FIRST_DAY:%B} to {calendar.last_day:%B}, day by day; "
            f"the calendar is moved by {calendar.weeks} weeks: the last day is {calendar.shifted(calendar.last_day)}. "
            f"Who arrived late is posted as labels {LABEL_DAYS} days after each day."
        )
        days = flights.by_day(live)
        with _reader(server) as client, screen.posting(len(days)) as posting:
            for number, (day, rows) in enumerate(days, start=1):
                posting.day(day, records=application.post_day(day, rows))
                if number > LABEL_DAYS:
                    application.post_labels(*days[number - 1 - LABEL_DAYS])
                if number % LOOK_EVERY_DAYS == 0:
                    posting.judged(_decided(_states(client)))
    finally:
        application.close()
    with _reader(server) as client:
        _wait_for_verdicts(screen, server, client=client, days=len(days))
        _wait_for_labels(screen, server, client=client, days=len(days) - LABEL_DAYS)
        findings = findings_of(read(client, f"{PATH}/results"), calendar=calendar)
        alerts = read(client, "/api/v1/alerts", state="firing", model=MODEL)
        why = [client.get(f"/api/v1/alerts/{alert['id']}").raise_for_status().json() for alert in alerts]
        screen.report(findings, alerts=why, url=server.url)
    return findings


def _reader(server: Server) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers=dict(server.access), timeout=60)


def _wait_for_verdicts(screen: Screen, server: Server, *, client: httpx.Client, days: int) -> None:
    """Returns when every day has been judged; ``ServiceFailed`` when one could not be, or in ``VERDICT_SECONDS``."""
    until = time.monotonic() + VERDICT_SECONDS
    states: Counter[str] = Counter()
    with screen.waiting("Waiting for the last verdicts") as waited:
        while time.monotonic() < until:
            server.check()
            states = _states(client)
            if states["gap"]:
                raise ServiceFailed(f"{states['gap']} windows could not be computed")
            if _decided(states) >= days:
                return
            waited(f"{_decided(states)} of {days} days judged; a version is folded once a minute at most")
            time.sleep(PAUSE_SECONDS)
    raise ServiceFailed(f"{_decided(states)} of {days} days were judged within {VERDICT_SECONDS:.0f} s: {dict(states)}")


def _wait_for_labels(screen: Screen, server: Server, *, client: httpx.Client, days: int) -> None:
    """Returns when so many days have labels; ``ServiceFailed`` when they have not in ``VERDICT_SECONDS``."""
    until = time.monotonic() + VERDICT_SECONDS
    labelled = 0
    with screen.waiting("Waiting for the last labels to be joined") as waited:
        while time.monotonic() < until:
            server.check()
            rows = read(client, f"{PATH}/results", metric="label_coverage")
            labelled = sum(1 for row in rows if row["value"])
            if labelled >= days:
                return
            waited(f"{labelled} of {days} days have labels")
            time.sleep(PAUSE_SECONDS)
    raise ServiceFailed(f"{labelled} of {days} days had labels within {VERDICT_SECONDS:.0f} s")


def _states(client: httpx.Client) -> Counter[str]:
    return windows_by_state(read(client, f"{PATH}/windows"))


def _decided(states: Counter[str]) -> int:
    return states["closed"] + states["revised"]
