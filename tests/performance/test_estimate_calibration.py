"""Isotonic calibration on cells is scikit-learn's on rows, is used where it helps, and survives bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.performance.calibrator import LEAST_LABELS, LEAST_OF_A_CLASS, calibrate, calibrate_classes, restored
from monitor.performance.calibrator_codec import decode_calibrations, encode_calibrations
from monitor.performance.cbpe_binary import estimate_binary
from tests.performance.scoring import CENTERS, EDGES, by, records

COUNTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=12)


def _calibrated(rng, n, **kind):
    score, label = records(rng, n, **kind)
    half = n // 2
    fit, held_out = by(label[:half], score[:half]), by(label[half:], score[half:])
    return calibrate(fit, held_out=held_out, centers=CENTERS), score, label


def test_the_fit_on_cells_is_scikit_learns_on_rows_of_the_cells_centers():
    isotonic = pytest.importorskip("sklearn.isotonic", reason="the extra `demo` is not installed")
    found, score, label = _calibrated(np.random.default_rng(1), 6_000, honesty=0.4)
    assert found.method == "isotonic"
    theirs = isotonic.IsotonicRegression(out_of_bounds="clip").fit(CENTERS[EDGES.searchsorted(score)], label)
    np.testing.assert_allclose(found.probability, theirs.predict(CENTERS), atol=1e-12)


def test_calibrating_is_used_where_scores_exaggerate_and_not_always_where_they_are_honest():
    rng = np.random.default_rng(2)
    honest = [_calibrated(rng, 4_000)[0] for _ in range(60)]
    exaggerating = [_calibrated(rng, 10_000, honesty=0.9)[0] for _ in range(20)]
    assert 10 <= sum(not c.isotonic for c in honest) <= 50
    assert all(c.isotonic for c in exaggerating)
    assert all((c.gain > c.gain_se or c.misfit > 1.0) == c.isotonic for c in honest)


def test_the_misfit_is_normal_where_scores_are_honest():
    """The larger of two |z| is over 1.96 for 5 to 10 of 100 references."""
    rng = np.random.default_rng(8)
    far = sum(_calibrated(rng, 1_000)[0].misfit > 1.96 for _ in range(300))
    assert 6 <= far <= 42  # 15 to 30 less and more three standard errors


def test_scores_of_nought_and_one_that_labels_contradict_are_calibrated():
    sure = np.array([0.0, 1.0])
    half = np.array([[90, 20], [10, 80]])
    assert calibrate(half, held_out=half, centers=sure).method == "isotonic"
    right = np.array([[100, 0], [0, 100]])
    assert calibrate(right, held_out=right, centers=sure).method == "raw"


def test_a_kept_raw_score_is_its_own_probability_known_as_well_as_the_labels_say():
    rng = np.random.default_rng(3)
    found = next(c for c in (_calibrated(rng, 4_000)[0] for _ in range(40)) if not c.isotonic)
    assert found.method == "raw"
    assert found.probability.tolist() == CENTERS.tolist()
    rows = found.labelled.sum(axis=0).astype(float)
    assert found.variance_of(rows) == pytest.approx(np.sum(rows * CENTERS * (1 - CENTERS)), rel=0.05)


@pytest.mark.parametrize(("without", "having"), [(LEAST_LABELS - 22, 20), (LEAST_LABELS, LEAST_OF_A_CLASS - 1), (0, 0)])
def test_too_few_labels_of_the_reference_give_no_calibration(without, having):
    fit = np.array([[without, 0], [0, having]])
    found = calibrate(fit, held_out=np.array([[1, 0], [0, 0]]) * bool(without), centers=np.array([0.2, 0.7]))
    assert found.reason == "few_labels"


def test_just_enough_labels_give_one():
    fit = np.array([[LEAST_LABELS - 21, 0], [0, LEAST_OF_A_CLASS]])
    assert calibrate(fit, held_out=np.array([[1, 0], [0, 0]]), centers=np.array([0.2, 0.7])).reason is None


def test_the_calibrations_own_error_is_that_of_a_share_when_the_whole_reference_is_summed():
    """Σ rows · probability over the reference is the number of its positive labels, a binomial count."""
    rng = np.random.default_rng(4)
    score, label = records(rng, 5_000, honesty=0.4)
    labelled = by(label, score)
    found = restored(labelled, centers=CENTERS, isotonic=True, gain=0.1, gain_se=0.0, misfit=0.0, reason=None)
    rows = labelled.sum(axis=0).astype(float)
    assert rows @ found.probability == pytest.approx(label.sum())
    expected = np.sum(rows * found.probability * (1 - found.probability))
    assert found.variance_of(rows) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("metric", ["log_loss", "brier"])
def test_on_the_references_own_rows_the_estimated_loss_is_that_of_its_labels(metric):
    metrics = pytest.importorskip("sklearn.metrics", reason="the extra `demo` is not installed")
    score, label = records(np.random.default_rng(9), 3_000, honesty=0.6)
    labelled, middle = by(label, score), CENTERS[EDGES.searchsorted(score)]
    found = restored(labelled, centers=CENTERS, isotonic=True, gain=0.1, gain_se=0.0, misfit=9.0, reason=None)
    counts = by(score >= 0.5, score)
    estimated = {e.metric: e.value for e in estimate_binary(counts, calibration=found)}[metric]
    realised = {"log_loss": metrics.log_loss, "brier": metrics.brier_score_loss}[metric](label, middle)
    assert estimated == pytest.approx(realised, abs=1e-12)


@given(counts=COUNTS, window=st.lists(st.integers(0, 50), min_size=12, max_size=12))
def test_what_a_level_block_misses_never_rises_with_a_rising_weight_on_the_reference_and_adds_up(counts, window):
    """Weights of one add nothing: a block has the labels it has."""
    labelled = np.array(counts).T
    size = len(counts)
    if not labelled.any():
        return
    kind = {"centers": np.linspace(0.0, 1.0, size), "gain": 0.1, "gain_se": 0.0, "misfit": 9.0, "reason": None}
    fitted = restored(labelled, isotonic=True, **kind)
    rows = np.array(window[:size], dtype=float)
    assert fitted.levelled(np.ones(size), rows=rows) == pytest.approx(0.0, abs=1e-9)
    assert fitted.levelled(np.arange(size), rows=labelled.sum(axis=0).astype(float)) <= 1e-9
    assert restored(labelled, isotonic=False, **kind).levelled(np.arange(size), rows=rows) == 0.0


def test_estimates_from_a_fit_lean_to_neither_side():
    """Over 150 references as large as the window: the mean of (realised − estimated) / se is 0 ± 3 / √150."""
    rng = np.random.default_rng(10)
    away: dict[str, list[float]] = {"log_loss": [], "brier": [], "calibration_error": []}
    for _ in range(150):
        calibration, _, _ = _calibrated(rng, 10_000, honesty=0.5)
        score, label = records(rng, 10_000, honesty=0.5)
        found = {e.metric: e for e in estimate_binary(by(score >= 0.5, score), calibration=calibration)}
        gaps = np.bincount(np.linspace(0, 1, 11)[1:-1].searchsorted(score), label - score, 10)
        realised = {
            "log_loss": -np.mean(np.log(np.where(label, score, 1 - score))),
            "brier": np.mean((score - label) ** 2),
            "calibration_error": np.abs(gaps).sum() / len(score),
        }
        for name, several in away.items():
            several.append((realised[name] - found[name].value) / found[name].se)
    means = {name: float(np.mean(several)) for name, several in away.items()}
    assert {name: mean for name, mean in means.items() if abs(mean) > 3 / np.sqrt(150)} == {}


def test_shapes_that_do_not_fit_and_scores_outside_0_to_1_are_refused():
    half = np.ones((2, 3), np.int64)
    with pytest.raises(ValueError, match="expected \\(2, 2\\)"):
        calibrate(half, held_out=half, centers=np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match=r"0\.\.1"):
        calibrate(half, held_out=half, centers=np.array([0.1, 0.2, 1.5]))


@given(counts=COUNTS, isotonic=st.booleans())
def test_probabilities_rise_with_the_score_stay_in_0_to_1_and_keep_the_number_of_positives(counts, isotonic):
    labelled = np.array(counts).T
    centers = np.linspace(0.0, 1.0, len(counts))
    isotonic = isotonic and bool(labelled.any())
    found = restored(labelled, centers=centers, isotonic=isotonic, gain=0.0, gain_se=0.0, misfit=0.0, reason=None)
    assert np.all(np.diff(found.probability) >= -1e-12)
    assert np.all((found.probability >= 0) & (found.probability <= 1))
    if isotonic:
        assert labelled.sum(axis=0) @ found.probability == pytest.approx(labelled[1].sum())


@given(counts=COUNTS, isotonic=st.booleans(), reason=st.sampled_from([None, "few_labels"]))
def test_calibrations_come_back_from_their_bytes(counts, isotonic, reason):
    labelled = np.array(counts).T
    isotonic = isotonic and bool(labelled.any())
    one = restored(
        labelled,
        centers=np.linspace(0, 1, len(counts)),
        isotonic=isotonic,
        gain=0.25,
        gain_se=0.125,
        misfit=0.0,
        reason=reason,
    )
    two = restored(
        np.ones((2, 3), np.int64),
        centers=np.array([0.1, 0.5, 0.9]),
        isotonic=True,
        gain=0.0,
        gain_se=0.0,
        misfit=0.0,
        reason=None,
    )
    back = decode_calibrations(encode_calibrations([one, two]))
    assert encode_calibrations(back) == encode_calibrations([one, two])
    assert [b.probability.tolist() for b in back] == [one.probability.tolist(), two.probability.tolist()]


@given(at=st.integers(0, 400), to=st.integers(0, 255), cut=st.integers(0, 400))
def test_damaged_bytes_are_refused_or_still_a_calibration(at, to, cut):
    half = np.arange(12, dtype=np.int64).reshape(2, 2, 3)
    whole = encode_calibrations(calibrate_classes(half, held_out=half, centers=[np.array([0.1, 0.5, 0.9])] * 2))
    for body in (
        whole[: min(cut, len(whole) - 1)],
        whole[: at % len(whole)] + bytes([to]) + whole[at % len(whole) + 1 :],
    ):
        try:
            found = decode_calibrations(body)
        except ValueError:
            continue
        assert all(np.isfinite(c.probability).all() for c in found)
