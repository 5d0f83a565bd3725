"""Calibration, thresholds, verdicts, transitions. Pure."""
