"""Where a backup is read into: an empty place, which is the store at its address once everything is there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import inspect

from monitor.model.errors import ConfigurationError
from monitor.store.engine import Store, open_store

PREFIX = ".restoring-"
_BESIDE = ("", "-wal", "-shm", "-journal")


@contextmanager
def empty_place(url: str, *, data_dir: Path) -> Iterator[Store]:
    """An empty store that is the one at ``url`` once the block has ended well; ``ConfigurationError`` where one is."""
    if url.startswith("postgresql"):
        store = open_store(url, data_dir=data_dir)
        try:
            with store.read() as conn:
                if inspect(conn).get_table_names():
                    raise ConfigurationError(
                        "the database that DATABASE_URL names holds tables already: restore into an empty one (CREATE "
                        "DATABASE … ENCODING 'UTF8'), and point DATABASE_URL at it"
                    )
            yield store
        finally:
            store.close()
        return
    with _new_file(_path_of(url)) as made:
        yield made


@contextmanager
def _new_file(target: Path) -> Iterator[Store]:
    _refuse_existing(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=target.parent, prefix=PREFIX))
    try:
        store = open_store(f"sqlite:///{place / target.name}", data_dir=place)
        try:
            yield store
        finally:
            store.close()  # the last connection takes what is in the write-ahead log into the file
        if (place / f"{target.name}-wal").exists():
            raise ConfigurationError(f"{place / target.name} is still in use: nothing was restored")
        flush(place / target.name)
        put_in_place(place / target.name, target)
    finally:
        with suppress(OSError):
            shutil.rmtree(place)


def put_in_place(made: Path, target: Path) -> None:
    """Gives a file that is on disk its name, unless something has it: then ``ConfigurationError``."""
    try:
        os.link(made, target)
    except FileExistsError:
        raise ConfigurationError(f"{target} exists: choose another name, or move it away") from None
    except OSError:  # a file system without links
        if target.exists():
            raise ConfigurationError(f"{target} exists: choose another name, or move it away") from None
        made.rename(target)
    flush(target.parent)


def flush(path: Path) -> None:
    """What was written to the file (or the names in the directory) is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_existing(target: Path) -> None:
    for suffix in _BESIDE:
        found = target.with_name(target.name + suffix)
        if found.exists():
            raise ConfigurationError(
                f"{found} exists: a backup is restored into an empty place only. Stop the server, move the old files "
                "away (or choose another DRIFTLINE_DATA_DIR), and try again"
            )


def _path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///")).expanduser()
