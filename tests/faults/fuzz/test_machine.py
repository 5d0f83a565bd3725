"""Anything in any order: create, ingest, repeat, label, crash, tick, delete, hold, erase, back up, restore."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.fuzz.machine import Machine
from tests.faults.fuzz.world import World
from tests.faults.report import WHOLE, judge

RUNS, STEPS = (15, 40) if WHOLE else (3, 10)
SEED = int(os.environ.get("FUZZ_SEED", "20261126"))


@pytest.fixture(params=("SQLite", "PostgreSQL"))
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], tuple[Path, str | None]]:
    """A function that makes empty places of one database."""
    numbers = itertools.count(1)

    def make() -> tuple[Path, str | None]:
        directory = tmp_path / f"place{next(numbers)}"
        directory.mkdir()
        if request.param == "SQLite":
            return directory, None
        return directory, request.getfixturevalue("postgresql_databases")("template0")

    return make


@pytest.fixture
def worlds(new_place) -> Iterator[Callable[..., World]]:
    """A function that starts a world; every server has ended after the test."""
    made: list[World] = []

    def make(**more) -> World:
        made.append(World(new_place, **more))
        return made[-1]

    yield make
    for world in made:
        if world.service.process is not None and world.service.process.poll() is None:
            world.service.kill()


def it_runs(world: World, *, runs: int, steps: int) -> None:
    """So many runs of so many steps, the same ones each time."""
    machine = type("Here", (Machine,), {"world": world})
    wanted = settings(
        max_examples=runs, stateful_step_count=steps, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(seed(SEED)(machine), settings=wanted)


@pytest.mark.slow
@pytest.mark.timeout(5_400)
def test_whatever_is_done_in_whatever_order_the_store_has_what_the_dict_has(worlds):
    world = worlds()
    it_runs(world, runs=RUNS, steps=STEPS)
    assert world.answers > RUNS * STEPS
    database = "SQLite" if world.url is None else "PostgreSQL"
    acked, read = ({str(record) for record in records} for records in (world.acked, world.read))
    judge("anything in any order", database=database, rounds=RUNS, sent=acked, acked=acked, stored=sorted(read),
          recovery_seconds=world.slowest_start_seconds)  # fmt: skip
    world.run("verify")
    world.close()


@pytest.mark.whole
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("mutation", ["keys_are_forgotten", "answers_do_not_wait_for_the_commit"])
def test_a_guard_that_is_taken_out_is_missed(worlds, mutation):
    with pytest.raises(AssertionError):
        it_runs(worlds(mutation=mutation), runs=30, steps=40)
