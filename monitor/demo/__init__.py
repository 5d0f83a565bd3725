"""A year of real flights through the real service."""
