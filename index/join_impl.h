/* Items of elsewhere into a store, one after the other, in batches. */
#ifndef SIGNET_JOIN_IMPL_H
#define SIGNET_JOIN_IMPL_H

#include <signet/join.h>

typedef struct sg_join {
    sg_store *store;
    sg_join_counts *counts; /* of what is committed */
    sg_join_counts pending; /* of the open batch */
    bool only_check;        /* nothing is written: the counts are what would be */
    bool open, changed;     /* a batch, and there is something in it */
    size_t nput;            /* in the batch */
    double began;
    sg_progress *progress; /* of items and codes; may be NULL */
    uint64_t next_id;      /* that the store gives, once what waits is in it */
    uint8_t *codes;        /* bare ones that wait to be put together */
    size_t ncodes, code_nbytes;
} sg_join;

bool sg_join_begin(sg_join *join, sg_store *store, bool only_check, sg_progress *progress,
                   sg_join_counts *counts, sg_error *err);
/* By the rule of signet/join.h. *id: where the item's content now stands, 0: the store's stayed (or only_check). A bare
 * code waits; its id is not told. */
bool sg_join_item(uint64_t *id, sg_join *join, const sg_item *item, sg_error *err);
bool sg_join_codes(sg_join *join, const uint8_t *codes, size_t n, sg_error *err);
/* What comes next gets an id from `id` on. */
bool sg_join_skip(sg_join *join, uint64_t id, sg_error *err);
bool sg_join_pair(sg_join *join, uint64_t a, uint64_t b, sg_error *err);
/* Commits the open batch when `ok`, or when the work was interrupted, and ends the join. ok: is what came before well? */
bool sg_join_end(sg_join *join, bool ok, sg_error *err);

#endif
