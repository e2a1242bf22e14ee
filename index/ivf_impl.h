/* The lists of the kind ivf: distinct codes in the lists of FAISS's binary IVF, and for each of them the positions that
 * have it. */
#ifndef SIGNET_IVF_IMPL_H
#define SIGNET_IVF_IMPL_H

#include "search_impl.h"

#define SG_IVF_LISTS_MAX 65536

typedef struct sg_ivf {
    void *index; /* owned: FAISS's IVF (faiss_compat_impl.h), whose numbers are those of the distinct codes */
    size_t lists, probes;
    size_t ndistinct;
    uint32_t *
        starts; /* owned (ndistinct + 1): distinct code d is that of positions [starts[d], starts[d + 1]) of ... */
    uint32_t *positions; /* owned (n), ascending for each */
} sg_ivf;

size_t sg_ivf_usual_lists(size_t ndistinct);
size_t sg_ivf_usual_probes(size_t lists);
/* lists, probes 0: by size. There are never more lists than distinct codes, nor probes than lists. */
bool sg_ivf_new(sg_ivf **ivf, const sg_search_rows *codes, size_t lists, size_t probes, sg_error *err);
void sg_ivf_free(sg_ivf *ivf);
bool sg_ivf_save(const sg_ivf *ivf, size_t nbytes, sg_buf *bytes, sg_error *err);
/* As sg_search_kind's. */
bool sg_ivf_load(sg_ivf **ivf, const sg_search_rows *codes, const sg_search_moves *moves,
                 const uint8_t *bytes, size_t nbytes, sg_error *err);

#endif
