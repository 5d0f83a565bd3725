"""Documents to models: templates, and everything that is wrong told at once, each with its place."""

from __future__ import annotations

import textwrap

import pytest

from monitor.configuration.problems import InvalidConfiguration
from monitor.configuration.reading import read_documents
from monitor.configuration.resolve import resolve
from monitor.configuration.resolved import ByDigest, FromFile, FromVersion, FromWindows

TEMPLATES = """
driftline: 1
name: crm
templates:
  base:
    window: 1h
    lateness: 10m
    tags: {a: "1"}
    checks:
      - {name: drift, kind: drift, hold: 2}
      - {name: missing, kind: quality, metric: missing}
  daily:
    extends: base
    window: 1d
    checks:
      - {name: volume, kind: volume}
      - {name: drift, hold: 3, exclude: [x]}
"""


def resolved(*texts):
    documents = []
    for number, text in enumerate(texts):
        documents += read_documents(textwrap.dedent(text), path=f"{number}.yaml")
    return resolve(documents)


def model(*texts, name="churn"):
    return next(found for found in resolved(*texts).models if found.model.name == name)


def problems(*texts):
    with pytest.raises(InvalidConfiguration) as refused:
        resolved(*texts)
    return [str(problem) for problem in refused.value.problems]


def test_templates_are_taken_in_from_left_to_right_and_checks_merge_by_name():
    found = model(TEMPLATES, """
        driftline: 1
        models:
          churn:
            extends: [base, daily]
            lateness: 1h
            tags: {b: "2"}
            checks:
              - {name: drift, severity: critical}
              - {name: schema, kind: schema}
        """)  # fmt: skip
    assert (found.model.window.length, found.model.lateness_us) == ("1d", 3_600_000_000)
    assert found.model.settings["tags"] == {"b": "2"}
    assert found.model.settings["checks"] == [
        {"name": "drift", "kind": "drift", "hold": 3, "exclude": ["x"], "severity": "critical"},
        {"name": "missing", "kind": "quality", "metric": "missing"},
        {"name": "volume", "kind": "volume"},
        {"name": "schema", "kind": "schema"},
    ]
    assert resolved(TEMPLATES).name == "crm"


def test_null_and_an_empty_list_of_checks_take_back_what_templates_bring():
    start = "driftline: 1\nmodels:\n  churn: {extends: [base], "
    assert model(TEMPLATES, start + "checks: []}").model.settings["checks"] == []
    assert "checks" not in model(TEMPLATES, start + "checks: null}").model.settings
    assert model(TEMPLATES, start + "lateness: null}").model.lateness_us == 300_000_000


def test_versions_know_their_columns_and_where_their_reference_comes_from():
    found = model("""
        driftline: 1
        models:
          churn:
            task: regression
            versions:
              "1":
                reference: {file: ref/a.csv}
                columns: {y: {role: label}, at: {role: timestamp}, zip: {type: categorical}}
              "2": {reference: {from_version: "1"}}
              "3": {reference: {windows: {from: 1970-01-01, to: 1970-01-02}}, state: shadow}
              "4": {reference: {digest: "sha256:%s", source: x}}
        """ % ("0" * 64))  # fmt: skip
    assert [version.reference for version in found.versions] == [
        FromFile(file="ref/a.csv"), FromVersion(version="1"), FromWindows(from_us=0, to_us=86_400_000_000),
        ByDigest(digest="sha256:" + "0" * 64),
    ]  # fmt: skip
    assert found.versions[0].columns == {
        "y": {"role": "label", "type": "numeric"}, "at": {"role": "timestamp", "type": "timestamp"},
        "zip": {"role": "feature", "type": "categorical"},
    }  # fmt: skip
    assert found.versions[2].fields == {"state": "shadow"}


def test_a_typo_is_told_with_file_path_and_nearest_name():
    text = """
        driftline: 1
        models:
          churn: {checks: [{name: a, kind: drift}, {name: b, kind: drift, treshold: 0.2}]}
        """
    assert problems(text) == ["0.yaml: models.churn.checks[1].treshold: unknown key (did you mean 'threshold'?)"]


def test_everything_that_is_wrong_in_all_files_is_told_at_once():
    assert problems(
        """
        driftline: 1
        templates: {base: {lateness: 10x, tem: a}}
        models: {churn: {extends: [base]}, "bad name": {}}
        """,
        """
        driftline: 1
        models:
          other:
            {task: regresion, window: batch, segments: [{by: x, topp: 3}], labels: {dealy: 3d},
             checks: [{name: q, kind: rule}]}
          third: {extends: [bas], versions: {"1": {state: lvie, columns: {zip: {tpe: text}}}}}
        """,
    ) == [
        "0.yaml: templates.base.tem: unknown key (did you mean 'team'?)",
        "1.yaml: models.other.segments[0].topp: unknown key (did you mean 'top'?)",
        "1.yaml: models.other.labels.dealy: unknown key (did you mean 'delay'?)",
        "1.yaml: models.third.versions.1.columns.zip.tpe: unknown key (did you mean 'type'?)",
        "0.yaml: models.bad name: model name 'bad name' is not allowed: expected [A-Za-z0-9][A-Za-z0-9._-]{0,127} "
        "(1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit)",
        "0.yaml: templates.base.lateness: lateness '10x' is not a duration: expected a whole number and one of "
        "ms, s, m, h, d, w, such as 90s, 5m, 6h or 30d",
        "1.yaml: models.other.task: task 'regresion' is not known (did you mean 'regression'?): expected one of "
        "binary_classification, multiclass_classification, regression, none",
        "1.yaml: models.other.window: window 'batch' is not available yet: use a length such as '1h' or '1d'",
        "1.yaml: models.other.checks[0]: check 'q': kind 'rule' is not available yet",
        "1.yaml: models.third.extends[0]: template 'bas' is not known (did you mean 'base'?)",
    ]  # fmt: skip


def test_a_check_of_a_segment_that_a_model_does_not_have_is_told_with_the_nearest():
    assert problems("""
        driftline: 1
        templates: {base: {segments: [{by: region}, {name: evening, where: {hour: {gte: 18}}}]}}
        models:
          a: {extends: [base], checks: [{name: d, kind: drift, segments: [evenin]}]}
          b: {extends: [base], checks: [{name: d, kind: drift, segments: [evening, "region=EU"]}]}
        """) == [
        "0.yaml: models.a: check 'd'.segments: 'evenin' is no segment of this model (did you mean 'evening'?)"
    ]  # fmt: skip


def test_versions_are_looked_at_once_their_model_is_right():
    found = problems("""
        driftline: 1
        models:
          churn:
            versions:
              "1":
                {state: lvie, columns: {a: {role: label}, b: {role: label}, c: {store: hash}},
                 reference: {file: a, windows: {}}}
              "2": {reference: {from_version: "2"}}
              "3": {reference: {windows: {from: 2026-02-01, to: 2026-01-01}}}
              "4": {reference: {}}
        """)  # fmt: skip
    assert [line.partition(": ")[2].split(": ")[0] for line in found] == [
        "models.churn.versions.1.state",
        "models.churn.versions.1.columns.c",
        "models.churn.versions.1.columns",
        "models.churn.versions.1.reference",
        "models.churn.versions.2.reference",
        "models.churn.versions.3.reference",
        "models.churn.versions.4.reference",
    ]


def test_templates_that_extend_each_other_are_told_once_with_the_way():
    found = problems("driftline: 1\ntemplates: {a: {extends: [b]}, b: {extends: [a]}}\nmodels: {m: {extends: [a]}}")
    assert found == [
        "0.yaml: templates.a.extends[0]: templates extend each other: b -> a -> b",
        "0.yaml: templates.b.extends[0]: templates extend each other: a -> b -> a",
    ]


def test_a_model_in_two_files_is_refused_with_both():
    one = "driftline: 1\nmodels: {churn: {}}"
    assert problems(one, one) == ["1.yaml: models.churn: model 'churn' is in 0.yaml too: expected one place for it"]


def test_checks_of_one_name_in_one_list_are_refused():
    found = problems("driftline: 1\nmodels: {m: {checks: [{name: a, kind: drift}, {name: a, kind: volume}]}}")
    assert "models.m.checks[1].name: the name 'a' is given to checks[0] too" in found[0]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: 1", "no model file: expected driftline: 1"),
        ("driftline: 2", "no model file"),
        ("driftline: true", "no model file"),
        ("[1]", "no model file"),
        ("driftline: 1", "no models"),
        ("driftline: 1\nmodels: [a]", "expected an object of models by name"),
        ("driftline: 1\nmodels: {a: 3}", "expected an object of fields"),
        ("driftline: 1\nmodels: {a: {checks: {}}}", "expected a list of checks"),
        ("driftline: 1\nmodels: {a: {checks: [3]}}", "expected an object with a name"),
        ("driftline: 1\nmodels: {a: {extends: 3}}", "expected a list of templates"),
        ("driftline: 1\nmodels: {a: {versions: [1]}}", "expected an object of versions"),
        ("driftline: 1\nmodels: {a: {versions: {x: 1}}}", "expected an object with state"),
        ("driftline: 1\nname: 3\nmodels: {a: {}}", "quote it"),
        ("driftline: 1\nname: a b\nmodels: {a: {}}", "set name 'a b' is not allowed"),
        ("driftline: 1\nmodels: {a: {versions: {x: {reference: {from_version: 41}}}}}", "quote it"),
    ],
)
def test_a_file_of_another_shape_is_told_what_is_expected(text, part):
    assert any(part in line for line in problems(text)), problems(text)


def test_files_of_one_set_have_one_name():
    files = ["driftline: 1\nname: a\nmodels: {m: {}}", "driftline: 1\nname: b\nmodels: {n: {}}"]
    assert "files of one set have one name" in problems(*files)[0]
    assert resolved(files[0], files[1].replace("name: b", "name: a")).name == "a"


def test_what_is_only_not_available_yet_says_so_with_its_status():
    with pytest.raises(InvalidConfiguration) as refused:
        resolved("driftline: 1\nmodels: {m: {privacy: {rows: none}}}")
    assert (refused.value.status, refused.value.problems[0].code) == (501, "not_available")


def test_at_most_a_hundred_problems_are_answered_and_all_are_counted():
    with pytest.raises(InvalidConfiguration) as refused:
        resolved("driftline: 1\nmodels:\n" + "".join(f"  m{n}: {{tem: x}}\n" for n in range(150)))
    assert (len(refused.value.errors), "(and 149 more)" in refused.value.detail) == (100, True)
