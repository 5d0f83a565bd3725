"""False alarms promised and realised, and shifts found: streams of windows through the verdict code, beside rivals."""
