"""``driftline migrate`` and ``driftline doctor``."""

from __future__ import annotations

import os
import sys

import typer

from monitor.cli.bars import bars
from monitor.cli.options import with_settings
from monitor.cli.output import print_json, print_table
from monitor.cli.server import Json
from monitor.model.errors import ConfigurationError
from monitor.settings import Settings, load_settings


@with_settings()
def migrate(settings: Settings, as_json: Json = False) -> None:
    """Brings the database to the current schema, with its progress; stopped at any point, it goes on where it was.

    Example: driftline migrate --data-dir /var/lib/driftline
    """
    from monitor.store import open_store

    store = open_store(settings.store_url, data_dir=settings.data_dir)
    try:
        with bars() as told:
            applied = store.migrate(told=told)
    finally:
        store.close()
    if as_json:
        print_json({"applied": list(applied)})
        return
    sys.stdout.write("".join(f"{name}\n" for name in applied) or "The schema is current; nothing to do.\n")


def doctor(as_json: Json = False) -> None:
    """Checks settings, database, clock, disk and steps behind, and says what to do; exit 1 if something must be done.

    Example: DRIFTLINE_DATA_DIR=/var/lib/driftline driftline doctor
    """
    from monitor.cli.checkup import examine
    from monitor.cli.finding import Finding

    try:
        findings = examine(load_settings(os.environ))
    except ConfigurationError as error:
        findings = [Finding(what="settings", state="wrong", found=error.detail, remedy="correct the environment")]
    if as_json:
        print_json([finding.shape() for finding in findings])
    else:
        print_table([finding.shape() for finding in findings], columns=("what", "state", "found", "remedy"))
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)
