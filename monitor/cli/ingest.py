"""``driftline ingest``: a file of any size, part by part, each with a key: a rerun stores nothing twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli.models import Model, Version
from monitor.cli.options import Items, with_roles
from monitor.cli.output import print_fields, print_json
from monitor.cli.sending import send_files
from monitor.cli.server import Json, Server, Token, Url, version_path


@dataclass(slots=True)
class Totals:
    """What became of the file's records over all its parts."""

    parts: int = 0
    replayed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    invalid: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    def add(self, answer: dict[str, Any], replayed: bool) -> None:
        """Takes up one part's answer; what an earlier run stored is not counted as stored again."""
        self.parts += 1
        if replayed:
            self.replayed += 1
            return
        for name in ("stored", "quarantined", "duplicate"):
            self.counts[name] += answer[name]
        columns = answer.get("columns", {})
        self.invalid.update(columns.get("invalid", {}))
        self.unknown.update(columns.get("unknown", {}))

    def shape(self) -> dict[str, Any]:
        """The totals as ``--json`` prints them."""
        return {
            "parts": self.parts, "replayed": self.replayed, **{n: self.counts[n] for n in
            ("stored", "quarantined", "duplicate")}, "columns": {"invalid": self.invalid, "unknown": self.unknown},
        }  # fmt: skip


@with_roles
def ingest(
    model: Model,
    version: Version,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Parquet, Arrow, CSV or NDJSON")],
    roles: Items,
    strict: Annotated[bool, typer.Option("--strict", help="refuse a part for one bad record")] = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Stores a file's records. A rerun within seven days stores nothing twice.

    Example: driftline ingest churn 42 march.parquet --id request_id --timestamp at
    """
    totals = Totals()
    with Server(url=url, token=token) as server:
        send_files(
            server, version_path(model, version, "predictions"), sent=[file], roles=roles, strict=strict,
            answered=totals.add,
        )  # fmt: skip
    if as_json:
        print_json(totals.shape())
    else:
        print_fields(totals.shape())
