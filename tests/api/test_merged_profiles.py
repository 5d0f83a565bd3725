"""What HTTP answers of windows whose profiles are merged into a day."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from monitor.evaluate import merge_profiles
from monitor.jobs.profile_merging import ProfileMerging
from monitor.model.profile_ages import ProfileAges
from monitor.model.time import DAY_US, HOUR_US, rfc3339
from monitor.store import tables
from tests.api.conftest import VERSION


@pytest.fixture
def merged(with_a_threshold, judged, more_hours, application, clock, monkeypatch):
    """Three judged hours of a day of which one profile is left, as they were shown before, and one of the next day."""
    monkeypatch.setattr(merge_profiles, "KEPT_WINDOWS", 1)
    judged.starts[-1] += DAY_US - HOUR_US
    more_hours(drifted=False)
    judged.starts[-2] -= DAY_US - HOUR_US
    judged.day = judged.starts[0] - judged.starts[0] % DAY_US
    judged.before = shown(judged, judged.day, judged.day + DAY_US)
    judged.results = judged.get(VERSION + "/results").json()
    store = application.state.services.store
    with store.write() as conn:
        conn.execute(sa.update(tables.window).values(state="sealed"))
    assert ProfileMerging(store, ages=ProfileAges()).run(now_us=clock.now_us + 31 * DAY_US)
    with store.read() as conn:
        assert conn.execute(sa.select(tables.merged_profile.c.windows)).scalars().all() == [3]
    return judged


def asked(client, start_us, end_us, **more):
    return client.get(VERSION + "/profile", params={"from": rfc3339(start_us), "to": rfc3339(end_us), **more})


def shown(client, start_us, end_us, **more):
    answer = asked(client, start_us, end_us, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_range_that_holds_the_day_shows_what_it_showed_before(merged):
    day = merged.day, merged.day + DAY_US
    assert shown(merged, *day)["current"]["rows"] == 360
    assert shown(merged, *day) == merged.before
    assert shown(merged, day[0] - DAY_US, day[1] + DAY_US)["current"]["rows"] == 480
    assert merged.get(VERSION + "/profile", params={"to": rfc3339(day[1])}).json() == merged.before
    assert shown(merged, *day, column="age")["current"]["rows"] == 360


def test_an_hour_of_it_is_refused_with_the_range_to_ask_for(merged):
    answer = asked(merged, merged.starts[1], merged.starts[2])
    assert answer.status_code == 409
    assert answer.json()["code"] == "profiles_merged"
    assert f"from={rfc3339(merged.day)}&to={rfc3339(merged.day + DAY_US)}" in answer.json()["detail"]
    assert asked(merged, merged.starts[0] - HOUR_US, merged.starts[0]).json()["current"] is None  # no window there
    assert shown(merged, merged.starts[-1], merged.starts[-1] + HOUR_US)["current"]["rows"] == 120


def test_windows_results_and_explanations_of_its_hours_stay(merged):
    windows = merged.get(VERSION + "/windows").json()["results"]
    stored = [window for window in windows if window["rows"]]
    assert [(window["start"], window["state"]) for window in stored] == [(rfc3339(s), "sealed") for s in merged.starts]
    assert merged.get(VERSION + "/results").json() == merged.results
    explained = merged.post(VERSION + "/explain", json={"start": rfc3339(merged.starts[2]), "check": "drift"})
    assert (explained.status_code, explained.json()["status"]) == (200, "alert"), explained.text
