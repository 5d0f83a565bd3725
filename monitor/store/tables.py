"""The tables, in the data's order. Blobs stand last in their row: SQLite reads a row from the left.

Instants are microseconds since the epoch in BIGINT. JSON is text (``jsontext``). Text is compared by code
point on both databases, so that lists have one order.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)  # fmt: skip

from monitor.store.declared import AUTO, NAME, ROW_ID, ForeignText, metadata, only, version_column
from monitor.store.drill_tables import drill
from monitor.store.erasure_tables import erased_rows, erasure
from monitor.store.handling_tables import handling, silence, window_mark
from monitor.store.notification_tables import notification
from monitor.store.outcome_tables import (
    label_batch,
    label_payload,
    label_quarantine,
    label_segment,
    outcome,
    performance,
    scorecard,
    window_label,
)
from monitor.store.profile_tables import merged_profile, profile
from monitor.store.token_tables import token

__all__ = [
    "baseline_calibration", "calibration", "drill", "erased_rows", "erasure", "handling", "id_run", "job_run",
    "judged_counts", "label_batch", "label_payload", "label_quarantine", "label_segment", "layout", "log_batch",
    "log_payload", "merged_profile", "meta", "metadata", "model", "notification", "outcome", "performance", "profile",
    "quarantine", "reference", "reference_chunk", "reference_segment", "reference_segmentation", "request_key",
    "result", "schema", "scorecard", "silence", "token", "transition", "verdict", "version", "window", "window_label",
    "window_mark",
]  # fmt: skip

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

model = Table(
    "model", metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),  # a deleted model's name is changed: the name is free at once
    Column("task", Text, nullable=False),
    Column("description", ForeignText, nullable=False),
    Column("team", ForeignText, nullable=False),
    Column("window_length", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("lateness_us", BigInteger, nullable=False),
    Column("stale_after_us", BigInteger),
    Column("settings", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("deleted_us", BigInteger),
    Column("joins", BigInteger),  # how often its labels have been joined; none: never
    Column("origin", Text),  # the set of files that made it; none: somebody did
    Column("held_us", BigInteger),  # since when it is under a legal hold; none: it is not
    Column("held_by", ForeignText),
    Column("held_reason", ForeignText),
    **AUTO,
)  # fmt: skip

version = Table(
    "version", metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("model_id", BigInteger, ForeignKey("model.id"), nullable=False),
    Column("name", NAME, nullable=False),
    Column("state", Text, nullable=False),
    Column("positive", ForeignText),
    Column("decision_threshold", Double, nullable=False),
    Column("settings", Text, nullable=False),
    Column("schema_id", BigInteger),
    Column("layout_id", BigInteger),
    Column("reference_id", BigInteger),
    Column("fold_seq", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("deleted_us", BigInteger),
    Column("joined_fold", BigInteger),  # the model's labels have been looked for in the ids of all folds up to it
    Column("origin", Text),
    Column("live_us", BigInteger),  # when it became live; none: it is not, or since before that was noted
    UniqueConstraint("model_id", "name"),
    Index("ix_version_deleted", "deleted_us", sqlite_where=text("deleted_us IS NOT NULL"),
          postgresql_where=text("deleted_us IS NOT NULL")),
    **AUTO,
)  # fmt: skip

schema = Table(
    "schema", metadata,
    Column("id", ROW_ID, primary_key=True),
    version_column(),
    Column("body", Text, nullable=False),
    Index(None, "version_id"),
    **AUTO,
)  # fmt: skip

layout = Table(
    "layout", metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("model_id", BigInteger, ForeignKey("model.id"), nullable=False),
    Column("digest", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("model_id", "digest"),
    **AUTO,
)  # fmt: skip

reference = Table(
    "reference", metadata,
    Column("id", ROW_ID, primary_key=True),
    version_column(),
    Column("number", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("source", ForeignText, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("schema_id", BigInteger),
    Column("layout_id", BigInteger),
    Column("warnings", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("ready", Boolean, nullable=False),
    Column("profile", LargeBinary),
    Column("history", LargeBinary),
    UniqueConstraint("version_id", "number"),
    **AUTO,
)  # fmt: skip

reference_chunk = Table(
    "reference_chunk", metadata,
    Column("reference_id", BigInteger, ForeignKey("reference.id"), primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
)  # fmt: skip

# By which segments a reference is cut, as they were configured; none: it is not. Apart from it, whose blobs stand last.
reference_segmentation = Table(
    "reference_segmentation", metadata,
    Column("reference_id", BigInteger, ForeignKey("reference.id"), primary_key=True, autoincrement=False),
    Column("specs", Text, nullable=False),  # their digest
    Column("cut", Text),  # the digest of the segments that they made of it; none: not one
)  # fmt: skip

reference_segment = Table(
    "reference_segment", metadata,
    Column("reference_id", BigInteger, ForeignKey("reference.id"), primary_key=True, autoincrement=False),
    Column("segment", NAME, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("shape", Text, nullable=False),  # which rows are in it
    Column("layout_id", BigInteger, nullable=False),
    Column("profile", LargeBinary, nullable=False),
    Column("history", LargeBinary, nullable=False),
)  # fmt: skip

log_batch = Table(
    "log_batch", metadata,
    Column("id", ROW_ID, primary_key=True),
    version_column(),
    Column("received_us", BigInteger, nullable=False),
    Column("t_min_us", BigInteger, nullable=False),
    Column("t_max_us", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("schema_id", BigInteger),
    # Order of folding is (fold, position); a compacted batch takes the place of the first one it replaces.
    Column("fold", BigInteger),
    Column("position", BigInteger),
    Column("codec", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Index("ix_log_batch_unfolded", "version_id", "id", sqlite_where=text("fold IS NULL"),
          postgresql_where=text("fold IS NULL")),
    Index(None, "version_id", "t_min_us"),
    Index(None, "version_id", "fold", "position"),
    **AUTO,
)  # fmt: skip

# Apart from its batch: SQLite rewrites a whole row to change one number of it, and folding changes every row.
log_payload = Table(
    "log_payload", metadata,
    Column("batch_id", BigInteger, ForeignKey("log_batch.id", ondelete="CASCADE"), primary_key=True,
           autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
)  # fmt: skip

request_key = Table(
    "request_key", metadata,
    Column("version_id", BigInteger, primary_key=True, autoincrement=False),
    Column("route", Text, primary_key=True),
    Column("key", ForeignText, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False, index=True),
    Column("status", Integer, nullable=False),
    Column("answer", LargeBinary, nullable=False),
)  # fmt: skip

quarantine = Table(
    "quarantine", metadata,
    Column("id", ROW_ID, primary_key=True),
    version_column(),
    Column("received_us", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("message", ForeignText, nullable=False),
    Column("roles", Text, nullable=False),
    Column("replayed_us", BigInteger),
    Column("raw", ForeignText, nullable=False),
    Index(None, "version_id", "id"),
    **AUTO,
)  # fmt: skip

id_run = Table(
    "id_run", metadata,
    Column("id", ROW_ID, primary_key=True),
    version_column(),
    Column("window_start_us", BigInteger, nullable=False),
    Column("level", Integer, nullable=False),
    Column("prefix", BigInteger, nullable=False),
    Column("keys", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("fold", BigInteger),  # that wrote it; none: before labels were joined
    Index(None, "version_id", "window_start_us"),
    # All that a join asks of a run before it reads it: ``fold`` stands behind the payload.
    Index("ix_id_run_fold", "version_id", "fold", "window_start_us", "keys"),
    **AUTO,
)  # fmt: skip

window = Table(
    "window", metadata,
    Column("version_id", BigInteger, ForeignKey("version.id"), primary_key=True, autoincrement=False),
    Column("start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("end_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("deduplicated", BigInteger, nullable=False),
    Column("late_rows", BigInteger, nullable=False),
    Column("watermark_us", BigInteger),
    Column("first_received_us", BigInteger),
    Column("last_received_us", BigInteger),
    Column("revision", BigInteger, nullable=False),
    Column("dirty", Boolean, nullable=False),
    Column("reference_number", BigInteger),
    Column("reason", Text),
    Column("computed_us", BigInteger),
    Column("label_rows", BigInteger),  # labels joined to it, ever: what a scorecard is held against
    Column("due_us", BigInteger),  # when it is to be computed again though nothing comes: its labels are due
    Column("in_alert", Boolean),  # by its data, when it was judged last: what baselines leave out
    Column("segmentation", Text),  # the digest of the segments that its profiles were cut by; none: by none
    Column("merged_layout_id", BigInteger),  # of its profile, which is part of a longer span's; none: it is not
    Column("retained", Text),  # of a sealed one: what is left of its records
    Column("dropped", BigInteger),  # how many of its folded rows are gone for their age
    Index("ix_window_due", "due_us", **only("due_us IS NOT NULL")),
    Index("ix_window_dirty", "version_id", "end_us", **only("dirty")),
    Index("ix_window_gap", "version_id", **only("state = 'gap'")),
    Index("ix_window_unsealed", "version_id", "start_us", **only("state <> 'sealed'")),
    Index("ix_window_sealed", "version_id", "retained", "start_us", **only("state = 'sealed'")),
    Index("ix_window_unmerged", "version_id", "start_us",
          **only("state = 'sealed' AND merged_layout_id IS NULL")),
)  # fmt: skip

calibration = Table(
    "calibration", metadata,
    Column("version_id", BigInteger, ForeignKey("version.id"), primary_key=True, autoincrement=False),
    Column("reference_id", BigInteger, primary_key=True, autoincrement=False),
    Column("segment", NAME, primary_key=True),
    Column("made_us", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)  # fmt: skip

# The same against a baseline other than the reference; ``baseline`` is its canonical text.
baseline_calibration = Table(
    "baseline_calibration", metadata,
    Column("version_id", BigInteger, ForeignKey("version.id"), primary_key=True, autoincrement=False),
    Column("reference_id", BigInteger, primary_key=True, autoincrement=False),
    Column("segment", NAME, primary_key=True),
    Column("baseline", NAME, primary_key=True),
    Column("made_us", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)  # fmt: skip

# What the longer scales of a check add up: the few counts of a window that are judged, in the cells of a reference.
judged_counts = Table(
    "judged_counts", metadata,
    Column("version_id", BigInteger, ForeignKey("version.id"), primary_key=True, autoincrement=False),
    Column("segment", NAME, primary_key=True),
    Column("window_start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("layout_id", BigInteger, nullable=False),
    Column("reference_id", BigInteger, nullable=False),
    Column("stale", Boolean, nullable=False),  # an earlier window's have changed since this one was judged
    Column("payload", LargeBinary, nullable=False),  # empty where the window is left out of sums
)  # fmt: skip

result = Table(
    "result", metadata,
    Column("version_id", BigInteger, ForeignKey("version.id"), primary_key=True, autoincrement=False),
    Column("window_start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("segment", NAME, primary_key=True),
    Column("window_end_us", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("reference_number", BigInteger),
    Column("status", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("reference_rows", BigInteger, nullable=False),
    Column("computed_us", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)  # fmt: skip

verdict = Table(
    "verdict", metadata,
    Column("version_id", BigInteger, ForeignKey("version.id"), primary_key=True, autoincrement=False),
    Column("check_name", NAME, primary_key=True),
    Column("segment", NAME, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("unknown_reason", Text),
    Column("since_us", BigInteger, nullable=False),
    Column("window_start_us", BigInteger, nullable=False),
    Column("window_end_us", BigInteger, nullable=False),
    Column("value", Double),
    Column("threshold", Double),
    Column("rows", BigInteger, nullable=False),
    Column("needs", BigInteger),
    Column("columns_failing", BigInteger, nullable=False),
    Column("columns", Text, nullable=False),
    Column("streak", BigInteger, nullable=False),  # of windows with a warning or worse
    Column("alert_streak", BigInteger, nullable=False, server_default="0"),
)  # fmt: skip

transition = Table(
    "transition", metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("model_id", BigInteger, ForeignKey("model.id"), nullable=False),
    version_column(),
    Column("check_name", NAME, nullable=False),
    Column("segment", NAME, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("from_status", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("firing", Boolean, nullable=False),  # until the next transition of the same check and segment
    Column("at_us", BigInteger, nullable=False),
    Column("window_start_us", BigInteger, nullable=False),
    Column("window_end_us", BigInteger, nullable=False),
    Column("value", Double),
    Column("threshold", Double),
    Column("rows", BigInteger, nullable=False),
    Column("columns", Text, nullable=False),
    Column("explanation", ForeignText, nullable=False),
    Index(None, "version_id", "check_name", "segment"),
    Index(None, "model_id"),
    **AUTO,
)  # fmt: skip

job_run = Table(
    "job_run", metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("job", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("scheduled_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("lease_us", BigInteger, nullable=False),  # of a queued run: not before this
    Column("progress", Double, nullable=False),
    Column("params", Text, nullable=False),
    Column("error", ForeignText),
    Column("created_us", BigInteger, nullable=False),
    Column("finished_us", BigInteger),
    UniqueConstraint("job", "subject", "scheduled_us"),
    Index("ix_job_run_open", "job", "lease_us", sqlite_where=text("state IN ('queued', 'running')"),
          postgresql_where=text("state IN ('queued', 'running')")),
    Index(None, "finished_us"),
    **AUTO,
)  # fmt: skip
