"""Bounds of a set of model files: at the bound it is read, one more is refused in words."""

from __future__ import annotations

import pytest

from monitor.configuration import reading, resolve
from monitor.configuration.problems import InvalidConfiguration
from monitor.configuration.reading import Document, read_documents


def refusal(found) -> str:
    """What the refusal says; empty where there is none."""
    try:
        found()
    except InvalidConfiguration as error:
        return str(error.errors)
    return ""


def resolved(content):
    return resolve.resolve([Document(path="a.yaml", content={"driftline": 1} | content)])


def chain(templates):
    """A model that takes in so many templates, one behind the other."""
    named = {f"t{n}": {"extends": [f"t{n + 1}"]} if n < templates - 1 else {} for n in range(templates)}
    return {"templates": named, "models": {"m": {"extends": ["t0"]}}}


@pytest.mark.limit("monitor.configuration.reading.MAX_FILE_BYTES")
@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_a_file_has_so_many_characters(name):
    text = '{"a": 1}'
    said = [refusal(lambda n=n: read_documents(text.ljust(8 * 1024**2 + n), path=name)) for n in (0, 1)]
    assert (said[0], "at most 8,388,608" in said[1]) == ("", True)


@pytest.mark.limit("monitor.configuration.reading.MAX_DEPTH")
@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_a_file_nests_so_deep(name):
    said = [refusal(lambda n=n: read_documents("[" * n + "]" * n, path=name)) for n in (24, 25)]
    assert (said[0], "nested deeper than 24" in said[1]) == ("", True)


@pytest.mark.limit("monitor.configuration.reading.MAX_VALUES")
def test_a_file_has_so_many_values(monkeypatch):
    assert reading.MAX_VALUES == 500_000
    monkeypatch.setattr(reading, "MAX_VALUES", 100)
    said = [refusal(lambda n=n: read_documents("[" + "1," * (n - 2) + "1]", path="a.yaml")) for n in (100, 101)]
    assert (said[0], "over 100 values" in said[1]) == ("", True)


@pytest.mark.limit("monitor.configuration.resolve.MAX_MODELS")
def test_a_set_has_so_many_models(monkeypatch):
    assert resolve.MAX_MODELS == 10_000
    monkeypatch.setattr(resolve, "MAX_MODELS", 20)
    said = [refusal(lambda n=n: resolved({"models": {f"m{k}": {} for k in range(n)}})) for n in (20, 21)]
    assert (said[0], "21 models: expected at most 20" in said[1]) == ("", True)


@pytest.mark.limit("monitor.configuration.templates.MOST_TEMPLATES")
def test_a_model_takes_in_so_many_templates():
    said = [refusal(lambda n=n: resolved(chain(n))) for n in (100, 101)]
    assert said[0] == ""
    assert "100" in said[1]
