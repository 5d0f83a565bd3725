"""The fleet's facts from the store: a few short reads, and only results that are new are unpacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from monitor.export.columns import Columns, columns_of
from monitor.export.facts import LabelCounts, VersionFacts, Window
from monitor.export.performance import with_labelled
from monitor.model.errors import NotFound
from monitor.model.time import DAY_US
from monitor.store import Store
from monitor.store.drills import unresolved_drills
from monitor.store.labels import waiting_models
from monitor.store.results import get_result, unpack_rows
from monitor.store.schemas import get_schema
from monitor.store.segments import unmatched_labels
from monitor.store.silences import silences_since, snoozes_since
from monitor.store.snapshot import FleetRow, ResultHead, fleet_rows, gap_windows, unfolded_rows

# The newest results of a version, the one that labels decided last, and its schema.
Source = tuple[tuple[ResultHead, ...], ResultHead | None, int | None]
_RESULTS_A_READ = 25  # one read transaction stays short, also after a start with a thousand models


class StoreReader:
    """Reads the fleet; keeps the columns of results it has unpacked until there are newer ones."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._columns: dict[Source, Columns] = {}
        self._importance: dict[int, Mapping[str, float]] = {}

    def read(self, *, now_us: int) -> tuple[list[VersionFacts], dict[str, float]]:
        """Every version's facts, and the fleet's own gauges by family."""
        with self._store.read() as conn:
            fleet = fleet_rows(conn)
        with self._store.read() as conn:
            gauges: dict[str, float] = {
                "driftline_unfolded_rows": unfolded_rows(conn),
                "driftline_windows_missed": gap_windows(conn),
            }
            waiting, unmatched = waiting_models(conn), unmatched_labels(conn)
            silences = silences_since(conn, since_us=now_us - DAY_US)
            snoozes = snoozes_since(conn, since_us=now_us - DAY_US)
            drills = unresolved_drills(conn)
        self._read_importance({row.version.schema_id for row in fleet if row.version.schema_id is not None})
        self._read_results([_source(row) for row in fleet])
        labels = {id: LabelCounts(unmatched=count) for id, count in unmatched.items()}
        for one in waiting:
            labels[one.model_id] = replace(labels.get(one.model_id, LabelCounts()), waiting=one.rows)
        return [
            replace(
                self._facts(row), labels=labels.get(row.model.id), silences=tuple(silences.get(row.model.id, ())),
                snoozes=tuple(snoozes.get(row.version.id, ())), drill=drills.get(row.version.id),
            )
            for row in fleet
        ], gauges  # fmt: skip

    def _read_results(self, sources: list[Source]) -> None:
        known = {source: self._columns[source] for source in sources if source in self._columns}
        missing = [source for source in sources if source not in known]
        for start in range(0, len(missing), _RESULTS_A_READ):
            some = missing[start : start + _RESULTS_A_READ]
            payloads = self._payloads([head for heads, last, _ in some for head in {*heads, last} if head is not None])
            for heads, last, schema_id in some:
                rows = [row for head in heads if head in payloads for row in unpack_rows(payloads[head])]
                labelled = unpack_rows(payloads[last]) if last is not None and last in payloads else None
                known[heads, last, schema_id] = columns_of(
                    with_labelled(rows, labelled=labelled), importance=self._importance.get(schema_id or 0)
                )
        self._columns = known

    def _payloads(self, heads: list[ResultHead]) -> dict[ResultHead, bytes]:
        """The results that are still as their heads say; one replaced meanwhile comes with the next refresh."""
        found: dict[ResultHead, bytes] = {}
        with self._store.read() as conn:
            for head in heads:
                result = get_result(
                    conn, version_id=head.version_id, window_start_us=head.window_start_us, segment=head.segment
                )
                if result is not None and (result.revision, result.computed_us) == (head.revision, head.computed_us):
                    found[head] = result.payload
        return found

    def _read_importance(self, schema_ids: set[int]) -> None:
        """Schemas never change, so each is read once."""
        self._importance = {id: kept for id, kept in self._importance.items() if id in schema_ids}
        for schema_id in schema_ids - self._importance.keys():
            try:
                with self._store.read() as conn:
                    schema = get_schema(conn, id=schema_id)
            except NotFound:  # the version was deleted meanwhile
                continue
            self._importance[schema_id] = {
                column.name: column.importance for column in schema.columns if column.importance is not None
            }

    def _facts(self, row: FleetRow) -> VersionFacts:
        whole = next((head for head in row.results if head.segment == ""), None)
        return VersionFacts(
            model=row.model,
            version=row.version,
            states=row.states,
            window=None if whole is None else _window(whole, heads=row.results),
            newest_end_us=row.window.end_us if row.window is not None else None,
            columns=self._columns[_source(row)],
        )


def _source(row: FleetRow) -> Source:
    return row.results, row.labelled, row.version.schema_id


def _window(head: ResultHead, *, heads: Sequence[ResultHead]) -> Window:
    return Window(
        start_us=head.window_start_us, end_us=head.window_end_us, rows=head.rows,
        segment_rows={one.segment: one.rows for one in heads if one.segment},
    )  # fmt: skip
