"""Scripts that print a ratio against a baseline measured in the same run: machines are noisy, ratios less so."""
