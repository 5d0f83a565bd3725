"""What tests of the steps begin with."""

from __future__ import annotations

import pytest

from tests.evaluate.traffic import make_world, set_usual_reference


@pytest.fixture
def world(store):
    """A version with its reference, before its first window."""
    made = make_world(store)
    set_usual_reference(made)
    return made
