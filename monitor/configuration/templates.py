"""``extends``: templates taken in from left to right; a check of the same name merges field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.configuration.problems import Place, Problem
from monitor.model.names import nearest

MOST_TEMPLATES = 100  # that one model takes in, one behind the other


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A template or a model as a file has it."""

    place: Place
    fields: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Merged:
    """Fields with the place each was said last; ``checks`` None where nothing says anything of checks."""

    fields: dict[str, tuple[Any, Place]] = field(default_factory=dict)
    checks: list[tuple[dict[str, Any], Place]] | None = None

    def take(self, entry: Entry) -> None:
        """Lays the entry's fields over what is there. Null and an empty list of checks take back what was there."""
        for key, value in entry.fields.items():
            if key in ("extends", "versions"):
                continue
            if key == "checks":
                self._take_checks(value, place=entry.place.at(key))
            else:
                self.fields[key] = (value, entry.place.at(key))

    def _take_checks(self, checks: Any, *, place: Place) -> None:
        if not checks:  # null: the default ones; []: none
            self.fields["checks"] = (checks, place)
            self.checks = None
            return
        self.fields.pop("checks", None)
        merged = list(self.checks or ())
        at = {str(check.get("name")): number for number, (check, _) in enumerate(merged)}
        for position, check in enumerate(checks):
            number = at.get(str(check.get("name")))
            if number is None:
                at[str(check.get("name"))] = len(merged)
                merged.append((dict(check), place.at(position)))
            else:
                merged[number] = (merged[number][0] | check, place.at(position))
        self.checks = merged


class Templates:
    """The set's templates by name."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries
        self._known: dict[str, list[Entry]] = {}

    def merged(self, entry: Entry, *, problems: list[Problem]) -> Merged:
        """The entry with all it extends; what does not fit goes to ``problems``."""
        merged = Merged()
        for one in self._line(entry, above=(), problems=problems):
            merged.take(one)
        return merged

    def _line(self, entry: Entry, *, above: tuple[str, ...], problems: list[Problem]) -> list[Entry]:
        """The entries to take in, one behind the other, the entry itself last."""
        line: list[Entry] = []
        for position, name in enumerate(_names(entry.fields.get("extends"))):
            place = entry.place.at("extends").at(position)
            if name in above:
                way = " -> ".join((*above[above.index(name) :], name))
                problems.append(Problem(place=place, message=f"templates extend each other: {way}", code="cycle"))
            elif name not in self._entries:
                known = ", ".join(sorted(self._entries)[:20]) or "none"
                hint = nearest(name, self._entries) or f": the set has {known}"
                problems.append(Problem(place=place, message=f"template {name[:80]!r} is not known{hint}"))
            else:
                line += self._of_template(name, above=above, problems=problems)
            if len(line) > MOST_TEMPLATES:
                problems.append(Problem(place=place, message=f"over {MOST_TEMPLATES} templates are taken in"))
                break
        return [*line, entry]

    def _of_template(self, name: str, *, above: tuple[str, ...], problems: list[Problem]) -> list[Entry]:
        if name not in self._known:
            found: list[Problem] = []
            line = self._line(self._entries[name], above=(*above, name), problems=found)
            if found:  # it may be right for others that do not come from inside a cycle: ask again there
                problems += found
                return line
            self._known[name] = line
        return self._known[name]


def _names(extends: Any) -> Sequence[str]:
    if isinstance(extends, str):
        return [extends]
    return [name for name in extends or () if isinstance(name, str)]
