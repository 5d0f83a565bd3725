"""Sums of windows: how they are added, which are looked at, and what they say of small shifts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from monitor.alert.cells import GROUPS, SHARES, Counts
from monitor.alert.codec import decode_calibration, encode_calibration
from monitor.alert.evidence import Evidence
from monitor.alert.recent import decode_counts, encode_counts, last_look, recent_sums
from monitor.alert.scales import SCALES, far_scales, own_scales, stretched, stride_of, sums_of, until_next_look
from monitor.alert.scoring import by_scale, surprises
from tests.alert.drawing import Traffic, calibrated, scores


def shifted(by):
    """Shares of the reference's deciles for a standard normal whose mean moved by so many standard deviations."""
    return np.diff(norm.cdf(norm.ppf(np.linspace(0, 1, 11)) - by))


def drawn(windows, *, columns=2, seed=1):
    cells, hits, rows = Traffic(rng=np.random.default_rng(seed), columns=columns, rows=100).windows(windows)
    return [Counts(rows=int(n), cells=c, hits=h) for c, h, n in zip(cells, hits, rows, strict=True)]


def encoded(counts):
    return [(ordinal, encode_counts(each)) for ordinal, each in enumerate(counts)]


def test_windows_of_very_different_size_are_added_up_too():
    """Their counts are stored in integers of 2, 4 and 8 bytes."""
    sizes = (1, 300, 70_000, 2**40)
    one = drawn(1)[0]
    counts = [Counts(rows=one.rows * n, cells=one.cells * n, hits=one.hits * n) for n in sizes]
    found = recent_sums(counts[3], encoded(counts)[:3], ordinal=3, scales=[3])[3]
    np.testing.assert_array_equal(found.cells, one.cells * sum(sizes[1:]))
    np.testing.assert_array_equal(found.hits, one.hits * sum(sizes[1:]))
    assert found.rows == one.rows * sum(sizes[1:])


@pytest.mark.parametrize("scale", SCALES)
def test_the_service_adds_up_the_windows_that_the_replay_added_up(scale):
    """Windows numbered from 0: at every window the sum of the last look, as ``sums_of`` has it."""
    counts = drawn(200)
    sums = sums_of(
        np.stack([c.cells for c in counts]), np.stack([c.hits for c in counts]),
        np.array([float(c.rows) for c in counts]), scale=scale,
    )  # fmt: skip
    standing = until_next_look(sums.cells, ends=sums.ends, windows=200)
    for ordinal in range(scale - 1, 200) if scale > 1 else ():
        before = encoded(counts)[:ordinal]
        found = recent_sums(counts[ordinal], before, ordinal=ordinal, scales=[scale])[scale]
        np.testing.assert_array_equal(found.cells, standing[ordinal])
    assert np.isnan(standing[: scale - 1]).all()
    assert not np.isnan(standing[scale - 1 :]).any()


@given(ordinal=st.integers(0, 10**6), scale=st.sampled_from(SCALES))
def test_a_look_stands_until_the_next_and_no_longer(ordinal, scale):
    looked = last_look(ordinal, scale=scale)
    assert ordinal - stride_of(scale) < looked <= ordinal
    assert (looked + 1) % stride_of(scale) == 0


def test_a_sum_of_fewer_than_half_its_windows_is_none():
    counts = drawn(24)
    own, counts = counts[23], encoded(counts)

    def known(earlier):
        return set(recent_sums(own, earlier, ordinal=23, scales=SCALES))

    assert known(counts[:23]) == {3, 8, 24}
    assert known(counts[12:23]) == {3, 8, 24}
    assert known(counts[13:23]) == {3, 8}
    assert known([]) == set()


def test_later_windows_are_in_no_sum():
    own, counts = drawn(8)[4], encoded(drawn(8))
    alone = recent_sums(own, counts[:4], ordinal=4, scales=[3])[3]
    with_later = recent_sums(own, counts[:4] + counts[5:], ordinal=4, scales=[3])[3]
    np.testing.assert_array_equal(alone.cells, with_later.cells)


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(0, 2**40), columns=st.integers(0, 4), seed=st.integers(0, 99))
def test_judged_counts_come_back_from_bytes_as_they_were(rows, columns, seed):
    rng = np.random.default_rng(seed)
    counts = Counts(
        rows=rows,
        cells=rng.integers(0, rows + 1, (columns, GROUPS)).astype(float),
        hits=rng.integers(0, rows + 1, (len(SHARES), columns)).astype(float),
    )
    again = decode_counts(encode_counts(counts))
    assert again.rows == counts.rows
    np.testing.assert_array_equal(again.cells, counts.cells)
    np.testing.assert_array_equal(again.hits, counts.hits)


@pytest.mark.parametrize(
    ("windows", "own", "far"),
    [
        (14, (1,), ()),
        (59, (1,), ()),
        (60, (1, 3), (8, 24)),
        (160, (1, 3, 8), (24,)),
        (480, (1, 3, 8, 24), (72, 168)),
        (1_440, (1, 3, 8, 24, 72), (168,)),
    ],
)
def test_a_history_teaches_scales_by_its_length(windows, own, far):
    assert (own_scales(windows), far_scales(windows)) == (own, far)


def test_a_calibration_of_several_scales_comes_back_from_bytes():
    calibration = calibrated(Traffic(rng=np.random.default_rng(3), columns=3).history(240))
    again = decode_calibration(encode_calibration(calibration))
    assert [scale.windows for scale in again.scales] == [1, 3, 8, 24]
    for one, other in zip(calibration.scales, again.scales, strict=True):
        np.testing.assert_allclose(other.usual.movement.variance, one.usual.movement.variance, rtol=1e-6)
        np.testing.assert_array_equal(other.usual.share_variance, one.usual.share_variance)
        np.testing.assert_array_equal(other.tails.own.start, one.tails.own.start)


def test_movement_that_averages_out_is_stretched_as_it_did_and_what_stays_as_it_stays():
    """λ₈/λ₂₄ = 3 says β = 1: at 72 a third of λ₂₄, and a 30th for the reference of 720; λ₈ = λ₂₄ says β = 0."""
    long, short = (
        calibrated(Traffic(rng=np.random.default_rng(3), columns=1).history(480)).scales[i].usual for i in (3, 2)
    )

    def with_variance(usual, each):
        movement = replace(usual.movement, variance=np.full_like(usual.movement.variance, each))
        return replace(usual, movement=movement, share_variance=np.full_like(usual.share_variance, each))

    for before, expected in ((3.0, 1 / 3 + 24 / 720), (1.0, 2.0)):
        far = stretched(with_variance(long, 1.0), with_variance(short, before), scales=(8, 24, 72), windows=720)
        np.testing.assert_allclose(far.movement.variance, expected)
        np.testing.assert_allclose(far.share_variance, expected)


@pytest.mark.parametrize(("by", "within"), [(0.1, 12), (0.05, 72)])
def test_a_small_shift_that_lasts_is_found_in_hours(by, within):
    """A thousand rows an hour, twenty columns, a tenth and a twentieth of a standard deviation in one of them."""
    traffic = Traffic(rng=np.random.default_rng(8))
    history = traffic.history(720)
    calibration = calibrated(history)
    before, after = traffic.windows(168), traffic.windows(within, shares=shifted(by))
    both = tuple(np.concatenate(parts) for parts in zip(before, after, strict=True))
    found = scores(calibration, history, both) > calibration.threshold()
    assert found[168:].any()


def test_a_scale_that_is_seldom_looked_at_is_credited_for_it():
    long = calibrated(Traffic(rng=np.random.default_rng(3), columns=1).history(480)).scales[3]
    assert (long.windows, long.stride) == (24, 6)
    np.testing.assert_allclose(long.credited(np.array([1.0])), 1.0 + np.log(6.0))


@pytest.mark.parametrize("rows", [60, 400, 20_000])
def test_all_scales_at_once_say_what_each_says_alone(rows):
    """Also where few rows pool the cells of some windows and not of others."""
    traffic = Traffic(rng=np.random.default_rng(5), columns=6, rows=1_000, concentration=90.0)
    history = traffic.history(240)
    usuals = [scale.usual for scale in calibrated(history).scales]
    drawn_windows = Traffic(rng=np.random.default_rng(6), columns=6, rows=rows).windows(len(usuals))
    times = np.array([1.0, 3.0, 8.0, 24.0])[:, None]
    cells, hits = (part * times[:, :, None] for part in drawn_windows[:2])
    valid = cells.sum(axis=2)
    every = np.broadcast_to(drawn_windows[2][:, None] * times, valid.shape)
    sizes = np.stack([valid, valid, every, every, valid], axis=1)
    side = {"baseline": history.reference, "ordered": history.layout_cells.numeric}
    together = surprises(cells=cells, hits=hits, sizes=sizes, usual=by_scale(usuals), **side)
    alone = [
        surprises(cells=cells[[i]], hits=hits[[i]], sizes=sizes[[i]], usual=usual, **side)[0]
        for i, usual in enumerate(usuals)
    ]  # fmt: skip
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-9)


def test_what_matters_is_not_hidden_by_what_is_more_surprising_and_too_small_to_matter():
    """One column, two tests: the sum of 24 windows and the second test surprise more, with effects below 0.03."""
    log_p, effect = np.full((2, 5, 1), np.nan), np.zeros((2, 5, 1))
    log_p[:, 0, 0], effect[:, 0, 0] = (6.0, 15.0), (0.0313, 0.020)
    log_p[:, 1, 0], effect[:, 1, 0] = (7.2, 3.0), (0.0277, 0.001)
    found = Evidence(
        positions={"age": 0}, log_p=np.fmax(*log_p), sizes=np.full((5, 1), 1_000.0), effect=effect[1],
        windows=np.full((5, 1), 100), scale=np.full((5, 1), 24), needed=60,
        by_scale=(log_p, effect, np.array([1, 24])),
    )  # fmt: skip
    (matters,) = found.of_effect(0.03).most_surprising((0, 1), least_effect=0.03)
    assert (matters.test, matters.log_p, matters.scale, matters.effect) == (0, 6.0, 1, 0.0313)
    (every,) = found.of_effect(0.0).most_surprising((0, 1))
    assert (every.test, every.log_p, every.scale) == (0, 15.0, 24)
    (none,) = found.of_effect(0.5).most_surprising((0, 1), least_effect=0.5)
    assert (none.test, none.log_p) == (0, 15.0)
