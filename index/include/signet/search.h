/* Search: codes in, nearest ids out, by kinds of which each knows positions only. */
#ifndef SIGNET_SEARCH_H
#define SIGNET_SEARCH_H

#include <signet/codes.h>
#include <signet/kv.h>

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

/* A search owns one copy of its codes (n, nbits / 8), and their ids (n), ascending. begin gives room for them, to be
 * filled in place; then build makes what the kind needs. Between the two it can only be filled or freed.
 * params: the kind's parameters, copied; NULL: its defaults. */
bool sg_search_begin(sg_search **search, const char *kind, const sg_kv *params, size_t nbits, size_t n,
                     uint8_t **codes, uint64_t **ids, sg_error *err);
bool sg_search_build(sg_search *search, sg_error *err); /* after a failure it can only be freed */
/* Both, with a copy of codes and ids. */
bool sg_search_new(sg_search **search, const char *kind, const sg_kv *params, size_t nbits,
                   const uint8_t *codes, const uint64_t *ids, size_t n, sg_error *err);
void sg_search_free(sg_search *search);

size_t sg_search_size(const sg_search *search);
size_t sg_search_nbits(const sg_search *search);
const uint8_t *sg_search_codes(const sg_search *search);
const uint64_t *sg_search_ids(const sg_search *search);

typedef struct sg_search_ask {
    size_t k;             /* 0: all within radius */
    int radius;           /* inclusive; < 0: no bound */
    const uint64_t *mask; /* bit i % 64 of word i / 64: whether position i may be found; NULL: all */
} sg_search_ask;

/* The k nearest of those within radius, by (distance, id). Neither k nor a radius: SG_ERR_USAGE. With a mask every
 * kind is exact. queries (nq, nbits / 8). results (nq) are filled, each is cleared with sg_search_result_clear; on
 * failure all are empty. */
bool sg_search_run(sg_search_result *results, const sg_search *search, const uint8_t *queries, size_t nq,
                   const sg_search_ask *ask, sg_error *err);
void sg_search_result_clear(sg_search_result *result);

/* The mask of those of ids (n), ascending, that are there; sg_free. */
bool sg_search_mask(uint64_t **mask, const sg_search *search, const uint64_t *ids, size_t n, sg_error *err);

const char *const *sg_search_kinds(size_t *n);
bool sg_search_kind_check(const char *kind, sg_error *err); /* SG_ERR_USAGE with the known ones */
/* Whether the kind knows these parameters and can take their values for codes of nbits (0: not known yet). */
bool sg_search_params_check(const char *kind, const sg_kv *params, size_t nbits, sg_error *err);

#endif
