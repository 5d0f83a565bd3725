"""Files sent part by part with a progress bar, each part with a key: a rerun stores nothing twice."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.cli.options import Items
from monitor.cli.server import Server, ServerRefused

if TYPE_CHECKING:
    from rich.progress import Progress

    from monitor.cli.files import Part

Answered = Callable[[dict[str, Any], bool], None]


def send_files(
    server: Server, path: str, *, sent: Sequence[Path], roles: Items, strict: bool, answered: Answered
) -> None:
    """Posts the files to a path below ``/api/v1``; ``answered`` gets each part's answer, and whether it is replayed.

    A part's key is made of its file's digest and its number. What a file is is decided before the first part is sent.
    """
    from monitor.cli import files
    from monitor.ingest.open_table import media_type_of

    types = [media_type_of(file) for file in sent]
    with progress() as bar:
        for file, media_type in zip(sent, types, strict=True):
            headers = {"Content-Type": files.part_media_type(media_type)}
            if strict:
                headers["Prefer"] = "handling=strict"
            digest = files.digest_of(file)
            task = bar.add_task(file.name, total=files.size_of(file, media_type=media_type))
            for number, part in enumerate(files.parts_of(file, media_type=media_type)):
                key = f"{digest[:40]}-{number}"
                answer = _send(server, path, part=part, where=f"{file.name}, part {number}", params=roles,
                               headers=headers | {"Idempotency-Key": key})  # fmt: skip
                answered(answer.json(), "idempotency-replayed" in answer.headers)
                bar.update(task, completed=part.reached)


def _send(server: Server, path: str, *, part: Part, where: str, **request: Any) -> Any:
    try:
        return server.call("POST", path, content=part.body, repeat=True, **request)
    except ServerRefused as error:
        raise ServerRefused(
            f"{where}: {error.detail}\nThe parts before it are stored; run the same command again to go on",
            status=error.status,
        ) from None


def progress() -> Progress:
    """A bar on standard error, if somebody looks at it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
        console=Console(file=sys.stderr), disable=not sys.stderr.isatty(),
    )  # fmt: skip
