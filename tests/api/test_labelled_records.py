"""Records read back with their labels, in every form."""

from __future__ import annotations

import csv
import io

import pyarrow.parquet as pq
import pytest

from monitor.model.time import HOUR_US
from monitor.store.models import get_model
from tests.api.tables import ARROW, PARQUET, read_arrow
from tests.api.test_records import M, P, V, record, stored
from tests.evaluate.labelling import post_labels


@pytest.fixture
def service(application):
    return application.state.services


@pytest.fixture
def labelled(service, clock, tick):
    """A function that posts labels, has them joined, and the records before them folded."""

    def label(labels):
        with service.store.read() as conn:
            model = get_model(conn, name="churn")
        post_labels(service.store, labels, model_id=model.id, received_us=clock())
        clock.now_us += 48 * HOUR_US
        tick()

    return label


def labels_of(records):
    return {r["id"]: r.get("label") for r in records}


def test_a_record_is_shown_with_its_label_where_joined(churn, labelled):
    churn.post(P, json={"records": [record(n) for n in range(3)]})
    labelled({"r1": "yes", "nobody": "no"})
    assert stored(churn) == [record(0), record(1, label="yes"), record(2)]
    assert labels_of(stored(churn, id="r1")) == {"r1": "yes"}


def test_a_posted_label_wins_over_the_records_own_and_null_withdraws_it(churn, labelled):
    churn.post(P, json={"records": [record(n, label="no") for n in range(4)]})
    labelled({"r1": "yes", "r2": None})
    assert labels_of(stored(churn)) == {"r0": "no", "r1": "yes", "r2": None, "r3": "no"}


def test_every_form_shows_the_same_labels_on_whatever_page(churn, labelled):
    churn.post(P, json={"records": [record(n, label="no") if n % 2 else record(n) for n in range(50)]})
    labelled({f"r{n}": "yes" for n in range(0, 50, 5)})
    expected = {f"r{n}": "yes" if n % 5 == 0 else "no" if n % 2 else None for n in range(50)}
    seen, cursor = [], None
    while True:
        page = churn.get(V + "/records", params={"limit": 7} | ({"cursor": cursor} if cursor else {})).json()
        seen += page["results"]
        cursor = page["next"]
        if cursor is None:
            break
    assert labels_of(seen) == expected
    arrow = read_arrow(churn.get(V + "/records", headers={"Accept": ARROW["Content-Type"]}).content)
    parquet = pq.read_table(io.BytesIO(churn.get(V + "/records", headers={"Accept": PARQUET["Content-Type"]}).content))
    for table in (arrow, parquet):
        assert dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True)) == expected
    text = churn.get(V + "/records", headers={"Accept": "text/csv"}).text
    assert {r["id"]: r["label"] or None for r in csv.DictReader(io.StringIO(text))} == expected


def test_labels_of_one_window_are_not_shown_in_another(churn, labelled):
    hours = [f"2026-03-0{day}T12:00:00Z" for day in (1, 2)]
    churn.post(P, json={"records": [record(1, timestamp=hours[0]), record(2, timestamp=hours[1])]})
    labelled({"r1": "yes", "r2": "no"})
    assert labels_of(stored(churn)) == {"r1": "yes", "r2": "no"}
    assert labels_of(stored(churn, **{"from": hours[1]})) == {"r2": "no"}


def test_a_label_that_is_no_number_is_shown_as_it_was_sent(churn, labelled):
    churn.put(M, json={"task": "regression"})
    churn.post(P, json={"records": [record(n, label=1.5) for n in range(3)]})
    labelled({"r0": "2.5", "r1": "high"})
    assert labels_of(stored(churn)) == {"r0": 2.5, "r1": "high", "r2": 1.5}
    arrow = read_arrow(churn.get(V + "/records", headers={"Accept": ARROW["Content-Type"]}).content)
    assert arrow["label"].to_pylist() == [2.5, None, 1.5]
    assert arrow["invalid"].to_pylist() == [None, '{"label": "high"}', None]


def test_a_feature_named_label_keeps_its_name(churn, labelled):
    churn.post(P, json={"records": [record(1, features={"label": 7})]})
    labelled({"r1": "yes"})
    assert stored(churn) == [record(1, features={"label": 7}, label="yes")]
