"""``driftline ingest``: a file of any size, part by part, each with a key: a rerun stores nothing twice."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.models import Model, Version
from monitor.cli.options import Items, with_roles
from monitor.cli.output import print_fields, print_json
from monitor.cli.server import Json, Server, ServerRefused, Token, Url, version_path

if TYPE_CHECKING:
    from rich.progress import Progress

    from monitor.cli.files import Part


@dataclass(slots=True)
class Totals:
    """What became of the file's records over all its parts."""

    parts: int = 0
    replayed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    invalid: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    def add(self, answer: dict[str, Any], *, replayed: bool) -> None:
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
    from monitor.cli import files
    from monitor.ingest.open_table import media_type_of

    media_type = media_type_of(file)
    digest = files.digest_of(file)
    headers = {"Content-Type": files.part_media_type(media_type)} | ({"Prefer": "handling=strict"} if strict else {})
    totals = Totals()
    with Server(url=url, token=token) as server, _progress() as progress:
        task = progress.add_task(file.name, total=files.size_of(file, media_type=media_type))
        for number, part in enumerate(files.parts_of(file, media_type=media_type)):
            key = f"{digest[:40]}-{number}"
            answer = _send(server, version_path(model, version, "predictions"), part=part, number=number,
                           params=roles, headers=headers | {"Idempotency-Key": key})  # fmt: skip
            totals.add(answer.json(), replayed="idempotency-replayed" in answer.headers)
            progress.update(task, completed=part.reached)
    if as_json:
        print_json(totals.shape())
    else:
        print_fields(totals.shape())


def _send(server: Server, path: str, *, part: Part, number: int, **request: Any) -> Any:
    try:
        return server.call("POST", path, content=part.body, repeat=True, **request)
    except ServerRefused as error:
        raise ServerRefused(
            f"part {number}: {error.detail}\nThe parts before it are stored; run the same command again to go on",
            status=error.status,
        ) from None


def _progress() -> Progress:
    """A bar on standard error, if somebody looks at it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
        console=Console(file=sys.stderr), disable=not sys.stderr.isatty(),
    )  # fmt: skip
