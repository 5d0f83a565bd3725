"""Files as plain values: YAML 1.2, every key once, bounded."""

from __future__ import annotations

import json

import pytest

from monitor.configuration.problems import InvalidConfiguration
from monitor.configuration.reading import MAX_FILE_BYTES, read_documents


def content(text, *, path="a.yaml"):
    return read_documents(text, path=path)[0].content


def problems(text, *, path="a.yaml"):
    with pytest.raises(InvalidConfiguration) as refused:
        read_documents(text, path=path)
    return [str(problem) for problem in refused.value.problems]


def test_scalars_are_read_as_yaml_1_2_says():
    text = (
        "{a: yes, b: on, c: 010, d: 1e3, e: 2026-01-01, f: '42', g: ~, h: True, i: 12:30, j: .5, k: -7, l: 0x10, m: }"
    )
    assert content(text) == {
        "a": "yes", "b": "on", "c": 10, "d": 1000.0, "e": "2026-01-01", "f": "42", "g": None, "h": True, "i": "12:30",
        "j": 0.5, "k": -7, "l": "0x10", "m": None,
    }  # fmt: skip


def test_several_documents_of_one_file_are_told_apart():
    found = read_documents("a: 1\n---\nb: 2\n", path="all.yaml")
    assert [(document.path, document.content) for document in found] == [
        ("all.yaml", {"a": 1}), ("all.yaml#2", {"b": 2}),
    ]  # fmt: skip


def test_json_is_read_too_and_a_key_given_twice_is_refused_in_both():
    assert content(json.dumps({"a": [1, None, "x"]}), path="a.json") == {"a": [1, None, "x"]}
    assert "'a' is given twice" in problems('{"a": 1, "a": 2}', path="a.json")[0]
    assert problems("a: 1\nb: 2\na: 3\n") == ["a.yaml: a: the key is given twice, in line 1 and in line 3"]


def test_a_version_that_yaml_reads_as_a_number_says_quote_it_and_the_rest_is_read_for_more():
    text = "models:\n  a:\n    versions:\n      42: {}\n      4.10: {}\n  true: {}\n"
    assert problems(text) == [
        'a.yaml: models.true: YAML reads true as a boolean, and a key is a text: quote it, "true"',
        'a.yaml: models.a.versions.42: YAML reads 42 as a number, and a version is a text: quote it, "42"',
        "a.yaml: models.a.versions.'4.10': YAML reads 4.10 as a number, and a version is a text: quote it, \"4.10\"",
    ]


def test_aliases_are_taken_and_bounded():
    assert content("a: &x [1, 2]\nb: *x\n") == {"a": [1, 2], "b": [1, 2]}
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    assert "over 500,000 values" in problems(laughs)[0]


def test_an_alias_of_itself_ends():
    assert "nested deeper" in problems("a: &a [*a]")[0]


@pytest.mark.parametrize("text", ["[" * 200_000, "- " * 200_000, "{a: " * 50_000], ids=["lists", "dashes", "objects"])
def test_a_bottomless_file_is_refused_and_ends_nothing(text):
    assert "nested deeper than 24" in problems(text)[0]
    assert "a.json" in problems(text, path="a.json")[0]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: !!python/object/apply:os.system [id]", "tag"),
        ("a: !!binary aGk=", "tag"),
        ("a: !own x", "tag"),
        ("a: !!set {x, y}", "tag"),
        ("b: {<<: {a: 1}}", "merge keys"),
        ("? [1, 2]\n: x", "a key is a text"),
        ("a: .nan", "not a number"),
        ("a: -.inf", "not a number"),
        ("a: 123456789012345678901234", "no number that JSON can carry"),
        ("a: [1", "not YAML"),
        ("a: \x07", "not YAML"),
        ("a: " + "x" * MAX_FILE_BYTES, "characters"),
    ],
)
def test_what_json_could_not_say_is_refused(text, part):
    assert part in problems(text)[0]


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": Infinity}', "{", "", '{"a": 1} x'])
def test_what_is_no_json_is_refused(text):
    assert problems(text, path="a.json")[0].startswith("a.json: ")
