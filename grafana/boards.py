"""Every dashboard by the name of its file."""

from __future__ import annotations

from grafana.board import Board
from grafana.column import COLUMN
from grafana.fleet import FLEET
from grafana.model import MODEL
from grafana.service import SERVICE

BOARDS: dict[str, Board] = {"fleet": FLEET, "model": MODEL, "column": COLUMN, "service": SERVICE}
