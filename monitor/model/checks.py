"""Checks: what is held against what, and how severe it is when it fails (CONFIG.md, "Check")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from monitor.model.baseline import Baseline, check_level, parse_baseline
from monitor.model.errors import InvalidInput, NotAvailableYet
from monitor.model.names import nearest, valid_name
from monitor.model.schema import MONITORED_ROLES, ROLES, Column, Schema
from monitor.model.segments import ALL_TRAFFIC, covers
from monitor.model.thresholds import FalseAlarms, Threshold, parse_false_alarms, parse_threshold
from monitor.model.worth import METRICS as PERFORMANCE_METRICS
from monitor.model.worth import bad_side, is_metric

Kind = Literal["drift", "quality", "volume", "schema", "performance", "estimate", "concept_drift"]
Severity = Literal["critical", "warning", "none"]
KINDS: tuple[str, ...] = get_args(Kind)
LATER_KINDS = ("multivariate", "fairness", "rule")
PERFORMANCE_KINDS = ("performance", "estimate", "concept_drift")  # of the whole model, on a metric of its task
SEGMENT_KINDS = ("drift", "quality", "volume")  # the others are of all traffic
LABELLED_KINDS = ("performance", "concept_drift")  # decided when labels are due
DRIFT_METRICS = ("psi", "ks", "js", "hellinger", "l_infinity", "chi2", "wasserstein", "wasserstein_normalised")
QUALITY_METRICS = ("missing", "invalid", "unseen", "out_of_range", "off_support")
METRICS: dict[str, tuple[str, ...]] = {
    "drift": DRIFT_METRICS, "quality": QUALITY_METRICS, "volume": ("rows",), "schema": ("columns",),
}  # fmt: skip
# The metrics whose usual movement is measured, so that `auto` can decide on them.
AUTO_METRICS = ("psi", "missing", "invalid", "unseen", "out_of_range", "rows", "columns")
DEFAULT_SEVERITY: dict[str, Severity] = {
    "drift": "warning", "quality": "warning", "volume": "critical", "schema": "critical",
    "performance": "critical", "estimate": "warning", "concept_drift": "warning",
}  # fmt: skip
DEFAULT_MIN_ROWS = 50
ROLE_GROUPS = {"@feature": "feature", "@prediction": "prediction", "@score": "score", "@label": "label"}
MOST_SEGMENT_PATTERNS = 100
_MOST_PATTERN_CHARS = 256
MOST_CHECKS = 1_000  # of a model: each is judged, stored and shown for every window
_MOST_REMEMBERED = 16  # lists of checks that one schema has answers for
FIELDS = (
    "name", "kind", "metric", "columns", "exclude", "segments", "threshold", "false_alarms", "min_effect",
    "min_rows", "hold", "share", "count", "severity", "rule", "baseline", "enabled", "description", "runbook_url",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A metric, its threshold (None: ``auto``) and what failing means.

    ``metric``: the kind's default is filled in (psi, missing, rows, columns); of the performance kinds it may be
    empty, which means the task's own default (roc_auc, accuracy, mae). ``columns``
    and ``exclude`` are patterns, see ``selected_columns``; empty ``columns`` means the kind's default.
    ``segments`` are the names and patterns of where it is judged, see ``segments.covers``; all traffic is ``""``.
    ``baseline`` None: the version's, or the model's.
    """

    name: str
    kind: Kind
    metric: str
    columns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    segments: tuple[str, ...] = (ALL_TRAFFIC,)
    threshold: Threshold | None = None
    false_alarms: FalseAlarms | None = None
    min_effect: float | None = None
    min_rows: int = DEFAULT_MIN_ROWS
    hold: int = 1
    share: float | None = None
    count: int | None = None
    severity: Severity = "warning"
    baseline: Baseline | None = None
    enabled: bool = True
    description: str = ""
    runbook_url: str = ""
    shape: dict[str, Any] = field(default_factory=dict, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The shape it was given in."""
        return dict(self.shape)


def parse_checks(shapes: Iterable[Any]) -> tuple[Check, ...]:
    """The checks of a model's ``checks`` list, in order; names unique, unknown keys refused."""
    if not isinstance(shapes, list | tuple):
        raise InvalidInput(f"checks: expected a list of objects, found {str(shapes)[:80]}")
    if len(shapes) > MOST_CHECKS:
        raise InvalidInput(
            f"checks: {len(shapes):,} checks, expected at most {MOST_CHECKS:,}: a check takes several columns by their "
            "names or by patterns such as addr_*"
        )
    checks = tuple(parse_check(shape, position=position) for position, shape in enumerate(shapes))
    twice = next((name for name, n in Counter(check.name for check in checks).items() if n > 1), None)
    if twice is not None:
        raise InvalidInput(f"checks: the name {twice!r} is given twice; names are unique in a model")
    return checks


def parse_check(shape: Any, *, position: int = 0) -> Check:
    """One check from its JSON shape.

    >>> parse_check({"name": "null-age", "kind": "quality", "metric": "missing", "threshold": 0.05}).severity
    'warning'
    """
    where = f"checks[{position}]"
    if not isinstance(shape, dict):
        raise InvalidInput(f"{where}: expected an object, found {str(shape)[:80]}")
    for key in shape:
        if key not in FIELDS:
            raise InvalidInput(f"{where}: unknown key {key!r}{nearest(str(key), FIELDS)}")
    if not isinstance(shape.get("name"), str):
        raise InvalidInput(f"{where}.name: expected a text, found {str(shape.get('name'))[:40]!r}")
    where = f"check {valid_name(shape['name'], kind='check')!r}"
    kind = _kind(shape.get("kind"), where=where)
    _refuse_what_comes_later(shape, where=where)
    metric = _metric(shape.get("metric"), kind=kind, where=where)
    threshold = _threshold(shape.get("threshold"), kind=kind, metric=metric, where=where)
    return Check(
        name=shape["name"], kind=kind, metric=metric, threshold=threshold, shape=dict(shape),
        columns=_texts(shape.get("columns"), name=f"{where}.columns"),
        exclude=_texts(shape.get("exclude"), name=f"{where}.exclude"),
        segments=_segments(shape.get("segments"), kind=kind, where=where),
        false_alarms=None if shape.get("false_alarms") is None
        else parse_false_alarms(shape["false_alarms"], name=f"{where}.false_alarms"),
        severity=_severity(shape.get("severity"), kind=kind, where=where),
        baseline=_baseline(shape.get("baseline"), kind=kind, where=where),
        **_numbers(shape, where=where),
        **_rest(shape, where=where),
    )  # fmt: skip


def default_checks() -> tuple[Check, ...]:
    """What is checked when nobody said: drift, missing, invalid, unseen, volume, schema, performance, all ``auto``.

    >>> [check.name for check in default_checks()]
    ['drift', 'missing', 'invalid', 'unseen', 'volume', 'schema', 'performance']
    """
    quality = ({"name": m, "kind": "quality", "metric": m} for m in ("missing", "invalid", "unseen"))
    return parse_checks(
        [{"name": "drift", "kind": "drift"}, *quality, {"name": "volume", "kind": "volume"},
         {"name": "schema", "kind": "schema"}, {"name": "performance", "kind": "performance"}]
    )  # fmt: skip


def selected_columns(check: Check, *, schema: Schema) -> tuple[Column, ...]:
    """The monitored columns a check looks at, in schema order.

    By name, glob or role group; the default is features, predictions and scores, and for quality also
    context columns. A drift check never takes a context column.
    """
    default = (*MONITORED_ROLES, "context") if check.kind == "quality" else MONITORED_ROLES
    allowed = (*ROLES,) if check.columns and check.kind != "drift" else default
    return tuple(
        column
        for column in schema.monitored
        if column.role in allowed
        and (not check.columns or _matches(column, check.columns))
        and not _matches(column, check.exclude)
    )


def checks_of(checks: Iterable[Check], *, segment: str) -> tuple[Check, ...]:
    """The enabled checks that are judged in that segment, in order; all traffic is ``""``.

    Which of them decides a column is a question of each segment: ``deciding_columns`` of these.

    >>> checks = parse_checks([{"name": "d", "kind": "drift", "segments": ["eu"]}, {"name": "v", "kind": "volume"}])
    >>> [[check.name for check in checks_of(checks, segment=name)] for name in ("", "eu")]
    [['v'], ['d']]
    """
    return tuple(check for check in checks if check.enabled and covers(check.segments, segment))


def deciding_columns(checks: Sequence[Check], *, schema: Schema) -> dict[str, tuple[Column, ...]]:
    """The columns each enabled check decides, by check name: the last match of (kind, metric, column) wins."""
    asked = tuple(checks)
    known: dict[tuple[Check, ...], dict[str, tuple[Column, ...]]] = schema.memory.setdefault("deciding", {})
    if asked not in known:
        if len(known) > _MOST_REMEMBERED:
            known.clear()
        known[asked] = _deciding(asked, schema=schema)
    return known[asked]


def _deciding(checks: Sequence[Check], *, schema: Schema) -> dict[str, tuple[Column, ...]]:
    found: dict[str, tuple[Column, ...]] = {}
    taken: dict[tuple[str, str], set[str]] = {}
    for check in reversed([check for check in checks if check.enabled]):
        decided = taken.setdefault((check.kind, check.metric), set())
        own = tuple(c for c in selected_columns(check, schema=schema) if c.name not in decided)
        decided.update(c.name for c in own)
        found[check.name] = own
    return found


def budgeted_columns(checks: Sequence[Check], *, schema: Schema) -> frozenset[str]:
    """The names of the columns that share the budget of false alarms: those an ``auto`` check decides.

    Context columns spend none of it.
    """
    auto = {check.name for check in checks if check.threshold is None and check.kind in ("drift", "quality")}
    deciding = deciding_columns(checks, schema=schema)
    return frozenset(
        c.name for name, columns in deciding.items() if name in auto for c in columns if c.role != "context"
    )


def _matches(column: Column, patterns: tuple[str, ...]) -> bool:
    return bool(patterns) and any(
        column.role == ROLE_GROUPS[pattern] if pattern in ROLE_GROUPS else fnmatchcase(column.name, pattern)
        for pattern in patterns
    )


def _kind(kind: Any, *, where: str) -> Kind:
    if kind in LATER_KINDS:
        raise NotAvailableYet(f"{where}: kind {kind!r} is not available yet")
    if kind not in KINDS:
        known = (*KINDS, *LATER_KINDS)
        hint = nearest(str(kind), known)
        raise InvalidInput(f"{where}: kind {str(kind)[:40]!r} is not one of {', '.join(known)}{hint}")
    return kind  # type: ignore[no-any-return]


def _threshold(shape: Any, *, kind: str, metric: str, where: str) -> Threshold | None:
    """The fixed threshold; None for ``auto``, where the metric can be judged so."""
    bad: Literal["above", "below"] = "below" if kind == "volume" else "above"
    if kind in ("performance", "estimate"):
        bad = bad_side(metric)
        if not metric and isinstance(shape, int | float | dict):
            raise InvalidInput(f"{where}: a fixed threshold needs a metric: name one, such as roc_auc or mae")
    threshold = parse_threshold(shape, bad=bad, name=f"{where}.threshold")
    if threshold is None and kind in METRICS and metric not in AUTO_METRICS:
        raise InvalidInput(f"{where}: {metric!r} is not judged by threshold 'auto' (psi is): give a number")
    if threshold is not None and kind == "schema":
        raise InvalidInput(f"{where}: a schema check has no threshold but 'auto'")
    return threshold


def _performance_metric(metric: Any, *, where: str) -> str:
    if metric is None:
        return ""
    if not isinstance(metric, str) or not is_metric(metric):
        hint = nearest(str(metric), PERFORMANCE_METRICS)
        known = f"{', '.join(PERFORMANCE_METRICS)}, or recall/<class> and the like"
        raise InvalidInput(f"{where}: metric {str(metric)[:40]!r} is not one of {known}{hint}")
    return metric


def _metric(metric: Any, *, kind: str, where: str) -> str:
    if kind in PERFORMANCE_KINDS:
        return _performance_metric(metric, where=where)
    known = METRICS[kind]
    if metric is None or (kind == "drift" and metric == "surprise"):  # surprise is psi in its usual movement
        return known[0]
    if metric not in known:
        hint = nearest(str(metric), known)
        raise InvalidInput(f"{where}: metric {str(metric)[:40]!r} is not one of {', '.join(known)} ({kind}){hint}")
    return str(metric)


def _severity(severity: Any, *, kind: str, where: str) -> Severity:
    if severity is None:
        return DEFAULT_SEVERITY[kind]
    if severity not in get_args(Severity):
        raise InvalidInput(f"{where}: severity {str(severity)[:40]!r} is not one of {', '.join(get_args(Severity))}")
    return severity  # type: ignore[no-any-return]


def _refuse_what_comes_later(shape: dict[str, Any], *, where: str) -> None:
    if shape.get("rule") is not None:
        raise NotAvailableYet(f"{where}: rule is not available yet")


def _segments(shape: Any, *, kind: str, where: str) -> tuple[str, ...]:
    """Where the check is judged: names and patterns, once each."""
    if shape is None:
        return (ALL_TRAFFIC,)
    if not isinstance(shape, list | tuple) or not all(isinstance(text, str) for text in shape):
        raise InvalidInput(f"{where}.segments: expected a list of names, found {str(shape)[:80]}")
    if not 0 < len(shape) <= MOST_SEGMENT_PATTERNS or any(len(text) > _MOST_PATTERN_CHARS for text in shape):
        raise InvalidInput(
            f"{where}.segments: expected 1 to {MOST_SEGMENT_PATTERNS} names or patterns of at most "
            f'{_MOST_PATTERN_CHARS} characters ([""] is all traffic), found {str(shape)[:80]}'
        )
    if kind not in SEGMENT_KINDS and set(shape) != {ALL_TRAFFIC}:
        raise InvalidInput(
            f"{where}.segments: a {kind} check is of all traffic: leave segments out "
            f"({', '.join(SEGMENT_KINDS)} checks take them)"
        )
    return tuple(dict.fromkeys(shape))


def _baseline(shape: Any, *, kind: str, where: str) -> Baseline | None:
    baseline = None if shape is None else parse_baseline(shape, name=f"{where}.baseline")
    check_level(baseline, kind=kind, where=where)
    return baseline


def _texts(shape: Any, *, name: str) -> tuple[str, ...]:
    if shape is None:
        return ()
    if not isinstance(shape, list) or not all(isinstance(text, str) for text in shape):
        raise InvalidInput(f"{name}: expected a list of names, found {str(shape)[:80]}")
    for text in shape:
        if text.startswith("@") and text not in ROLE_GROUPS:
            raise InvalidInput(f"{name}: {text!r} is not one of {', '.join(ROLE_GROUPS)}{nearest(text, ROLE_GROUPS)}")
    return tuple(shape)


def _numbers(shape: dict[str, Any], *, where: str) -> dict[str, Any]:
    """Checked numeric fields: min_effect and share are ratios or more, min_rows, hold and count whole numbers."""
    values: dict[str, Any] = {}
    for key, least in (("min_rows", 1), ("hold", 1), ("count", 1)):
        value = shape.get(key)
        if value is not None:
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InvalidInput(f"{where}.{key}: expected a whole number from {least}, found {str(value)[:40]}")
            values[key] = value
    for key, most in (("min_effect", 1e300), ("share", 1.0)):
        value = shape.get(key)
        if value is not None:
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
                limit = "0 or more" if most > 1 else "from 0 to 1"
                raise InvalidInput(f"{where}.{key}: expected a number, {limit}, found {str(value)[:40]}")
            values[key] = float(value)
    if "share" in values and "count" in values:
        raise InvalidInput(f"{where}: share and count exclude each other")
    return values


def _rest(shape: dict[str, Any], *, where: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, kind in (("enabled", bool), ("description", str), ("runbook_url", str)):
        value = shape.get(key)
        if value is not None:
            if not isinstance(value, kind):
                raise InvalidInput(f"{where}.{key}: expected a {'text' if kind is str else 'boolean'}")
            values[key] = value
    return values
