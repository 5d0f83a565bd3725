from __future__ import annotations

import pytest

from monitor.model.errors import InvalidInput
from monitor.model.schema import Column, Schema

SHAPE = {
    "columns": [
        {"name": "age", "role": "feature", "type": "numeric", "missing": [-999, ""]},
        {"name": "late", "role": "prediction", "type": "categorical"},
        {"name": "p_late", "role": "score", "type": "numeric"},
        {"name": "p_a", "role": "score", "type": "numeric", "class": "a"},
        {"name": "region", "role": "context", "type": "categorical", "segment": True},
        {"name": "note", "role": "feature", "type": "text"},
        {"name": "secret", "role": "ignore", "type": "text"},
    ],
    "inferred": True,
}


def test_a_schema_survives_its_json():
    assert Schema.from_json(SHAPE).to_json() == SHAPE


def test_roles_decide_the_name_in_a_stored_batch():
    stored = [c.stored_name for c in Schema.from_json(SHAPE).columns]
    assert stored == ["f:age", "prediction", "score", "score:a", "f:region", "f:note", "f:secret"]


def test_features_predictions_scores_and_context_of_countable_types_are_monitored():
    monitored = [c.name for c in Schema.from_json(SHAPE).monitored]
    assert monitored == ["age", "late", "p_late", "p_a", "region"]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"columns": [{"name": "a", "rol": "feature"}]}, "did you mean 'role'"),
        ({"columns": [{"name": "a", "role": "target"}]}, "is not one of feature, prediction"),
        ({"columns": [{"name": "a", "type": "int"}]}, "is not one of numeric"),
        ({"columns": [{"role": "feature"}]}, "an object with a name"),
        ({"columns": [{"name": "a", "unit": 5}]}, "unit '5' is not a text"),
        ({"columns": [{"name": "a", "unit": "u" * 21}]}, "longer than 20 characters"),
        ({"columns": "a,b"}, "expected"),
        ({"columns": [{"name": "a"}, {"name": "a"}]}, "named twice"),
    ],
)
def test_a_shape_that_is_not_a_schema_says_what_was_expected(shape, words):
    with pytest.raises(InvalidInput, match=words):
        Schema.from_json(shape)


def test_a_column_looks_up_by_both_its_names():
    schema = Schema(columns=(Column(name="p", role="score"), Column(name="x")))
    assert schema.by_name["p"] is schema.by_stored_name["score"]
    assert schema.role("score") is schema.columns[0]
    assert schema.role("label") is None
