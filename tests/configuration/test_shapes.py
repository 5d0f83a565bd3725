"""The JSON Schema: valid itself, of the same fields as the parser, agreeing with it on every example."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from monitor.configuration import bodies, shapes
from monitor.configuration.problems import InvalidConfiguration
from monitor.configuration.reading import Document, read_documents
from monitor.configuration.resolve import resolve
from monitor.model import checks, schema

ROOT = Path(__file__).parents[2]
SCHEMA = shapes.json_schema()
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted(path for path in (ROOT / "docs/examples/models").iterdir() if path.is_file())


def errors(content) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(content)]


def refused(content) -> bool:
    try:
        resolve([Document(path="a.yaml", content=content)])
    except InvalidConfiguration:
        return True
    return False


def with_check(**fields):
    return {"driftline": 1, "models": {"m": {"checks": [{"name": "a", "kind": "drift"} | fields]}}}


def with_model(**fields):
    return {"driftline": 1, "models": {"m": fields}}


def with_segment(**fields):
    return with_model(segments=[fields])


def with_version(**fields):
    return with_model(versions={"1": fields})


def test_the_schema_is_one_by_its_own_metaschema():
    Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_knows_the_fields_that_the_parser_knows():
    assert set(shapes.CHECK) == set(checks.FIELDS)
    assert {"name", *shapes.COLUMN} == set(schema.FIELDS)
    assert set(shapes.MODEL) == {*bodies.MODEL_FIELDS, *bodies.LATER_MODEL_FIELDS}
    assert {*shapes.VERSION} - {"columns", "reference"} == {*bodies.VERSION_FIELDS} - {"schema"}


def test_every_model_file_in_the_docs_is_valid_and_resolves():
    blocks = [
        (page, block)
        for page in DOCS
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S)
        if block.startswith("driftline:") and "\nmodels:" in block  # a server file has other keys
    ]
    assert blocks
    for page, block in blocks:
        documents = read_documents(block, path=page.name)
        assert [errors(document.content) for document in documents] == [[]]
        assert resolve(documents).models


def test_every_list_of_checks_and_every_model_body_in_the_docs_is_valid():
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    found = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, flags=re.S)]
    lists = [value for value in found if isinstance(value, list)]
    models = [value for value in found if isinstance(value, dict) and "role" not in value]
    assert (len(lists), len(models)) == (1, 3)
    for content in [with_model(checks=value) for value in lists] + [
        with_model(task="binary_classification", **value) for value in models
    ]:
        assert (errors(content), refused(content)) == ([], False)


def test_every_list_of_segments_in_the_docs_is_valid():
    page = (ROOT / "docs/segments.md").read_text(encoding="utf-8")
    lists = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, flags=re.S)]
    assert len(lists) == 1
    for content in (with_model(segments=value) for value in lists):
        assert (errors(content), refused(content)) == ([], False)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_file_is_valid(path):
    for document in read_documents(path.read_text(encoding="utf-8"), path=path.name):
        assert errors(document.content) == []


@pytest.mark.parametrize(
    "content",
    [
        with_check(threshold={"warning": {"rise": 0.1}, "alert": {"above": 0.2}}),
        with_check(threshold="auto", false_alarms="1 per 2 weeks", severity=None, columns=["@feature", "a_*"]),
        with_check(kind="performance", metric="recall/yes", threshold={"alert": {"drop": 0.1}}),
        with_check(kind="quality", metric=None, min_rows=10, hold=2, share=0.5, enabled=False),
        with_model(task=None, window=None, checks=None, labels=None, segments=[], actions=None, privacy={}),
        with_model(privacy={"rows": "keep", "retention": {"rows": "14d", "results": "400d"}}),
        with_model(privacy={"retention": None}),
        with_model(on_new_version={"reference": "inherit", "retire_after": "7d"}, tags={"a": "b"}),
        with_check(segments=["", "*"]),
        with_check(kind="volume", segments=["channel=web*"]),
        with_segment(by="region"),
        with_segment(by="region", top=None, min_share=0.5),
        with_segment(name="a", where={"x": 1, "y": {"in": ["a", 2, True], "ne": "b"}, "z": {"is_null": False}}),
        with_segment(name="a", where={"any": [{"x": {"gt": 1, "lte": 2}}, {"y": "b"}], "z": 1}),
        with_segment(name="a", where={"any": "b"}),
        with_segment(name="a", where={"any": {"eq": "b"}}, protected=True, compare_to=None),
        with_version(columns={"region": {"role": "context", "segment": True}}),
        with_model(task="regression", labels={"delay": "1d", "default": {"value": 0.5, "after": "2d"}}),
        with_version(state="shadow", decision_threshold=0.2, positive=True, columns={"a": {"missing": [-1, ""]}}),
        with_version(reference={"file": "a.csv", "digest": "sha256:" + "0" * 64}),
        with_version(reference={"windows": {"from": "2026-01-01", "to": "2026-01-02"}}),
        {"driftline": 1, "name": "crm", "templates": {"t": {"checks": [{"name": "a"}]}}, "models": {"m": None}},
        {"driftline": 1, "templates": {"t": {"checks": [{"name": "a", "kind": "drift"}]}},
         "models": {"m": {"extends": ["t"], "checks": [{"name": "a", "hold": 2}]}}},
    ],
)  # fmt: skip
def test_what_the_parser_takes_the_schema_takes(content):
    if content["models"]["m"] is None:
        content["models"]["m"] = {}
    assert (refused(content), errors(content)) == (False, [])


@pytest.mark.parametrize(
    "content",
    [
        {"models": {}},
        {"driftline": 2, "models": {"m": {}}},
        {"driftline": 1, "modles": {}},
        {"driftline": 1, "models": {"bad name": {}}},
        with_model(widnow="1h"),
        with_model(window="batch"),
        with_model(window="90m"),
        with_model(task="regresion"),
        with_model(lateness="10x"),
        with_model(lateness=5),
        with_model(privacy={"rows": "none"}),
        with_model(privacy={"retention": {"profiles": "1d"}}),
        with_model(privacy={"retention": {"rows": 14}}),
        with_model(actions=[{"name": "x"}]),
        with_model(baseline={"kind": "previous", "windows": 2}),
        with_model(false_alarms="often"),
        with_model(min_effect=-1),
        with_model(tags={"a": 1}),
        with_model(labels={"dealy": "1d"}),
        with_model(labels={"min_coverage": 2}),
        with_model(labels={"default": {"value": "x"}}),
        with_model(business_value={}),
        with_model(on_new_version={"reference": "first_windows"}),
        with_model(on_new_version={"retire": "7d"}),
        with_model(decision_threshold="high"),
        with_model(checks=[{"name": "a"}]),
        with_check(treshold=1),
        with_check(kind="rule", rule="not_null"),
        with_check(kind="fairness"),
        with_check(metric="roc_auc"),
        with_check(kind="performance", metric="psi"),
        with_check(segments=[]),
        with_check(segments="region=EU"),
        with_check(kind="schema", segments=["*"]),
        with_check(threshold={"above": 1}),
        with_check(threshold={"alert": {"above": 1, "below": 2}}),
        with_check(threshold={"alert": {"drop": -1}}),
        with_check(threshold={}),
        with_check(hold=0),
        with_check(share=2),
        with_check(severity="page"),
        with_check(name="a b"),
        with_version(state="lvie"),
        with_version(schema={"columns": []}),
        with_version(columns={"a": {"tpe": "text"}}),
        with_version(columns={"a": {"role": "target"}}),
        with_version(columns={"a": {"store": "hash"}}),
        with_version(columns={"a": {"sensitive": True}}),
        with_version(columns={"a": {"segment": "yes"}}),
        with_segment(by=1),
        with_segment(by="a", where={"x": 1}),
        with_segment(by="a", top=0),
        with_segment(by="a", min_share=2),
        with_segment(name="a"),
        with_segment(name="a b", where={"x": 1}),
        with_segment(name="a", where={}),
        with_segment(name="a", where={"x": None}),
        with_segment(name="a", where={"x": [1]}),
        with_segment(name="a", where={"x": {}}),
        with_segment(name="a", where={"x": {"gt": "1"}}),
        with_segment(name="a", where={"x": {"get": 1}}),
        with_segment(name="a", where={"x": {"in": []}}),
        with_segment(name="a", where={"x": {"is_null": 1}}),
        with_segment(name="a", where={"any": []}),
        with_segment(name="a", where={"any": [{}]}),
        with_segment(name="a", where={"any": [{"any": [{"x": 1}]}]}),
        with_segment(name="a", where={"x": 1}, protected="yes"),
        with_version(reference={}),
        with_version(reference={"file": "a", "from_version": "1"}),
        with_version(reference={"from_version": 41}),
        with_version(reference={"windows": {"from": "2026-01-01"}}),
        with_version(reference={"digest": "md5:0"}),
    ],
)  # fmt: skip
def test_what_the_parser_refuses_the_schema_refuses(content):
    assert refused(content)
    assert errors(content)
