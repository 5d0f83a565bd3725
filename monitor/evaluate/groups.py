"""Checks by what they are held against: each group is judged against one baseline. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.alert.auto import TESTS_OF
from monitor.alert.cells import Flags
from monitor.model.baseline import REFERENCE, Baseline, parsed
from monitor.model.checks import Check, deciding_columns
from monitor.model.entities import Model, Version
from monitor.model.schema import Column, Schema
from monitor.profile.layout import Layout

_JUDGED = ("drift", "quality")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The checks that are held against one baseline, and their ``share`` of the tests that spend the budget."""

    baseline: Baseline
    checks: tuple[Check, ...]
    share: float


def groups_of(checks: Sequence[Check], *, model: Model, version: Version, schema: Schema) -> tuple[Group, ...]:
    """The groups, that of the reference first; a single one where nobody asks for another baseline.

    A check's own baseline goes before the version's, that before the model's. Schema, performance and volume
    against a number are held against the reference whatever is set.
    """
    usual = usual_baseline(model, version=version)
    if usual == REFERENCE and all(check.baseline in (None, REFERENCE) for check in checks):
        return (Group(baseline=REFERENCE, checks=tuple(checks), share=1.0),)
    found: dict[Baseline, list[Check]] = {REFERENCE: []}
    for check in checks:
        wanted = usual if check.baseline is None else check.baseline
        taken = _not_itself(wanted, version=version) if _takes_one(check) else REFERENCE
        found.setdefault(taken, []).append(check)
    deciding = deciding_columns(enabled_of_data(checks), schema=schema)
    spent = {baseline: sum(_tests(check, deciding=deciding) for check in own) for baseline, own in found.items()}
    total = sum(spent.values()) or 1
    return tuple(
        Group(baseline=baseline, checks=tuple(own), share=spent[baseline] / total) for baseline, own in found.items()
    )


def usual_baseline(model: Model, *, version: Version) -> Baseline:
    """What the version's windows are held against unless a check says otherwise."""
    shape = version.settings.get("baseline") or model.settings.get("baseline")
    return REFERENCE if shape is None else _not_itself(parsed(json.dumps(shape)), version=version)


def baselines_of(checks: Iterable[Check], *, model: Model, version: Version) -> tuple[Baseline, ...]:
    """Every baseline other than the reference that an enabled check of the version is held against."""
    usual = usual_baseline(model, version=version)
    wanted = [
        _not_itself(usual if check.baseline is None else check.baseline, version=version)
        for check in checks
        if check.enabled and _takes_one(check)
    ]
    return tuple(dict.fromkeys(baseline for baseline in wanted if baseline != REFERENCE))


def enabled_of_data(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The enabled checks that are not of performance."""
    return tuple(check for check in checks if check.enabled and check.kind in (*_JUDGED, "volume", "schema"))


def tests_of(group: Group, *, checks: Sequence[Check], schema: Schema, layout: Layout) -> Flags:
    """bool[5, D]: the tests of a layout's columns that the group's ``auto`` checks decide."""
    deciding = deciding_columns(enabled_of_data(checks), schema=schema)
    own = np.zeros((5, len(layout.columns)), dtype=bool)
    for check in group.checks:
        if _spends(check):
            names = {column.name for column in deciding.get(check.name, ()) if column.role != "context"}
            at = [d for d, column in enumerate(layout.columns) if column.name in names]
            own[np.ix_(TESTS_OF[check.metric], at)] = True
    return own


def _takes_one(check: Check) -> bool:
    """Whether what is told of a baseline matters to the check: a count of rows against a number needs none."""
    relative = check.threshold is not None and check.threshold.relative
    return check.kind in _JUDGED or (check.kind == "volume" and relative)


def _spends(check: Check) -> bool:
    return check.enabled and check.kind in _JUDGED and check.threshold is None


def _tests(check: Check, *, deciding: dict[str, tuple[Column, ...]]) -> int:
    if not _spends(check):
        return 0
    return len(TESTS_OF[check.metric]) * sum(column.role != "context" for column in deciding.get(check.name, ()))


def _not_itself(baseline: Baseline, *, version: Version) -> Baseline:
    """The reference for the version that the others are held against."""
    return REFERENCE if baseline.kind == "version" and baseline.version == version.name else baseline
