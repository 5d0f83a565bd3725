"""``driftline labels``: files of labels of any size, part by part: a rerun stores nothing twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli.models import Model
from monitor.cli.output import print_fields, print_json
from monitor.cli.sending import send_files
from monitor.cli.server import Json, Server, Token, Url, model_path

_COUNTS = ("stored", "quarantined", "matched", "waiting")
_PANEL = "Roles of columns"


@dataclass(slots=True)
class LabelTotals:
    """What became of the files' labels over all their parts."""

    parts: int = 0
    replayed: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, answer: dict[str, Any], replayed: bool) -> None:
        """Takes up one part's answer; what an earlier run stored is not counted as stored again."""
        self.parts += 1
        if replayed:
            self.replayed += 1
            return
        for name in _COUNTS:
            self.counts[name] += answer[name]

    def shape(self) -> dict[str, Any]:
        """The totals as ``--json`` prints them."""
        return {"parts": self.parts, "replayed": self.replayed, **{name: self.counts[name] for name in _COUNTS}}


def labels(
    model: Model,
    sent: Annotated[
        list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False, help="Parquet, Arrow, CSV or NDJSON")
    ],
    id: Annotated[str | None, typer.Option(help="column with the record's id", rich_help_panel=_PANEL)] = None,
    label: Annotated[str | None, typer.Option(help="column with what was true", rich_help_panel=_PANEL)] = None,
    timestamp: Annotated[
        str | None, typer.Option(help="column with the time of the prediction", rich_help_panel=_PANEL)
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="refuse a part for one bad label")] = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Stores the labels of files, in their order: of two for one record the later counts.

    A rerun within seven days stores nothing twice. An empty or null label withdraws the one before.

    Example: driftline labels churn returned.parquet --id order --label returned
    """
    totals = LabelTotals()
    given = {"id": id, "label": label, "timestamp": timestamp}
    roles = [(name, column) for name, column in given.items() if column is not None]
    with Server(url=url, token=token) as server:
        send_files(
            server, model_path(model, "labels"), sent=sent, roles=roles, strict=strict, answered=totals.add
        )  # fmt: skip
    if as_json:
        print_json(totals.shape())
    else:
        print_fields(totals.shape())
