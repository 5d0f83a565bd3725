"""Files of configuration as plain values: YAML 1.2 scalars, JSON; bounded, without tags, every key once.

Only what JSON can say comes out: a date is its text, and ``yes`` is a text (YAML 1.2, section 10.3.2: the core
schema). Aliases are counted as often as they are used, so that nested ones cannot grow without bound.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.configuration.problems import InvalidConfiguration, Place, Problem

if TYPE_CHECKING:
    import yaml

MAX_FILE_BYTES = 8 * 1024**2
MAX_DEPTH = 24
MAX_VALUES = 500_000  # of one file, aliases counted as often as they are used
_TAG = "tag:yaml.org,2002:"
_SCALARS = {  # tag → what a plain scalar of it looks like, and the characters it may begin with
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+", list("-+0123456789")),
    "float": (r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
              list("-+0123456789.")),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of the set: ``path`` as the set names its file, and the values in it."""

    path: str
    content: Any


def read_documents(text: str, *, path: str) -> list[Document]:
    """The documents of a file (several where ``---`` separates them), or ``InvalidConfiguration``.

    >>> read_documents("driftline: 1\\nmodels: {churn: {task: none}}", path="a.yaml")[0].content["models"]
    {'churn': {'task': 'none'}}
    """
    if len(text) > MAX_FILE_BYTES:
        raise _failed(path, f"the file has {len(text):,} characters: expected at most {MAX_FILE_BYTES:,}")
    if path.lower().endswith(".json"):
        return [Document(path=path, content=_json(text, path=path))]
    contents = list(_yaml(text, path=path))
    return [
        Document(path=path if number == 0 else f"{path}#{number + 1}", content=content)
        for number, content in enumerate(contents)
    ]


def _json(text: str, *, path: str) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = dict(found)
        if len(seen) < len(found):
            names = [name for name, _ in found]
            twice = next(name for name in names if names.count(name) > 1)
            raise _failed(path, f"the key {twice[:80]!r} is given twice in one object")
        return seen

    def refuse(constant: str) -> Any:
        raise _failed(path, f"{constant} is no number that JSON can carry")

    try:
        content = json.loads(text, object_pairs_hook=pairs, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise _failed(path, f"the file is not JSON: {error}") from None
    _check_depth(content, path=path)
    return content


def _check_depth(content: Any, *, path: str) -> None:
    level = [content]
    for _ in range(MAX_DEPTH):
        level = [v for value in level for v in (value.values() if isinstance(value, dict) else value)
                 if isinstance(v, dict | list)]  # fmt: skip
        if not level:
            return
    raise _failed(path, f"the file is nested deeper than {MAX_DEPTH}")


def _yaml(text: str, *, path: str) -> Iterator[Any]:
    import yaml

    loader = _loader_class()(text)
    builder = _Builder(path)
    try:
        _check_nesting(text, path=path)
        while loader.check_node():
            yield builder.value(loader.get_node(), Place(file=path), depth=0)
        if builder.problems:
            raise InvalidConfiguration(builder.problems)
    except yaml.YAMLError as error:
        raise _failed(path, f"the file is not YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


def _check_nesting(text: str, *, path: str) -> None:
    """By events, which nothing recurses for: composing nodes of a bottomless file would end the process."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line = _line(event)
                raise _failed(path, f"line {line}: the file is nested deeper than {MAX_DEPTH}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _loader_class() -> Any:
    """A loader that composes nodes and makes no objects, with the scalars of YAML 1.2; libyaml's where it is there."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way to replace them

    for tag, pattern, first in scalar_patterns():
        Loader.add_implicit_resolver(tag, pattern, first)
    return Loader


def scalar_patterns() -> list[tuple[str, re.Pattern[str], list[str]]]:
    """Tag, pattern and first characters of every plain scalar that is no text."""
    return [(_TAG + name, re.compile(rf"(?:{pattern})\Z"), first) for name, (pattern, first) in _SCALARS.items()]


class _Builder:
    """Plain values of composed nodes, counted."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._left = MAX_VALUES
        self.problems: list[Problem] = []
        self._checked: set[int] = set()  # mappings whose keys were looked at, once however often they are used

    def value(self, node: yaml.Node, place: Place, *, depth: int) -> Any:
        """The node's value; ``problems`` holds what is wrong and lets the rest be read."""
        import yaml

        self._left -= 1
        if self._left < 0:
            raise _failed(
                self._path, f"the file has over {MAX_VALUES:,} values, aliases counted as often as they are used"
            )
        if depth > MAX_DEPTH:
            raise _failed(self._path, f"{place.path[:200]} is nested deeper than {MAX_DEPTH}")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place, depth=depth)
        if isinstance(node, yaml.SequenceNode):
            self._expect(node, place, tags=("seq",))
            return [self.value(inner, place.at(n), depth=depth + 1) for n, inner in enumerate(node.value)]
        return self._scalar(node, place)

    def _mapping(self, node: yaml.Node, place: Place, *, depth: int) -> dict[str, Any]:
        self._expect(node, place, tags=("map",))
        if id(node) not in self._checked:
            self._checked.add(id(node))
            self._check_keys(node, place)
        return {key.value: self.value(inner, place.at(key.value), depth=depth + 1) for key, inner in node.value}

    def _check_keys(self, node: yaml.Node, place: Place) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = _line(key)
            if key.id != "scalar":
                raise _failed(self._path, f"line {line}: a key is a text, found a {key.id}", path=place.path)
            if key.value == "<<" and not key.style:
                raise _failed(
                    self._path, f"line {line}: merge keys (<<) are not taken: put what is shared into templates and "
                    "name them in extends", path=place.path,
                )  # fmt: skip
            if key.tag != _TAG + "str":
                self.problems.append(_unquoted(key, place))
            if key.value in lines:
                message = f"the key is given twice, in line {lines[key.value]} and in line {line}"
                self.problems.append(Problem(place=place.at(key.value), code="twice", message=message))
            lines[key.value] = line

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        self._expect(node, place, tags=("str", *_SCALARS))
        text, kind = node.value, node.tag.removeprefix(_TAG)
        if kind == "str":
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        try:
            number = int(text) if kind == "int" and len(text) < 25 else float(text)
        except ValueError:
            raise _failed(self._path, f"{text[:40]!r} is not a number", path=place.path) from None
        if not math.isfinite(number) or (isinstance(number, int) and abs(number) >= 2**63):
            raise _failed(self._path, f"{text[:40]} is no number that JSON can carry", path=place.path)
        return number

    def _expect(self, node: yaml.Node, place: Place, *, tags: tuple[str, ...]) -> None:
        if node.tag.removeprefix(_TAG) not in tags:
            raise _failed(self._path, f"the tag {node.tag[:80]!r} is not taken: plain values only", path=place.path)


def _unquoted(key: yaml.Node, place: Place) -> Problem:
    what = "a version" if place.path.endswith(".versions") else "a key"
    kind = key.tag.removeprefix(_TAG).replace("int", "number").replace("float", "number").replace("bool", "boolean")
    message = f'YAML reads {key.value} as a {kind}, and {what} is a text: quote it, "{key.value}"'
    return Problem(place=place.at(key.value), code="unquoted", message=message)


def _line(of: yaml.Node | yaml.Event) -> int:
    return of.start_mark.line + 1 if of.start_mark is not None else 0


def _failed(file: str, message: str, *, path: str = "") -> InvalidConfiguration:
    return InvalidConfiguration([Problem(place=Place(file=file, path=path), message=message)])
