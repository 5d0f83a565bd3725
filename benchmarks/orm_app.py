"""A FastAPI application as tutorials write it: pydantic models, an ORM object a record, a durable commit a request."""

import os
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import JSON, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    """The declarative base."""


class Row(Base):
    """One record, one row."""

    __tablename__ = "prediction"
    id: Mapped[int] = mapped_column(primary_key=True)
    features: Mapped[dict[str, Any]] = mapped_column(JSON)
    score: Mapped[float | None]


class Record(BaseModel):
    """One record of the body."""

    features: dict[str, Any]
    score: float | None = None


class Body(BaseModel):
    """The body."""

    records: list[Record]


engine = create_engine(os.environ["BASELINE_DATABASE_URL"])


@event.listens_for(engine, "connect")
def durable(connection: Any, _: Any) -> None:
    """As durable as what it is compared with."""
    connection.execute("PRAGMA synchronous=FULL")


Base.metadata.create_all(engine)
app = FastAPI()


@app.post("/")
def store(body: Body) -> dict[str, int]:
    """Stores a row per record."""
    with Session(engine) as session:
        session.add_all([Row(features=r.features, score=r.score) for r in body.records])
        session.commit()
    return {"stored": len(body.records)}
