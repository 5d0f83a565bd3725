"""A load of half an hour: whether memory, files, threads and latency stay what they are."""
