"""Configuration and new versions brought into force: read, decide (in ``configuration``), write."""
