"""Every alert has its unit tests: fires, does not, resolves, outlives a failed scrape, is one of many replicas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from tests.export.test_rules import UNIT_TESTS, alerts, rules

ALERTS = sorted({alert["alert"] for alert in alerts()})
ALWAYS = {"DriftlineWatchdog"}  # fires whatever happens: there is nothing that it would not fire at, or resolve by
# Of one process each, by `instance`: two replicas that are both ill are two alerts.
BY_PROCESS = {
    "DriftlineQueueFull", "DriftlineDiskLow", "DriftlineDiskFilling", "DriftlineTargetDown",
    "DriftlineNotReady", "DriftlineWorkHanging", "DriftlineClockSkew",
}  # fmt: skip
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one look at an alert expects: how many fire at ``seconds``, in one scenario of series."""

    scenario: dict
    seconds: int
    firing: int

    @property
    def in_a_gap(self) -> bool:
        """Whether the last scrape before this moment failed: nothing came, for no series."""
        at = self.seconds // seconds_of(self.scenario["interval"])
        newest = {
            (samples(one["values"])[at : at + 1] or ["_"])[0]
            for one in self.scenario["input_series"]
            if not one["series"].startswith("up{")  # which says so itself
        }
        return newest in ({"stale"}, {"stale", "_"})

    @property
    def replicas(self) -> int:
        """The most processes that export one and the same series."""
        seen: dict[str, set[str]] = {}
        for one in self.scenario["input_series"]:
            instance = re.search(r'instance="(\w+)"', one["series"])
            if instance is not None:
                seen.setdefault(re.sub(r',?instance="\w+"', "", one["series"]), set()).add(instance[1])
        return max((len(instances) for instances in seen.values()), default=0)


def seconds_of(text: str) -> int:
    """The seconds of a duration as promtool writes it.

    >>> seconds_of("12h10m"), seconds_of("30s")
    (43800, 30)
    """
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([hms])", text))


def samples(text: str) -> list[str]:
    """Each sample of promtool's notation, a changing value as ``value``: ``a+bxn`` is n + 1 samples, ``_xn`` is n.

    >>> samples("1x2 stale 0+5x1 _x2")
    ['1', '1', '1', 'stale', 'value', 'value', '_', '_']
    """
    found: list[str] = []
    for part in text.split():
        if part == "stale" or "x" not in part:
            found.append(part)
            continue
        value, _, times = part.rpartition("x")
        repeated = int(times) + (value != "_")
        found += ["value" if re.search(r"\d[+-]", value) else value] * repeated
    return found


def cases(alert: str) -> Iterator[Case]:
    for path in UNIT_TESTS:
        for scenario in yaml.safe_load(path.read_text())["tests"]:
            for case in scenario.get("alert_rule_test", ()):
                if case["alertname"] == alert:
                    yield Case(scenario=scenario, seconds=seconds_of(case["eval_time"]), firing=len(case["exp_alerts"]))


def test_the_series_of_every_scenario_last_until_its_last_look():
    for alert in ALERTS:
        for case in cases(alert):
            step = seconds_of(case.scenario["interval"])
            for one in case.scenario["input_series"]:
                ended = samples(one["values"])[-1] == "stale"
                assert ended or len(samples(one["values"])) > case.seconds // step, (case.scenario["name"], one)


def test_every_recorded_series_has_a_unit_test():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    tested = {
        case["expr"]
        for path in UNIT_TESTS
        for scenario in yaml.safe_load(path.read_text())["tests"]
        for case in scenario.get("promql_expr_test", ())
        if case["exp_samples"]
    }
    assert len(recorded) >= 19
    assert tested == recorded


@pytest.mark.parametrize("alert", ALERTS)
def test_it_fires_and_does_not_and_resolves(alert):
    found = list(cases(alert))
    assert [case for case in found if case.firing]
    if alert in ALWAYS:
        assert all(case.firing for case in found)
        return
    first = {id(c.scenario): c.seconds for c in sorted(found, key=lambda c: -c.seconds) if c.firing}
    quiet = [case for case in found if not case.firing]
    assert [case for case in quiet if case.seconds < first.get(id(case.scenario), 0)], "nothing before it fires"
    assert [case for case in quiet if case.seconds > first.get(id(case.scenario), case.seconds)], "no end"


@pytest.mark.parametrize("alert", ALERTS)
def test_a_failed_scrape_neither_ends_nor_begins_it(alert):
    gaps = [case for case in cases(alert) if case.in_a_gap]
    if alert in {"DriftlineAbsent", "DriftlineTargetDown"}:  # about scrapes themselves: one that failed is not enough
        assert [case.firing for case in gaps if case.seconds < 1200] == [0]
    else:
        assert [case for case in gaps if case.firing]


@pytest.mark.parametrize("alert", sorted(set(ALERTS) - BY_PROCESS))
def test_several_replicas_that_say_the_same_page_once(alert):
    together = [case for case in cases(alert) if case.replicas > 1 and case.firing]
    assert together
    for case in together:
        expected = [c for c in case.scenario["alert_rule_test"] if c["alertname"] == alert and c["exp_alerts"]]
        for look in expected:
            labels = [tuple(sorted(one["exp_labels"].items())) for one in look["exp_alerts"]]
            assert len(set(labels)) == len(labels)
            assert not any("instance" in dict(one) for one in labels)
