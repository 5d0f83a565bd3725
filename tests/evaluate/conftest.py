"""What tests of the steps begin with."""

from __future__ import annotations

import pytest

from monitor.verify import fault
from tests.evaluate.traffic import make_world, set_usual_reference


@pytest.fixture
def soon(monkeypatch):
    """A verification that finds a fault looks again at once: nobody writes beside it."""
    monkeypatch.setattr(fault, "LOOK_AGAIN_SECONDS", 0.0)


@pytest.fixture
def world(store):
    """A version with its reference, before its first window."""
    made = make_world(store)
    set_usual_reference(made)
    return made
