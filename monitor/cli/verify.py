"""``driftline verify``: whether a store is whole."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.bars import bars
from monitor.cli.options import with_settings
from monitor.cli.output import print_json, print_table
from monitor.cli.server import Json
from monitor.model.errors import ConfigurationError
from monitor.settings import Settings

if TYPE_CHECKING:
    from monitor.verify import Fault

Quick = Annotated[bool, typer.Option("--quick", help="do not count rows again: every payload is read all the same")]


@with_settings()
def verify(settings: Settings, quick: Quick = False, as_json: Json = False) -> None:
    """Reads the whole store and checks that it is what it says; exit 1 if something is wrong, with what to do.

    Safe beside a running server: it writes nothing, and asks again before it calls something wrong.

    Example: driftline verify --data-dir /var/lib/driftline
    """
    with bars() as told:
        faults = faults_of(settings, told=told, recount=not quick)
    shapes = [fault.shape() for fault in faults]
    if as_json:
        print_json({"whole": not faults, "faults": shapes})
    elif faults:
        print_table(shapes, columns=("code", "where", "found", "remedy"))
    else:
        sys.stdout.write("The store is whole.\n")
    if faults:
        raise typer.Exit(1)


def faults_of(settings: Settings, *, told: Callable[[str, int, int], None], recount: bool) -> list[Fault]:
    """The faults of the store that the settings name; ``ConfigurationError`` where there is none to look at."""
    from monitor.store import open_store
    from monitor.verify import verify_store

    path = settings.sqlite_path
    if path is not None and not path.exists():  # to open it would make one
        raise ConfigurationError(f"there is no database at {path}: name it with --data-dir or --database-url")
    store = open_store(settings.store_url, data_dir=settings.data_dir)
    try:
        if not store.schema_current():
            raise ConfigurationError("the database's schema is older than this release: run driftline migrate first")
        return verify_store(store, told=told, recount=recount)
    finally:
        store.close()
