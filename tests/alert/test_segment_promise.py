"""All traffic and its segments keep one budget together, and what another segment cancels is found where it is."""

import numpy as np
import pytest
from scipy.stats import poisson

from benchmarks.alarms.measure import delay, episodes
from benchmarks.alarms.sliced import APART, drawn, streams, watched

HISTORY, QUIET, VERSIONS = 360, 360, 4


@pytest.fixture(scope="module", params=streams(columns=3), ids=lambda one: one[0].name)
def over(request):
    """Windows over the threshold bool[5, W] of each version, on shares of the budget, and were it not shared."""
    stream, together = request.param
    return [
        watched(drawn(stream, together=together, version=v, shift=0.5, history=HISTORY, quiet=QUIET), history=HISTORY)
        for v in range(VERSIONS)
    ]


def alarms(over, *, way):
    return sum(len(episodes(place[:QUIET], apart=APART)) for one in over for place in one[way])


def test_the_alarms_of_all_places_together_are_within_the_budget(over):
    months = VERSIONS * QUIET / 720
    assert alarms(over, way=0) <= poisson.ppf(1 - 1e-6, 2 * months)
    assert alarms(over, way=0) <= alarms(over, way=1)


def test_a_shift_of_one_segment_that_another_cancels_is_found_there_and_sooner_than_in_all_traffic(over):
    there, in_all = (
        np.median([delay(one[0][place][QUIET:], onset=0) for one in over]) for place in (1, 0)
    )  # fmt: skip
    assert there <= 3
    assert there < in_all
