/* Which items of a database share a label with a query: one byte an item, fast. */
#ifndef SIGNET_METRIC_RELEVANCE_IMPL_H
#define SIGNET_METRIC_RELEVANCE_IMPL_H

#include <signet/labels.h>

typedef struct sg_relevance {
    const sg_labels *queries, *database; /* borrowed */
    size_t words;                        /* of a multi-hot row as bits; 0 when items have one class */
    uint64_t *query_masks, *masks;       /* (n, words), owned */
} sg_relevance;

/* SG_ERR_MISMATCH when one side has classes and the other rows, or rows of other lengths. */
bool sg_relevance_init(sg_relevance *relevance, const sg_labels *queries, const sg_labels *database,
                       sg_error *err);
void sg_relevance_clear(sg_relevance *relevance);
/* out (database->n) of 0 and 1. */
void sg_relevance_fill(uint8_t *out, const sg_relevance *relevance, size_t query);

#endif
