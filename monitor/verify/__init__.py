"""Whether a store is whole: its own invariants held against what it holds, in bounded memory, beside a running server.

Each question is asked of one moment; what seems wrong is asked again before it is called wrong.
"""

from __future__ import annotations

from monitor.verify.fault import Fault
from monitor.verify.verify import verify_store

__all__ = ["Fault", "verify_store"]
