"""Performance on the page: which window's numbers are shown, and under which names."""

from __future__ import annotations

from monitor.export.columns import columns_of
from monitor.export.performance import with_labelled
from monitor.export.reader import StoreReader
from monitor.export.series import model_series
from monitor.model.time import DAY_US
from tests.evaluate.scored_traffic import binary_world, by_id, scored, send_labels
from tests.export.fleet import NOW, facts, row


def lines_of(rows):
    made = facts(rows=rows)
    return {line for family, line in model_series(made, now_us=NOW) if "performance" in family or "label" in family}


REFERENCE = {"reference": 0.72}
ROWS = [
    row(
        "", "roc_auc", 0.7, kind="performance", check="performance", lower=0.65, upper=0.75, method={"reference": 0.72}
    ),
    row("", "roc_auc", 0.71, kind="estimate", check="", lower=0.69, upper=0.73, method={"reference": 0.72}),
    row("", "log_loss", None, kind="performance", check="", status="unknown", reason="no_scores"),
    row("", "label_coverage", 0.9, kind="performance", check=""),
]


def test_performance_is_shown_with_its_interval_the_references_value_and_the_coverage():
    known = 'model="churn",version="1",segment=""'
    assert lines_of(ROWS) == {
        f'driftline_performance{{{known},metric="roc_auc",kind="realised"}} 0.7',
        f'driftline_performance_lower{{{known},metric="roc_auc",kind="realised"}} 0.65',
        f'driftline_performance_upper{{{known},metric="roc_auc",kind="realised"}} 0.75',
        f'driftline_performance{{{known},metric="roc_auc",kind="estimated"}} 0.71',
        f'driftline_performance_lower{{{known},metric="roc_auc",kind="estimated"}} 0.69',
        f'driftline_performance_upper{{{known},metric="roc_auc",kind="estimated"}} 0.73',
        f'driftline_performance_reference{{{known},metric="roc_auc"}} 0.72',
        f"driftline_label_coverage_ratio{{{known}}} 0.9",
    }


def test_a_metric_without_a_value_is_no_series():
    assert columns_of([ROWS[2]]).performance == ()


def test_what_labels_decide_is_of_the_window_that_they_decided():
    older = [row("", "roc_auc", 0.6, kind="performance", check="performance"), row("", "roc_auc", 0.5, kind="estimate")]
    shown = with_labelled(ROWS, labelled=older)
    assert [(r.kind, r.value) for r in shown] == [("estimate", 0.71), ("performance", 0.6)]
    assert with_labelled(ROWS, labelled=None) == ROWS


def test_the_page_reads_realised_values_of_the_newest_window_whose_labels_were_due(store):
    world = binary_world(store, settings={"labels": {"delay": "1h"}})
    for hour in range(3):
        batch, truth = scored(hour)
        world.post(batch)
        if hour == 0:
            send_labels(world, by_id(batch, truth))
        world.tick_after(hour)
    versions, _ = StoreReader(store).read(now_us=0)
    samples = {(family, text): value for family, text, value in versions[0].columns.performance}
    coverage = samples["driftline_label_coverage_ratio", 'segment=""']
    (decided,) = [state for state in versions[0].states if state.kind == "performance"]
    assert versions[0].window.start_us - world.windows()[0].start_us == DAY_US // 12
    assert (coverage, world.windows()[1].start_us) == (0.0, decided.window_start_us)
    assert ("driftline_performance", 'segment="",metric="roc_auc",kind="estimated"') in samples
