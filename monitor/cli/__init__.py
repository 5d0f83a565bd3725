"""The command line: parse, call one step, render."""

from __future__ import annotations

import sys

import typer

from monitor.model.errors import DriftlineError


def build() -> typer.Typer:
    """The application with every command."""
    import monitor
    from monitor.cli.check import check
    from monitor.cli.demo import demo
    from monitor.cli.ingest import ingest
    from monitor.cli.labels import labels
    from monitor.cli.maintenance import doctor, migrate
    from monitor.cli.models import models, versions
    from monitor.cli.profile import profile
    from monitor.cli.reference import reference
    from monitor.cli.results import evaluate, results, status
    from monitor.cli.serve import serve, worker
    from monitor.cli.tokens import tokens

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

    for command in (serve, worker, check, profile, ingest, labels, results, status, evaluate, migrate, doctor, demo):
        app.command()(command)
    for group, name in ((models, "models"), (versions, "versions"), (reference, "reference"), (tokens, "tokens")):
        app.add_typer(group, name=name)
    return app


def main() -> None:
    """Runs one command; what it cannot do it says in one line, and ends with 1."""
    try:
        build()(prog_name="driftline")
    except DriftlineError as error:
        sys.stderr.write(f"error: {error.detail}\n")
        raise SystemExit(1) from None
    except BrokenPipeError:  # the reader of our output went away: nothing to say
        sys.stderr.close()
        raise SystemExit(1) from None
