"""The table of which test shows which fault names files that exist; each guard that can be removed is, in some test."""

from __future__ import annotations

import re

from tests.faults.mutations import MUTATIONS
from tests.faults.replicas.process import GUARDS
from tests.faults.selection import FAULTS, TESTS

PAGE = TESTS.parent / "docs" / "reliability.md"
SECTION = PAGE.read_text(encoding="utf-8").partition("### Which test shows it")[2].partition("\n## ")[0]
SCENES = {"a_fold_takes_a_minute", "the_end_takes_a_minute"}  # what a test needs; no guard


def test_every_file_that_is_named_is_there():
    named = set(re.findall(r"`([a-z0-9_/]+\.py)`", SECTION))
    assert "faults/test_kill.py" in named
    assert {name for name in named if not (TESTS / name).exists()} == set()


def test_every_guard_that_can_be_taken_out_is_taken_out_by_some_test():
    text = "\n".join(path.read_text(encoding="utf-8") for path in FAULTS.rglob("test_*.py"))
    unused = {name for name in {*MUTATIONS, *GUARDS} if f'"{name}"' not in text}
    assert unused <= SCENES
