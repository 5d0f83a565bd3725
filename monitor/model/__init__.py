"""The nouns, as frozen dataclasses, and the errors. Pure: no I/O, no clock, no dice."""
