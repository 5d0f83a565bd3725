"""The fields of a model and of a version, in a ``PUT`` or a model file: merged into what is stored, and shown."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from monitor.columns.quarantine import MAX_NAME_CHARS
from monitor.columns.text import category_text
from monitor.configuration.label_settings import fitting_settings
from monitor.model.baseline import Baseline, fit, parse_baseline
from monitor.model.checks import parse_checks
from monitor.model.defaults import inherited_fields, with_own
from monitor.model.entities import TASKS, VERSION_STATES, Model, Version
from monitor.model.errors import InvalidInput, NotAvailableYet
from monitor.model.names import nearest
from monitor.model.retention import own_retention
from monitor.model.schema import Schema
from monitor.model.segments import check_known, parse_segments
from monitor.model.succession import succession_of
from monitor.model.thresholds import parse_false_alarms
from monitor.model.time import format_duration, parse_duration, rfc3339
from monitor.model.window import WindowSpec

MODEL_FIELDS = (
    "task", "description", "team", "window", "lateness", "stale_after", "timezone", "checks", "baseline",
    "segments", "false_alarms", "min_effect", "labels", "business_value", "tags", "positive", "decision_threshold",
    "on_new_version", "privacy",
)  # fmt: skip
VERSION_FIELDS = ("schema", "positive", "decision_threshold", "baseline", "state", "tags")
# Of the model file (CONFIG.md), and not of this release.
LATER_MODEL_FIELDS = ("actions",)
_OF_THE_FILE = ("extends", "versions")
FILE_COLUMNS = "columns"  # of a version's settings: the columns as a model file names them
DEFAULT_LATENESS_US = 300_000_000
MAX_TEXT = 4_000
MAX_TAGS = 64
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def merged_model(model: Model, *, body: Mapping[str, Any]) -> Model:
    """The model with the given fields replaced; a null gives a field its default back."""
    for key in _OF_THE_FILE:
        if key in body:
            raise InvalidInput(f"model field {key!r} belongs to a model file: apply the file with driftline apply")
    _refuse_unknown(body, known=(*MODEL_FIELDS, *LATER_MODEL_FIELDS), noun="model")
    for key in LATER_MODEL_FIELDS:
        if body.get(key) not in (None, [], {}):
            raise NotAvailableYet(f"model field {key!r} is not available yet: leave it out")
    given = {key: _MODEL_READERS[key](body[key]) for key in ("task", "description", "team") if key in body}
    settings = _settings(model.settings, body=body, readers=_MODEL_SETTINGS)
    window = _window(model.window, body=body)
    _fitting_baselines(settings, spec=window)
    _known_segments(settings)
    return replace(
        model,
        **given,
        window=window,
        lateness_us=_duration(body["lateness"], name="lateness", default=DEFAULT_LATENESS_US)
        if "lateness" in body else model.lateness_us,
        stale_after_us=_duration(body["stale_after"], name="stale_after", default=None)
        if "stale_after" in body else model.stale_after_us,
        settings=fitting_settings(settings, task=given.get("task", model.task)),
    )  # fmt: skip


def merged_version(version: Version, *, model: Model, body: Mapping[str, Any]) -> tuple[Version, Schema | None]:
    """The version with the given fields replaced, and the schema if one was given.

    A null ``positive`` or ``decision_threshold`` is the model's again.
    """
    _refuse_unknown(body, known=VERSION_FIELDS, noun="version")
    schema = None if body.get("schema") is None else read_schema(body["schema"])
    own = {key: None if body[key] is None else _OWN[key](body[key]) for key in _OWN if key in body}
    settings = _settings(version.settings, body=body, readers=_VERSION_SETTINGS)
    if body.get("baseline") is not None:
        _own_baseline(parse_baseline(body["baseline"]), version=version.name, spec=model.window)
    merged = replace(
        version,
        state=_one_of(body.get("state", version.state) or "live", name="state", choices=VERSION_STATES),
        settings=settings,
    )
    if schema is not None:  # said here, and no longer by a file
        merged = replace(merged, settings={k: v for k, v in merged.settings.items() if k != FILE_COLUMNS})
    return with_own(merged, model=model, own=own), schema


def fit_versions(versions: Iterable[Version], *, spec: WindowSpec) -> None:
    """``InvalidInput`` where the baseline of one of a model's versions makes no sense for windows of that length."""
    for version in versions:
        if version.settings.get("baseline") is not None:
            fit(parse_baseline(version.settings["baseline"]), spec=spec, name=f"version {version.name!r}: baseline")


def model_shape(model: Model) -> dict[str, Any]:
    """The model as ``GET`` shows it, without its status."""
    return {
        "name": model.name, "task": model.task, "description": model.description, "team": model.team,
        "window": model.window.length, "timezone": model.window.timezone,
        "lateness": format_duration(model.lateness_us), "stale_after": format_duration(model.stale_us),
        **{key: model.settings.get(key) for key in _MODEL_SETTINGS}, "origin": model.origin,
        "created_at": rfc3339(model.created_us), "updated_at": rfc3339(model.updated_us), "revision": model.revision,
    }  # fmt: skip


def version_shape(version: Version, *, model: Model, schema: Schema | None) -> dict[str, Any]:
    """The version as ``GET`` shows it, without its status."""
    return {
        "model": model.name, "version": version.name, "state": version.state, "positive": version.positive,
        "decision_threshold": version.decision_threshold, "inherited": list(inherited_fields(version)),
        **{key: version.settings.get(key) for key in (*_VERSION_SETTINGS, FILE_COLUMNS)}, "origin": version.origin,
        "schema": None if schema is None else schema.to_json(),
        "created_at": rfc3339(version.created_us), "updated_at": rfc3339(version.updated_us),
        "revision": version.revision,
    }  # fmt: skip


def _window(window: WindowSpec, *, body: Mapping[str, Any]) -> WindowSpec:
    length = body.get("window", window.length)
    timezone = body.get("timezone", window.timezone)
    for name, value in (("window", length), ("timezone", timezone)):
        if value is not None and not isinstance(value, str):
            raise InvalidInput(f"{name}: expected a text, found {str(value)[:40]}")
    return WindowSpec(length=length or WindowSpec().length, timezone=timezone or WindowSpec().timezone)


def _settings(
    settings: Mapping[str, Any], *, body: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]]
) -> dict[str, Any]:
    merged = dict(settings)
    for key, read in readers.items():
        if key in body:
            merged.pop(key, None)
            if body[key] is not None:
                merged[key] = read(body[key])
    return merged


def _refuse_unknown(body: Mapping[str, Any], *, known: tuple[str, ...], noun: str) -> None:
    for key in body:
        if key not in known:
            raise InvalidInput(
                f"{noun} field {key[:40]!r} is not known{nearest(key, known)}: expected {', '.join(known)}"
            )


def _one_of(value: Any, *, name: str, choices: tuple[str, ...]) -> Any:
    if value not in choices:
        hint = nearest(str(value), choices)
        raise InvalidInput(f"{name} {str(value)[:40]!r} is not known{hint}: expected one of {', '.join(choices)}")
    return value


def _text(value: Any, *, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise InvalidInput(f"{name}: expected a text of at most {MAX_TEXT} characters, found {str(value)[:40]!r}")
    return value


def _category(value: Any) -> str:
    text = category_text(value)
    if text is None:
        raise InvalidInput(f"positive: expected a text, a number or a boolean, found {str(value)[:40]}")
    return text


def _duration(value: Any, *, name: str, default: int | None) -> Any:
    if value is None:
        return default
    if not isinstance(value, str) or len(value) > 12:  # 12 digits of days would pass the range of an instant
        raise InvalidInput(f"{name} {str(value)[:40]!r} is not a duration: expected a text such as 5m, 6h or 30d")
    return min(parse_duration(value, name=name), 2**62)


def _number(value: Any, *, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"{name}: expected a number, found {str(value)[:40]!r}")
    return float(value)


def _effect(value: Any) -> float:
    number = _number(value, name="min_effect")
    if number < 0:
        raise InvalidInput(f"min_effect: expected 0 or more, found {number:g}")
    return number


def _false_alarms(value: Any) -> Any:
    parse_false_alarms(value)
    return value


def _checks(value: Any) -> Any:
    return [check.to_json() for check in parse_checks(value)]


def _segments(value: Any) -> Any:
    parse_segments(value)
    return value


def _baseline(value: Any) -> Any:
    parse_baseline(value)
    return value


def _fitting_baselines(settings: Mapping[str, Any], *, spec: WindowSpec) -> None:
    """``InvalidInput`` where a baseline of the model or of a check makes no sense for its windows."""
    told: list[tuple[str, Baseline | None]] = [
        (f"check {check.name!r}.baseline", check.baseline) for check in parse_checks(settings.get("checks") or [])
    ]
    if settings.get("baseline") is not None:
        told.append(("baseline", parse_baseline(settings["baseline"])))
    for name, baseline in told:
        if baseline is not None:
            fit(baseline, spec=spec, name=name)


def _known_segments(settings: Mapping[str, Any]) -> None:
    """``InvalidInput`` where a check is of a segment that the model cannot have."""
    specs = parse_segments(settings.get("segments") or [])
    for check in parse_checks(settings.get("checks") or []):
        check_known(check.segments, specs=specs, place=f"check {check.name!r}.segments", marked=True)


def _own_baseline(baseline: Baseline, *, version: str, spec: WindowSpec) -> None:
    fit(baseline, spec=spec)
    if baseline.kind == "version" and baseline.version == version:
        raise InvalidInput(f"baseline.version names the version itself, {version!r}: expected another one")


def _on_new_version(value: Any) -> Any:
    succession_of(value)
    return value


def _privacy(value: Any) -> Any:
    own_retention(value)
    return value


def _tags(value: Any) -> Any:
    pairs = value.items() if isinstance(value, dict) else [("", None)]
    if len(pairs) > MAX_TAGS or not all(isinstance(v, str) and len(k) + len(v) <= MAX_TEXT for k, v in pairs):
        raise InvalidInput(f'tags: expected an object of at most {MAX_TAGS} texts, such as {{"owner": "crm"}}')
    return value


def _as_given(value: Any) -> Any:
    """What ``fitting_settings`` checks, once the task is known."""
    return value


def read_schema(value: Any) -> Schema:
    """The schema of a body: ``{"columns": […]}``, or the bare list; what is not available yet is refused."""
    if isinstance(value, list):  # a bare list of columns says the same
        value = {"columns": value}
    schema = Schema.from_json(value)
    for column in schema.columns:
        if not 1 <= len(column.name) <= MAX_NAME_CHARS or _CONTROL.search(column.name):
            raise InvalidInput(
                f"column name {column.name[:40]!r}: expected 1 to {MAX_NAME_CHARS} characters, none a control character"
            )
        for key, given in (("store", column.store == "hash"), ("sensitive", column.sensitive)):
            if given:
                raise NotAvailableYet(f"column {column.name!r}: {key} {getattr(column, key)!r} is not available yet")
    return schema


_MODEL_READERS: dict[str, Callable[[Any], Any]] = {
    "task": lambda value: _one_of("none" if value is None else value, name="task", choices=TASKS),
    "description": partial(_text, name="description"),
    "team": partial(_text, name="team"),
}
_MODEL_SETTINGS: dict[str, Callable[[Any], Any]] = {
    "checks": _checks, "baseline": _baseline, "segments": _segments, "false_alarms": _false_alarms,
    "min_effect": _effect, "tags": _tags, "labels": _as_given, "business_value": _as_given, "positive": _category,
    "decision_threshold": partial(_number, name="decision_threshold"), "on_new_version": _on_new_version,
    "privacy": _privacy,
}  # fmt: skip
_OWN: dict[str, Callable[[Any], Any]] = {key: _MODEL_SETTINGS[key] for key in ("positive", "decision_threshold")}
_VERSION_SETTINGS: dict[str, Callable[[Any], Any]] = {"baseline": _baseline, "tags": _tags}
