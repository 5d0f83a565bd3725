"""Segments as they are configured: what is read, what is refused, and which slices they make of a reference."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.conditions import Condition, parse_where
from monitor.model.errors import InvalidInput
from monitor.model.schema import Column, Schema
from monitor.model.segments import (
    By,
    Named,
    Segment,
    check_known,
    covers,
    parse_segments,
    resolve,
    segmentation,
    wanted_specs,
    wants_segments,
)

EXAMPLE = [
    {"name": "evening", "where": {"hour": {"gte": 18}}},
    {"name": "dach-new", "where": {"country": {"in": ["DE", "AT", "CH"]}, "tenure": {"lt": 90}}},
    {"by": "region", "top": 10, "min_share": 0.01},
    {"name": "women", "where": {"sex": "f"}, "protected": True, "compare_to": "men"},
    {"name": "men", "where": {"sex": "m"}},
]
SCHEMA = Schema(
    columns=(
        Column(name="hour"), Column(name="tenure"), Column(name="country", type="categorical"),
        Column(name="region", type="categorical", role="context"), Column(name="sex", type="categorical"),
        Column(name="vip", type="boolean", true=("Y",), false=("N",)), Column(name="note", type="text"),
        Column(name="vector", type="embedding"), Column(name="key", type="categorical", role="id"),
        Column(name="churned", type="categorical", role="label"), Column(name="debug", role="ignore"),
        Column(name="email", type="categorical", store="none"),
    )
)  # fmt: skip


def where(**shape):
    return parse_segments([{"name": "s", "where": shape}])[0].where


def resolved(*shapes, counts=None, rows=100, **more):
    return resolve(parse_segments(list(shapes)), schema=SCHEMA, counts=counts or {}, rows=rows, **more)


def test_the_example_of_the_configuration_is_read():
    evening, dach, region, women, men = parse_segments(EXAMPLE)
    assert evening.where.conditions == (Condition(column="hour", op="gte", values=(18,)),)
    assert dach.where.conditions == (
        Condition(column="country", op="in", values=("AT", "CH", "DE")),
        Condition(column="tenure", op="lt", values=(90,)),
    )
    assert region == By(column="region", top=10, min_share=0.01)
    assert (women.protected, women.compare_to) == (True, "men")
    assert men == Named(name="men", where=where(sex={"eq": "m"}))


def test_one_of_several_alternatives_is_kept_beside_what_must_hold_anyway():
    told = where(country="DE", any=[{"hour": {"lt": 6}}, {"hour": {"gte": 22}, "vip": True}])
    assert told.to_json() == {
        "country": {"eq": "DE"},
        "any": [{"hour": {"gte": 22}, "vip": {"eq": True}}, {"hour": {"lt": 6}}],
    }


def test_a_column_may_be_called_any():
    assert where(any="x").conditions == (Condition(column="any", op="eq", values=("x",)),)


def test_shapes_that_mean_the_same_have_one_canonical_shape():
    assert where(tenure={"lt": 90.0}, country={"in": ["DE", "AT", "DE"]}) == where(
        country={"in": ["AT", "DE"]}, tenure={"lt": 90}
    )
    assert where(any=[{"hour": 1}, {"hour": 2}, {"hour": 1}]) == where(any=[{"hour": 2}, {"hour": 1}])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"by": "region"}, "segments: expected a list"),
        (["region"], r"segments\[0\]: expected an object"),
        ([{}], r"segments\[0\]: expected a name"),
        ([{"by": "region", "topp": 3}], r"unknown key 'topp' \(did you mean 'top'\?\)"),
        ([{"name": "a", "wher": {"x": 1}}], r"unknown key 'wher' \(did you mean 'where'\?\)"),
        ([{"by": "region", "where": {"x": 1}}], "unknown key 'where'"),
        ([{"by": 5}], "expected a column's name, found '5'"),
        ([{"by": ""}], "expected a column's name"),
        ([{"by": "x" * 1025}], "expected a column's name"),
        ([{"by": "region", "top": 0}], "whole number from 1 to 1000, found 0"),
        ([{"by": "region", "top": True}], "whole number from 1 to 1000, found True"),
        ([{"by": "region", "top": 1001}], "whole number from 1 to 1000, found 1001"),
        ([{"by": "region", "min_share": 1.5}], "number from 0 to 1, found 1.5"),
        ([{"by": "region"}, {"by": "region", "top": 3}], "by 'region' is given twice"),
        ([{"name": "a", "where": {"x": 1}}, {"name": "a", "where": {"x": 2}}], "the name 'a' is given twice"),
        *(([{"name": n, "where": {"x": 1}}], "segment name") for n in ("", "*", "region=EU", "a*", "x" * 129)),
        ([{"name": "a"}], "segment 'a': has no where"),
        ([{"name": "a", "where": {}}], "expected conditions"),
        ([{"name": "a", "where": [1]}], "expected conditions"),
        ([{"name": "a", "where": {"x": {}}}], "expected an operator"),
        ([{"name": "a", "where": {"x": {"gt3": 1}}}], r"operator 'gt3' is not one of .* \(did you mean 'gte?'\?\)"),
        ([{"name": "a", "where": {"x": {"gte": "18"}}}], "segment 'a'.where.x.gte: expected a number, found '18'"),
        ([{"name": "a", "where": {"x": {"lt": True}}}], "expected a number, found 'True'"),
        ([{"name": "a", "where": {"x": None}}], 'found null: rows without a value are {"is_null": true}'),
        ([{"name": "a", "where": {"x": [1, 2]}}], 'one of several values is {"in": [...]}'),
        ([{"name": "a", "where": {"x": {"in": []}}}], "a list of 1 to 1000 values"),
        ([{"name": "a", "where": {"x": {"in": list(range(1001))}}}], "a list of 1 to 1000 values"),
        ([{"name": "a", "where": {"x": {"in": [None]}}}], "found null"),
        ([{"name": "a", "where": {"x": {"not_in": "DE"}}}], "a list of 1 to 1000 values, found DE"),
        ([{"name": "a", "where": {"x": {"is_null": 1}}}], "expected true or false, found '1'"),
        ([{"name": "a", "where": {"x": float("nan")}}], "expected a text, a number or a boolean, found 'nan'"),
        ([{"name": "a", "where": {"x": "y" * 1025}}], "longer than 1024 characters"),
        ([{"name": "a", "where": {"any": []}}], "found an empty one"),
        ([{"name": "a", "where": {"any": [{}]}}], "expected conditions"),
        ([{"name": "a", "where": {"any": [{"any": [{"x": 1}]}]}}], "'any' within 'any'"),
        ([{"name": "a", "where": {f"x{i}": i for i in range(51)}}], "has 51 conditions: expected at most 50"),
        ([{"name": "a", "where": {"x": 1}, "protected": "yes"}], "protected: expected true or false, found 'yes'"),
        ([{"name": "women", "where": {"x": 1}, "compare_to": "menn"}, {"name": "men", "where": {"x": 2}}],
         r"'menn' is no segment of this model \(did you mean 'men'\?\)"),
        ([{"name": "a", "where": {"x": 1}, "compare_to": "a"}], "'a' is no segment of this model"),
        ([{"by": f"c{i}"} for i in range(1001)], "has 1001 entries: expected at most 1000 segments"),
    ],
)  # fmt: skip
def test_what_is_no_segment_is_refused_by_name_and_with_what_to_do(shape, message):
    with pytest.raises(InvalidInput) as refused:
        parse_segments(shape)
    assert message in refused.value.detail or re.search(message, refused.value.detail)


@pytest.mark.parametrize(
    ("said", "segment", "covered"),
    [
        (("",), "", True), (("",), "evening", False), (("*",), "", True), (("*",), "region=EU", True),
        (("evening",), "evening", True), (("evening",), "", False), (("region=*",), "region=EU", True),
        (("region=*",), "region=(other)", True), (("region=*",), "evening", False), (("region=*",), "", False),
        (("", "region=EU"), "", True), (("", "region=EU"), "region=US", False), (("region=[x]",), "region=[x]", True),
        (("?*",), "", False), (("REGION=*",), "region=EU", False),
    ],
)  # fmt: skip
def test_a_check_is_of_the_segments_it_names(said, segment, covered):
    assert covers(said, segment) == covered


def test_by_takes_the_most_frequent_values_and_leaves_the_rest_to_one_segment():
    counts = {"region": [("CN", 5), ("US", 30), ("EU", 40), ("AF", 5), ("BR", 10)]}
    found, warnings = resolved({"by": "region", "top": 4}, counts=counts)
    # Ties by name: AF before CN.
    assert [segment.name for segment in found] == ["region=EU", "region=US", "region=BR", "region=AF", "region=(other)"]
    assert found[0].shape == {"by": "region", "value": "EU"}
    assert found[-1].shape == {"by": "region", "other": ["AF", "BR", "EU", "US"]}
    assert warnings == ()


def test_values_of_too_small_a_share_of_all_rows_have_no_segment_of_their_own():
    counts = {"region": [("EU", 40), ("US", 10), ("CN", 9)]}
    found, _ = resolved({"by": "region", "min_share": 0.1}, counts=counts, rows=100)
    assert [segment.name for segment in found] == ["region=EU", "region=US", "region=(other)"]


def test_a_value_written_like_the_rest_is_of_the_rest():
    found, _ = resolved({"by": "region"}, counts={"region": [("(other)", 60), ("EU", 40)]})
    assert [segment.name for segment in found] == ["region=EU", "region=(other)"]
    assert found[-1].shape == {"by": "region", "other": ["EU"]}


def test_a_value_that_is_written_as_a_more_frequent_one_is_of_the_rest():
    """No store keeps the character NUL in a name, so that it is written out."""
    found, _ = resolved({"by": "region"}, counts={"region": [("a\0", 60), ("a\\u0000", 30), ("EU", 10)]})
    assert [segment.name for segment in found] == ["region=a\\u0000", "region=EU", "region=(other)"]
    assert [found[0].shape["value"], found[-1].shape["other"]] == ["a\0", ["EU", "a\0"]]


def test_long_values_have_short_names_that_differ():
    texts = ["x" * 5_000, "x" * 5_001]
    found, _ = resolved({"by": "region"}, counts={"region": [(text, 50) for text in texts]})
    names = [segment.name for segment in found]
    assert len(set(names)) == 3
    assert max(map(len, names)) <= 200
    assert [segment.shape["value"] for segment in found[:2]] == texts


def test_more_segments_than_allowed_are_left_out_with_a_warning():
    counts = {"region": [(f"r{i:03}", 200 - i) for i in range(150)], "country": [("DE", 1)]}
    found, warnings = resolved({"by": "region", "top": 99}, {"by": "country"}, counts=counts, rows=20_000)
    assert len(found) == 100
    assert found[-1].name == "region=(other)"
    assert [(w["code"], w["message"][:58]) for w in warnings] == [
        ("too_many_segments", "102 segments are asked for and 100 are allowed: 2 are left")
    ]


def test_two_columns_that_make_one_name_are_told_of_and_the_first_has_it():
    schema = Schema(columns=(Column(name="a", type="categorical"), Column(name="a=b", type="categorical")))
    specs = parse_segments([{"by": "a"}, {"by": "a=b"}])
    counts = {"a": [("b=c", 6), ("d", 4)], "a=b": [("c", 7), ("e", 3)]}
    found, warnings = resolve(specs, schema=schema, counts=counts, rows=10)
    assert [segment.name for segment in found] == ["a=b=c", "a=d", "a=(other)", "a=b=e", "a=b=(other)"]
    assert found[0].shape == {"by": "a", "value": "b=c"}
    assert [(told["code"], told["column"]) for told in warnings] == [("segment_name", "a=b")]
    assert warnings[0]["message"].startswith("'c' of column 'a=b' is called 'a=b=c' as 'b=c' of column 'a' is")


@pytest.mark.parametrize(
    ("shape", "column", "message"),
    [
        ({"by": "regoin"}, "regoin", "there is no column 'regoin' (did you mean 'region'?)"),
        ({"by": "hour"}, "hour", "is numeric and has no categories to segment by"),
        ({"by": "note"}, "note", "is text and has no categories"),
        ({"by": "key"}, "key", "column 'key' is the id"),
        ({"by": "churned"}, "churned", "column 'churned' is the label"),
        ({"by": "debug"}, "debug", "are not stored"),
        ({"by": "email"}, "email", "are not stored"),
        ({"name": "a", "where": {"hour": 1, "nope": 1}}, "nope", "there is no column 'nope'"),
        ({"name": "a", "where": {"country": {"gt": 3}}}, "country", "gt compares numbers, and column 'country' is"),
        ({"name": "a", "where": {"hour": "18"}}, "hour", "'18' is no number, and column 'hour' is numeric"),
        ({"name": "a", "where": {"any": [{"hour": {"in": [1, True]}}]}}, "hour", "True is no number"),
        ({"name": "a", "where": {"vip": "J"}}, "vip", "'J' is neither true nor false"),
        ({"name": "a", "where": {"vector": 1}}, "vector", "is an embedding"),
    ],
)
def test_a_segment_that_the_columns_cannot_have_is_left_out_with_a_warning(shape, column, message):
    found, (warning,) = resolved(shape, {"name": "b", "where": {"hour": 1}})
    assert [segment.name for segment in found] == ["b"]
    assert (warning["code"], warning["column"]) == ("segment_column", column)
    assert message in warning["message"]


def test_what_the_columns_can_have_is_kept():
    told = {"vip": {"in": ["Y", "N", True, "false", 1]}, "vector": {"is_null": True}, "country": 49, "hour": 1.5}
    found, warnings = resolved({"name": "a", "where": told})
    assert ([segment.name for segment in found], warnings) == (["a"], ())


@given(
    values=st.lists(st.sampled_from(["EU", "US", "CN", "AF", "BR", "(other)", ""]), max_size=60),
    top=st.integers(1, 8), min_share=st.sampled_from([0.0, 0.05, 0.2, 1.0]), nulls=st.integers(0, 20),
)  # fmt: skip
def test_by_names_what_a_count_of_the_rows_names(values, top, min_share, nulls):
    rows = len(values) + nulls
    counts = Counter(values)
    listed = [v for v in counts if v != "(other)" and counts[v] >= min_share * rows]
    expected = sorted(listed, key=lambda value: (-counts[value], value))[:top]
    found, _ = resolved({"by": "region", "top": top, "min_share": min_share},
                        counts={"region": list(counts.items())}, rows=rows)  # fmt: skip
    assert [segment.name for segment in found] == [*(f"region={value}" for value in expected), "region=(other)"]


def test_a_segment_survives_json():
    found, _ = resolved(*EXAMPLE, counts={"region": [("EU", 40)]})
    assert tuple(Segment.from_json(segment.to_json()) for segment in found) == found
    assert found[1].columns == {"country", "tenure"}
    assert found[-1].columns == {"sex"}


def test_specs_survive_json():
    specs = parse_segments(EXAMPLE)
    assert parse_segments([spec.to_json() for spec in specs]) == specs


def test_the_digest_tells_whether_rows_are_cut_the_same_way():
    example = segmentation(parse_segments(EXAMPLE))
    unprotected = [{k: v for k, v in shape.items() if k not in ("protected", "compare_to")} for shape in EXAMPLE]
    assert re.fullmatch("[0-9a-f]{16}", example)
    assert segmentation(()) == ""
    assert segmentation(parse_segments(unprotected)) == example
    assert segmentation(parse_segments([*EXAMPLE[:-1], {"name": "men", "where": {"sex": {"eq": "m"}}}])) == example
    others = [EXAMPLE[1:], [*EXAMPLE[:-1], {"name": "men", "where": {"sex": "d"}}], [{"by": "region"}]]
    assert len({example, *(segmentation(parse_segments([s for s in o if "compare_to" not in s])) for o in others)}) == 4


def test_a_column_that_the_schema_marks_is_one_more_by():
    schema = Schema(columns=(Column(name="region", segment=True), Column(name="channel", segment=True)))
    settings = {"segments": [{"name": "evening", "where": {"hour": 1}}, {"by": "region", "top": 3}]}
    assert wanted_specs(settings, schema)[1:] == (By(column="region", top=3), By(column="channel"))
    assert wanted_specs({}, schema) == (By(column="region"), By(column="channel"))
    assert wanted_specs({"segments": None}, None) == ()


@pytest.mark.parametrize("pattern", ["", "*", "evening", "eve*", "region=EU", "region=*", "reg*", "*=EU", "region=[E]"])
def test_a_check_may_name_what_is_configured_or_can_come_of_a_by(pattern):
    check_known([pattern], specs=parse_segments(EXAMPLE), place="check 'c'")


@pytest.mark.parametrize(
    ("pattern", "specs", "hint"),
    [
        ("evenning", EXAMPLE, "(did you mean 'evening'?)"), ("regoin=EU", EXAMPLE, "(did you mean 'region=*'?)"),
        ("xyz*", EXAMPLE, "(there are evening, dach-new, women, men, region=*)"),
        ("evening", [], "the model has no segments"),
    ],
)  # fmt: skip
def test_a_check_that_names_an_unknown_segment_is_told_the_nearest(pattern, specs, hint):
    with pytest.raises(InvalidInput) as refused:
        check_known([pattern], specs=parse_segments(specs), place="check 'c'.segments")
    assert f"check 'c'.segments: {pattern!r} is no segment of this model" in refused.value.detail
    assert refused.value.detail.endswith(hint)


def test_a_segment_that_a_schemas_mark_may_make_is_let_through_unless_it_looks_like_a_slip():
    specs = parse_segments([{"by": "region"}])
    check_known(["channel=web"], specs=specs, place="check 'c'.segments", marked=True)
    with pytest.raises(InvalidInput, match="no segment of this model"):
        check_known(["channel=web"], specs=specs, place="check 'c'.segments")
    with pytest.raises(InvalidInput, match=r"'regoin=EU' is no segment of this model \(did you mean 'region=\*'\?\)"):
        check_known(["regoin=EU"], specs=specs, place="check 'c'.segments", marked=True)


def test_conditions_survive_json():
    told = where(country={"in": ["DE", "AT"], "ne": "CH"}, any=[{"hour": {"gt": 1, "lte": 3}}, {"vip": True}])
    assert parse_where(told.to_json()) == told


@pytest.mark.parametrize("told", [{}, {"segments": []}, {"segments": [{"by": "region"}]}])
@pytest.mark.parametrize("marked", [None, False, True])
def test_whether_segments_are_wanted_is_whether_there_are_some_to_want(told, marked):
    schema = None if marked is None else Schema(columns=(Column(name="channel", type="categorical", segment=marked),))
    assert wants_segments(told, schema) == bool(wanted_specs(told, schema))
