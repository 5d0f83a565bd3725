"""Keys that nobody knows, found by the JSON Schema's own table, each with its place and the nearest known one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.configuration.problems import Place, Problem
from monitor.model.names import nearest


def unknown_keys(value: Any, *, schema: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """A problem for every key of every object that the schema names no property for.

    >>> schema = {"properties": {"threshold": {}}, "additionalProperties": False}
    >>> [str(found) for found in unknown_keys({"treshold": 1}, schema=schema, place=Place(file="a.yaml"))]
    ["a.yaml: treshold: unknown key (did you mean 'threshold'?)"]
    """
    return _below(value, [schema], place=place, root=schema)


def _below(
    value: Any, shapes: list[Mapping[str, Any]], *, place: Place, root: Mapping[str, Any]
) -> Iterator[Problem]:  # fmt: skip
    shapes = [leaf for shape in shapes for leaf in _leaves(shape, root=root)]
    if isinstance(value, list):
        items = [shape["items"] for shape in shapes if "items" in shape]
        for position, inner in enumerate(value if items else ()):
            yield from _below(inner, items, place=place.at(position), root=root)
    elif isinstance(value, dict):
        yield from _in_object(value, [s for s in shapes if "properties" in s or "additionalProperties" in s],
                              place=place, root=root)  # fmt: skip


def _in_object(
    value: dict[str, Any], shapes: list[Mapping[str, Any]], *, place: Place, root: Mapping[str, Any]
) -> Iterator[Problem]:
    known: dict[str, list[Mapping[str, Any]]] = {}
    for shape in shapes:
        for key, inner in shape.get("properties", {}).items():
            known.setdefault(key, []).append(inner)
    rest = [s["additionalProperties"] for s in shapes if isinstance(s.get("additionalProperties"), Mapping)]
    for key, inner in value.items():
        below = known.get(key, rest)
        if below:
            yield from _below(inner, below, place=place.at(key), root=root)
        elif shapes:
            hint = nearest(key, known) or f": expected one of {', '.join(known)}"
            yield Problem(place=place.at(key), message=f"unknown key{hint}", code="unknown_key")


def _leaves(shape: Mapping[str, Any], *, root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema itself, or what its reference and its alternatives say."""
    if "$ref" in shape:
        yield from _leaves(root["$defs"][shape["$ref"].rpartition("/")[2]], root=root)
        return
    yield shape
    for alternative in shape.get("anyOf", ()):
        yield from _leaves(alternative, root=root)
