"""Two files or frames held against each other, without a server."""
