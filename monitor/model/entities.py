"""Model, version and reference: what the store keeps and every face shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from monitor.model.time import DAY_US
from monitor.model.window import WindowSpec

Task = Literal["binary_classification", "multiclass_classification", "regression", "none"]
VersionState = Literal["live", "shadow", "retired"]
TASKS: tuple[str, ...] = ("binary_classification", "multiclass_classification", "regression", "none")
VERSION_STATES: tuple[str, ...] = ("live", "shadow", "retired")


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """Why nothing of a model may be removed, since when, and which token said so (empty: none was needed)."""

    reason: str
    by: str
    since_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model; ``id`` 0 before it is stored. ``settings`` is the validated CONFIG.md body (JSON values)."""

    id: int = 0
    name: str
    task: Task = "none"
    description: str = ""
    team: str = ""
    window: WindowSpec = field(default_factory=WindowSpec)
    lateness_us: int = 300_000_000
    stale_after_us: int | None = None
    # checks, baseline, segments, false_alarms, min_effect, labels, business_value, tags, positive, decision_threshold,
    # on_new_version
    settings: dict[str, Any] = field(default_factory=dict)
    created_us: int = 0
    updated_us: int = 0
    revision: int = 1
    origin: str | None = None  # the set of files that made it; None: somebody did
    legal_hold: LegalHold | None = None  # set and ended by functions of its own: no body and no file has it

    @property
    def stale_us(self) -> int:
        """How old the newest window may be: as set, else three windows and the lateness."""
        return self.stale_after_us if self.stale_after_us is not None else 3 * self.window.nominal_us + self.lateness_us

    @property
    def page_within_us(self) -> int:
        """A window moves a verdict if it closed within this long of now: 3 windows or a day, the longer."""
        return max(3 * self.window.nominal_us, DAY_US)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A deployed version. ``fold_seq`` counts folds and is the compare-and-set guard of folding."""

    id: int = 0
    model_id: int
    name: str
    state: VersionState = "live"
    positive: str | None = None
    decision_threshold: float = 0.5
    settings: dict[str, Any] = field(default_factory=dict)  # baseline, tags, columns of a model file, inherited
    schema_id: int | None = None
    layout_id: int | None = None
    reference_id: int | None = None
    fold_seq: int = 0
    created_us: int = 0
    updated_us: int = 0
    revision: int = 1
    origin: str | None = None  # the set of files that made it
    live_us: int | None = None  # when it became live


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The data a version is held against. ``number`` counts 1, 2, … within the version."""

    id: int = 0
    version_id: int
    number: int = 0
    digest: str
    roles: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    media_type: str = ""
    rows: int = 0
    schema_id: int | None = None
    layout_id: int | None = None
    warnings: tuple[dict[str, str], ...] = ()
    created_us: int = 0
    ready: bool = False
