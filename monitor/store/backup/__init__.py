"""Backups: the whole store as one self-describing file, written while it is in use, and read back into an empty place.

Rows as they are stored, table by table as the database itself lists them: what a later release adds is taken along,
and a backup of one kind of database can be read into the other.
"""

from __future__ import annotations

from monitor.store.backup.file import Header, Summary, check_file
from monitor.store.backup.restore import restore_backup
from monitor.store.backup.running import Backups
from monitor.store.backup.write import write_backup

__all__ = ["Backups", "Header", "Summary", "check_file", "restore_backup", "write_backup"]
