"""The list of unseen names obeys the laws of a sketch also where more names come than it keeps."""

from __future__ import annotations

from collections import Counter
from functools import reduce

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.profile.hashing import hash_names
from monitor.profile.unseen import MAX_UNSEEN, add_names, smallest

rows = st.lists(st.integers(0, 400).map(str), max_size=600)


def listed(names: list[str]) -> dict[str, int]:
    counted = Counter(names)
    return smallest(pa.array(list(counted), pa.string()), counts=np.array(list(counted.values()), np.int64))


@settings(max_examples=50)
@given(rows, rows, rows)
def test_unseen_names_add_up_in_any_grouping_to_those_of_all_rows(a, b, c):
    x, y, z = listed(a), listed(b), listed(c)
    before = dict(x), dict(y)
    assert add_names(x, y) == add_names(y, x) == listed(a + b)
    assert add_names(add_names(x, y), z) == add_names(x, add_names(y, z)) == listed(a + b + c)
    assert add_names(x, {}) == add_names({}, x) == x
    assert (x, y) == before


@given(st.lists(st.text(max_size=3), max_size=300))
def test_the_hundred_of_smallest_hash_are_kept_with_their_full_counts(names):
    counted = Counter(names)
    order = sorted(zip(hash_names(counted).tolist(), counted, strict=True))
    assert listed(names) == {name: counted[name] for _, name in order[:MAX_UNSEEN]}
    assert reduce(add_names, ({name: 1} for name in names), {}) == listed(names)
