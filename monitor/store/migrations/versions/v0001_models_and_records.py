"""Models, versions, references and the records that are received."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes the tables; Alembic calls it in the transaction of ``migrate``."""
    _meta()
    _model()
    _version()
    _schema()
    _layout()
    _reference()
    _reference_chunk()
    _log_batch()
    _log_payload()
    _request_key()
    _quarantine()
    if op.get_bind().dialect.name == "postgresql":
        # Arrow and Parquet come as they are: PostgreSQL need not try to compress them row by row.
        op.execute("ALTER TABLE log_payload ALTER COLUMN payload SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE reference_chunk ALTER COLUMN payload SET STORAGE EXTERNAL")


def _meta() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )


def _model() -> None:
    op.create_table(
        "model",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("window_length", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("lateness_us", sa.BigInteger(), nullable=False),
        sa.Column("stale_after_us", sa.BigInteger(), nullable=True),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("deleted_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model")),
        sa.UniqueConstraint("name", name=op.f("uq_model_name")),
        sqlite_autoincrement=True,
    )


def _version() -> None:
    op.create_table(
        "version",
        sa.Column("id", ID, nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("positive", sa.Text(), nullable=True),
        sa.Column("decision_threshold", sa.Double(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("schema_id", sa.BigInteger(), nullable=True),
        sa.Column("layout_id", sa.BigInteger(), nullable=True),
        sa.Column("reference_id", sa.BigInteger(), nullable=True),
        sa.Column("fold_seq", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("deleted_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_version_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version")),
        sa.UniqueConstraint("model_id", "name", name=op.f("uq_version_model_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_version_deleted",
        "version",
        ["deleted_us"],
        unique=False,
        sqlite_where=sa.text("deleted_us IS NOT NULL"),
        postgresql_where=sa.text("deleted_us IS NOT NULL"),
    )


def _schema() -> None:
    op.create_table(
        "schema",
        sa.Column("id", ID, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_schema_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schema")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_schema_version_id"), "schema", ["version_id"], unique=False)


def _layout() -> None:
    op.create_table(
        "layout",
        sa.Column("id", ID, nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_layout_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_layout")),
        sa.UniqueConstraint("model_id", "digest", name=op.f("uq_layout_model_id_digest")),
        sqlite_autoincrement=True,
    )


def _reference() -> None:
    op.create_table(
        "reference",
        sa.Column("id", ID, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("schema_id", sa.BigInteger(), nullable=True),
        sa.Column("layout_id", sa.BigInteger(), nullable=True),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=True),
        sa.Column("history", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_reference_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reference")),
        sa.UniqueConstraint("version_id", "number", name=op.f("uq_reference_version_id_number")),
        sqlite_autoincrement=True,
    )


def _reference_chunk() -> None:
    op.create_table(
        "reference_chunk",
        sa.Column("reference_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["reference_id"], ["reference.id"], name=op.f("fk_reference_chunk_reference_id")),
        sa.PrimaryKeyConstraint("reference_id", "seq", name=op.f("pk_reference_chunk")),
    )


def _log_batch() -> None:
    op.create_table(
        "log_batch",
        sa.Column("id", ID, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("t_min_us", sa.BigInteger(), nullable=False),
        sa.Column("t_max_us", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("schema_id", sa.BigInteger(), nullable=True),
        sa.Column("fold", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("codec", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_log_batch_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_batch")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_log_batch_unfolded",
        "log_batch",
        ["version_id", "id"],
        unique=False,
        sqlite_where=sa.text("fold IS NULL"),
        postgresql_where=sa.text("fold IS NULL"),
    )
    op.create_index(
        op.f("ix_log_batch_version_id_fold_position"), "log_batch", ["version_id", "fold", "position"], unique=False
    )
    op.create_index(op.f("ix_log_batch_version_id_t_min_us"), "log_batch", ["version_id", "t_min_us"], unique=False)


def _log_payload() -> None:
    op.create_table(
        "log_payload",
        sa.Column("batch_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["log_batch.id"], name=op.f("fk_log_payload_batch_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_log_payload")),
    )


def _request_key() -> None:
    op.create_table(
        "request_key",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("version_id", "route", "key", name=op.f("pk_request_key")),
    )
    op.create_index(op.f("ix_request_key_created_us"), "request_key", ["created_us"], unique=False)


def _quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", ID, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("replayed_us", sa.BigInteger(), nullable=True),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name=op.f("fk_quarantine_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_quarantine_version_id_id"), "quarantine", ["version_id", "id"], unique=False)
