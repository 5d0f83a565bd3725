"""Everything that is wrong with a set of files, a line each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from monitor.cli.output import cell
from monitor.configuration.problems import MOST, InvalidConfiguration


@contextmanager
def all_told() -> Iterator[None]:
    """Ends with 1 where the block finds the set unusable, all problems said."""
    try:
        yield
    except InvalidConfiguration as error:
        for problem in error.problems[:MOST]:
            sys.stderr.write(f"error: {cell(str(problem))}\n")
        if len(error.problems) > MOST:
            sys.stderr.write(f"error: and {len(error.problems) - MOST} more\n")
        sys.stderr.write("nothing was applied\n")
        raise typer.Exit(1) from None
