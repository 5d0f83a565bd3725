"""Layouts and mergeable profiles. Pure."""
