import math

import pytest

from monitor.model.errors import NotFound
from monitor.model.results import CheckState, ColumnEvidence, ResultRow, Transition
from monitor.store import results, verdicts
from monitor.store.results import StoredResult

EVIDENCE = (
    ColumnEvidence(column="a\0\ud800", metric="psi", value=0.3, threshold=0.2),
    ColumnEvidence(column="b", metric="psi", value=math.nan, threshold=None),
)
CLEANED = (EVIDENCE[0], ColumnEvidence(column="b", metric="psi", value=None, threshold=None))


def row(column="age", value=0.25, **fields):
    return ResultRow(
        column=column, metric="psi", check="drift", kind="drift", value=value, rows=9, reference_rows=8, status="ok",
        **fields,
    )  # fmt: skip


def result(version_id, start_us, *, segment="", revision=1, payload=b"p"):
    return StoredResult(
        version_id=version_id, window_start_us=start_us, window_end_us=start_us + 10, segment=segment,
        revision=revision, reference_number=None, status="alert", rows=5, reference_rows=6, computed_us=7,
        payload=payload,
    )  # fmt: skip


def test_rows_of_a_result_come_back_equal():
    rows = (
        row(lower=0.1, upper=0.2, threshold=0.3, p_value=1e-300, method={"bins": 10, "edges": [0.1, None]}),
        row(column="ünï", value=None, reason="few_rows", needs=50, segment="region=EU"), row(value=5e-324),
    )  # fmt: skip
    assert results.unpack_rows(results.pack_rows(rows)) == rows
    assert results.unpack_rows(results.pack_rows(())) == ()


def test_rows_of_a_later_format_are_refused():
    with pytest.raises(ValueError, match="format 9"):
        results.unpack_rows(b"\x09" + results.pack_rows([row()])[1:])


def test_a_later_revision_takes_the_place_of_the_earlier(store, version_id):
    with store.write() as conn:
        results.put_result(conn, result(version_id, 0, payload=b"\0old"))
        results.put_result(conn, result(version_id, 0, revision=2, payload=b"\0new"))
        assert results.list_results(conn, version_id=version_id) == [
            result(version_id, 0, revision=2, payload=b"\0new")
        ]
        assert results.get_result(conn, version_id=version_id, window_start_us=0) is not None
        assert results.get_result(conn, version_id=version_id, window_start_us=0, segment="x") is None


def test_results_are_listed_newest_first_in_a_half_open_range(store, version_id):
    def found(**which):
        return [(r.window_start_us, r.segment) for r in results.list_results(conn, version_id=version_id, **which)]

    with store.write() as conn:
        assert results.latest_result(conn, version_id=version_id) is None
        results.put_results(conn, [result(version_id, n * 10) for n in range(4)])
        results.put_results(conn, [result(version_id, 20, segment="b"), result(version_id, 20, segment="B")])
        assert found() == [(30, ""), (20, ""), (20, "B"), (20, "b"), (10, ""), (0, "")]
        assert found(from_us=10, to_us=20) == [(10, "")]
        assert found(before_us=20, limit=1) == [(10, "")]
        assert found(segment="b") == [(20, "b")]
        assert results.latest_result(conn, version_id=version_id) == result(version_id, 30)


def state(check="drift", segment="", **fields):
    values = {
        "check": check, "kind": "drift", "segment": segment, "severity": "warning", "status": "alert",
        "unknown_reason": None, "since_us": 1, "window_start_us": 2, "window_end_us": 3, "value": 0.3, "threshold": 0.2,
        "rows": 4, "needs": None, "columns_failing": 2, "columns": CLEANED, "streak": 5, "alert_streak": 3,
    }  # fmt: skip
    return CheckState(**(values | fields))


def test_the_verdicts_in_force_come_back_and_are_replaced(store, make_version):
    version_id, other = make_version(version="1").version.id, make_version(version="2").version.id
    with store.write() as conn:
        verdicts.put_states(conn, version_id=version_id, states=[state(), state("missing", "eu"), state("drift", "eu")])
        verdicts.put_states(conn, version_id=other, states=[state()])
        newer = state(status="ok", unknown_reason="few_rows", value=None, needs=50, columns=())
        verdicts.put_states(conn, version_id=version_id, states=[newer])
        assert verdicts.get_states(conn, version_id=version_id) == {
            ("drift", ""): newer, ("drift", "eu"): state("drift", "eu"), ("missing", "eu"): state("missing", "eu")
        }  # fmt: skip
        assert [(id, s.check) for id, s in verdicts.all_states(conn)] == [
            (version_id, "drift"), (version_id, "drift"), (version_id, "missing"), (other, "drift")
        ]  # fmt: skip
        verdicts.delete_states(conn, version_id=version_id, keys=[("drift", ""), ("missing", "eu")])
        assert list(verdicts.get_states(conn, version_id=version_id)) == [("drift", "eu")]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_kept_as_none_on_both(number, store, version_id):
    with store.write() as conn:
        verdicts.put_states(
            conn, version_id=version_id, states=[state(value=number, threshold=number, columns=EVIDENCE)]
        )
        kept = verdicts.get_states(conn, version_id=version_id)["drift", ""]
        assert kept == state(value=None, threshold=None)


def transition(status, *, check="drift", segment="", from_status="ok", columns=CLEANED):
    return Transition(
        check=check, kind="drift", segment=segment, severity="warning", from_status=from_status, status=status, at_us=1,
        window_start_us=2, window_end_us=3, value=0.5, threshold=0.25, rows=7, columns=columns, explanation="because",
    )  # fmt: skip


def test_a_transition_fires_until_the_next_of_its_check_and_segment(store, make_version):
    owner = make_version()
    names = {"model_id": owner.model.id, "version_id": owner.version.id}
    with store.write() as conn:
        first, other = verdicts.add_transitions(
            conn, **names, transitions=[transition("warning"), transition("alert", segment="eu")]
        )
        [worse] = verdicts.add_transitions(conn, **names, transitions=[transition("alert", from_status="warning")])
        assert [t.id for t in verdicts.list_transitions(conn, state="firing")] == [worse, other]
        [over] = verdicts.add_transitions(conn, **names, transitions=[transition("ok", from_status="alert")])
        assert [(t.id, t.state) for t in verdicts.list_transitions(conn)] == [
            (over, "resolved"), (worse, "resolved"), (other, "firing"), (first, "resolved")
        ]  # fmt: skip


def test_a_transition_comes_back_with_the_names_of_its_owner(store, make_version):
    owner = make_version("churn", "42")
    with store.write() as conn:
        [id] = verdicts.add_transitions(
            conn,
            model_id=owner.model.id,
            version_id=owner.version.id,
            transitions=[transition("alert", columns=EVIDENCE)],
        )
        stored = verdicts.get_transition(conn, id=id)
        assert (stored.model, stored.version, stored.state) == ("churn", "42", "firing")
        assert stored.transition == transition("alert")


def test_transitions_are_paged_newest_first_and_by_model(store, make_version):
    for model in ("a", "b"):
        owner = make_version(model)
        with store.write() as conn:
            verdicts.add_transitions(
                conn, model_id=owner.model.id, version_id=owner.version.id,
                transitions=[transition("alert", check=f"c{n}") for n in range(3)],
            )  # fmt: skip
    with store.read() as conn:
        everything = [t.id for t in verdicts.list_transitions(conn)]
        assert everything == sorted(everything, reverse=True)
        assert [t.id for t in verdicts.list_transitions(conn, after=everything[1], limit=2)] == everything[2:4]
        assert [t.transition.check for t in verdicts.list_transitions(conn, model="a")] == ["c2", "c1", "c0"]
        with pytest.raises(NotFound):
            verdicts.get_transition(conn, id=10**30)
