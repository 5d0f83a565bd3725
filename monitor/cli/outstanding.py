"""References that an apply leaves to be set: the files looked at first, then sent, a few at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from httpx import Response

from monitor.cli.files import pieces_of, reference_type_of
from monitor.cli.model_files import FileSet
from monitor.cli.sending import progress
from monitor.cli.server import Server, version_path
from monitor.configuration.problems import InvalidConfiguration, Place, Problem
from monitor.model.errors import DriftlineError

AT_ONCE = 2
_IN_MEMORY = 4 * 1024**2  # a file that small is sent again by itself when the server is busy
_SECONDS = 3_600.0

Wanted = dict[str, Any]


def check_files(wanted: Sequence[Wanted], *, files: FileSet) -> None:
    """Nothing, or ``InvalidConfiguration``: every file is of a known kind and can be opened."""
    problems = []
    for reference in wanted:
        if "file" in reference:
            try:
                _open(files.references[reference["named_in"], reference["file"]])
            except (DriftlineError, OSError) as error:
                path = f"models.{reference['model']}.versions.{reference['version']}.reference.file"
                place = Place(file=reference["named_in"], path=path)
                problems.append(Problem(place=place, message=f"{reference['file']!r} cannot be used: {error}"))
    if problems:
        raise InvalidConfiguration(problems)


@dataclass(slots=True)
class Outcome:
    """What came of it, each with model and version: why a reference was not set, what is odd about one that was."""

    failed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def set_references(server: Server, *, wanted: Sequence[Wanted], files: FileSet) -> Outcome:
    """Sets every reference, those taken from other versions last: theirs may be among those set now."""
    outcome = Outcome()
    with progress() as bar, ThreadPoolExecutor(AT_ONCE) as pool:
        task = bar.add_task("references", total=len(wanted), visible=bool(wanted))

        def one(reference: Wanted) -> None:
            name = f"{reference['model']} {reference['version']}"
            try:
                found = _set(server, reference, files=files)
                outcome.warnings.extend(_warnings(found, name=name))
            except (DriftlineError, OSError) as error:
                outcome.failed.append(f"{name}: {error}")
            finally:
                bar.advance(task)

        for waits in (False, True):
            list(pool.map(one, [reference for reference in wanted if _waits(reference) == waits]))
    return outcome


def _warnings(answer: dict[str, Any], *, name: str) -> list[str]:
    said = answer.get("warnings", ())
    return [": ".join(part for part in (name, warning["column"], warning["message"]) if part) for warning in said]


def _waits(reference: Wanted) -> bool:
    return reference.get("from_version") not in (None, reference["version"])


def _set(server: Server, reference: Wanted, *, files: FileSet) -> dict[str, Any]:
    """The server's answer: the reference, active."""
    path = version_path(reference["model"], reference["version"], "reference")
    if "file" in reference:
        file = files.references[reference["named_in"], reference["file"]]
        response = _send(server, path, file=file, source=reference["file"])
    elif "number" in reference:
        response = server.call("POST", f"{path}/{reference['number']}/activate", repeat=True, timeout=_SECONDS)
    else:
        params = reference.get("windows") or {"from_version": reference["from_version"]}
        response = server.call("POST", path, params=params, repeat=True, timeout=_SECONDS)
    answer: dict[str, Any] = response.json()
    return answer


def _send(server: Server, path: str, *, file: Path, source: str) -> Response:
    small = file.stat().st_size <= _IN_MEMORY
    content: Any = file.read_bytes() if small else pieces_of(file)
    return server.call(
        "PUT", path, params={"source": source}, content=content, repeat=small,
        headers={"Content-Type": reference_type_of(file), "Prefer": "return=minimal"}, timeout=_SECONDS,
    )  # fmt: skip


def _open(path: Path) -> None:
    """Reads the first rows, or the whole of a profile."""
    from monitor.ingest.open_table import open_table
    from monitor.profile.dlp import DLP_MEDIA_TYPE, read_dlp

    media_type = reference_type_of(path)
    if media_type == DLP_MEDIA_TYPE:
        read_dlp(path.read_bytes())
    else:
        next(iter(open_table(path, media_type)), None)
