"""What is due now: which versions have rows to fold, windows to compute, or silence to notice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.evaluate.catchup import FoldRule, closes_us
from monitor.model.entities import Model, Version
from monitor.store.batches import Waiting, waiting_versions
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

    @property
    def version_id(self) -> int:
        """The version's id."""
        return self.version.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the store knows of the whole fleet, in three queries."""

    waiting: Mapping[int, Waiting]
    earliest_dirty_end_us: Mapping[int, int]
    newest: Mapping[int, WindowRow]


def read_facts(conn: Connection) -> Facts:
    """The facts as one snapshot sees them."""
    return Facts(
        waiting={waiting.version_id: waiting for waiting in waiting_versions(conn)},
        earliest_dirty_end_us=dict(dirty_versions(conn)),
        newest=newest_windows(conn),
    )


def due_versions(
    facts: Facts,
    *,
    fleet: Fleet,
    rule: FoldRule,
    folded_us: Mapping[int, int],
    silence_us: Mapping[int, int],
    fold_interval_us: int,
    now_us: int,
) -> list[Due]:
    """The versions with work, those whose window closed first before those that only fold."""
    found: list[Due] = []
    for version_id, (model, version) in fleet.items():
        waiting = facts.waiting.get(version_id)
        end_us = facts.earliest_dirty_end_us.get(version_id)
        windows = end_us is not None and end_us + model.lateness_us <= now_us
        fold = False
        if waiting is not None and rule.due(waiting, model=model, version=version, now_us=now_us):
            rested = now_us - folded_us.get(version_id, -(2**62)) >= fold_interval_us
            # A window that is to be judged now waits for no interval: its rows belong to it.
            fold = rested or (windows and waiting.t_min_us < now_us - model.lateness_us)
        looked_us = silence_us.get(version_id)
        silence = _silent(
            facts.newest.get(version_id), model=model, version=version, looked_us=looked_us, now_us=now_us
        )
        if fold or windows or silence:
            found.append(Due(model=model, version=version, fold=fold, windows=windows, silence=silence))
    return sorted(found, key=lambda due: (not due.windows, due.version_id))


def _silent(newest: WindowRow | None, *, model: Model, version: Version, looked_us: int | None, now_us: int) -> bool:
    """Whether a window has closed behind the newest one with rows, since somebody looked for silence here."""
    if newest is None or version.state != "live" or closes_us(model, newest.end_us) > now_us:
        return False
    return looked_us is None or closes_us(model, looked_us - model.lateness_us) <= now_us
