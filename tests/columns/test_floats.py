"""Arrow's floats in numpy are those that Arrow's own kernels find."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from monitor.columns.floats import all_finite, present

NUMBERS = st.lists(st.floats() | st.none(), max_size=40)


@given(NUMBERS, st.integers(0, 20), st.integers(0, 20))
def test_present_values_and_whether_all_are_finite_are_arrows_also_of_a_part(numbers, skipped, length):
    for array in (pa.array(numbers, pa.float64()), pa.array(numbers, pa.float64()).slice(skipped, length)):
        np.testing.assert_array_equal(present(array), array.drop_null().to_numpy(zero_copy_only=False))
        assert all_finite(array) is (pc.all(pc.is_finite(array)).as_py() is not False)


def test_what_lies_where_a_value_is_missing_does_not_count():
    array = pa.array(np.array([1.0, np.nan, np.inf]), mask=np.array([False, True, True]))
    assert all_finite(array)
    assert present(array).tolist() == [1.0]
