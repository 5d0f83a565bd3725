"""Prometheus text from a cached snapshot."""
