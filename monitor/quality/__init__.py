"""Data-quality measurements of one profile. Pure."""
