/* Search: codes in, nearest ids out, by kinds of which each knows positions only. */
#ifndef SIGNET_SEARCH_H
#define SIGNET_SEARCH_H

#include <signet/codes.h>

typedef struct sg_search sg_search;

typedef struct sg_hit {
    uint64_t id;
    uint32_t distance;
} sg_hit;

typedef struct sg_search_result {
    sg_hit *hits; /* owned, ascending by (distance, id) */
    size_t n;
    bool exact;    /* nothing nearer can have been missed */
    bool complete; /* false: equals of the last distance were cut by k */
} sg_search_result;

/* Builds a kind ("flat") over codes (n, nbits / 8); ids (n) ascending. Both are copied. */
bool sg_search_new(sg_search **search, const char *kind, size_t nbits, const uint8_t *codes,
                   const uint64_t *ids, size_t n, sg_error *err);
void sg_search_free(sg_search *search);
size_t sg_search_size(const sg_search *search);

/* The k nearest (all when k is 0 and radius is given) of those within radius (radius < 0: no bound), by
 * (distance, id). Both bounds inclusive; neither given: SG_ERR_USAGE. queries (nq, nbits / 8); many use all threads,
 * one uses one. results (nq) are filled, each is cleared with sg_search_result_clear; on failure all are empty. */
bool sg_search_run(sg_search_result *results, const sg_search *search, const uint8_t *queries, size_t nq,
                   size_t k, int radius, sg_error *err);
void sg_search_result_clear(sg_search_result *result);

const char *const *sg_search_kinds(size_t *n);
bool sg_search_kind_check(const char *kind, sg_error *err); /* SG_ERR_USAGE with the known ones */

#endif
