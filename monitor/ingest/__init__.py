"""Wire formats to columnar batches; group commit."""
