"""``driftline apply``, ``export`` and ``config``, against a real server."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.app import create_app
from monitor.cli import build
from monitor.cli.server import ServerRefused
from monitor.configuration.shapes import json_schema
from monitor.settings import Settings
from tests.api.running import running

EXAMPLE = Path(__file__).parents[2] / "docs/examples/models"


@pytest.fixture
def url(store_url, tmp_path):
    """A server of its own, once on each database."""
    application = create_app(Settings(database_url=store_url, data_dir=tmp_path / "server"), jobs=False)
    with running(application) as url:
        yield url


@pytest.fixture
def driftline(monkeypatch):
    """Runs a command; gives (exit code, standard output, standard error)."""

    def run(*words, stdin=None):
        done = CliRunner().invoke(build(), [str(word) for word in words], input=stdin)
        if isinstance(done.exception, Exception):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    return run


@pytest.fixture
def served(driftline, url, monkeypatch):
    """The same, talking to the server."""
    monkeypatch.setenv("DRIFTLINE_URL", url)
    return driftline


@pytest.fixture
def folder(tmp_path):
    """A copy of the example in the docs."""
    shutil.copytree(EXAMPLE, tmp_path / "models")
    return tmp_path / "models"


def test_the_example_is_applied_once_found_unchanged_edited_and_exported(served, folder, tmp_path):
    code, shown, _ = served("apply", "-f", folder, "--dry-run")
    assert (code, shown.splitlines()[-1]) == (2, "would change: 2 models created, 2 versions created")
    code, shown, _ = served("apply", "-f", folder)
    assert (code, shown.splitlines()[-1]) == (0, "changed: 2 models created, 2 versions created")
    reference = json.loads(served("reference", "show", "churn", "42", "--json")[1])
    assert (reference["rows"], reference["source"]) == (400, "ref/churn-42.csv")
    assert {c["name"]: c["role"] for c in reference["schema"]["columns"]} == {
        "customer": "id", "at": "timestamp", "churn_score": "score", "churned": "label", "plan": "feature",
        "tenure": "feature", "monthly": "feature",
    }  # fmt: skip
    for options in ([], ["--dry-run"], ["--prune"]):
        assert served("apply", "-f", folder, *options) == (0, "no change\n", "")
    churn = folder / "churn.yaml"
    churn.write_text(churn.read_text().replace("alert: 0.05", "alert: 0.06"))
    code, shown, _ = served("apply", "-f", folder, "--dry-run")
    assert (code, shown.splitlines()) == (2, [
        "~ churn",
        '    ~ checks.missing.threshold: {"warning": 0.02, "alert": 0.05} → {"warning": 0.02, "alert": 0.06}',
        "churn: fixed threshold of missing: not known yet: no history",
        "churn: fixed threshold of performance: not known yet: no history",
        "would change: 1 model updated",
    ])  # fmt: skip
    served("export", "-o", tmp_path / "export.yaml")
    assert served("apply", "-f", tmp_path / "export.yaml") == (0, "no change\n", "")
    assert '"42":' in (tmp_path / "export.yaml").read_text()


def test_a_typo_refuses_the_whole_set_and_so_does_a_file_that_is_not_there(served, folder):
    churn = folder / "churn.yaml"
    good = churn.read_text()
    churn.write_text(good.replace("exclude:", "exclud:"))
    with pytest.raises(ServerRefused, match=r"churn.yaml: models.churn.checks\[0\].exclud: unknown key .*'exclude'"):
        served("apply", "-f", folder)
    code, _, errors = served("config", "check", "-f", folder)
    assert code == 1
    assert errors.splitlines() == [
        "error: churn.yaml: models.churn.checks[0].exclud: unknown key (did you mean 'exclude'?)",
        "nothing was applied",
    ]
    churn.write_text(good.replace("churn-42.csv", "churn-43.csv"))
    code, _, errors = served("apply", "-f", folder)
    assert code == 1
    assert "models.churn.versions.42.reference.file: 'ref/churn-43.csv' cannot be read" in errors
    churn.write_text(good)
    (folder / "ref/churn-42.csv").write_bytes(b"")
    code, _, errors = served("apply", "-f", folder)
    assert (code, "'ref/churn-42.csv' cannot be used" in errors) == (1, True)
    assert served("models", "list", "--json")[1].strip() == "[]"


def test_a_reference_that_fails_is_named_and_the_next_apply_sends_it(served, folder):
    csv = folder / "ref/churn-42.csv"
    good = csv.read_text()
    csv.write_text(re.sub(r"2026-01-\S+?Z", "never", good))
    with pytest.raises(ServerRefused, match=r"(?s)applied, and 1 of 1 references.*churn 42: .*no usable row"):
        served("apply", "-f", folder)
    csv.write_text(good)
    code, shown, _ = served("apply", "-f", folder)
    assert (code, [line.split(":")[0].strip() for line in shown.splitlines()[:2]]) == (0, ["~ churn 42", "+ reference"])
    assert served("apply", "-f", folder)[1] == "no change\n"


def test_columns_that_change_read_the_reference_again(served, folder):
    served("apply", "-f", folder)
    churn = folder / "churn.yaml"
    churn.write_text(churn.read_text().replace("missing: [-1]", "missing: [-1, 1]"))
    code, shown, _ = served("apply", "-f", folder)
    assert (code, shown.splitlines()[0]) == (0, "~ churn 42")
    reference = json.loads(served("reference", "show", "churn", "42", "--json")[1])
    assert reference["reference"] == 2
    assert served("apply", "-f", folder) == (0, "no change\n", "")


def test_pruning_removes_what_left_the_folder(served, folder):
    served("models", "put", "by-hand", "--task", "regression")
    served("apply", "-f", folder)
    (folder / "demand.json").unlink()
    assert served("apply", "-f", folder)[1] == "no change\n"
    assert served("apply", "-f", folder, "--prune")[1].splitlines() == ["- demand", "changed: 1 model deleted"]
    assert [m["name"] for m in json.loads(served("models", "list", "--json")[1])] == ["by-hand", "churn"]


def test_a_set_comes_from_standard_input_and_its_answer_as_json(served):
    text = "driftline: 1\nmodels: {piped: {team: a}}\n"
    code, shown, _ = served("apply", "-f", "-", "--json", "--set", "piped", stdin=text)
    answer = json.loads(shown)
    assert (code, answer["applied"], answer["set"]) == (0, True, "piped")
    with pytest.raises(ServerRefused, match="made by the set 'piped'"):
        served("apply", "-f", "-", stdin=text.replace("team: a", "team: b"))
    assert served("apply", "-f", "-", "--adopt", "--set", "x", stdin=text.replace("team: a", "team: b"))[0] == 0


def test_config_check_needs_no_server(driftline, folder, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_URL", "http://127.0.0.1:1")
    assert driftline("config", "check", "-f", folder) == (
        0, "set example: 2 models with 2 versions, nothing wrong\n", "",
    )  # fmt: skip
    (folder / "more").mkdir()
    (folder / "more/one.yaml").write_text("a: 1\n")
    (folder / "more/two.yml").write_text("models: [\n")
    (folder / ".hidden.yaml").write_text("nothing to see")
    code, _, errors = driftline("config", "check", "-f", folder)
    assert (code, errors.splitlines()[0].startswith("error: more/two.yml: the file is not YAML")) == (1, True)
    (folder / "more/two.yml").unlink()
    assert "more/one.yaml: the file is no model file" in driftline("config", "check", "-f", folder)[2]


def test_config_schema_prints_the_schema(driftline):
    assert json.loads(driftline("config", "schema")[1]) == json_schema()


def test_export_takes_a_pattern_and_names_one_that_nothing_matches(served):
    for name in ("churn-a", "churn-b", "other"):
        served("models", "put", name)
    content = json.loads(served("export", "--model", "churn*", "--json")[1])
    assert list(content["models"]) == ["churn-a", "churn-b"]
    with pytest.raises(Exception, match="no model is called 'x'"):
        served("export", "--model", "x")
