"""``driftline check`` and ``driftline profile``: exit codes, JSON and tables on real files."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import monitor
from monitor.cli import build
from monitor.compare import checking


@pytest.fixture
def run():
    runner = CliRunner()

    def invoke(*arguments):
        return runner.invoke(build(), [str(a) for a in arguments])

    return invoke


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sides")
    made = {"same": (2, 2_000, 0.0), "older": (3, 2_000, 12.0), "few": (4, 10, 0.0), "reference": (1, 3_000, 0.0)}
    for name, (seed, rows, shift) in made.items():
        rng = np.random.default_rng(seed)
        at = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(rng.uniform(0, 5, rows), unit="D")
        frame = pd.DataFrame(
            {"age": rng.normal(40 + shift, 10, rows), "city": rng.choice(["rome", "oslo"], rows), "at": at}
        )
        frame.to_parquet(folder / f"{name}.parquet")
    frame.drop(columns="city").to_parquet(folder / "columnless.parquet")
    return folder


def sides(files, current):
    return ("--reference", files / "reference.parquet", "--current", files / f"{current}.parquet", "--timestamp", "at")


@pytest.mark.parametrize(
    ("current", "options", "code"),
    [
        ("same", (), 0),
        ("older", (), 1),
        ("older", ("--fail-on", "warning"), 1),
        ("few", (), 3),
        ("few", ("--fail-on", "unknown"), 1),
        ("same", ("--fail-on", "unknown"), 0),
        ("columnless", (), 1),
        ("same", ("--fail-on", "drift"), 2),
        ("same", ("--prediction", "agee"), 2),
        ("same", ("--html", "page.html"), 2),
        ("same", ("--segment", "city"), 0),
        ("older", ("--segment", "city"), 1),
        ("same", ("--segment", "ctiy"), 2),
        ("same", ("--segment", "age"), 2),
        ("same", ("--model", "churn"), 2),
        ("same", ("--false-alarms", "rarely"), 2),
        ("same", ("--window", "1d"), 0),
        ("same", ("--nonsense",), 2),
        ("nowhere", (), 2),
    ],
)
def test_the_exit_code_says_what_was_found(run, files, current, options, code):
    result = run("check", *sides(files, current), *options)
    assert result.exit_code == code, result.output


def test_errors_are_one_line_that_says_what_to_do(run, files):
    result = run("check", *sides(files, "same"), "--prediction", "agee")
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "did you mean 'age'" in result.stderr


def test_json_is_the_reports_dictionary_and_nothing_else_on_stdout(run, files):
    result = run("check", *sides(files, "older"), "--json")
    printed = json.loads(result.stdout)
    report = monitor.check(
        reference=files / "reference.parquet", current=files / "older.parquet", timestamp="at"
    ).to_dict()  # fmt: skip
    assert printed["summary"] == report["summary"]
    drop = {"computed_at"}
    assert [{k: v for k, v in r.items() if k not in drop} for r in printed["results"]] == [
        {k: v for k, v in r.items() if k not in drop} for r in report["results"]
    ]
    assert "natural variation is unknown" in result.stderr


def test_the_table_shows_each_column_and_the_summary_last(run, files):
    lines = run("check", *sides(files, "older")).stdout.splitlines()
    assert lines[0].split() == ["column", "metric", "value", "threshold", "p_value", "rows", "status", "reason"]
    assert [line.split()[0] for line in lines if " psi " in line] == ["age", "city"]
    assert lines[-1] == "alert: 1 of 2 columns in alert, 2,000 rows against 3,000"


def test_with_a_window_there_is_one_set_of_rows_a_window(run, files):
    printed = json.loads(run("check", *sides(files, "same"), "--window", "1d", "--json").stdout)
    starts = {row["window_start"] for row in printed["results"]}
    assert starts == {f"2026-01-0{day}T00:00:00Z" for day in range(1, 6)}
    assert run("check", *sides(files, "same"), "--window", "1d").stdout.count("[2026-01-0") == 5


def test_checks_come_from_a_file(run, files, tmp_path):
    checks = tmp_path / "checks.json"
    checks.write_text(json.dumps({"checks": [{"name": "psi", "kind": "drift", "metric": "psi", "threshold": 50.0}]}))
    assert run("check", *sides(files, "older"), "--checks", checks).exit_code == 0
    for text, said in (
        ("{", "is not JSON"),
        ('{"check": []}', "expected a list"),
        ('[{"name": 1}]', "expected a text"),
    ):
        checks.write_text(text)
        result = run("check", *sides(files, "older"), "--checks", checks)
        assert result.exit_code == 2
        assert said in result.stderr


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """Files whose ages moved in Oslo only, a fourth of the rows."""
    folder = tmp_path_factory.mktemp("moved")
    for name, seed, shift in (("reference", 1, 0.0), ("current", 2, 4.0)):
        rng = np.random.default_rng(seed)
        city = rng.choice(["rome", "oslo", "bern", "bonn"], 4_000)
        age = rng.normal(40, 10, 4_000) + np.where(city == "oslo", shift, 0.0)
        pd.DataFrame({"age": age, "city": city, "size": rng.integers(0, 9, 4_000)}).to_parquet(
            folder / f"{name}.parquet"
        )
    return ("--reference", folder / "reference.parquet", "--current", folder / "current.parquet")


def test_the_table_shows_the_slices_that_moved_and_counts_the_others(run, moved):
    lines = run("check", *moved, "--segment", "city").stdout.splitlines()
    assert lines[0].split()[:4] == ["segment", "column", "metric", "value"]
    assert {line.split()[0] for line in lines[1:] if line.startswith("city=")} == {"city=oslo"}
    assert "drift in city=oslo: alert" in lines
    assert "drift: ok in 3 segments" in lines
    assert lines[-1].startswith("alert: 1 of 3 columns in alert, 1 of 5 segments, 4,000 rows against")


def test_a_model_file_says_checks_and_segments(run, moved, tmp_path):
    config = tmp_path / "models.yaml"
    config.write_text(
        """
        driftline: 1
        models:
          churn:
            segments: [{name: north, where: {city: {in: [oslo, bonn]}}}, {by: city}]
            checks: [{name: ages, kind: drift, columns: [age], segments: [north, "city=oslo"]}]
            versions: {"1": {reference: {file: nowhere.parquet}}}
          other: {}
        """
    )
    result = run("check", *moved, "--config", config, "--model", "churn", "--json")
    shown = json.loads(result.stdout)
    assert (result.exit_code, shown["summary"]["segments"]) == (1, 6)
    assert {(row["segment"], row["check"]) for row in shown["results"]} == {("north", "ages"), ("city=oslo", "ages")}
    for options, said in (
        (("--config", config), "has 2 models: say which with --model"),
        (("--config", config, "--model", "chrun"), "did you mean 'churn'"),
        (("--config", tmp_path / "no.yaml"), "does not exist"),
        (("--config", config, "--model", "churn", "--checks", config), "exclude each other"),
    ):
        refused = run("check", *moved, *options)
        assert (refused.exit_code, said in refused.stderr) == (2, True), refused.stderr
    config.write_text("driftline: 1\nmodels: {a: {segments: [{by: city, tpo: 3}]}}")
    refused = run("check", *moved, "--config", config)
    assert refused.stderr == "error: models.yaml: models.a.segments[0].tpo: unknown key (did you mean 'top'?)\n"


def test_a_profile_is_a_reference_of_counts_only(run, files, tmp_path):
    output = tmp_path / "reference.dlp"
    result = run("profile", files / "reference.parquet", "-o", output, "--timestamp", "at", "--window", "1d")
    assert result.exit_code == 0, result.output
    assert "3,000 rows, 2 columns, 5 windows" in result.stdout
    assert output.stat().st_size < (files / "reference.parquet").stat().st_size
    checked = run("check", "--reference", output, "--current", files / "older.parquet", "--json")
    by_rows = run("check", *sides(files, "older"), "--json")
    values = [
        [(r["column"], r["metric"], r["value"]) for r in json.loads(made.stdout)["results"]]
        for made in (checked, by_rows)
    ]  # fmt: skip
    assert values[0] == values[1]


def test_a_profile_that_cannot_be_written_is_an_error(run, files, tmp_path):
    assert run("profile", files / "reference.parquet", "-o", tmp_path / "reference.parquet").exit_code == 2
    assert run("profile", files / "reference.parquet", "-o", tmp_path / "no" / "folder.dlp").exit_code == 2
    assert run("profile", files / "reference.parquet", "-o", tmp_path / "x.dlp", "--timestamp", "when").exit_code == 2


def test_a_fault_of_ours_is_an_error_and_not_a_finding(run, files, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("made for this test")

    monkeypatch.setattr(checking, "judge_sides", broken)
    result = run("check", *sides(files, "same"))
    assert result.exit_code == 2
    assert "ZeroDivisionError" in result.stderr


def test_help_has_an_example(run):
    for command in ("check", "profile"):
        assert f"Example: driftline {command}" in " ".join(run(command, "--help").stdout.split())


def test_importing_the_package_loads_neither_numpy_nor_pandas_nor_arrow():
    script = "import monitor, sys; print([m for m in ('numpy', 'pandas', 'pyarrow', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
