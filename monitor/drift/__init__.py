"""One metric a file; comparison of two profiles. Pure.

Every metric is a function of counts, flat over the columns: column c has the bins (or cells)
``offsets[c]`` to ``offsets[c + 1]``.
"""
