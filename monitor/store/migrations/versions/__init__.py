"""Migrations, named by what they do."""
