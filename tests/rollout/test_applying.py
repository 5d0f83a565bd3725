"""A set applied to a store: one transaction, the difference, whose models they are."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from monitor.configuration.plan import Rules
from monitor.configuration.problems import InvalidConfiguration
from monitor.configuration.reading import Document, read_documents
from monitor.configuration.resolve import resolve
from monitor.configuration.writing import file_of, yaml_text
from monitor.model.entities import Model, Version
from monitor.rollout.applying import apply
from monitor.store import models, versions, windows
from monitor.store.windows import WindowRow
from tests.rollout.shown import shown_models

NOW = 1_800_000_000_000_000


def applied(store, content, *, dry_run=False, now_us=NOW, **rules):
    documents = [Document(path="a.yaml", content={"driftline": 1, **content})]
    return apply(store, configuration=resolve(documents), rules=Rules(**rules), dry_run=dry_run, now_us=now_us)


def lines(done):
    return [
        (change.action, change.model, change.version, [(f.field, f.old, f.new) for f in change.fields])
        for change in done.changes
    ]


def refusal(store, content, **rules):
    with pytest.raises(InvalidConfiguration) as refused:
        applied(store, content, **rules)
    return [str(problem) for problem in refused.value.problems]


def stored(store, name, version=None):
    with store.read() as conn:
        if version is None:
            return models.get_model(conn, name=name)
        return versions.get_version(conn, model=name, version=version)[1]


def names(store):
    with store.read() as conn:
        return [model.name for model in models.list_models(conn)]


def test_a_dry_run_says_what_an_apply_then_does_and_applying_again_does_nothing(store):
    content = {"models": {"churn": {"team": "crm", "versions": {"42": {"decision_threshold": 0.3}}}}}
    dry = applied(store, content, dry_run=True)
    assert (names(store), dry.applied) == ([], False)
    done = applied(store, content)
    assert lines(done) == lines(dry) == [
        ("create", "churn", None, [("team", None, "crm")]),
        ("create", "churn", "42", [("state", None, "live"), ("decision_threshold", None, 0.3)]),
    ]  # fmt: skip
    before = stored(store, "churn")
    again = applied(store, content, now_us=NOW + 1)
    assert (lines(again), stored(store, "churn")) == ([], before)


def test_one_threshold_edited_is_exactly_that_difference(store):
    checks = [{"name": "drift", "kind": "drift", "threshold": 0.2}, {"name": "volume", "kind": "volume"}]
    many = {f"m{n}": {"checks": checks} for n in range(20)}
    applied(store, {"models": many})
    many["m7"] = {"checks": [checks[0] | {"threshold": 0.3}, checks[1]]}
    assert lines(applied(store, {"models": many})) == [
        ("update", "m7", None, [("checks.drift.threshold", 0.2, 0.3)]),
    ]  # fmt: skip


def test_checks_that_come_go_and_change_places_are_told_by_name(store):
    one, two, three = ({"name": n, "kind": "drift", "columns": [n]} for n in ("a", "b", "c"))
    applied(store, {"models": {"m": {"checks": [one, two]}}})
    done = applied(store, {"models": {"m": {"checks": [three, two, one]}}})
    assert lines(done) == [
        ("update", "m", None, [("checks.c", None, three), ("order of checks", ["a", "b"], ["b", "a"])])
    ]
    assert lines(applied(store, {"models": {"m": {"checks": [three, two]}}})) == [
        ("update", "m", None, [("checks.a", one, None)])
    ]
    assert lines(applied(store, {"models": {"m": {"checks": []}}})) == [
        ("update", "m", None, [("checks", [three, two], [])])
    ]


def test_a_field_that_the_file_no_longer_has_is_at_its_default_again_and_hand_edits_show(store):
    applied(store, {"models": {"m": {"team": "a", "lateness": "1h"}}})
    with store.write() as conn:
        model = models.get_model(conn, name="m")
        models.update_model(conn, Model(id=model.id, name="m", team="by hand", lateness_us=model.lateness_us))
    assert lines(applied(store, {"models": {"m": {"team": "a"}}})) == [
        ("update", "m", None, [("team", "by hand", "a"), ("lateness", "1h", "5m")])
    ]


def test_one_problem_of_one_model_changes_nothing_of_any(store):
    applied(store, {"models": {"m": {"window": "1h", "versions": {"1": {}}}}})
    version = stored(store, "m", "1")
    with store.write() as conn:
        windows.upsert_window(
            conn, WindowRow(version_id=version.id, start_us=0, end_us=3_600_000_000, state="closed", rows=1)
        )
    found = refusal(store, {"models": {"a": {}, "m": {"window": "1d"}}})
    assert found == [
        "a.yaml: models.m.window: the model has windows of 1h in UTC: window and timezone cannot change any more; "
        "log to a model of another name"
    ]
    assert names(store) == ["m"]


def test_a_new_window_is_refused_while_the_baseline_of_a_version_that_stays_makes_no_sense_for_it(store):
    """One that the files name is held against the new window itself."""
    hourly, daily = {"baseline": {"kind": "same_hour"}}, {"baseline": {"kind": "same_day_of_week"}}
    applied(store, {"models": {"m": {"window": "1h", "versions": {"1": hourly, "2": hourly}}}})
    found = refusal(store, {"models": {"m": {"window": "1d", "versions": {"2": daily}}}})
    assert found == [
        "a.yaml: models.m.window: version '1': baseline: 'same_hour' needs windows shorter than a day, found window "
        "'1d': use 'same_day_of_week', or a shorter window"
    ]
    applied(store, {"models": {"m": {"window": "1d", "versions": {"1": daily, "2": daily}}}})
    assert stored(store, "m").window.length == "1d"


def test_versions_take_what_the_model_says_unless_they_say_it_themselves(store):
    def values(version):
        found = stored(store, "m", version)
        return found.positive, found.decision_threshold

    fields = {"task": "binary_classification", "positive": "yes", "decision_threshold": 0.3}
    applied(store, {"models": {"m": fields | {"versions": {"1": {}, "2": {"decision_threshold": 0.5}}}}})
    assert (values("1"), values("2")) == (("yes", 0.3), ("yes", 0.5))
    applied(
        store, {"models": {"m": fields | {"decision_threshold": 0.4, "versions": {"2": {"decision_threshold": 0.5}}}}}
    )
    assert (values("1"), values("2")) == (("yes", 0.4), ("yes", 0.5))
    applied(store, {"models": {"m": fields | {"decision_threshold": 0.4, "versions": {"2": {}}}}})
    assert values("2") == ("yes", 0.4)
    applied(store, {"models": {"m": {"task": "binary_classification"}}})
    assert (values("1"), values("2")) == ((None, 0.5), (None, 0.5))


def test_pruning_removes_what_the_set_made_and_nothing_else(store):
    with store.write() as conn:
        models.insert_model(conn, Model(name="by-hand", created_us=NOW))
        kept = models.insert_model(conn, Model(name="touched", created_us=NOW))
        versions.insert_version(conn, Version(model_id=kept.id, name="old", created_us=NOW))
    applied(store, {"name": "other", "models": {"theirs": {}}})
    applied(store, {"models": {"nobodys": {}}})
    full = {"name": "crm", "models": {
        "a": {"versions": {"1": {}, "2": {}}}, "b": {}, "touched": {"team": "x", "versions": {"new": {}}},
    }}  # fmt: skip
    applied(store, full)
    fewer = {"name": "crm", "models": {"a": {"versions": {"2": {}}}, "touched": {"team": "x"}}}
    assert lines(applied(store, fewer)) == []
    done = applied(store, fewer, prune=True)
    assert sorted((model, version or "") for action, model, version, _ in lines(done) if action == "delete") == [
        ("a", "1"), ("b", ""), ("touched", "new"),
    ]  # fmt: skip
    assert names(store) == ["a", "by-hand", "nobodys", "theirs", "touched"]
    assert stored(store, "touched", "old").name == "old"
    everything = applied(store, {"name": "crm", "models": {"z": {}}}, prune=True)
    assert names(store) == ["by-hand", "nobodys", "theirs", "touched", "z"]
    assert [model for action, model, *_ in lines(everything) if action == "delete"] == ["a"]


def test_pruning_needs_a_name(store):
    assert "pruning needs the set's name" in refusal(store, {"models": {"a": {}}}, prune=True)[0]


def test_a_set_changes_no_model_of_another_set_unless_it_takes_it_over(store):
    applied(store, {"name": "crm", "models": {"a": {"team": "x"}}})
    assert lines(applied(store, {"name": "ops", "models": {"a": {"team": "x"}}})) == []
    found = refusal(store, {"name": "ops", "models": {"a": {"team": "y"}}})
    assert found == [
        "a.yaml: models.a: the model was made by the set 'crm', and this one is 'ops': change it there, or take it "
        "over with --adopt"
    ]
    done = applied(store, {"name": "ops", "models": {"a": {"team": "y"}}}, adopt=True)
    assert lines(done) == [("update", "a", None, [("origin", "crm", "ops"), ("team", "x", "y")])]
    applied(store, {"name": "crm", "models": {"b": {}}}, prune=True)
    assert names(store) == ["a", "b"]


def test_references_are_outstanding_until_the_store_has_them(store):
    digest = "sha256:" + "0" * 64
    shape = {"models": {"m": {"versions": {
        "1": {"reference": {"file": "a.csv", "digest": digest}},
        "2": {"reference": {"from_version": "1"}},
        "3": {"reference": {"windows": {"from": "2026-01-01", "to": "2026-01-02"}}},
    }}}}  # fmt: skip
    wanted = [
        {"model": "m", "version": "1", "file": "a.csv", "named_in": "a.yaml", "digest": digest},
        {"model": "m", "version": "3", "windows": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}},
        {"model": "m", "version": "2", "from_version": "1"},
    ]
    assert [reference.to_json() for reference in applied(store, shape).references] == wanted
    again = applied(store, shape)
    assert [reference.to_json() for reference in again.references] == wanted
    assert [change.version for change in again.changes] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("reference", "part"),
    [
        ({"file": "a.csv"}, "the server reads no files of its clients"),
        ({"from_version": "41"}, "version '41' is not known"),
        ({"digest": "sha256:" + "1" * 64}, "the version has no reference sha256:111"),
    ],
)
def test_a_reference_that_cannot_be_had_refuses_the_set(store, reference, part):
    assert part in refusal(store, {"models": {"a": {}, "m": {"versions": {"1": {"reference": reference}}}}})[0]
    assert names(store) == []


def test_a_thousand_columns_too_many_are_refused(store):
    columns = {f"c{n}": {} for n in range(11)}
    found = refusal(store, {"models": {"m": {"versions": {"1": {"columns": columns}}}}}, max_columns=10)
    assert "11 columns: expected at most 10" in found[0]


def test_more_segments_than_allowed_are_refused(store):
    segments = [{"by": f"c{n}"} for n in range(3)]
    found = refusal(store, {"models": {"m": {"segments": segments}}}, max_segments=2)
    assert found == ["a.yaml: models.m.segments: 3 segments: expected at most 2 (DRIFTLINE_MAX_SEGMENTS)"]


def test_two_at_once_run_one_after_the_other_and_the_second_finds_nothing_to_do(store):
    content = {"models": {f"m{n}": {"versions": {"1": {}}} for n in range(30)}}
    done, start = [], threading.Barrier(4)

    def one():
        start.wait()
        done.append(len(applied(store, content).changes))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 0, 0, 60]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
DURATION = st.builds("{}{}".format, st.integers(1, 999), st.sampled_from(["s", "m", "h", "d"]))
NUMBER = st.floats(0, 1e6, allow_nan=False) | st.integers(0, 10**6)
CHECK = st.fixed_dictionaries(
    {"kind": st.just("drift")},
    optional={
        "threshold": NUMBER | st.just("auto") | st.builds(lambda n: {"warning": {"rise": n}, "alert": n}, NUMBER),
        "columns": st.lists(TEXT.filter(lambda text: not text.startswith("@")), max_size=3),
        "min_rows": st.integers(1, 99), "hold": st.none() | st.integers(1, 9),
        "severity": st.sampled_from(["critical", "warning", "none"]), "description": TEXT, "enabled": st.booleans(),
    },
)  # fmt: skip
CHECKS = st.dictionaries(NAME, CHECK, max_size=4).map(lambda named: [{"name": n} | c for n, c in named.items()])
CONDITION = (
    TEXT | NUMBER | st.fixed_dictionaries({"in": st.lists(TEXT | NUMBER | st.booleans(), min_size=1, max_size=3)})
)
SEGMENTS = st.lists(st.one_of(
    st.fixed_dictionaries(
        {"by": TEXT.filter(bool)}, optional={"top": st.integers(1, 100), "min_share": st.floats(0, 1)},
    ),
    st.fixed_dictionaries(
        {"name": NAME, "where": st.dictionaries(TEXT.filter(bool), CONDITION, min_size=1, max_size=3)},
        optional={"protected": st.booleans()},
    ),
), max_size=3, unique_by=lambda one: (one.get("by"), one.get("name")))  # fmt: skip
VERSION = st.fixed_dictionaries({}, optional={
    "state": st.sampled_from(["live", "shadow", "retired"]), "decision_threshold": NUMBER,
    "positive": TEXT | st.booleans(),
    "tags": st.dictionaries(TEXT, TEXT, max_size=3),
    "columns": st.dictionaries(st.from_regex(r"[a-zé:. ]{1,9}", fullmatch=True), st.fixed_dictionaries({}, optional={
        "type": st.sampled_from(["numeric", "categorical"]), "missing": st.lists(NUMBER | TEXT, max_size=2),
        "importance": NUMBER, "description": TEXT, "segment": st.booleans(),
    }), max_size=4),
})  # fmt: skip
MODEL = st.fixed_dictionaries({}, optional={
    "task": st.sampled_from(["none", "regression", "binary_classification"]), "team": TEXT, "description": TEXT,
    "window": st.sampled_from(["5m", "1h", "1d", "1mo"]), "lateness": DURATION, "stale_after": DURATION,
    "timezone": st.sampled_from(["UTC", "Europe/Berlin"]), "checks": st.none() | CHECKS,
    "segments": st.none() | SEGMENTS,
    "false_alarms": st.sampled_from(["1 per month", "2 per 3 weeks"]), "min_effect": NUMBER,
    "tags": st.dictionaries(TEXT, TEXT, max_size=3), "decision_threshold": NUMBER, "positive": TEXT,
    "labels": st.fixed_dictionaries({}, optional={"delay": DURATION, "min_coverage": st.floats(0, 1)}),
    "on_new_version": st.fixed_dictionaries({}, optional={
        "reference": st.sampled_from(["inherit", "require"]), "retire_after": DURATION,
    }),
    "versions": st.dictionaries(NAME, VERSION, max_size=3),
})  # fmt: skip


@settings(
    max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(NAME, MODEL, min_size=1, max_size=3), st.booleans())
def test_whatever_is_applied_its_export_changes_nothing(store, content, named):
    applied(store, {"models": content} | ({"name": "set"} if named else {}), adopt=True)
    assert lines(applied(store, {"models": content}, dry_run=True)) == []
    shapes = [(shape, found) for shape, found in shown_models(store) if shape["name"] in content]
    text = yaml_text(file_of(shapes))
    documents = read_documents(text, path="export.yaml")
    done = apply(store, configuration=resolve(documents), rules=Rules(), dry_run=True, now_us=NOW)
    assert lines(done) == []
    assert sorted(documents[0].content["models"]) == sorted(content)
    assert read_documents(text, path="export.yaml") == documents


def test_segments_are_written_back_as_they_were_said(store):
    model = {
        "segments": [
            {"by": "region", "min_share": 0.01},
            {"name": "dach-new", "where": {"country": {"in": ["DE", "no", "1e3"]}, "tenure": {"lt": 90}}},
            {"name": "women", "where": {"any": [{"sex": "f"}, {"sex": {"is_null": True}}]}, "compare_to": "dach-new"},
        ],
        "checks": [{"name": "d", "kind": "drift", "segments": ["", "dach-new", "region=*", "channel=web"]}],
        "versions": {"42": {"columns": {"channel": {"role": "context", "segment": True}}}},
    }
    applied(store, {"models": {"churn": model}})
    text = yaml_text(file_of(shown_models(store)))
    documents = read_documents(text, path="export.yaml")
    assert {k: documents[0].content["models"]["churn"][k] for k in ("segments", "checks")} == {
        k: model[k] for k in ("segments", "checks")
    }
    again = apply(store, configuration=resolve(documents), rules=Rules(), dry_run=True, now_us=NOW + 1)
    assert lines(again) == []
    model["segments"] = model["segments"][:1] + model["segments"][2:]
    assert "'dach-new' is no segment of this model" in "".join(problems_of(model))


def problems_of(model):
    with pytest.raises(InvalidConfiguration) as refused:
        resolve([Document(path="a.yaml", content={"driftline": 1, "models": {"churn": model}})])
    return [str(problem) for problem in refused.value.problems]


def test_baselines_are_written_back_as_they_were_said(store):
    content = {
        "models": {
            "churn": {
                "timezone": "Europe/Berlin",
                "baseline": {"kind": "same_hour", "windows": 14},
                "checks": [
                    {"name": "jump", "kind": "drift", "baseline": {"kind": "previous"}},
                    {"name": "was", "kind": "quality", "metric": "missing", "baseline": {"kind": "windows",
                     "from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}},
                ],
                "versions": {"42": {"baseline": {"kind": "version", "version": "41"}}},
            }
        }
    }  # fmt: skip
    applied(store, content)
    text = yaml_text(file_of(shown_models(store)))
    documents = read_documents(text, path="export.yaml")
    again = apply(store, configuration=resolve(documents), rules=Rules(), dry_run=True, now_us=NOW + 1)
    assert lines(again) == []


@pytest.mark.parametrize(
    ("baseline", "told"),
    [
        ({"kind": "same_hour"}, "needs windows shorter than a day"),
        ({"kind": "version", "version": 41}, "quote it"),
        ({"kind": "roling"}, "did you mean 'rolling'"),
    ],
)
def test_a_baseline_that_makes_no_sense_is_refused_with_its_place(store, baseline, told):
    (problem,) = refusal(store, {"models": {"daily": {"window": "1d", "baseline": baseline}}})
    assert told in problem


def test_a_version_is_not_held_against_itself(store):
    (problem,) = refusal(
        store, {"models": {"churn": {"versions": {"42": {"baseline": {"kind": "version", "version": "42"}}}}}}
    )
    assert "names the version itself" in problem
