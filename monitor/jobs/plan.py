"""What is due now: which versions have rows to fold, windows to compute, or silence to notice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.evaluate.catchup import FoldRule, closes_us
from monitor.model.entities import Model, Version
from monitor.store.batches import Waiting, waiting_versions
from monitor.store.labels import labelled_models
from monitor.store.snapshot import newest_windows
from monitor.store.windows import WindowRow, dirty_versions

Fleet = Mapping[int, tuple[Model, Version]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The work one version has now; model and version as the plan saw them."""

    model: Model
    version: Version
    fold: bool = False
    windows: bool = False
    silence: bool = False
    newest_us: int = 0  # the start of the newest window with rows
    labelled: bool = False  # the model has labels that may fit what is folded

    @property
    def version_id(self) -> int:
        """The version's id."""
        return self.version.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the store knows of the whole fleet, in four queries; ``labelled`` are ids of models."""

    waiting: Mapping[int, Waiting]
    earliest_dirty_end_us: Mapping[int, int]
    newest: Mapping[int, WindowRow]
    labelled: frozenset[int]


def read_facts(conn: Connection) -> Facts:
    """The facts as one snapshot sees them."""
    return Facts(
        waiting={waiting.version_id: waiting for waiting in waiting_versions(conn)},
        earliest_dirty_end_us=dict(dirty_versions(conn)),
        newest=newest_windows(conn),
        labelled=frozenset(labelled_models(conn)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What this process did lately: when a version was folded, and what it found when it looked for silence.

    ``silence`` is (start of the newest window then, when to look again).
    """

    folded_us: Mapping[int, int]
    silence: Mapping[int, tuple[int, int | None]]


def due_versions(
    facts: Facts, *, fleet: Fleet, rule: FoldRule, memory: Memory, fold_interval_us: int, now_us: int
) -> list[Due]:
    """The versions with work, those whose window closed before those that only fold."""
    found: list[Due] = []
    for version_id, (model, version) in fleet.items():
        waiting, newest = facts.waiting.get(version_id), facts.newest.get(version_id)
        end_us = facts.earliest_dirty_end_us.get(version_id)
        windows = end_us is not None and end_us + model.lateness_us <= now_us
        fold = waiting is not None and rule.due(waiting, model=model, version=version, now_us=now_us)
        if fold and waiting is not None and now_us - memory.folded_us.get(version_id, -(2**62)) < fold_interval_us:
            # A window that is to be judged now waits for no interval: the rows may be its own.
            fold = windows and waiting.t_min_us < now_us - model.lateness_us
        silence = newest is not None and version.state == "live"
        if newest is not None and silence:
            silence = _silent(newest, model=model, looked=memory.silence.get(version_id), now_us=now_us)
        if fold or windows or silence:
            newest_us = 0 if newest is None else newest.start_us
            found.append(
                Due(
                    model=model, version=version, fold=fold, windows=windows, silence=silence, newest_us=newest_us,
                    labelled=model.id in facts.labelled,
                )
            )  # fmt: skip
    return sorted(found, key=lambda due: (not due.windows, due.version_id))


def _silent(newest: WindowRow, *, model: Model, looked: tuple[int, int | None] | None, now_us: int) -> bool:
    """Whether a window has closed behind the newest one with rows.

    ``looked`` is (start of the newest window then, when to look again) of the last time somebody looked.
    """
    if closes_us(model, newest.end_us) > now_us:
        return False
    if looked is None or looked[0] != newest.start_us:
        return True
    return looked[1] is not None and looked[1] <= now_us
