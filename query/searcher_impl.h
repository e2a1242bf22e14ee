#ifndef SIGNET_SEARCHER_IMPL_H
#define SIGNET_SEARCHER_IMPL_H

#include "index_impl.h"

#include <signet/query.h>

struct sg_searcher {
    sg_index *index;
    bool own; /* index */
    sg_search *search;
    uint64_t generation;
    unsigned replaced;
    /* The condition that was asked for last, as positions of `search`. */
    sg_where where;
    uint64_t *mask;
    uint64_t mask_generation; /* of the items that were looked at */
};

/* Positions of the items for which it holds; borrowed until the next call. The codes must be up to date. */
bool sg_searcher_mask(const uint64_t **mask, sg_searcher *searcher, const sg_where *where, sg_error *err);
void sg_searcher_drop_mask(sg_searcher *searcher);
/* Orders an answer's result by score and keeps k of it (0: all). code is of the query (its outputs may be NULL). */
bool sg_searcher_rerank(sg_answer *answer, sg_searcher *searcher, const float *outputs, size_t k,
                        sg_error *err);
/* The position of an id; false: it is not there. */
bool sg_searcher_find(size_t *position, const sg_searcher *searcher, uint64_t id);

#endif
