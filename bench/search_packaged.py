"""One query over a million codes of 64 bits by the FAISS that python3 finds (Debian's package), one thread: nanoseconds
a code for k = 10 and k = 100, medians. bench_search --packaged runs it."""
import statistics
import sys
import time

try:
    import faiss
    import numpy as np
except ImportError as error:
    sys.exit(f"search_packaged.py: {error}")

N, CALLS = 1000000, 9
faiss.omp_set_num_threads(1)
rng = np.random.default_rng(1)
index = faiss.IndexBinaryFlat(64)
index.add(rng.integers(0, 256, (N, 8), dtype=np.uint8))
queries = rng.integers(0, 256, (CALLS, 8), dtype=np.uint8)
for k in (10, 100):
    times = []
    for query in queries:
        start = time.process_time()
        index.search(query[None], k)
        times.append(time.process_time() - start)
    print(1e9 * statistics.median(times) / N)
