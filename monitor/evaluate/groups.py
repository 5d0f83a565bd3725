"""Checks by what they are held against: each group is judged against one baseline. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.alert.auto import TESTS_OF
from monitor.alert.budget import Spending, spread
from monitor.alert.cells import Flags
from monitor.model.baseline import REFERENCE, Baseline, parsed
from monitor.model.checks import Check, checks_of, deciding_columns
from monitor.model.entities import Model, Version
from monitor.model.schema import Column, Schema
from monitor.profile.layout import Layout

_JUDGED = ("drift", "quality")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The checks of a segment that are held against one baseline, and their part of the budget."""

    baseline: Baseline
    checks: tuple[Check, ...]
    spending: Spending

    @property
    def share(self) -> float:
        """Their part of the tests that spend the budget."""
        return self.spending.share


def all_in_one(checks: Sequence[Check]) -> tuple[Group]:
    """All checks held against the reference, with all of the budget."""
    return (Group(baseline=REFERENCE, checks=tuple(checks), spending=Spending(checks=tuple(checks))),)


def groups_of(
    checks: Sequence[Check], *, model: Model, version: Version, schema: Schema, segments: Iterable[str] = ()
) -> dict[str, tuple[Group, ...]]:
    """By segment the groups of the checks that are judged there, that of the reference first; ``""`` is all traffic.

    A check's own baseline goes before the version's, that before the model's. Schema, performance and volume
    against a number are held against the reference whatever is set. The one budget is for all groups of all
    segments: each has the part of it that its tests are of all tests.
    """
    judged = {segment: checks_of(checks, segment=segment) for segment in dict.fromkeys(("", *segments))}
    judged = {segment: own for segment, own in judged.items() if own or not segment}
    usual = usual_baseline(model, version=version)
    if len(judged) == 1 and usual == REFERENCE and all(check.baseline in (None, REFERENCE) for check in judged[""]):
        return {"": all_in_one(judged[""])}
    held = {segment: _held(own, usual=usual, version=version) for segment, own in judged.items()}
    spent = {
        segment: _spent(by_baseline, among=judged[segment], schema=schema) for segment, by_baseline in held.items()
    }
    total = sum(tests for of_segment in spent.values() for tests in of_segment.values()) or 1
    spending = spread(checks, places=judged.values())
    return {
        segment: tuple(
            Group(baseline=baseline, checks=own, spending=replace(spending, share=spent[segment][baseline] / total))
            for baseline, own in by_baseline.items()
        )
        for segment, by_baseline in held.items()
    }


def _held(checks: Sequence[Check], *, usual: Baseline, version: Version) -> dict[Baseline, tuple[Check, ...]]:
    """The checks by what they are held against, the reference first."""
    found: dict[Baseline, tuple[Check, ...]] = {REFERENCE: ()}
    for check in checks:
        wanted = usual if check.baseline is None else check.baseline
        taken = _not_itself(wanted, version=version) if _takes_one(check) else REFERENCE
        found[taken] = (*found.get(taken, ()), check)
    return found


def _spent(held: Mapping[Baseline, Sequence[Check]], *, among: Sequence[Check], schema: Schema) -> dict[Baseline, int]:
    """How many tests the checks of each baseline make in a segment where ``among`` are judged."""
    deciding = deciding_columns(enabled_of_data(among), schema=schema)
    return {baseline: sum(_tests(check, deciding=deciding) for check in own) for baseline, own in held.items()}


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
