"""The HTTP face: parse, call one step, render."""
