"""1,000 models of 200 columns, whose page is asked for while records come in: bounded, and soon."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families as text_format

from benchmarks import scrape
from monitor.store import open_store
from tests.faults.acking import Ledger
from tests.faults.cluster import until
from tests.faults.load import Place, clients, make_victim, resend_unknown, stored_ids
from tests.faults.pair import MIB, memory_bytes
from tests.faults.report import judge
from tests.service import PATIENCE, Service

pytestmark = [pytest.mark.whole, pytest.mark.alone, pytest.mark.timeout(900)]
MAX_SERIES = 50_000  # the default
SCRAPES = 15
SCRAPE_SECONDS, ACK_SECONDS = 3.0, 5.0  # times PATIENCE; the benchmark has the budget of a page alone, 0.5 s
MOST_RESIDENT = 1024 * MIB


@dataclass
class Scrapes:
    """What a scraper saw."""

    seconds: list[float] = field(default_factory=list)
    page: str = ""  # the largest: models are left out of one whose cache is older than three refreshes
    acked_between: int = 0


def scrape_beside(service: Service, ledger: Ledger, *, times: int) -> Scrapes:
    """That many pages, one a second at most, while the clients of the ledger send."""
    seen = Scrapes()
    with httpx.Client(base_url=service.url, timeout=90) as client:
        acked = ledger.answers[200]
        for _ in range(times):
            began = time.monotonic()
            page = client.get("/metrics")
            seen.seconds.append(time.monotonic() - began)
            assert page.status_code == 200
            seen.page = max(seen.page, page.text, key=len)
            time.sleep(max(0.0, 1.0 - seen.seconds[-1]))
        seen.acked_between = ledger.answers[200] - acked
    return seen


def series_of(page: str) -> list[tuple[object, ...]]:
    """Name and labels of every sample."""
    return [(s.name, *sorted(s.labels.items())) for family in text_format(page) for s in family.samples]


def of_models(series: list[tuple[object, ...]]) -> int:
    """How many of them are about a model: those that ``MAX_SERIES`` bounds."""
    counted = [one for one in series if one[0] != "driftline_records_total"]  # the process's own, by model
    return sum(any(isinstance(label, tuple) and label[0] == "model" for label in one) for one in counted)


def fill(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand models of 200 columns, judged a moment ago."""
    monkeypatch.setattr(scrape, "NOW", time.time_ns() // 1_000)
    store = open_store(place.url or "", data_dir=place.data_dir, migrate=True)
    scrape.fill(store, np.random.default_rng(7))
    store.close()


def scraped_under_load(service: Service, place: Place, *, fault: str, least_series: int) -> None:
    """The page is asked for while records come in: whole, bounded, soon, and every record is stored once."""
    service.start()
    ledger = Ledger()
    try:
        make_victim(service)
        with clients(service, ledger, seed=1):
            until(lambda: ledger.answers[200] > 20, within_seconds=60, what="load")
            until(lambda: page_series(service) >= least_series, within_seconds=120, what="a large page")
            seen = scrape_beside(service, ledger, times=SCRAPES)
        assert seen.acked_between > SCRAPES, "nothing came in meanwhile"
        assert set(ledger.answers) == {200}
        assert ledger.slowest_seconds < ACK_SECONDS * PATIENCE
        assert max(seen.seconds) < SCRAPE_SECONDS * PATIENCE
        series = series_of(seen.page)
        assert len(series) == len(set(series)), "a series is there twice"
        assert least_series <= of_models(series) <= MAX_SERIES, f"the page has {of_models(series):,} series of models"
        resident = memory_bytes(service.process.pid, "VmHWM")
        assert resident < MOST_RESIDENT, f"{resident / MIB:.0f} MiB"
        resend_unknown(service, ledger)
        judge(fault, database=place.database, rounds=SCRAPES, sent=ledger.sent, acked=ledger.acked,
              stored=stored_ids(service.url))  # fmt: skip
    finally:
        service.stop(within_seconds=60)


def page_series(service: Service) -> int:
    """How many lines of the page are series."""
    page = httpx.get(f"{service.url}/metrics", timeout=90).text
    return sum(not line.startswith("#") for line in page.splitlines())


def test_a_page_of_1_000_models_of_200_columns_is_served_while_records_come_in(place, monkeypatch):
    fill(place, monkeypatch)
    scraped_under_load(place.service(), place, fault="1,000 models x 200 columns scraped", least_series=MAX_SERIES // 2)


@pytest.mark.parametrize("place", ["SQLite"], indirect=True)
def test_without_max_series_the_page_would_be_larger(place, monkeypatch):
    fill(place, monkeypatch)
    service = place.service(DRIFTLINE_MAX_SERIES="10000000")
    with pytest.raises(AssertionError, match=r"the page has \d+,\d+ series of models"):
        scraped_under_load(service, place, fault="1,000 models scraped without a bound", least_series=MAX_SERIES)
