"""``driftline profile``: a file as counts only, no rows, to be a reference anywhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.check import ERROR, roles_given
from monitor.cli.options import Items, with_roles
from monitor.model.errors import DriftlineError, InvalidInput


@with_roles
def profile(
    file: Annotated[Path, typer.Argument(help="Parquet, CSV, NDJSON or Arrow")],
    roles: Items,
    output: Annotated[Path, typer.Option("--output", "-o", help="the profile to write, REF.dlp")],
    window: Annotated[str | None, typer.Option(help="keep each window's counts too, such as 1h or 1d")] = None,
    like: Annotated[Path | None, typer.Option(help="a .dlp whose cells to use, so that both compare")] = None,
) -> None:
    """Profiles a file: counts only, no rows. `check` and `PUT reference` take the result.

    Example: driftline profile january.parquet -o january.dlp --timestamp at --window 1d
    """
    from monitor.compare.checking import profile as profile_of
    from monitor.profile.dlp import write_dlp

    try:
        if output.suffix.lower() != ".dlp":
            raise InvalidInput(f"-o {output}: expected a name that ends in .dlp")
        made = profile_of(file, roles=roles_given(roles), window=window, like=like)
        output.write_bytes(write_dlp(made))
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or output}: {error.strerror}\n")
        raise typer.Exit(ERROR) from None
    except DriftlineError as error:
        sys.stderr.write(f"error: {error.detail}\n")
        raise typer.Exit(ERROR) from None
    windows = f", {len(made.windows):,} windows" if made.windows else ""
    sys.stdout.write(
        f"{output}: {made.profile.rows:,} rows, {len(made.layout.columns):,} columns{windows}, "
        f"{output.stat().st_size:,} bytes\n"
    )
