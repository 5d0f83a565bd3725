"""One metric a file; comparison of two profiles. Pure."""
