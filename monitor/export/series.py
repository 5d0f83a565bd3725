"""The lines of one version: its model series, its checks, and one column of it."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.alert.holding import held_back, undecided_is_held_back
from monitor.export.columns import Column
from monitor.export.facts import VersionFacts, Window
from monitor.export.families import labels, number
from monitor.model.drills import CHECK
from monitor.model.labels import demanded_coverage
from monitor.model.results import CheckState
from monitor.model.silences import matches
from monitor.model.time import SECOND_US

Line = tuple[str, str]  # (family, the whole line without its end)


def line(family: str, label_text: str, value: float) -> Line:
    """One sample.

    >>> line("driftline_model_stale", 'model="m"', 1)
    ('driftline_model_stale', 'driftline_model_stale{model="m"} 1')
    """
    return family, f"{family}{{{label_text}}} {number(value)}"


def version_labels(facts: VersionFacts) -> str:
    """``model`` and ``version``, the labels every model series begins with."""
    return labels(model=facts.model.name, version=facts.version.name)


def model_series(facts: VersionFacts, *, now_us: int) -> list[Line]:
    """What is known of the version as a whole; of a retired one only that it exists."""
    known = version_labels(facts)
    info = labels(team=facts.model.team, task=facts.model.task, state=facts.version.state)
    lines = [line("driftline_model_info", f"{known},{info}", 1)]
    if facts.version.state == "retired":
        return lines
    stale = facts.stale(now_us=now_us)
    lines.append(line("driftline_model_stale", known, stale))
    if facts.window is not None:
        lines += [
            *_window_rows(facts.window, known),
            line("driftline_window_start_timestamp_seconds", known, facts.window.start_us / SECOND_US),
            line("driftline_window_end_timestamp_seconds", known, facts.window.end_us / SECOND_US),
        ]
    if not stale:
        lines += _drifted_ratio(facts, known)
        for column in facts.columns.whole:
            lines += column_series(column, known=known)
        lines += [line(family, f"{known},{text}", value) for family, text, value in facts.columns.performance]
    return lines


def label_series(facts: VersionFacts) -> list[Line]:
    """What became of the labels of the version's model, where it has any, and what share it demands, where it does."""
    known = labels(model=facts.model.name)
    lines: list[Line] = []
    if (demanded := demanded_coverage(facts.model)) > 0.0:
        lines.append(line("driftline_label_coverage_required_ratio", known, demanded))
    if facts.labels is not None:
        lines += [
            line("driftline_labels_unmatched", known, facts.labels.unmatched),
            line("driftline_labels_waiting", known, facts.labels.waiting),
        ]
    return lines


def _window_rows(window: Window, known: str) -> Iterator[Line]:
    """The rows of all traffic and of each segment."""
    for segment, rows in {"": window.rows, **window.segment_rows}.items():
        yield line("driftline_window_rows", f"{known},{labels(segment=segment)}", rows)


def _drifted_ratio(facts: VersionFacts, known: str) -> Iterator[Line]:
    """Per segment, the share that has drifted of the columns whose drift was decided."""
    decided: dict[str, list[bool]] = {}
    for column in facts.columns.ranked:
        if column.drift in ("ok", "warning", "alert"):
            decided.setdefault(column.segment, []).append(column.drifted)
    for segment, alerts in decided.items():
        ratio = sum(alerts) / len(alerts)
        yield line("driftline_columns_drifted_ratio", f"{known},{labels(segment=segment)}", ratio)


def failing_series(facts: VersionFacts) -> list[Line]:
    """``driftline_check_failing`` of every check: the series that alert rules stand on."""
    return [
        line("driftline_check_failing", f"{_check(facts, state)},{labels(severity=severity)}", failing)
        for state in facts.states
        for severity, failing in _severities(state)
    ]


def silenced_series(facts: VersionFacts, *, now_us: int) -> list[Line]:
    """Whether somebody holds back what is told of each check, and of the version as a whole.

    Also 0 for a day after: a series that ended would look for minutes as if it had not.
    """
    silences = [silence for silence in facts.silences if matches(facts.version.name, silence.versions)]
    if not silences and not facts.snoozes:
        return []
    wholly = any(s.in_force(now_us) and s.covers_version(facts.version.name) for s in silences)
    lines = [line("driftline_model_silenced", version_labels(facts), wholly)]
    for state in facts.states:
        held = held_back(
            state, version=facts.version.name, silences=silences, snoozes=facts.snoozes, now_us=now_us
        )  # fmt: skip
        lines.append(line("driftline_check_silenced", _check(facts, state), held is not None))
        unknown_too = undecided_is_held_back(state, version=facts.version.name, silences=silences, now_us=now_us)
        lines.append(line("driftline_check_unknown_silenced", _check(facts, state), unknown_too))
    return lines


def drill_series(facts: VersionFacts, *, now_us: int) -> list[Line]:
    """The series of a fire drill while it is raised: a check that no model can have, and that the rules take for one.

    What silences every check of the version holds the drill back as it does any other.
    """
    drill = facts.drill
    if drill is None or not drill.fires(now_us=now_us):
        return []
    known = f"{version_labels(facts)},{labels(segment='', check=CHECK)}"
    severities = ("warning", "critical") if drill.severity == "critical" else ("warning",)
    lines = [line("driftline_check_failing", f"{known},{labels(severity=severity)}", 1) for severity in severities]
    if facts.silences:
        covering = [s for s in facts.silences if s.covers(version=facts.version.name, check=CHECK, segment="")]
        silenced = any(s.in_force(now_us) and not s.columns for s in covering)
        lines.append(line("driftline_check_silenced", known, silenced))
    return lines


def _severities(state: CheckState) -> Iterator[tuple[str, bool]]:
    """The severities a check may raise, lowest first, and whether it has reached each."""
    if state.severity in ("warning", "critical"):
        yield "warning", state.status in ("warning", "alert")
    if state.severity == "critical":
        yield "critical", state.status == "alert"


def count_series(facts: VersionFacts) -> list[Line]:
    """How many columns are behind each check's verdict."""
    return [
        line("driftline_check_columns_failing", _check(facts, state), state.columns_failing) for state in facts.states
    ]


def unknown_line(facts: VersionFacts, state: CheckState, *, reason: str) -> Line:
    """Whether the check is undecided for that reason now."""
    text = f"{_check(facts, state)},{labels(reason=reason)}"
    return line("driftline_check_unknown", text, state.unknown_reason == reason)


def _check(facts: VersionFacts, state: CheckState) -> str:
    return f"{version_labels(facts)},{labels(segment=state.segment, check=state.check)}"


def column_series(column: Column, *, known: str) -> list[Line]:
    """The series of one column; ``known`` are the version's labels."""
    text = f"{known},{labels(segment=column.segment, column=column.column)}"
    return [line(family, f"{text},{last}", value) for family, last, value in column.items()]
