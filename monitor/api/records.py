"""``GET …/records``: stored records read back, in pages or as one stream for retraining."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response, StreamingResponse

from monitor.api.answer_shapes import ARROW, CSV, JSON, PARQUET, page_of
from monitor.api.params import ModelName, Page, Span, VersionName
from monitor.api.render import accepted, next_link
from monitor.api.routing import Operation, V
from monitor.api.services import Parts
from monitor.columns.instants import LATEST_US
from monitor.evaluate.shown_labels import ShownLabels
from monitor.ingest.record_formats import RECORD_STREAMS, csv_page, json_page
from monitor.ingest.records import Place, page, pages, wanted_records


def list_records(
    model: ModelName,
    version: VersionName,
    span: Span,
    asked: Page,
    request: Request,
    services: Parts,
    id: Annotated[str | None, Query(max_length=256, description="only records of that id")] = None,
) -> Response:
    """Records with timestamps in ``[from, to)``, oldest first, with their label where joined.

    JSON and CSV come in pages (CSV names the next one in ``Link``); Parquet and Arrow stream the whole range.
    """
    wanted = wanted_records(
        services.store, model=model, version=version, id=id,
        from_us=0 if span.from_us is None else span.from_us,
        to_us=LATEST_US if span.to_us is None else span.to_us,
    )  # fmt: skip
    labels = ShownLabels(services.store, model=model, version=version, schema=wanted.schema)
    wanted = replace(wanted, schema=labels.schema)
    media_type = accepted(request, offered=(JSON, CSV, *RECORD_STREAMS))
    if media_type in RECORD_STREAMS:
        pieces = RECORD_STREAMS[media_type](map(labels.into, pages(services.store, wanted)))
        return StreamingResponse(_begun(pieces), media_type=media_type)
    after = None if asked.cursor is None else Place.parse(asked.cursor)
    table, following = page(services.store, wanted, after=after, limit=asked.limit)
    table = labels.into(table)
    if media_type == JSON:
        return Response(json_page(table, following, schema=wanted.schema), media_type=JSON)
    headers = {} if following is None else next_link(request, cursor=str(following))
    return Response(csv_page(table), 200, headers, CSV)


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, the first made already: what fails at once is an error answer and no broken stream."""
    return chain([next(pieces, b"")], pieces)


OPERATIONS = (
    Operation(method="GET", path=f"{V}/records", endpoint=list_records, rows=True, tag="ingest",
              summary="Stored records, oldest first", answers={200: "JSON, text/csv, Parquet or an Arrow stream"},
              gives=(JSON, CSV, PARQUET, ARROW), shape=page_of("StoredRecord")),
)  # fmt: skip
