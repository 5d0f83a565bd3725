"""The commands that talk to a server, against a real one."""

from __future__ import annotations

import json
import re
import sys

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from monitor.app import create_app
from monitor.cli import build, files, main
from monitor.cli.server import Server, ServerRefused
from monitor.settings import Settings
from tests.api.running import running


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A server on SQLite, shared by the module: each test uses a model of its own."""
    with running(create_app(Settings(data_dir=tmp_path_factory.mktemp("server")), jobs=False)) as url:
        yield url


@pytest.fixture
def driftline(url, monkeypatch, request):
    """Runs a command; gives its standard output, parsed where ``--json`` was asked for."""
    monkeypatch.setenv("DRIFTLINE_URL", url)
    runner = CliRunner()

    def run(*words):
        done = runner.invoke(build(), [str(word) for word in words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout) if "--json" in words else done.stdout

    run.model = re.sub(r"[^a-z_.]", "-", request.node.name)[:90]
    return run


@pytest.fixture
def version(driftline):
    """A model with version 42; its name."""
    driftline("models", "put", driftline.model, "--task", "regression")
    driftline("versions", "put", driftline.model, "42")
    return driftline.model


def people(rows):
    return pa.table({
        "id": [f"p{n}" for n in range(rows)], "age": [float(n) for n in range(rows)],
        "note": ['a "quoted"\nline' if n % 2 else "" for n in range(rows)],
    })  # fmt: skip


def csv_text(table) -> str:
    lines = ["id,age,note"]
    for row in table.to_pylist():
        note = row["note"].replace('"', '""')
        lines.append(f'{row["id"]},{row["age"]},"{note}"')
    return "\n".join(lines) + "\n"


WRITERS = {
    ".parquet": lambda table, path: pq.write_table(table, path, row_group_size=1_000),
    ".csv": lambda table, path: path.write_text(csv_text(table)),
    ".ndjson": lambda table, path: path.write_text("".join(json.dumps(r) + "\n" for r in table.to_pylist())),
    ".arrow": lambda table, path: pyarrow.feather.write_feather(table, str(path), compression="uncompressed"),
}


def test_a_model_is_put_shown_listed_and_deleted(driftline):
    name = driftline.model
    made = driftline("models", "put", name, "--task", "regression", "--team", "crm", "--json")
    assert (made["task"], made["team"]) == ("regression", "crm")
    assert "crm" in driftline("models", "get", name)
    table = driftline("models", "list")
    assert table.splitlines()[0].split()[:2] == ["name", "status"]
    assert any(line.split()[:2] == [name, "unknown"] for line in table.splitlines())
    driftline("models", "delete", name)
    assert name not in {m["name"] for m in driftline("models", "list", "--json")}


def test_options_win_over_the_fields_of_a_body_file(driftline, tmp_path):
    body = tmp_path / "model.json"
    body.write_text(json.dumps({"team": "a", "window": "1d", "checks": [{"name": "drift", "kind": "drift"}]}))
    made = driftline("models", "put", driftline.model, "--body", body, "--team", "b", "--json")
    assert (made["team"], made["window"], made["checks"]) == ("b", "1d", [{"name": "drift", "kind": "drift"}])


def test_versions_are_put_and_listed(driftline, version):
    made = driftline("versions", "put", version, "43", "--state", "shadow", "--positive", "yes", "--json")
    assert (made["state"], made["positive"]) == ("shadow", "yes")
    assert [v["version"] for v in driftline("versions", "list", version, "--json")] == ["42", "43"]
    assert driftline("versions", "get", version, "43", "--json")["positive"] == "yes"
    driftline("versions", "delete", version, "43")
    assert len(driftline("versions", "list", version).splitlines()) == 2


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_of_any_format_is_stored_in_parts_and_a_rerun_stores_nothing_twice(
    driftline, version, tmp_path, suffix, monkeypatch
):
    monkeypatch.setattr(files, "PART_ROWS", 700)
    path = tmp_path / f"people{suffix}"
    WRITERS[suffix](people(3_000), path)
    first = driftline("ingest", version, "42", path, "--json")
    again = driftline("ingest", version, "42", path, "--json")
    assert (first["stored"], first["replayed"], first["parts"] >= 5) == (3_000, 0, True)
    assert (again["stored"], again["replayed"]) == (0, first["parts"])
    with Server() as server:
        page = server.call("GET", f"models/{version}/versions/42/records", params={"limit": 10_000}).json()
    notes = {r["id"]: r["features"]["note"] for r in page["results"]}
    assert notes == {row["id"]: row["note"] for row in people(3_000).to_pylist()}


def test_a_part_that_is_refused_says_which_and_how_to_go_on(driftline, version, tmp_path):
    path = tmp_path / "bad.ndjson"
    path.write_text('{"id": "a", "age": 1}\n7\n')
    with pytest.raises(ServerRefused, match=r"(?s)bad.ndjson, part 0: .*strict.*run the same command again"):
        driftline("ingest", version, "42", path, "--strict")
    assert driftline("ingest", version, "42", path, "--json")["quarantined"] == 1


@pytest.mark.parametrize("suffix", WRITERS)
def test_labels_of_files_are_stored_in_parts_and_a_rerun_stores_nothing_twice(
    driftline, version, tmp_path, suffix, monkeypatch
):
    monkeypatch.setattr(files, "PART_ROWS", 700)
    paths = [tmp_path / f"{name}{suffix}" for name in ("first", "second")]
    WRITERS[suffix](people(3_000), paths[0])
    WRITERS[suffix](people(10), paths[1])
    first = driftline("labels", version, *paths, "--id", "id", "--label", "age", "--json")
    again = driftline("labels", version, *paths, "--id", "id", "--label", "age", "--json")
    assert {k: first[k] for k in ("stored", "quarantined", "matched", "waiting", "replayed")} == {
        "stored": 3_010, "quarantined": 0, "matched": 0, "waiting": 3_010, "replayed": 0,
    }  # fmt: skip
    assert (again["stored"], again["replayed"]) == (0, first["parts"])
    assert first["parts"] >= 6


def test_a_file_without_the_label_is_refused_with_its_columns(driftline, version, tmp_path):
    WRITERS[".csv"](people(3), tmp_path / "people.csv")
    with pytest.raises(ServerRefused, match=r"no column 'label'.*'id', 'age', 'note'"):
        driftline("labels", version, tmp_path / "people.csv")


@pytest.mark.parametrize("text", ['id,age\na,"1', 'id,age\n"a'])
def test_a_csv_file_that_ends_inside_quotes_is_refused(driftline, version, tmp_path, text):
    path = tmp_path / "cut.csv"
    path.write_text(text)
    with pytest.raises(Exception, match="quote"):
        driftline("ingest", version, "42", path)


def test_a_reference_is_set_listed_shown_and_activated(driftline, version, tmp_path):
    for name, rows in (("one.parquet", 300), ("two.csv", 400)):
        WRITERS[name[3:]](people(rows), tmp_path / name)
        made = driftline("reference", "set", version, "42", tmp_path / name, "--id", "id", "--ignore", "note", "--json")
        assert (made["rows"], made["source"], set(made["columns"])) == (rows, name, {"age"})
    listed = driftline("reference", "list", version, "42", "--json")
    assert [(r["reference"], r["active"]) for r in listed] == [(2, True), (1, False)]
    assert driftline("reference", "activate", version, "42", 1, "--json")["rows"] == 300
    assert driftline("reference", "show", version, "42", "--json")["reference"] == 1
    assert "sha256:" in driftline("reference", "list", version, "42")


def test_results_status_and_evaluate_are_asked_for(driftline, version, tmp_path):
    assert driftline("results", version, "42", "--json") == []
    assert driftline("results", version, "42", "--latest", "--from", "2026-01-01").split()[0] == "window_start"
    assert driftline("status", version, "42", "--json")["status"] == "unknown"
    assert "drift" in driftline("status", version, "42")
    assert driftline("evaluate", version, "42", "--json")["state"] == "queued"


def test_nothing_from_the_server_drives_the_terminal(driftline):
    driftline("models", "put", driftline.model, "--description", "red \x1b[31m alert")
    assert "\x1b" not in driftline("models", "get", driftline.model)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["models", "get", "nobody"], "PUT /api/v1/models/nobody"),
        (["models", "put", "a/b"], "no such route"),
        (["models", "list", "--url", "http://127.0.0.1:9"], "is the server running"),
        (["models", "list", "--url", "ftp://x"], "--url is 'ftp://x': expected an http"),
        (["ingest", "m", "1", __file__], "known endings"),
        (["labels", "m", __file__], "known endings"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_and_ends_with_1(url, monkeypatch, capsys, words, said):
    monkeypatch.setenv("DRIFTLINE_URL", url)
    monkeypatch.setattr(sys, "argv", ["driftline", *words])
    monkeypatch.setattr("monitor.cli.server.ATTEMPTS", 1)
    with pytest.raises(SystemExit) as ended:
        main()
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out) == (1, "")
    assert shown.err.startswith("error: ")
    assert said in shown.err


def test_a_busy_server_is_asked_again_after_the_time_it_names(monkeypatch):
    import httpx

    waited = []
    monkeypatch.setattr("monitor.cli.server.time.sleep", waited.append)
    answers = iter([httpx.Response(503, headers={"Retry-After": "3"}), httpx.Response(200, json={"ok": True})])
    with Server(url="http://h", transport=httpx.MockTransport(lambda _: next(answers))) as server:
        assert server.call("POST", "x", repeat=True).json() == {"ok": True}
    assert waited == [3.0]


def test_a_call_that_may_not_be_repeated_is_made_once(monkeypatch):
    import httpx

    calls = []

    def refuse(request):
        calls.append(request)
        return httpx.Response(503, headers={"Retry-After": "1"}, json={"title": "T", "status": 503, "detail": "d"})

    transport = httpx.MockTransport(refuse)
    with Server(url="http://h", transport=transport) as server, pytest.raises(ServerRefused, match=r"T \(503\): d"):
        server.call("POST", "x")
    assert len(calls) == 1


def test_the_token_is_sent_as_a_bearer():
    import httpx

    seen = []

    def note(request):
        seen.append(request.headers["authorization"])
        return httpx.Response(200)

    with Server(url="http://h", token="t0", transport=httpx.MockTransport(note)) as server:
        server.call("GET", "x")
    assert seen == ["Bearer t0"]
