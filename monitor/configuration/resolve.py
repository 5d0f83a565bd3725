"""Documents to models: every problem of the set found at once, or a configuration that can be applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.configuration.keys import unknown_keys
from monitor.configuration.model_fields import model_of
from monitor.configuration.problems import InvalidConfiguration, Place, Problem
from monitor.configuration.reading import Document
from monitor.configuration.resolved import Configuration, ResolvedModel
from monitor.configuration.shapes import json_schema
from monitor.configuration.templates import Entry, Templates
from monitor.configuration.version_fields import versions_of
from monitor.model.errors import InvalidInput
from monitor.model.names import valid_name

MAX_MODELS = 10_000


def resolve(documents: Sequence[Document]) -> Configuration:
    """What the documents of one set say, or ``InvalidConfiguration`` with everything that is wrong in them.

    >>> text = {"driftline": 1, "models": {"churn": {"task": "none", "versions": {"42": {}}}}}
    >>> resolve([Document(path="churn.yaml", content=text)]).models[0].model.name
    'churn'
    """
    problems: list[Problem] = []
    usable = [document for document in documents if _usable(document, problems=problems)]
    name = _name(usable, problems=problems)
    templates = _entries(usable, noun="template", problems=problems)
    models = _entries(usable, noun="model", problems=problems)
    if not documents or (usable and not models and not templates):
        file = documents[0].path if documents else "the set"
        problems.append(Problem(place=Place(file=file), message="no models: expected models: {name: {…}}"))
    library = Templates(templates)
    for entry in templates.values():
        library.merged(entry, problems=problems)
    made = [_model(name, entry, library=library, problems=problems) for name, entry in sorted(models.items())]
    if problems:
        raise InvalidConfiguration(problems)
    return Configuration(name=name, models=tuple(model for model in made if model is not None))


def _usable(document: Document, *, problems: list[Problem]) -> bool:
    place = Place(file=document.path)
    content = document.content
    if not isinstance(content, dict) or content.get("driftline") != 1 or content["driftline"] is True:
        found = content.get("driftline") if isinstance(content, dict) else content
        message = f"the file is no model file: expected driftline: 1 at its top, found {str(found)[:40]!r}"
        problems.append(Problem(place=place, message=message))
        return False
    problems += unknown_keys(content, schema=_SCHEMA, place=place)
    return True


def _name(documents: Sequence[Document], *, problems: list[Problem]) -> str | None:
    """The set's name; said in several files, it is the same."""
    said = {d.content["name"]: Place(file=d.path, path="name") for d in reversed(documents)
            if isinstance(d.content.get("name"), str)}  # fmt: skip
    for document in documents:
        if not isinstance(document.content.get("name", ""), str):
            place = Place(file=document.path, path="name")
            problems.append(Problem(place=place, message="expected the set's name as a text: quote it"))
    if len(said) > 1:
        (_, first), (other, place) = list(said.items())[-1], next(iter(said.items()))
        message = f"the set is called {other[:40]!r} here and otherwise in {first.file}: files of one set have one name"
        problems.append(Problem(place=place, message=message))
    for name, place in said.items():
        try:
            valid_name(name, kind="set")
        except InvalidInput as error:
            problems.append(Problem(place=place, message=error.detail))
    return next(iter(said), None)


def _entries(documents: Sequence[Document], *, noun: str, problems: list[Problem]) -> dict[str, Entry]:
    """The templates or models of all files by name; each is in one place."""
    found: dict[str, Entry] = {}
    for document in documents:
        place = Place(file=document.path, path=f"{noun}s")
        entries = document.content.get(f"{noun}s")
        if entries is None:
            continue
        if not isinstance(entries, dict):
            problems.append(Problem(place=place, message=f"expected an object of {noun}s by name"))
            continue
        for name, fields in entries.items():
            entry = _entry(name, fields, place=place.at(name), noun=noun, problems=problems)
            if entry is not None and name in found:
                message = f"{noun} {name!r} is in {found[name].place.file} too: expected one place for it"
                problems.append(Problem(place=entry.place, message=message, code="twice"))
            elif entry is not None:
                found[name] = entry
    if len(found) > MAX_MODELS:
        problems.append(Problem(
            place=Place(file="the set"), message=f"{len(found):,} {noun}s: expected at most {MAX_MODELS:,}"
        ))  # fmt: skip
    return found


def _entry(name: str, fields: Any, *, place: Place, noun: str, problems: list[Problem]) -> Entry | None:
    try:
        valid_name(name, kind=noun)
    except InvalidInput as error:
        problems.append(Problem(place=place, message=error.detail))
    fields = {} if fields is None else fields
    if not isinstance(fields, dict):
        problems.append(Problem(place=place, message=f"expected an object of fields, found {str(fields)[:40]!r}"))
        return None
    wrong = _misshapen(fields, place=place)
    problems += [problem for found in wrong.values() for problem in found]
    return Entry(place=place, fields={key: value for key, value in fields.items() if not wrong.get(key)})


def _misshapen(fields: Mapping[str, Any], *, place: Place) -> dict[str, list[Problem]]:
    """What merging cannot work with, by field: checks that are no list of objects with names, each once."""
    extends = fields.get("extends")
    wrong = not isinstance(extends, str | list | None) or not all(isinstance(name, str) for name in extends or ())
    message = "expected a list of templates' names"
    return {
        "extends": [Problem(place=place.at("extends"), message=message)] if wrong else [],
        "checks": _misshapen_checks(fields.get("checks"), place=place.at("checks")),
    }


def _misshapen_checks(checks: Any, *, place: Place) -> list[Problem]:
    if not isinstance(checks, list | None):
        return [Problem(place=place, message=f"expected a list of checks, found {str(checks)[:40]!r}")]
    problems: list[Problem] = []
    first: dict[str, int] = {}
    for position, check in enumerate(checks or ()):
        name = check.get("name") if isinstance(check, dict) else None
        if not isinstance(name, str):
            problems.append(Problem(place=place.at(position), message="expected an object with a name"))
        elif name in first:
            message = f"the name {name!r} is given to checks[{first[name]}] too: names are unique in a model"
            problems.append(Problem(place=place.at(position).at("name"), message=message, code="twice"))
        else:
            first[name] = position
    return problems


def _model(name: str, entry: Entry, *, library: Templates, problems: list[Problem]) -> ResolvedModel | None:
    missing: list[Problem] = []  # also of templates that extend others, told where they stand
    merged = library.merged(entry, problems=missing)
    problems += [problem for problem in missing if problem not in problems]
    model = model_of(merged, name=name, place=entry.place, whole=not missing, problems=problems)
    if model is None:
        return None
    versions = versions_of(entry.fields.get("versions"), model=model, place=entry.place.at("versions"),
                           problems=problems)  # fmt: skip
    return ResolvedModel(place=entry.place, model=model, versions=versions)


_SCHEMA = json_schema()
