"""The steps: read, decide (pure), write."""
