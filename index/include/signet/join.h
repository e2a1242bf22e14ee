/* Items of elsewhere put into a store, by one rule for merge and import. */
#ifndef SIGNET_JOIN_H
#define SIGNET_JOIN_H

#include <signet/progress.h>
#include <signet/store.h>

typedef struct sg_join_counts {
    uint64_t added;     /* paths that were not there */
    uint64_t updated;   /* were there with another content, and an older time */
    uint64_t older;     /* were there with another content that is no older: left */
    uint64_t unchanged; /* were there with the same content: left */
    uint64_t codes;     /* bare codes: always added */
    uint64_t pairs;     /* marked as no duplicates */
    uint64_t first_id;  /* of what was added; 0: nothing was */
} sg_join_counts;

typedef struct sg_merge_options {
    bool foreign; /* other's codes were made with other instructions or numerics than store's recipe says */
    bool only_check;       /* changes nothing: the counts are what would be */
    sg_progress *progress; /* may be NULL */
} sg_merge_options;

/* Puts all of `other` into `store` (open for writing), in other's order of ids, with new ids. A path that is in both keeps
 * the content that is newer by the file's time (store's when they are equal), and has the attributes of both. Pairs of
 * items that are not duplicates come along where both their contents do.
 * The two must agree in bits and fingerprint: SG_ERR_MISMATCH. In batches: an interrupt keeps what was committed. Done
 * again, it changes nothing more, but bare codes, which have no name to be known by, come in again. */
bool sg_store_merge(sg_join_counts *counts, sg_store *store, sg_store *other, const sg_merge_options *options,
                    sg_error *err);

/* Gives every path that begins with the folder `from` (whole components; absolute) the folder `to` in its place; ids stay.
 * One transaction. *n: how many there are. A new path that another item has: SG_ERR_USAGE names it, and nothing is
 * changed. only_check: changes nothing. */
bool sg_store_relocate(uint64_t *n, sg_store *store, const char *from, const char *to, bool only_check,
                       sg_error *err);

#endif
