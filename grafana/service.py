"""*Service*: Driftline itself: what comes in, how fast it is on disk, whether the steps keep up."""

from __future__ import annotations

from grafana.board import Board, Panel, Query, Scale, Section, Style
from grafana.metrics import added, quantile, shared
from grafana.states import ANY_IS_BAD, PLAIN

LATENESS = f"time() - {shared('driftline_step_last_success_timestamp_seconds', by='step')}"
NO_SCRAPE = "Prometheus has no series of Driftline."
QUANTILES = ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))
REFUSED = 'code=~"4..|5.."'


def tile(
    title: str, description: str, expr: str, *, unit: str = "short", scale: Scale = PLAIN, decimals: int | None = None
) -> Panel:
    """One number of the service."""
    return Panel(
        kind="stat", title=title, description=description, unit=unit, no_data=NO_SCRAPE, width=4, scale=scale,
        decimals=decimals, queries=(Query(expr=expr),),
    )  # fmt: skip


def lines(
    title: str, description: str, *queries: Query, unit: str, no_data: str,
    width: int = 8, stacked: bool = False, styles: tuple[Style, ...] = (),
) -> Panel:  # fmt: skip
    """Lines from zero up."""
    return Panel(
        kind="timeseries", title=title, description=description, unit=unit, no_data=no_data, queries=queries,
        minimum=0, width=width, stacked=stacked, styles=styles,
    )  # fmt: skip


def quantiles(family: str, *, by: str = "", where: str = "") -> tuple[Query, ...]:
    """Half, 95 % and 99 % of a duration."""
    return tuple(Query(expr=quantile(q, family, by=by, where=where), legend=legend) for q, legend in QUANTILES)


NOW = (
    tile(
        "Processes", "Processes of Driftline that answer scrapes.",
        f"count({shared('driftline_build_info', by='instance')})",
    ),
    tile(
        "Windows missed", "Windows that could not be computed (state gap): neither drifted nor healthy.",
        shared("driftline_windows_missed"), scale=ANY_IS_BAD,
    ),
    tile(
        "Series left out", "Model series beyond DRIFTLINE_MAX_SERIES; checks are never left out.",
        shared("driftline_series_dropped"), scale=ANY_IS_BAD,
    ),
    tile("Rows waiting", "Stored, and not yet in a profile.", shared("driftline_unfolded_rows")),
    tile("Step furthest behind", "Since the last success of the step that waits longest; idle steps succeed too.",
         f"max({LATENESS})", unit="s", decimals=0),
    tile(
        "Disk free", "Where the data directory is; the least of all processes.",
        f"min({shared('driftline_disk_free_bytes', by='instance')})", unit="bytes",
    ),
)  # fmt: skip

INGEST = (
    lines(
        "Records by what became of them", "Stored, quarantined, duplicate or rejected, a second, all processes.",
        Query(expr=added("driftline_records_total", by="result"), legend="{{result}}"),
        unit="cps", no_data="No records came in this time.", stacked=True,
    ),
    lines(
        "From request to answer", "Of ingest requests; an answer is sent after the records are on disk.",
        *quantiles("driftline_ingest_duration_seconds"), unit="s", no_data="No ingest request in this time.",
    ),
    lines(
        "One group commit", "How long the database takes to have a group of requests on disk.",
        *quantiles("driftline_commit_duration_seconds"), unit="s", no_data="Nothing was committed in this time.",
    ),
    lines(
        "Labels by what became of them", "Stored, quarantined, duplicate or rejected, a second, all processes.",
        Query(expr=added("driftline_labels_total", by="result"), legend="{{result}}"),
        unit="cps", no_data="No labels came in this time.", stacked=True,
    ),
    lines(
        "Bytes in flight", "Ingest that is being worked on, by process. At the limit requests are told to come again "
        "(503).",
        Query(expr=shared("driftline_queue_bytes", by="instance"), legend="{{instance}}"),
        Query(expr=f"min({shared('driftline_queue_limit_bytes', by='instance')})", legend="limit"),
        unit="bytes", no_data=NO_SCRAPE, styles=(Style(series="limit", color="red", dashed=True),),
    ),
    lines(
        "Late and repeated rows", "Folded after their window had closed; dropped as repeats of an id. A second.",
        Query(expr=added("driftline_late_rows_total"), legend="late"),
        Query(expr=added("driftline_records_deduplicated_total"), legend="repeated"),
        unit="cps", no_data="No row was late or repeated in this time.",
    ),
)  # fmt: skip

REQUESTS = (
    lines(
        "Requests by answer", "HTTP requests a second by status code, all processes.",
        Query(expr=added("driftline_requests_total", by="code"), legend="{{code}}"),
        unit="reqps", no_data="No requests in this time.", stacked=True, width=12,
    ),
    lines(
        "Refusals by route", "Answers 4xx and 5xx a second, the 10 most.",
        Query(expr=f"topk(10, {added('driftline_requests_total', by='route, code', where=REFUSED)})",
              legend="{{code}} {{route}}"),
        unit="reqps", no_data="Nothing was refused in this time.", width=12,
    ),
)  # fmt: skip

STEPS = (
    lines(
        "Since a step last succeeded", "Of all processes the one that did last. Above ten minutes an alert fires.",
        Query(expr=LATENESS, legend="{{step}}"), unit="s", no_data="No step has run yet.",
    ),
    lines(
        "How long a step takes", "95 % of its runs take no longer.",
        Query(expr=quantile(0.95, "driftline_step_duration_seconds", by="step"), legend="{{step}}"),
        unit="s", no_data="No step ran in this time.",
    ),
    lines(
        "Runs of steps that did not succeed", "A second, by outcome: failed, or lost to another process.",
        Query(expr=added("driftline_step_runs_total", by="step, outcome", where='outcome!="done"'),
              legend="{{step}} {{outcome}}"),
        unit="cps", no_data="Every step succeeded in this time.",
    ),
)  # fmt: skip

STORAGE = (
    lines(
        "Rows waiting to be profiled", "Stored and not yet folded; rises while ingest is faster than the fold step.",
        Query(expr=shared("driftline_unfolded_rows"), legend="rows"), unit="short", no_data=NO_SCRAPE, width=6,
    ),
    lines(
        "Series of a scrape", "Samples that Prometheus took from each process of Driftline.",
        Query(expr="max by (instance) (scrape_samples_scraped) and on (instance) "
              f"{shared('driftline_build_info', by='instance')}", legend="{{instance}}"),
        unit="short", no_data=NO_SCRAPE, width=6,
    ),
    lines(
        "Series left out", "By DRIFTLINE_MAX_SERIES: columns first, checks never.",
        Query(expr=shared("driftline_series_dropped"), legend="left out"), unit="short", no_data=NO_SCRAPE, width=6,
    ),
    lines(
        "Disk free", "Where each process has its data directory.",
        Query(expr=shared("driftline_disk_free_bytes", by="instance"), legend="{{instance}}"),
        unit="bytes", no_data=NO_SCRAPE, width=6,
    ),
)  # fmt: skip

SERVICE = Board(
    uid="driftline-service",
    title="Driftline / Service",
    description="Driftline itself: ingest, latency, commits, queue, steps, refusals, series, disk",
    variables=(),
    links=(("Fleet", "driftline-fleet"),),
    since="now-6h",
    refresh="30s",
    sections=(
        Section(title="Now", height=4, panels=NOW),
        Section(title="Ingest", panels=INGEST),
        Section(title="Requests", panels=REQUESTS),
        Section(title="Steps", panels=STEPS),
        Section(title="Storage and series", panels=STORAGE),
    ),
)  # fmt: skip
