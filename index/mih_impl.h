/* The buckets of multi-index hashing. A code is cut into substrings; each has a table, in which a bucket holds the
 * positions of the codes with one substring. */
#ifndef SIGNET_MIH_IMPL_H
#define SIGNET_MIH_IMPL_H

#include "bytes_impl.h"
#include "search_impl.h"

#define SG_MIH_TABLES_MAX (SG_BITS_MAX / 8) /* substrings have at least 8 bits */
#define SG_MIH_WIDTH_MAX  56                /* and at most so many: with the bits before them in 8 bytes */

typedef struct sg_mih_table {
    unsigned width;     /* bits of the substring */
    unsigned at, shift; /* where it is: so many bits into the 8 bytes (or all) from this byte on */
    unsigned bits; /* of a bucket's number: width, or fewer, and then the number is a hash of the substring */
    uint32_t *starts; /* owned (2^bits + 1): the bucket's positions are [starts[b], starts[b + 1]) of ... */
    uint32_t *positions; /* owned (n), ascending in each bucket */
} sg_mih_table;

typedef struct sg_mih {
    size_t n;
    unsigned ntables;
    sg_mih_table *tables; /* owned */
} sg_mih;

static inline uint64_t sg_mih_substring(const sg_mih_table *table, const uint8_t *code, size_t nbytes)
{
    uint64_t word = 0;
    if (nbytes >= 8)
        word = sg_get_u64(code + table->at);
    else
        for (size_t i = 0; i < nbytes; i++) word |= (uint64_t)code[i] << 8 * i;
    return word >> table->shift & (((uint64_t)1 << table->width) - 1);
}

/* Substrings that are too wide for a bucket each share buckets (Fibonacci hashing; Knuth, TAOCP 3, 6.4). */
static inline size_t sg_mih_bucket(const sg_mih_table *table, uint64_t substring)
{
    return table->bits == table->width ? substring : substring * 0x9e3779b97f4a7c15u >> (64 - table->bits);
}

static inline unsigned sg_mih_tables_min(size_t nbits)
{
    return (unsigned)((nbits + SG_MIH_WIDTH_MAX - 1) / SG_MIH_WIDTH_MAX);
}

static inline unsigned sg_mih_tables_max(size_t nbits)
{
    return (unsigned)(nbits / 8);
}

/* ntables 0: by size. */
bool sg_mih_new(sg_mih **mih, const sg_search_rows *codes, unsigned ntables, sg_error *err);
void sg_mih_free(sg_mih *mih);
void sg_mih_save(const sg_mih *mih, sg_buf *bytes);
/* As sg_search_kind's. */
bool sg_mih_load(sg_mih **mih, const sg_search_rows *codes, const sg_search_moves *moves,
                 const uint8_t *bytes, size_t nbytes, sg_error *err);

typedef enum {
    SG_MIH_FOUND,
    SG_MIH_DEARER, /* the scan is quicker: nothing has been found */
    SG_MIH_FAILED  /* no memory */
} sg_mih_outcome;

/* The k nearest within radius, by (distance, position); k SIZE_MAX: all within radius, in any order. scan_ns: what the
 * scan would take. */
sg_mih_outcome sg_mih_seek(sg_near_list *list, const sg_mih *mih, const sg_search_rows *codes,
                           const uint8_t *query, size_t k, unsigned radius, double scan_ns);

#endif
