/* What FAISS's C interface does not set. */
#ifndef SIGNET_BENCH_FAISS_HNSW_H
#define SIGNET_BENCH_FAISS_HNSW_H

#ifdef __cplusplus
extern "C" {
#endif

/* efSearch of a binary HNSW: how many candidates a search keeps. FAISS's own is 16. */
void faiss_hnsw_search_with(void *index, int ef);

#ifdef __cplusplus
}
#endif

#endif
