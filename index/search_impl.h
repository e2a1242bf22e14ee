/* A search kind: one table of functions. Kinds know positions (0 to n - 1) only, and work over the one copy of the
 * codes that the search owns. */
#ifndef SIGNET_SEARCH_IMPL_H
#define SIGNET_SEARCH_IMPL_H

#include <signet/buf.h>
#include <signet/search.h>

/* The codes as a kind sees them: borrowed for its state's life. */
typedef struct sg_search_rows {
    size_t nbits, n;
    const uint8_t *codes; /* (n, nbits / 8) */
} sg_search_rows;

#define SG_SEARCH_GONE UINT32_MAX

/* Where the codes of an earlier state stand now: their order is the same, but some are gone. */
typedef struct sg_search_moves {
    size_t n;           /* < SG_SEARCH_GONE */
    const uint32_t *to; /* (n) positions, or SG_SEARCH_GONE; NULL: all are where they were */
} sg_search_moves;

static inline uint32_t sg_search_moved(const sg_search_moves *moves, uint32_t position)
{
    return moves->to ? moves->to[position] : position;
}

typedef struct sg_search_kind {
    const char *name;
    bool (*exact)(const void *state); /* whether it can miss nothing; NULL: it never can */
    const char *const *params;        /* the names that it knows, NULL at the end */
    /* The values of params, whose names are known; nbits 0: not known yet. NULL: nothing to check. */
    bool (*check)(const sg_kv *params, size_t nbits, sg_error *err);
    /* params passed check; those absent are by size. state may stay NULL. */
    bool (*build)(void **state, const sg_search_rows *codes, const sg_kv *params, sg_error *err);
    void (*destroy)(void *state); /* not called for NULL */
    /* lists (nq), empty at first; filled ones are the caller's also on failure. n > 0. nearest: the k <= n nearest of
     * those within radius, by (distance, position). within: all at a distance <= radius, in any order. */
    bool (*nearest)(sg_near_list *lists, const void *state, const sg_search_rows *codes,
                    const uint8_t *queries, size_t nq, size_t k, unsigned radius, sg_error *err);
    bool (*within)(sg_near_list *lists, const void *state, const sg_search_rows *codes,
                   const uint8_t *queries, size_t nq, unsigned radius, sg_error *err);
    /* The state as bytes, and back (snapshot.c); both NULL for a kind that is quick to build. load: any bytes, from which
     * an earlier state of moves->n codes is made into one of those that are left, codes->n. On failure the state is
     * untouched. */
    bool (*save)(const void *state, const sg_search_rows *codes, sg_buf *bytes, sg_error *err);
    bool (*load)(void **state, const sg_search_rows *codes, const sg_search_moves *moves,
                 const uint8_t *bytes, size_t nbytes, sg_error *err);
} sg_search_kind;

extern const sg_search_kind sg_search_flat, sg_search_mih, sg_search_ivf;

struct sg_search {
    const sg_search_kind *kind;
    sg_kv params;
    void *flat;           /* FAISS's binary flat index (FaissIndexBinary), which holds the codes */
    sg_search_rows codes; /* those */
    uint64_t *ids;        /* (n), ascending: position to id */
    void *state;          /* of the kind */
    size_t known;         /* the positions below are in it; the rest came later and is scanned */
    bool built;
};

/* By (distance, position). */
void sg_near_sort(sg_near *items, size_t n);
/* Brings the k smallest to the front, in order. Returns how many there are: k, or n. */
size_t sg_near_cut(sg_near *items, size_t n, size_t k);

#endif
