"""The command line: parse, call one step, render."""

from __future__ import annotations

import os
import sys

import typer

from monitor.model.errors import DriftlineError


def build() -> typer.Typer:
    """The application with every command."""
    import monitor

    app = typer.Typer(
        name="driftline", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Watches machine-learning models in production: drift, data quality and performance.",
    )  # fmt: skip

    def show_version(asked: bool) -> None:
        if asked:
            typer.echo(f"driftline {monitor.__version__}")
            raise typer.Exit

    @app.callback()
    def root(
        version: bool = typer.Option(
            False, "--version", is_eager=True, callback=show_version, help="print the version"
        ),
    ) -> None:
        pass

    _add_commands(app)
    return app


def _add_commands(app: typer.Typer) -> None:
    """Every command and group of commands; imported here, so that ``import monitor`` stays quick."""
    from monitor.cli.alerts import alerts
    from monitor.cli.apply import apply
    from monitor.cli.backup import backup, restore
    from monitor.cli.check import check
    from monitor.cli.checks import checks
    from monitor.cli.config import config
    from monitor.cli.demo import demo
    from monitor.cli.drill import drill
    from monitor.cli.erase import erase
    from monitor.cli.explain import explain
    from monitor.cli.export import export
    from monitor.cli.ingest import ingest
    from monitor.cli.labels import labels
    from monitor.cli.maintenance import doctor, migrate
    from monitor.cli.models import models, versions
    from monitor.cli.profile import profile
    from monitor.cli.reference import reference
    from monitor.cli.results import evaluate, results, status
    from monitor.cli.serve import serve, worker
    from monitor.cli.silences import silences
    from monitor.cli.tokens import tokens
    from monitor.cli.verify import verify
    from monitor.cli.windows import windows

    for command in (
        serve, worker, check, profile, apply, export, ingest, labels, results, status, explain, evaluate, drill,
        migrate, backup, restore, verify, doctor, demo, erase,
    ):  # fmt: skip
        app.command()(command)
    groups = {
        "models": models, "versions": versions, "reference": reference, "tokens": tokens, "config": config,
        "windows": windows, "alerts": alerts, "silences": silences, "checks": checks,
    }  # fmt: skip
    for name, group in groups.items():
        app.add_typer(group, name=name)


def main() -> None:
    """Runs one command; what it cannot do it says in one line, and ends with 1."""
    # Before pyarrow is imported: what its C++ code takes by itself, to compress or to group, comes from the allocator
    # named here, whatever is set later. ``monitor.jobs.release`` says why it is not Arrow's own.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        build()(prog_name="driftline")
    except DriftlineError as error:
        sys.stderr.write(f"error: {error.detail}\n")
        raise SystemExit(1) from None
    except BrokenPipeError:  # the reader of our output went away: nothing to say
        sys.stderr.close()
        raise SystemExit(1) from None
