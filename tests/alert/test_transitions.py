"""Verdicts in force: the table, hold, revisions, unknowns, old windows."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alert.transitions import CHANGES, TABLE, TOLD, advance, markdown, mermaid
from monitor.model.results import CheckVerdict, ColumnEvidence

STATUSES = ("unknown", "ok", "warning", "alert")
RANK = {"unknown": 0, "ok": 0, "warning": 1, "alert": 2}
ALARMS = Path(__file__).resolve().parents[2] / "docs/alarms.md"
windows = st.lists(st.sampled_from(STATUSES), max_size=40)
holds = st.integers(1, 4)


def verdict(status, *, hold=1, reason=None):
    failing = status in ("warning", "alert")
    return CheckVerdict(
        check="drift", kind="drift", severity="warning", status=status, reason=reason, value=6.0, threshold=4.0,
        rows=1_000, columns_failing=int(failing), hold=hold,
        columns=(ColumnEvidence(column="age", metric="surprise", value=6.0, threshold=4.0),) if failing else (),
    )  # fmt: skip


def play(statuses, *, hold=1, counts=True, state=None, starts=None):
    """The state after these windows, and the statuses of the transitions told."""
    told = []
    for number, status in enumerate(statuses):
        start = number if starts is None else starts[number]
        state, transition = advance(
            state, verdict(status, hold=hold, reason="few_rows" if status == "unknown" else None),
            now_us=1_000 + number, window_start_us=start * 10, window_end_us=start * 10 + 10, counts=counts,
        )  # fmt: skip
        if transition is not None:
            told.append((transition.from_status, transition.status))
    return state, told


def test_every_pair_of_statuses_has_its_effect_and_only_changes_are_told():
    assert set(TABLE) == {(a, b) for a in STATUSES for b in STATUSES}
    assert TOLD < CHANGES
    for (status, said), effect in TABLE.items():
        assert (effect in CHANGES) == (said != "unknown" and status != said)


@pytest.mark.parametrize("status", ["ok", "warning", "alert"])
def test_the_first_decision_is_told_unless_it_is_ok(status):
    state, told = play([status])
    assert state.status == status
    assert told == ([] if status == "ok" else [("unknown", status)])


def test_an_alert_is_raised_eased_and_resolved_once_each():
    state, told = play(["ok", "alert", "alert", "warning", "ok", "ok"])
    assert told == [("ok", "alert"), ("alert", "warning"), ("warning", "ok")]
    assert (state.status, state.since_us) == ("ok", 1_004)


def test_unknown_keeps_the_last_decided_verdict_and_says_why():
    state, told = play(["alert", "unknown", "unknown"])
    assert (state.status, state.unknown_reason, told) == ("alert", "few_rows", [("unknown", "alert")])
    state, told = play(["alert"], state=state)
    assert (state.status, state.unknown_reason, told) == ("alert", None, [])


def test_nothing_ever_decided_is_unknown_and_silent():
    state, told = play(["unknown", "unknown"])
    assert (state.status, state.unknown_reason, state.since_us, told) == ("unknown", "few_rows", 1_000, [])


def test_the_n_there_was_goes_with_the_n_it_needs_until_something_is_decided():
    def few(state, rows):
        said = CheckVerdict(
            check="drift", kind="drift", severity="warning", status="unknown", reason="learning", rows=rows, needs=60
        )
        return advance(state, said, now_us=1, window_start_us=0, window_end_us=1, counts=True)[0]

    state = few(few(None, 3), 7)
    assert (state.rows, state.needs) == (7, 60)
    decided, _ = play(["alert"])
    kept = few(decided, 3)
    assert (kept.rows, kept.value) == (decided.rows, decided.value)


def test_hold_waits_for_consecutive_windows_and_getting_better_does_not_wait():
    assert play(["ok", "alert", "ok", "alert", "alert"], hold=2)[1] == [("ok", "alert")]
    assert play(["ok", "alert", "alert", "ok"], hold=2)[1] == [("ok", "alert"), ("alert", "ok")]


def test_hold_counts_worse_windows_for_the_lesser_verdict_and_passes_over_unknown_ones():
    assert play(["ok", "alert", "warning"], hold=2)[1] == [("ok", "warning")]
    assert play(["ok", "alert", "unknown", "alert"], hold=2)[1] == [("ok", "alert")]


def test_windows_that_alternate_between_warning_and_alert_are_a_warning_and_an_alert_once_enough_in_a_row_are():
    assert play(["ok"] + ["alert", "warning"] * 20, hold=3)[1] == [("ok", "warning")]
    assert play(["ok", "warning", "alert", "alert"], hold=3)[1] == [("ok", "warning")]
    assert play(["ok", "warning", "alert", "alert", "alert"], hold=3)[1] == [("ok", "warning"), ("warning", "alert")]
    assert play(["ok", "alert", "alert", "alert"], hold=3)[1] == [("ok", "alert")]


def test_a_change_held_long_enough_is_told_in_its_own_words():
    state, _ = play(["ok", "warning", "warning"], hold=3)
    _, told = advance(
        state, verdict("alert", hold=3), now_us=9, window_start_us=90, window_end_us=91, counts=True
    )  # fmt: skip
    assert told is not None
    assert (told.status, told.explanation.split(",")[0]) == ("warning", "drift: warning")


def test_a_revision_of_the_same_window_does_not_count_twice_for_hold():
    assert play(["ok", "alert", "alert"], hold=2, starts=[0, 1, 1])[1] == []
    assert play(["ok", "alert", "alert"], hold=2, starts=[0, 1, 2])[1] == [("ok", "alert")]


def test_a_window_that_does_not_count_changes_nothing():
    assert play(["alert"], counts=False) == (None, [])
    before, _ = play(["ok"])
    assert play(["alert"], counts=False, state=before) == (before, [])


def test_a_transition_says_what_is_wrong_in_one_sentence():
    _, transition = advance(
        None, verdict("alert"), now_us=5, window_start_us=0, window_end_us=10, counts=True
    )  # fmt: skip
    assert transition.explanation == "drift: alert, 1 column, worst age: surprise 6, threshold 4, 1,000 rows"
    assert (transition.at_us, transition.columns[0].column) == (5, "age")


def test_the_diagram_and_the_table_show_every_change_and_nothing_else():
    arrows = {tuple(line.split(":")[0].split(" --> ")) for line in mermaid().splitlines()[2:]}
    assert {(a.strip(), b.strip()) for a, b in arrows} == {pair for pair, effect in TABLE.items() if effect in CHANGES}
    assert len(markdown().splitlines()) == 2 + len(TABLE)


def test_the_documents_show_this_diagram_and_this_table():
    text = ALARMS.read_text(encoding="utf-8")
    assert text.split("<!-- the diagram of the table -->\n")[1].startswith(f"```mermaid\n{mermaid()}```\n")
    assert text.split("<!-- the table -->\n")[1].startswith(markdown() + "\n")


@given(windows)
def test_without_hold_the_verdict_in_force_is_the_last_decided_one(statuses):
    decided = [status for status in statuses if status != "unknown"]
    state, told = play(statuses)
    assert (None if state is None else state.status) == (None if not statuses else (decided or ["unknown"])[-1])
    changes = [(a, b) for a, b in zip(["unknown", *decided], decided, strict=False) if a != b]
    assert told == [pair for pair in changes if pair != ("unknown", "ok")]


@given(windows, holds)
def test_every_step_is_one_that_the_table_has_or_the_verdict_stays_and_an_alert_that_is_held_is_a_warning(
    statuses, hold
):
    state = None
    for number, said in enumerate(statuses):
        before = "unknown" if state is None else state.status
        state, told = play([said], hold=hold, state=state, starts=[number])
        effect = TABLE[before, said]
        held = ("warning", before) if said == "alert" else (before,)
        assert state.status in ((said, *held) if effect == "raise" else (said,) if effect in CHANGES else (before,))
        assert told == ([(before, state.status)] if state.status != before and effect in TOLD else [])
        assert (state.unknown_reason is None) == (said != "unknown")


@given(windows, holds)
def test_flapping_is_bounded_as_the_documents_say(statuses, hold):
    _, told = play(statuses, hold=hold)
    worse = [RANK[after] > RANK[before] for before, after in told]
    for level in ("warning", "alert"):
        assert sum(to == level for (_, to), is_worse in zip(told, worse, strict=True) if is_worse) * hold <= len(
            statuses
        )
    runs = "".join("w" if step else "b" for step in worse).split("w")
    assert runs[0] == ""
    assert all(len(run) <= 2 for run in runs)
