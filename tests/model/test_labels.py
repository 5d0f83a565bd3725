from __future__ import annotations

import pytest

from monitor.model.entities import Model
from monitor.model.errors import InvalidInput
from monitor.model.labels import LabelRules, label_rules
from monitor.model.time import DAY_US


def test_a_model_that_says_nothing_of_its_labels_asks_for_nothing():
    assert label_rules(Model(name="m")) == LabelRules(delay_us=0, min_coverage=0.0)


@pytest.mark.parametrize(("task", "value"), [("binary_classification", "0"), ("regression", 0.0)])
def test_the_rules_of_a_model_are_in_microseconds_and_in_the_task_s_own_values(task, value):
    sent = {"delay": "30d", "min_coverage": 0.8, "default": {"value": value, "after": "60d"}}
    rules = label_rules(Model(name="m", task=task, settings={"labels": sent}))
    assert rules == LabelRules(
        delay_us=30 * DAY_US, min_coverage=0.8, default_value=value, default_after_us=60 * DAY_US
    )


def test_a_label_is_never_assumed_before_it_is_due():
    assert LabelRules(delay_us=5, default_value="no", default_after_us=5).default_after_us == 5
    with pytest.raises(InvalidInput, match="comes before"):
        LabelRules(delay_us=5, default_value="no", default_after_us=4)
