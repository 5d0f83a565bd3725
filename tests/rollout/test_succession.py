"""New versions: references handed on, versions retired, versions re-read when columns change."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.columns.roles import Roles
from monitor.evaluate.copied_reference import copy_reference
from monitor.evaluate.reference import Origin, set_reference
from monitor.ingest.open_table import open_table
from monitor.model.entities import Model, Version
from monitor.model.errors import NotFound
from monitor.model.schema import Schema
from monitor.model.succession import went_live_us
from monitor.model.time import DAY_US
from monitor.profile.summary import summarise_column
from monitor.rollout.succession import succeed
from monitor.store import models, references, schemas, versions

NOW = 1_800_000_000_000_000
CSV = Path(__file__).parents[2] / "docs/examples/models/ref/churn-42.csv"


def make(store, *, rules, named):
    """A model and its versions: (name, state, when it was made)."""
    with store.write() as conn:
        model = models.insert_model(conn, Model(name="m", settings={"on_new_version": rules}, created_us=NOW))
        return [
            versions.insert_version(conn, Version(model_id=model.id, name=n, state=state, created_us=at)).id
            for n, state, at in named
        ]


def set_from_csv(store, version_id):
    return set_reference(
        store, version_id=version_id, source=lambda: open_table(CSV, "text/csv"),
        roles=Roles(timestamp="at", id="customer", score={"": "churn_score"}, label="churned", positive="yes"),
        origin=Origin(digest="sha256:" + "0" * 64, source="churn-42.csv", media_type="text/csv"), now_us=NOW,
    )  # fmt: skip


def state_of(store):
    with store.read() as conn:
        found = versions.list_versions(conn, model_id=models.get_model(conn, name="m").id)
        return {version.name: version.state for version in found}


def reference_of(store, version_id):
    with store.read() as conn:
        return references.get_reference(conn, version_id=version_id)


def test_a_version_without_a_reference_takes_over_that_of_the_newest_live_one(store):
    rules = {"reference": "inherit"}
    first, second, third = make(store, rules=rules, named=[("1", "live", 1), ("2", "shadow", 2), ("3", "live", 3)])
    given = set_from_csv(store, first)
    assert succeed(store, now_us=NOW) == 2
    for id in (second, third):
        taken = reference_of(store, id)
        assert (taken.digest, taken.rows, taken.layout_id) == (
            given.reference.digest, given.reference.rows, given.reference.layout_id,
        )  # fmt: skip
        with store.read() as conn:
            profiles = [references.reference_profile(conn, reference_id=r.id) for r in (given.reference, taken)]
            assert versions.get_version_by_id(conn, id=id)[1].positive == "yes"
        assert profiles[0] == profiles[1]
    assert succeed(store, now_us=NOW) == 0


@pytest.mark.parametrize("rules", [{}, {"reference": "require"}, {"reference": "inherit", "retire_after": "1d"}])
def test_nothing_is_handed_on_unless_told_and_to_retired_versions_never(store, rules):
    first, second = make(store, rules=rules, named=[("1", "live", NOW), ("2", "retired", NOW)])
    set_from_csv(store, first)
    assert succeed(store, now_us=NOW) == 0
    with pytest.raises(NotFound, match="no reference yet"):
        reference_of(store, second)


def test_older_live_versions_retire_so_long_after_a_newer_one_went_live(store):
    make(
        store,
        rules={"retire_after": "7d"},
        named=[("1", "live", NOW), ("2", "live", NOW + DAY_US), ("3", "shadow", NOW)],
    )
    assert succeed(store, now_us=NOW + 8 * DAY_US - 1) == 0
    assert succeed(store, now_us=NOW + 8 * DAY_US) == 1
    assert state_of(store) == {"1": "retired", "2": "live", "3": "shadow"}


def test_a_version_goes_live_when_its_state_says_so_and_not_when_it_is_made(store):
    _, second = make(store, rules={"retire_after": "7d"}, named=[("1", "live", NOW), ("2", "shadow", NOW)])
    for state, at in (("live", NOW + 5 * DAY_US), ("live", NOW + 9 * DAY_US)):
        with store.write() as conn:
            version = versions.lock_version(conn, id=second)
            change = Version(id=second, model_id=version.model_id, name="2", state=state, updated_us=at)
            versions.update_version(conn, change)
    with store.read() as conn:
        assert went_live_us(versions.get_version_by_id(conn, id=second)[1]) == NOW + 5 * DAY_US
    assert succeed(store, now_us=NOW + 12 * DAY_US) == 1
    assert state_of(store) == {"1": "retired", "2": "live"}


def test_a_version_reads_its_own_rows_again_by_columns_that_changed(store):
    (version,) = make(store, rules={}, named=[("1", "live", NOW)])
    first = set_from_csv(store, version)
    assert first.schema.by_name["tenure"].type == "numeric"
    changed = [c.to_json() | ({"missing": [-1]} if c.name == "tenure" else {}) for c in first.schema.columns]
    with store.write() as conn:
        schemas.save_schema(conn, version_id=version, schema=Schema.from_json({"columns": changed}))
    again = copy_reference(store, from_version_id=version, to_version_id=version, now_us=NOW + 1)
    assert (again.reference.number, again.reference.digest) == (2, first.reference.digest)
    missing = [summarise_column(made.layout, made.profile, column="tenure")["missing"] for made in (first, again)]
    assert (missing[0], missing[1] > 0) == (0, True)
    assert copy_reference(store, from_version_id=version, to_version_id=version, now_us=NOW + 2).created is False


def test_the_same_file_after_its_columns_changed_is_read_again_by_them(store):
    (version,) = make(store, rules={}, named=[("1", "live", NOW)])
    first = set_from_csv(store, version)
    assert set_from_csv(store, version).created is False
    changed = [c.to_json() | ({"type": "categorical"} if c.name == "tenure" else {}) for c in first.schema.columns]
    with store.write() as conn:
        schemas.save_schema(conn, version_id=version, schema=Schema.from_json({"columns": changed}))
    again = set_from_csv(store, version)
    assert (again.reference.number, again.schema.by_name["tenure"].type) == (2, "categorical")
