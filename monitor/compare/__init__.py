"""Two files or frames held against each other, without a server."""

from monitor.compare.checking import check, profile
from monitor.compare.report import CheckFailed, Report

__all__ = ["CheckFailed", "Report", "check", "profile"]
