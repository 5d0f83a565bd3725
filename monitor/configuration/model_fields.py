"""A model's merged fields, read one by one, so that each that does not fit is told with its place."""

from __future__ import annotations

from typing import Any

from monitor.configuration.bodies import LATER_MODEL_FIELDS, MODEL_FIELDS, merged_model
from monitor.configuration.problems import Place, Problem
from monitor.configuration.templates import Merged
from monitor.model.checks import FIELDS as CHECK_FIELDS
from monitor.model.checks import parse_check
from monitor.model.entities import Model
from monitor.model.errors import DriftlineError, NotAvailableYet

_KNOWN = (*MODEL_FIELDS, *LATER_MODEL_FIELDS)
_BY_TASK = ("labels", "business_value")


def model_of(merged: Merged, *, name: str, place: Place, whole: bool, problems: list[Problem]) -> Model | None:
    """The model with these fields, all others at their default; None where something does not fit.

    Not ``whole``: a template is missing, and with it perhaps the kinds of checks.
    """
    before = len(problems)
    body: dict[str, Any] = {}
    for key, (value, where) in merged.fields.items():
        if key not in _KNOWN:
            continue  # told already: it is in no table
        task = {"task": merged.fields["task"][0]} if key in _BY_TASK and "task" in merged.fields else {}
        if _fits({**task, key: value}, place=where, problems=problems):
            body[key] = value
    if merged.checks is not None:
        body["checks"] = _checks(merged, whole=whole, problems=problems)
    if len(problems) > before or not whole:
        return None
    try:
        return merged_model(Model(name=name), body=body)
    except DriftlineError as error:
        problems.append(problem_of(error, place=place))
        return None


def _fits(body: dict[str, Any], *, place: Place, problems: list[Problem]) -> bool:
    try:
        merged_model(Model(name="any"), body=body)
    except DriftlineError as error:
        if not place.path.endswith(".task") and "task" in body and error.detail.startswith("task "):
            return False  # told at the task itself
        if not any(
            p.code == "unknown_key" and p.place.path.startswith((f"{place.path}.", f"{place.path}[")) for p in problems
        ):
            problems.append(problem_of(error, place=place))
        return False
    return True


def _checks(merged: Merged, *, whole: bool, problems: list[Problem]) -> list[dict[str, Any]]:
    checks = []
    for position, (check, place) in enumerate(merged.checks or ()):
        known = {key: value for key, value in check.items() if key in CHECK_FIELDS}  # the others are told already
        checks.append(known)
        if not whole and "kind" not in known:
            continue
        try:
            parse_check(known, position=position)
        except DriftlineError as error:
            problems.append(problem_of(error, place=place))
    return checks


def problem_of(error: DriftlineError, *, place: Place) -> Problem:
    """The error as a problem of that place."""
    code = "not_available" if isinstance(error, NotAvailableYet) else getattr(error, "code", "invalid")
    return Problem(place=place, message=error.detail, code=code)
