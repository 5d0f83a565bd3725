"""What is wrong in a set of files: where it stands, in which file, and what to do; all of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from monitor.model.errors import InvalidInput, NotAvailableYet

MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file of the set and a path in it, such as ``models.churn.checks[1].threshold``."""

    file: str
    path: str = ""

    def at(self, key: str | int) -> Place:
        """The place of an entry below this one.

        >>> Place(file="a.yaml", path="models").at("churn").at("checks").at(1).path
        'models.churn.checks[1]'
        """
        if isinstance(key, int):
            return Place(file=self.file, path=f"{self.path}[{key}]")
        shown = key if key.isprintable() and "." not in key else repr(key)
        return Place(file=self.file, path=f"{self.path}.{shown}" if self.path else shown)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.path) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong; ``code`` is stable for programs (``unknown_key``, ``not_available``, …)."""

    place: Place
    message: str
    code: str = "invalid"

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"

    def to_json(self) -> dict[str, str | None]:
        """An entry of a problem document's ``errors``."""
        return {
            "index": None, "field": self.place.path, "code": self.code, "file": self.place.file, "message": str(self),
        }  # fmt: skip


class InvalidConfiguration(InvalidInput):
    """The set cannot be used; nothing of it was applied. ``problems`` are all that were found, each once."""

    title = "Invalid configuration"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        count = len(self.problems)
        more = f" (and {count - 1} more)" if count > 1 else ""
        super().__init__(
            f"{self.problems[0]}{more}; nothing was applied",
            code="configuration",
            errors=[problem.to_json() for problem in self.problems[:MOST]],
        )
        if all(problem.code == "not_available" for problem in self.problems):
            self.status, self.title = NotAvailableYet.status, NotAvailableYet.title
