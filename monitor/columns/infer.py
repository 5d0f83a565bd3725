"""The schema of data nobody described: streaming accumulators over stored batches (API 1 "Inference").

A number column is numeric (discrete numbers are handled exactly, so nothing is guessed from cardinality), a
string, dictionary or boolean column categorical, a string column with over 1,000 distinct values or longer
than 64 characters on average text, a list-of-numbers column embedding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.columns.batch import FEATURE_PREFIX, ID, TIMESTAMP, form_of, is_companion
from monitor.columns.categories import FIRST_LOOK, counted, has_codes, has_many_names
from monitor.columns.coerce import coerce
from monitor.columns.roles import Roles
from monitor.model.schema import Column, ColumnType, Role, Schema

_AS_TEXT = Column(name="as text", type="text")
MAX_CATEGORIES = 1_000
MAX_MEAN_CHARS = 64
NUMERIC_SHARE = 0.9  # a column of numbers with a few texts in it is numeric, and the texts are invalid
# No leading zeros: 007 is a code, and a number would lose it.
_NUMBER = r"^\s*[+-]?(?:0|[1-9]\d*)?(?:\.\d*)?(?:[eE][+-]?\d+)?\s*$"
_DIGIT = r"\d"
_NOT_FINITE = r"^\s*[+-]?(?i:nan|inf|infinity)\s*$"


@dataclass(slots=True)
class _Evidence:
    """What was seen of one column: counts by kind, and distinct texts up to one over the bound."""

    numbers: int = 0
    texts: int = 0
    booleans: int = 0
    vectors: int = 0
    others: int = 0
    chars: int = 0
    dimensions: set[int] = field(default_factory=set)
    distinct: set[str] = field(default_factory=set)

    def add_texts(self, array: pa.Array) -> None:
        """Takes in texts, or codes of them."""
        self.texts += len(array) - array.null_count
        if not has_codes(array.type) and (len(self.distinct) > MAX_CATEGORIES or has_many_names(array)):
            self.chars += pc.sum(pc.utf8_length(array)).as_py() or 0
            self._name(array.slice(0, FIRST_LOOK).drop_null().unique())
            return
        names, counts = counted(array)
        self.chars += int(pc.utf8_length(names).to_numpy(zero_copy_only=False).astype(np.int64) @ counts)
        self._name(names)

    def _name(self, names: pa.Array) -> None:
        if len(self.distinct) <= MAX_CATEGORIES:
            self.distinct.update(names.slice(0, MAX_CATEGORIES + 1).to_pylist())

    def merge(self, other: _Evidence) -> None:
        """Takes in what was seen of other rows of the column."""
        for kind in ("numbers", "texts", "booleans", "vectors", "others", "chars"):
            setattr(self, kind, getattr(self, kind) + getattr(other, kind))
        self.dimensions |= other.dimensions
        if len(self.distinct) <= MAX_CATEGORIES:
            self.distinct |= other.distinct

    def column_type(self) -> ColumnType:
        counted = self.numbers + self.texts + self.booleans + self.vectors + self.others
        if counted == 0 or self.numbers >= NUMERIC_SHARE * counted:
            return "numeric"
        if self.vectors >= NUMERIC_SHARE * counted:
            return "embedding"
        long = self.texts > 0 and self.chars > MAX_MEAN_CHARS * self.texts
        return "text" if long or len(self.distinct) > MAX_CATEGORIES else "categorical"


class SchemaInference:
    """Accumulates evidence batch by batch; ``finish`` gives the schema, whatever the batching was."""

    def __init__(self, *, roles: Roles) -> None:
        self._roles = roles
        self._evidence: dict[str, _Evidence] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Take one stored batch (any schema or none) into account."""
        for fld, array in zip(batch.schema, batch.columns, strict=True):
            if fld.name in (ID, TIMESTAMP) or is_companion(fld.name):
                continue
            _add(self._evidence.setdefault(fld.name, _Evidence()), array, form_of(fld))

    def merge(self, other: SchemaInference) -> None:
        """Takes in what another inference saw of later rows."""
        for name, evidence in other._evidence.items():
            self._evidence.setdefault(name, _Evidence()).merge(evidence)

    def finish(self) -> Schema:
        """The schema: roles' columns by their own names, the others features in the order first seen.

        A role's column whose name a feature has is ``record.<name>``: in a record it is not among the features.
        """
        roles = self._roles
        columns: list[Column] = []
        if roles.id is not None:
            columns.append(Column(name=roles.id, role="id", type="text"))
        if roles.timestamp is not None:
            columns.append(Column(name=roles.timestamp, role="timestamp", type="timestamp"))
        features = {s.removeprefix(FEATURE_PREFIX) for s in self._evidence if s.startswith(FEATURE_PREFIX)}
        for stored, evidence in self._evidence.items():
            column = self._column(stored, evidence)
            while not stored.startswith(FEATURE_PREFIX) and column.name in features:
                column = replace(column, name=f"record.{column.name}")
            columns.append(column)
        return Schema(columns=tuple(columns), inferred=True)

    def _column(self, stored: str, evidence: _Evidence) -> Column:
        roles = self._roles
        name, role, class_ = stored, "feature", None
        if stored.startswith(FEATURE_PREFIX):
            name = stored.removeprefix(FEATURE_PREFIX)
            role = "context" if name in roles.context else "feature"
        elif stored == "score" or stored.startswith("score:"):
            class_ = stored.partition(":")[2] or None
            name, role = roles.score.get(class_ or "", stored), "score"
        else:
            name, role = (getattr(roles, stored) or stored), stored
        return Column(
            name=name, role=_role(role), class_=class_, segment=name in roles.segment,
            type="categorical" if name in roles.categorical else evidence.column_type(),
            dimensions=_dimensions(evidence),
        )  # fmt: skip


def infer_schema(batches: Iterable[pa.RecordBatch], *, roles: Roles) -> Schema:
    """The inferred schema of stored batches."""
    inference = SchemaInference(roles=roles)
    for batch in batches:
        inference.add(batch)
    return inference.finish()


def _role(name: str) -> Role:
    roles: dict[str, Role] = {"feature": "feature", "context": "context", "score": "score",
                              "prediction": "prediction", "label": "label"}  # fmt: skip
    return roles[name]


def _dimensions(evidence: _Evidence) -> int | None:
    if evidence.column_type() != "embedding" or len(evidence.dimensions) != 1:
        return None
    return next(iter(evidence.dimensions))


def _add(evidence: _Evidence, array: pa.Array, form: str) -> None:
    kind = array.type
    present = len(array) - array.null_count
    if form == "json":
        _add_json(evidence, array)
    elif form == "text":
        number = pc.or_(
            pc.and_(pc.match_substring_regex(array, _NUMBER), pc.match_substring_regex(array, _DIGIT)),
            pc.match_substring_regex(array, _NOT_FINITE),
        ).fill_null(False)
        evidence.numbers += pc.sum(number).as_py() or 0
        evidence.add_texts(pc.if_else(number, pa.scalar(None, pa.string()), array))
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        evidence.numbers += present
    elif pa.types.is_boolean(kind):
        evidence.booleans += present
    elif pa.types.is_string(kind) or has_codes(kind):
        evidence.add_texts(array)
    elif pa.types.is_list(kind):
        evidence.vectors += present
        evidence.dimensions.update(pc.unique(pc.list_value_length(array).drop_null()).to_pylist()[:2])


def _add_json(evidence: _Evidence, array: pa.Array) -> None:
    """Mixed columns: the kind shows in the first character of each JSON text."""
    first = pc.utf8_slice_codeunits(array, 0, 1)
    quoted = pc.equal(first, '"').fill_null(False)
    vector = pc.equal(first, "[").fill_null(False)
    boolean = pc.is_in(first, pa.array(["t", "f"])).fill_null(False)
    number = pc.match_substring_regex(first, r"[-0-9NI]").fill_null(False)
    evidence.vectors += pc.sum(vector).as_py() or 0
    evidence.booleans += pc.sum(boolean).as_py() or 0
    evidence.numbers += pc.sum(number).as_py() or 0
    evidence.others += pc.sum(pc.equal(first, "{")).as_py() or 0
    texts = pc.if_else(quoted, array, pa.scalar(None, pa.string()))
    evidence.add_texts(coerce(texts, _AS_TEXT, form="json").values)
