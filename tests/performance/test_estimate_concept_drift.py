"""The gap between realised and estimated is noise until the concept drifts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monitor.performance.calibrator import restored
from monitor.performance.cbpe_binary import estimate_binary
from monitor.performance.concept_drift import concept_gap
from tests.performance.scoring import CENTERS, SURE, by, records

RAW = restored(SURE, centers=CENTERS, isotonic=False, gain=0.0, gain_se=0.1, misfit=0.0, reason=None)


def _gap_of_accuracy(rng, n, *, coverage=1.0, honesty=1.0):
    score, label = records(rng, n, honesty=honesty)
    e = next(e for e in estimate_binary(by(score > 0.5, score), calibration=RAW) if e.metric == "accuracy")
    labelled = rng.permutation(n)[: int(coverage * n)]
    realised = np.mean((score > 0.5)[labelled] == label[labelled])
    se = np.sqrt(realised * (1 - realised) / len(labelled))
    return concept_gap(realised, realised_se=se, estimated=e.value, estimated_se=e.se, coverage=coverage, alpha=0.05)


@pytest.mark.parametrize("coverage", [1.0, 0.5, 0.1])
def test_without_concept_drift_it_fires_as_often_as_it_says_whatever_the_coverage(coverage):
    rng = np.random.default_rng(int(10 * coverage))
    fired = sum(_gap_of_accuracy(rng, 1_000, coverage=coverage).beyond for _ in range(400))
    assert 7 <= fired <= 34  # 20 ± three standard errors


def test_under_concept_drift_it_fires():
    rng = np.random.default_rng(1)
    fired = sum(_gap_of_accuracy(rng, 2_000, honesty=0.5).beyond for _ in range(50))
    assert fired >= 48


def test_the_p_value_is_the_normal_tail_and_falls_under_alpha_exactly_beyond_the_threshold():
    found = concept_gap(0.7, realised_se=0.3, estimated=0.8, estimated_se=0.04, alpha=0.02)
    assert found.p == pytest.approx(2 * stats.norm.sf(0.1 / 0.04))
    assert found.threshold == pytest.approx(stats.norm.isf(0.01) * 0.04)
    assert found.beyond == (found.p < 0.02)


def test_without_noise_any_gap_is_one_and_none_is_none():
    assert concept_gap(0.7, realised_se=0.0, estimated=0.7, estimated_se=0.0).p == 1.0
    assert concept_gap(0.7, realised_se=0.0, estimated=0.8, estimated_se=0.0).beyond


@pytest.mark.parametrize(
    "wrong", [{"coverage": 1.5}, {"alpha": 0.0}, {"realised_se": -1.0}, {"estimated_se": float("nan")}]
)
def test_what_cannot_be_is_refused(wrong):
    given = {"realised_se": 0.1, "estimated": 0.5, "estimated_se": 0.1} | wrong
    with pytest.raises(ValueError, match="expected shares"):
        concept_gap(0.5, **given)
