/* A search kind: one table of functions. Kinds know positions (0 to n - 1) only. */
#ifndef SIGNET_SEARCH_IMPL_H
#define SIGNET_SEARCH_IMPL_H

#include <signet/search.h>

typedef struct sg_near {
    uint32_t distance;
    uint64_t position;
} sg_near;

/* The answers to one query. */
typedef struct sg_near_list {
    sg_near *items; /* owned */
    size_t n;
} sg_near_list;

typedef struct sg_search_kind {
    const char *name;
    bool exact;
    /* codes (n, nbits / 8) are copied. */
    bool (*build)(void **state, size_t nbits, const uint8_t *codes, size_t n, sg_error *err);
    void (*destroy)(void *state);
    /* lists (nq), empty at first; filled ones are the caller's also on failure. nearest: the k <= n nearest by
     * (distance, position), n > 0. within: all at a distance <= radius, in any order. */
    bool (*nearest)(sg_near_list *lists, const void *state, const uint8_t *queries, size_t nq, size_t k,
                    sg_error *err);
    bool (*within)(sg_near_list *lists, const void *state, const uint8_t *queries, size_t nq, unsigned radius,
                   sg_error *err);
} sg_search_kind;

extern const sg_search_kind sg_search_flat;

#endif
