"""Models and versions as a model file says them, from what the API shows of them; and its text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monitor.configuration.bodies import FILE_COLUMNS, MODEL_FIELDS, merged_model, model_shape
from monitor.configuration.reading import scalar_patterns
from monitor.configuration.version_fields import columns_of
from monitor.model.defaults import DEFAULTS
from monitor.model.entities import Model
from monitor.model.schema import Schema


def file_of(models: Iterable[tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]]) -> dict[str, Any]:
    """The content of a model file that changes nothing when it is applied.

    ``models`` are shapes of the API: a model's, and its versions'.
    """
    content = {shape["name"]: model_entry(shape, versions=versions) for shape, versions in models}
    return {"driftline": 1, "models": dict(sorted(content.items()))}


def model_entry(shape: Mapping[str, Any], *, versions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A model's entry: what is not at its default, in the order of the fields; its task always."""
    given = {key: shape[key] for key in MODEL_FIELDS if shape.get(key) is not None}
    name = shape["name"]
    plain = merged_model(Model(name=name), body={key: value for key, value in given.items() if key != "stale_after"})
    default = model_shape(Model(name=name)) | {"stale_after": model_shape(plain)["stale_after"]}
    entry = {key: value for key, value in given.items() if key == "task" or value != default.get(key)}
    if versions:
        entry["versions"] = {version["version"]: version_entry(version) for version in versions}
    return entry


def version_entry(shape: Mapping[str, Any]) -> dict[str, Any]:
    """A version's entry: state, what it does not take from its model, its columns, and its reference by digest."""
    own = [key for key in DEFAULTS if key not in shape["inherited"]]
    entry = {"state": shape["state"], **{key: shape[key] for key in own if shape[key] is not None}}
    entry |= {key: shape[key] for key in ("baseline", "tags") if shape[key] is not None}
    columns = shape[FILE_COLUMNS]
    if columns is None and shape["schema"] is not None and not shape["schema"]["inferred"]:
        columns = columns_of(Schema.from_json(shape["schema"]))
    if columns:
        entry["columns"] = columns
    if shape["reference_digest"] is not None:
        entry["reference"] = {"digest": shape["reference_digest"]}
        if shape["reference_source"]:
            entry["reference"]["source"] = shape["reference_source"]
    return entry


class _Quoted(str):
    """A text that is quoted whatever it looks like."""

    __slots__ = ()


def yaml_text(content: Mapping[str, Any]) -> str:
    """The file's text: versions quoted, and everything else that could be read as something else.

    >>> print(yaml_text({"driftline": 1, "models": {"a": {"team": "yes", "versions": {"42": {"state": "live"}}}}}))
    driftline: 1
    models:
      a:
        team: 'yes'
        versions:
          "42":
            state: live
    <BLANKLINE>
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    for tag, pattern, first in scalar_patterns():  # as we read it, beside YAML 1.1's own, which others may read it by
        Dumper.add_implicit_resolver(tag, pattern, first)
    Dumper.add_representer(_Quoted, _represent_text)
    Dumper.add_representer(str, _represent_text)
    return str(yaml.dump(
        _with_quoted_versions(content), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110,
    ))  # fmt: skip


def _represent_text(dumper: Any, text: str) -> Any:
    """A scalar; in double quotes where it must be, or holds what the other styles fold (U+0085 and the like)."""
    quoted = isinstance(text, _Quoted) or not text.isprintable()
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"' if quoted else None)


def _with_quoted_versions(content: Mapping[str, Any]) -> dict[str, Any]:
    models = {}
    for name, entry in content.get("models", {}).items():
        versions = {_Quoted(version): shape for version, shape in entry.get("versions", {}).items()}
        models[name] = entry | ({"versions": versions} if versions else {})
    return {**content, "models": models}
