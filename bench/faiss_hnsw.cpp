#include "faiss_hnsw.h"

#include <faiss/IndexBinaryHNSW.h>

void faiss_hnsw_search_with(void *index, int ef)
{
    auto *binary = static_cast<faiss::IndexBinary *>(index);
    static_cast<faiss::IndexBinaryHNSW *>(binary)->hnsw.efSearch = ef;
}
