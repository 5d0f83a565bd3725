"""``driftline backup`` and ``driftline restore``: the whole store as one file, and back into an empty place."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import typer

from monitor.cli.bars import Told, bars
from monitor.cli.options import with_settings
from monitor.cli.output import print_fields, print_json
from monitor.cli.server import Json, Server, Token, Url
from monitor.cli.verify import faults_of
from monitor.model.errors import ConfigurationError
from monitor.settings import Settings, load_settings

if TYPE_CHECKING:
    from monitor.store.backup.file import Emit, Header, Progress

Offline = Annotated[bool, typer.Option("--offline", help="read the database itself, whether a server runs or not")]
_STEPS = {"copy": "copying the database", "write": "writing the backup"}
_PROBE_SECONDS = 5.0


@with_settings()
def backup(
    file: Path, settings: Settings, url: Url = None, token: Token = None, offline: Offline = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Everything that is stored, as one file: by the server where one runs, else from the database itself.

    The file holds the key of hashed ids and the hashes of tokens: keep it as you keep the database.

    Example: driftline backup /backups/driftline-$(date +%F).backup
    """
    from monitor.store.backup.file import check_file

    server = None if offline else _server(url, token)
    with _new_file(file) as (made, sink), bars() as told:
        if server is not None:
            _from_server(server, sink, token=token, told=told)
        else:
            _from_database(settings, sink, told=told)
        sink.flush()
        os.fsync(sink.fileno())
        header, digest = check_file(made)  # read back: what was written is what was sent
        size = made.stat().st_size
    by = "offline" if server is None else server
    _say(file, header=header, digest=digest, size=size, more={"by": by}, as_json=as_json)


@with_settings()
def restore(file: Path, settings: Settings, as_json: Json = False) -> None:
    """Reads a backup into an empty place, with the current schema, and verifies what is there then.

    Checks the file's digest first. Ends with 1 where it refuses, or where the restored store has faults.

    Example: driftline restore driftline-2026-11-26.backup --data-dir /var/lib/driftline
    """
    from monitor.store.backup import check_file, restore_backup

    into = str(settings.sqlite_path or "the database that DATABASE_URL names")
    if not file.is_file():
        raise ConfigurationError(f"{file} is no file: expected one that driftline backup wrote")
    with bars() as told:
        header, digest = check_file(file, looked=partial(told, "checking the digest"))
        size = file.stat().st_size
        restore_backup(
            file, url=settings.store_url, data_dir=settings.data_dir,
            read=lambda done: told("restoring", done, size),
        )  # fmt: skip
        faults = faults_of(settings, told=told, recount=False)
    more = {"into": into, "faults": [fault.shape() for fault in faults]}
    _say(file, header=header, digest=digest, size=size, more=more, as_json=as_json)
    if faults:
        raise typer.Exit(1)


def _server(url: str | None, token: str | None) -> str | None:
    """The server that is asked: the one that is named, or one that runs at the usual address."""
    import httpx

    settings = load_settings(os.environ, options={"url": url, "token": token})
    if url is not None or "DRIFTLINE_URL" in os.environ:
        return settings.url
    with suppress(httpx.TransportError):
        httpx.get(f"{settings.url}/livez", timeout=_PROBE_SECONDS)
        return settings.url
    return None


def _from_server(url: str, sink: BinaryIO, *, token: str | None, told: Told) -> None:
    from monitor.store.backup.file import Watcher

    watcher = Watcher(partial(_tell, told))
    with Server(url=url, token=token) as server:
        for piece in server.pieces("backup"):
            sink.write(piece)
            watcher.feed(piece)


def _from_database(settings: Settings, sink: BinaryIO, *, told: Told) -> None:
    import monitor
    from monitor.model.time import rfc3339
    from monitor.store import open_store
    from monitor.store.backup import write_backup

    path = settings.sqlite_path
    if path is not None and not path.exists():  # to open it would make one
        raise ConfigurationError(
            f"no server answers, and there is no database at {path}: name the server (--url) or where the database "
            "is (--data-dir, --database-url)"
        )
    store = open_store(settings.store_url, data_dir=settings.data_dir)
    try:
        created = rfc3339(time.time_ns() // 1_000)
        write_backup(store, cast("Emit", sink.write), created=created, release=monitor.__version__,
                     told=partial(_tell, told))  # fmt: skip
    finally:
        store.close()


@contextmanager
def _new_file(file: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file of this user's alone that gets its name when the block has ended well; until then nothing has it."""
    from monitor.store.backup.place import put_in_place

    if file.exists():
        raise ConfigurationError(f"{file} exists: choose another name, or move it away")
    try:
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=".part")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error}") from None
    made = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as sink:
            yield made, sink
        put_in_place(made, file)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error}") from None
    finally:
        made.unlink(missing_ok=True)


def _tell(told: Told, progress: Progress) -> None:
    told(_STEPS[progress.step], progress.done, progress.of)


def _say(
    file: Path, *, header: Header, digest: str, size: int, more: Mapping[str, Any], as_json: bool
) -> None:  # fmt: skip
    fields = {
        "file": str(file), "bytes": size, "digest": digest, "database": header.database, "schema": header.schema,
        "created": header.created, "release": header.release, **more,
    }  # fmt: skip
    if as_json:
        print_json(fields)
    else:
        print_fields(fields)
