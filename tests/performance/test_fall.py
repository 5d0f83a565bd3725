"""A fall is beyond the noise, at the stated rate, and beyond what matters."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.performance import EFFECTS, between_variance, fall, smallest_effect
from monitor.performance.intervals import wilson
from monitor.performance.measure import CLASSIFICATION, REGRESSION

# Colditz et al. (1994), JAMA 271: tuberculosis by trial, vaccinated (ill, well) and not (ill, well).
BCG = np.array([
    (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
    (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232), (17, 1699, 65, 1600),
    (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
])  # fmt: skip


def test_the_variance_between_the_bcg_trials_is_the_published_one():
    ill, well, other_ill, other_well = BCG.T.astype(float)
    ratio = np.log(ill / (ill + well)) - np.log(other_ill / (other_ill + other_well))
    variance = 1 / ill - 1 / (ill + well) + 1 / other_ill - 1 / (other_ill + other_well)
    # Viechtbauer (2010), J. Stat. Software 36(3), the same data: 0.3088 by DerSimonian and Laird
    assert between_variance(ratio, ses=np.sqrt(variance)) == pytest.approx(0.3088, abs=5e-5)


def test_windows_that_differ_by_chance_alone_have_little_variance_between_them():
    rng = np.random.default_rng(5)
    found = [between_variance(rng.normal(0.8, 0.01, 40), ses=[0.01] * 40) for _ in range(300)]
    assert np.mean(found) < 0.15 * 0.01**2
    assert np.mean(np.array(found) == 0.0) > 0.4


def test_the_variance_between_windows_is_found_without_bias():
    rng = np.random.default_rng(6)
    ses = rng.uniform(0.005, 0.02, 40)
    found = [between_variance(0.8 + rng.normal(0, 0.03, 40) + rng.normal(0, ses), ses=ses) for _ in range(300)]
    assert np.mean(found) == pytest.approx(0.03**2, rel=0.05)


def test_too_few_windows_tell_nothing_of_their_variance():
    assert between_variance([0.7, 0.8], ses=[0.1, 0.1]) is None
    assert between_variance([0.7, 0.8, 0.9, float("nan")], ses=[0.1, 0.0, 0.1, 0.1]) is None


def accuracy_falls(rng, *, p, truth, n=1_000, m=20_000, sets=20_000):
    """The share of windows of n rows judged to have fallen from a reference of m at 0.8."""
    fallen = 0
    for hits, reference in zip(rng.binomial(n, truth, sets), rng.binomial(m, 0.8, sets), strict=True):
        (_, _, se), (_, _, reference_se) = wilson(hits, n), wilson(reference, m)
        fallen += fall(
            "accuracy", reference=reference / m, reference_se=reference_se, current=hits / n, current_se=se, p=p,
            effect=0.0,
        ).fallen  # fmt: skip
    return fallen / sets


def test_healthy_windows_fall_at_the_stated_rate_or_a_little_less():
    assert 0.005 <= accuracy_falls(np.random.default_rng(1), p=0.01, truth=0.8) <= 0.0115
    assert 0.04 <= accuracy_falls(np.random.default_rng(2), p=0.05, truth=0.8) <= 0.052


def test_a_fall_of_five_points_is_seen_in_a_thousand_rows():
    assert accuracy_falls(np.random.default_rng(3), p=0.01, truth=0.75, sets=2_000) > 0.85


@pytest.mark.parametrize("windows", [10, 30, 100])
def test_the_rate_is_kept_where_windows_differ_by_themselves_and_how_much_was_estimated(windows):
    rng, fallen, sets, p = np.random.default_rng(windows), 0, 4_000, 0.01
    for _ in range(sets):
        healthy, se = rng.normal(0.8, 0.02, windows) + rng.normal(0, 0.01, windows), [0.01] * windows
        between = between_variance(healthy, ses=se)
        current = rng.normal(0.8, 0.02) + rng.normal(0, 0.01)
        mean_se = np.sqrt((0.01**2 + between) / windows)
        fallen += fall(
            "roc_auc", reference=healthy.mean(), reference_se=mean_se, current=current, current_se=0.01, p=p,
            effect=0.0, between=between, windows=windows,
        ).fallen  # fmt: skip
    assert 0.003 <= fallen / sets <= 0.0155


def judged(metric, *, reference, current, effect=0.0, se=0.001):
    return fall(
        metric, reference=reference, reference_se=se, current=current, current_se=se, p=0.001, effect=effect
    )  # fmt: skip


def test_what_is_beyond_the_noise_but_does_not_matter_is_no_fall():
    assert judged("roc_auc", reference=0.8, current=0.792).fallen
    assert not judged("roc_auc", reference=0.8, current=0.792, effect=0.01).fallen


def test_every_metric_falls_the_way_that_is_worse():
    for metric, effect in EFFECTS.items():
        lower, higher = (judged(metric, reference=0.5, current=c).fallen for c in (0.4, 0.6))
        assert (lower, higher) == {"higher": (True, False), "lower": (False, True)}.get(effect.better, (False, True))
    assert set(EFFECTS) == {*CLASSIFICATION, *REGRESSION, "business_value"}
    assert judged("precision/yes", reference=0.5, current=0.4).fallen


def test_a_bias_falls_both_ways_but_not_towards_zero():
    assert judged("bias", reference=0.1, current=0.3, effect=0.1).fallen
    assert judged("bias", reference=0.1, current=-0.2, effect=0.1).fallen
    assert not judged("bias", reference=0.5, current=0.0, effect=0.1).fallen
    assert judged("bias", reference=-0.5, current=-0.7, effect=0.1).threshold == -0.6


def test_the_smallest_effect_has_a_reason_and_the_unit_of_its_metric():
    reference = {"mse": 4.0, "bias": 0.0, "rmse": 2.0, "business_value": -3.0}
    assert smallest_effect("mse", reference=reference) == 0.4
    assert smallest_effect("bias", reference=reference) == 0.1
    assert smallest_effect("business_value", reference=reference) == pytest.approx(0.15)
    assert smallest_effect("log_loss", reference={}) == 0.0
    assert all(e.reason and (e.absolute > 0 or e.relative > 0) for e in EFFECTS.values())


def test_impossible_tail_probabilities_and_variances_are_refused():
    for wrong in ({"p": 0.0}, {"p": 0.7}, {"between": -1.0}):
        arguments = {"reference": 1.0, "reference_se": 0.1, "current": 1.0, "current_se": 0.1, "p": 0.01, "effect": 0.0}
        with pytest.raises(ValueError, match="tail probability"):
            fall("mae", **(arguments | wrong))
