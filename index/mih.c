/* Buckets of multi-index hashing: made by counting, kept as two arrays a table. */
#include "mih_impl.h"

#include <math.h>
#include <signet/mem.h>
#include <string.h>
#include <sys/mman.h>

#define TABLES_USUAL 32 /* more than this many take more memory than they are worth */

/* As many substrings as make a bucket of each hold one code or so (Norouzi et al. 2012, section 3.2). */
static unsigned usual_tables(size_t nbits, size_t n)
{
    const double width = n > 256 ? log2((double)n) : 8;
    const unsigned least = sg_mih_tables_min(nbits), max = sg_mih_tables_max(nbits);
    const unsigned most = max < TABLES_USUAL ? max : TABLES_USUAL;
    const unsigned tables = (unsigned)lround((double)nbits / width);
    return tables < least ? least : tables > most ? most : tables;
}

/* The number of buckets is that of the codes, or of the substring's values where there are fewer. */
static unsigned bucket_bits(unsigned width, size_t n)
{
    unsigned bits = 8;
    while (bits < 32 && (size_t)1 << bits < n) bits++;
    return bits < width ? bits : width;
}

/* Large pages, where the system gives them: buckets are looked into at random. */
static void *take_room(size_t n)
{
    const size_t page = 4096, nbytes = n * sizeof(uint32_t);
    uint32_t *room = sg_calloc(n, sizeof *room);
    if (room && nbytes >= (size_t)4 << 20) {
        const uintptr_t start = ((uintptr_t)room + page - 1) / page * page,
                        end = ((uintptr_t)room + nbytes) / page * page;
        madvise((void *)start, end - start, MADV_HUGEPAGE);
    }
    return room;
}

/* Cuts nbits into ntables substrings, as equal as can be. */
static sg_mih *cut(size_t nbits, unsigned ntables, size_t n, size_t n_buckets_for, sg_error *err)
{
    sg_mih *mih = sg_calloc(1, sizeof *mih);
    if (mih) mih->tables = sg_calloc(ntables, sizeof *mih->tables);
    if (!mih || !mih->tables) {
        sg_free(mih);
        sg_fail_memory(err, "buckets");
        return NULL;
    }
    mih->n = n;
    mih->ntables = ntables;
    for (unsigned i = 0; i < ntables; i++) {
        sg_mih_table *t = &mih->tables[i];
        const size_t first = i * nbits / ntables, nbytes = nbits / 8, last = nbytes > 8 ? nbytes - 8 : 0;
        t->width = (unsigned)((i + 1) * nbits / ntables - first);
        t->at = (unsigned)(first / 8 < last ? first / 8 : last);
        t->shift = (unsigned)(first - 8 * t->at);
        t->bits = bucket_bits(t->width, n_buckets_for);
        t->starts = take_room(((size_t)1 << t->bits) + 1);
        t->positions = take_room(n);
        if (!t->starts || !t->positions) {
            sg_mih_free(mih);
            sg_fail_memory(err, "buckets");
            return NULL;
        }
    }
    return mih;
}

/* Counting sort. While it fills, ends[b] is where the next one of bucket b goes; at last that is its end. */
static void fill(sg_mih_table *table, const sg_search_rows *codes)
{
    const size_t nbytes = codes->nbits / 8, nbuckets = (size_t)1 << table->bits;
    uint32_t *ends = table->starts + 1, sum = 0;
    for (size_t i = 0; i < codes->n; i++)
        ends[sg_mih_bucket(table, sg_mih_substring(table, codes->codes + i * nbytes, nbytes))]++;
    for (size_t b = 0; b < nbuckets; b++) {
        const uint32_t count = ends[b];
        ends[b] = sum;
        sum += count;
    }
    for (size_t i = 0; i < codes->n; i++) {
        const size_t b = sg_mih_bucket(table, sg_mih_substring(table, codes->codes + i * nbytes, nbytes));
        table->positions[ends[b]++] = (uint32_t)i;
    }
}

bool sg_mih_new(sg_mih **result, const sg_search_rows *codes, unsigned ntables, sg_error *err)
{
    *result = NULL;
    if (codes->n >= UINT32_MAX)
        return sg_fail(err, SG_ERR_LIMIT, "mih: at most %u codes, not %zu", UINT32_MAX - 1, codes->n);
    if (ntables == 0) ntables = usual_tables(codes->nbits, codes->n);
    sg_mih *mih = cut(codes->nbits, ntables, codes->n, codes->n, err);
    if (!mih) return false;
#pragma omp parallel for schedule(dynamic)
    for (unsigned i = 0; i < ntables; i++) fill(&mih->tables[i], codes);
    *result = mih;
    return true;
}

void sg_mih_free(sg_mih *mih)
{
    if (!mih) return;
    for (unsigned i = 0; i < mih->ntables; i++) {
        sg_free(mih->tables[i].starts);
        sg_free(mih->tables[i].positions);
    }
    sg_free(mih->tables);
    sg_free(mih);
}

/* --- as bytes ----------------------------------------------------------------------------------------------- */

void sg_mih_save(const sg_mih *mih, sg_buf *bytes)
{
    const uint32_t ntables = mih->ntables;
    sg_put_u32s(bytes, &ntables, 1);
    for (unsigned i = 0; i < mih->ntables; i++) {
        const sg_mih_table *t = &mih->tables[i];
        sg_put_u32s(bytes, t->starts, ((size_t)1 << t->bits) + 1);
        sg_put_u32s(bytes, t->positions, mih->n);
    }
}

/* One table from its two arrays of n positions, moved to where their codes are now. False: not what save writes. */
static bool read_table(sg_mih_table *table, size_t n, const sg_search_moves *moves, const uint8_t *starts,
                       const uint8_t *positions)
{
    const size_t nbuckets = (size_t)1 << table->bits;
    size_t from = 0, kept = 0;
    if (sg_get_u32(starts) != 0) return false;
    for (size_t b = 0; b < nbuckets; b++) {
        const size_t end = sg_get_u32(starts + 4 * (b + 1));
        if (end < from || end > moves->n) return false;
        for (uint64_t last = 0; from < end; from++) {
            const uint32_t position = sg_get_u32(positions + 4 * from);
            if (position < last || position >= moves->n) return false;
            last = (uint64_t)position + 1;
            const uint32_t now = sg_search_moved(moves, position);
            if (now == SG_SEARCH_GONE) continue;
            if (kept == n) return false;
            table->positions[kept++] = now;
        }
        table->starts[b + 1] = (uint32_t)kept;
    }
    return from == moves->n && kept == n;
}

/* What the tables take in the file; they are as `mih` was cut. */
static size_t saved_nbytes(const sg_mih *mih, size_t n)
{
    size_t numbers = 1;
    for (unsigned i = 0; i < mih->ntables; i++) numbers += ((size_t)1 << mih->tables[i].bits) + 1 + n;
    return numbers * sizeof(uint32_t);
}

bool sg_mih_load(sg_mih **result, const sg_search_rows *codes, const sg_search_moves *moves,
                 const uint8_t *bytes, size_t nbytes, sg_error *err)
{
    *result = NULL;
    const uint32_t ntables = nbytes >= 4 ? sg_get_u32(bytes) : 0;
    if (ntables < sg_mih_tables_min(codes->nbits) || ntables > sg_mih_tables_max(codes->nbits))
        return sg_fail(err, SG_ERR_FORMAT, "mih: no such number of tables: %u", ntables);
    if (moves->n >= UINT32_MAX || moves->n > nbytes / 4) /* before room is taken for them */
        return sg_fail(err, SG_ERR_FORMAT, "mih: another size than its codes ask for");
    sg_mih *mih = cut(codes->nbits, ntables, codes->n, moves->n, err);
    if (!mih) return false;
    bool ok = nbytes == saved_nbytes(mih, moves->n);
    const uint8_t *at = bytes + 4;
    for (unsigned i = 0; ok && i < ntables; i++) {
        const uint8_t *positions = at + 4 * (((size_t)1 << mih->tables[i].bits) + 1);
        ok = read_table(&mih->tables[i], codes->n, moves, at, positions);
        at = positions + 4 * moves->n;
    }
    if (ok) {
        *result = mih;
        return true;
    }
    sg_mih_free(mih);
    return sg_fail(err, SG_ERR_FORMAT, "mih: not what its codes ask for");
}
