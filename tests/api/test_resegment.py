"""Who changes what makes segments has the reference cut anew at once, whatever they change it by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.app import create_app
from monitor.model.time import HOUR_US
from monitor.store.models import get_version
from monitor.store.reference_segments import reference_segments
from monitor.store.runs import list_open
from tests.api.conftest import VERSION
from tests.api.running import client_of
from tests.api.tables import PARQUET, hour, parquet_of

MODEL = "/api/v1/models/churn"
BY_PLAN = [{"by": "plan"}]
PLANS = ["plan=free", "plan=pro", "plan=(other)"]


@pytest.fixture
def referenced(churn, clock):
    """A version with a reference, and nothing asked for since."""
    rng = np.random.default_rng(5)
    rows = parquet_of(hour(rng, start_us=clock.now_us - HOUR_US, rows=500))
    answer = churn.put(VERSION + "/reference", content=rows, headers=PARQUET, params={"timestamp": "at"})
    assert answer.status_code == 201
    return churn


@pytest.fixture
def segments(application):
    def found():
        with application.state.services.store.read() as conn:
            version = get_version(conn, model="churn", version="42")[1]
            return [one.segment for one in reference_segments(conn, reference_id=version.reference_id)]

    return found


@pytest.fixture
def asked(application):
    def found():
        with application.state.services.store.read() as conn:
            return len(list_open(conn, jobs=["resegment"]))

    return found


def marked(client):
    schema = client.get(VERSION).json()["schema"]
    columns = [column | {"segment": column["name"] == "plan"} for column in schema["columns"]]
    return client.put(VERSION, json={"schema": {"columns": columns}})


CHANGES = {
    "the model": lambda client: client.put(MODEL, json={"segments": BY_PLAN}),
    "the schema": marked,
    "a model file": lambda client: client.post(
        "/api/v1/apply",
        json={"adopt": True, "set": "ours", "documents": [{"path": "a.yaml", "content": {
            "driftline": 1, "models": {"churn": {"segments": BY_PLAN}}}}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_segments_are_cut_as_soon_as_they_are_configured_and_only_then(change, referenced, segments, asked, tick):
    assert (segments(), asked()) == ([], 0)
    answer = change(referenced)
    assert answer.is_success, answer.text[:500]
    assert asked() == 1
    tick()
    assert (segments(), asked()) == (PLANS, 0)


def test_segments_that_are_taken_away_go_and_what_changes_nothing_asks_for_nothing(referenced, segments, asked, tick):
    referenced.put(MODEL, json={"segments": BY_PLAN})
    tick()
    referenced.put(MODEL, json={"segments": BY_PLAN, "description": "as before"})
    assert asked() == 0
    referenced.put(MODEL, json={"segments": []})
    assert asked() == 1
    tick()
    assert (segments(), asked()) == ([], 0)


def test_a_reference_has_no_more_segments_than_the_server_allows(settings, clock):
    with client_of(create_app(replace(settings, max_segments=2), jobs=False, now_us=clock)) as client:
        client.put(MODEL, json={})
        client.put(VERSION, json={})
        rng = np.random.default_rng(5)
        rows = parquet_of(hour(rng, start_us=clock.now_us - HOUR_US, rows=500))
        client.put(MODEL, json={"segments": BY_PLAN})
        roles = {"timestamp": "at"}
        made = client.put(VERSION + "/reference", content=rows, headers=PARQUET, params=roles).json()
    assert "too_many_segments" in {warning["code"] for warning in made["warnings"]}
