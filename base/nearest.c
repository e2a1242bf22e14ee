/* The nearest codes by a scan that looks at every one. A kernel hands over only the rows within a bound; the bound falls
 * as nearer rows are found, and by counting them by distance: once k rows lie within it, only nearer ones are of
 * interest (rows come by ascending position, so that equals of the last one come too late). All of this costs little
 * beside the scan, since few rows pass. */
#include "hamming_impl.h"

#include <omp.h>
#include <signet/cpu.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <stdatomic.h>
#include <string.h>

/* Rows go by in pieces. They stay in the second cache until each query of a block has seen them. */
#define PIECE_NBYTES     131072
#define PLANES_NBYTES    65536 /* of a piece that is sliced */
#define FIRST_ROWS       128   /* the first piece, all of which passes; then twice as many each time */
#define BLOCK_QUERIES    256
#define PARTS_PER_THREAD 4     /* so that a thread that is held up does not keep the others waiting */
#define THREAD_NS        30000 /* the work that is worth another thread */
#define KEPT_OVER        4096  /* rows beyond 2 k that a query may hold before the farther ones go */

/* One query's choice among rows that come by ascending position. */
typedef struct pick {
    size_t k;       /* SIZE_MAX: all */
    int bound;      /* farther rows are of no interest */
    size_t within;  /* rows held at a distance <= bound */
    size_t *counts; /* of rows held, by distance (nbits + 1); right up to bound */
    sg_near *items;
    size_t n, cap;
} pick;

typedef struct piece {
    const uint8_t *codes;
    size_t first, n;
    const uint16_t *rows; /* of codes, from first on; NULL: all of them */
    const uint64_t *mask; /* still to be asked; NULL: not */
    bool sliced;          /* the worker has its planes */
} piece;

/* What a thread needs. */
typedef struct worker {
    pick *picks;      /* (block) */
    size_t *counts;   /* (block, nbits + 1) */
    uint32_t *hits;   /* (piece_rows) */
    uint8_t *codes;   /* (piece_rows, nbytes), with a mask */
    uint16_t *rows;   /* (piece_rows), with a mask */
    uint64_t *planes; /* of a piece, when it is sliced */
    uint16_t *slots;  /* (block, nbits): where each query's planes are */
} worker;

typedef struct scan {
    const uint8_t *queries, *codes;
    size_t nq, n, nbytes, k;
    int radius;
    const uint64_t *mask;
    const sg_hamming_impl *impl;
    bool sliced;
    size_t piece_rows, block, nblocks, part_rows, nparts;
    sg_near_list *found;         /* (nq, nparts) */
    atomic_int *bounds;          /* (nq): k rows are known to lie within it */
    atomic_bool failed, stopped; /* stopped: by an interrupt, before all rows were seen */
} scan;

/* --- choosing --- */

/* The distance up to which a row is still of interest; < 0: none is. */
static int wanted(const pick *p)
{
    return p->within >= p->k ? p->bound - 1 : p->bound;
}

static void lower(pick *p, int bound)
{
    while (p->bound > bound) p->within -= p->counts[p->bound--];
}

/* Without the last distance there are still k. */
static void settle(pick *p)
{
    while (p->within - p->counts[p->bound] >= p->k) p->within -= p->counts[p->bound--];
}

/* Lets go of rows that are beyond the k nearest. */
static void drop_farther(pick *p)
{
    size_t n = 0, at_bound = p->within < p->k ? SIZE_MAX : p->k - (p->within - p->counts[p->bound]);
    for (size_t i = 0; i < p->n; i++) {
        int distance = (int)p->items[i].distance;
        if (distance > p->bound) continue;
        if (distance == p->bound && at_bound-- == 0) {
            at_bound = 0;
            continue;
        }
        p->items[n++] = p->items[i];
    }
    if (p->within > p->k) {
        p->counts[p->bound] -= p->within - p->k;
        p->within = p->k;
    }
    p->n = n;
}

static bool masked_out(const uint64_t *mask, size_t position)
{
    return mask && !(mask[position / 64] >> position % 64 & 1);
}

static bool take(pick *p, const piece *rows, const uint32_t *hits, size_t n)
{
    if (!sg_grow(&p->items, &p->cap, p->n + n, sizeof *p->items)) return false;
    for (size_t i = 0; i < n; i++) {
        size_t row = hits[i] & 0xffff, position = rows->first + (rows->rows ? rows->rows[row] : row);
        uint32_t distance = hits[i] >> 16;
        if (masked_out(rows->mask, position)) continue;
        p->items[p->n++] = (sg_near){distance, position};
        p->counts[distance]++;
        p->within++;
    }
    settle(p);
    if (p->k < SIZE_MAX / 4 && p->n > 2 * p->k + KEPT_OVER) drop_farther(p);
    return true;
}

/* q: which query; its slots are the block's i-th. */
static bool look(scan *s, worker *w, const piece *rows, size_t q, size_t i)
{
    const uint8_t *query = s->queries + q * s->nbytes;
    pick *p = &w->picks[i];
    lower(p, atomic_load_explicit(&s->bounds[q], memory_order_relaxed));
    int bound = wanted(p);
    if (bound < 0) return true;
    size_t n = rows->sliced
                   ? s->impl->sliced(w->hits, w->planes, w->slots + i * 8 * s->nbytes, query, rows->codes,
                                     rows->n, s->nbytes, (unsigned)bound)
                   : s->impl->filter(w->hits, query, rows->codes, rows->n, s->nbytes, (unsigned)bound);
    if (n == 0) return true;
    if (!take(p, rows, w->hits, n)) return false;
    if (p->within < p->k) return true;
    int known = atomic_load_explicit(&s->bounds[q], memory_order_relaxed);
    while (p->bound < known && !atomic_compare_exchange_weak(&s->bounds[q], &known, p->bound)) continue;
    return true;
}

/* --- rows --- */

/* Where a piece ends: on a cache line, where rows can. */
static size_t piece_end(const scan *s, size_t first, size_t rows, size_t end)
{
    if (rows >= end - first) return end;
    size_t over = (uintptr_t)(s->codes + (first + rows) * s->nbytes) % 64;
    if (over % s->nbytes == 0 && over / s->nbytes < rows) rows -= over / s->nbytes;
    return first + rows;
}

/* 64 bits of the mask from any position on; those from `end` on are 0. */
static uint64_t mask_word(const uint64_t *mask, size_t at, size_t end)
{
    uint64_t word = mask[at / 64] >> at % 64;
    if (at % 64 > 0 && at / 64 < (end - 1) / 64) word |= mask[at / 64 + 1] << (64 - at % 64);
    return end - at < 64 ? word & (((uint64_t)1 << (end - at)) - 1) : word;
}

static size_t mask_count(const uint64_t *mask, size_t first, size_t end)
{
    size_t count = 0;
    for (size_t at = first; at < end; at += 64)
        count += (size_t)__builtin_popcountll(mask_word(mask, at, end));
    return count;
}

/* Few rows of a piece may be found: they are put side by side, for all queries at once. */
static piece gather(const scan *s, worker *w, size_t first, size_t end)
{
    piece rows = {.codes = w->codes, .first = first, .rows = w->rows};
    for (size_t at = first; at < end; at += 64)
        for (uint64_t word = mask_word(s->mask, at, end); word; word &= word - 1) {
            size_t position = at + (size_t)__builtin_ctzll(word);
            memcpy(w->codes + rows.n * s->nbytes, s->codes + position * s->nbytes, s->nbytes);
            w->rows[rows.n++] = (uint16_t)(position - first);
        }
    return rows;
}

static piece piece_of(const scan *s, worker *w, size_t first, size_t end)
{
    piece rows = {.codes = s->codes + first * s->nbytes, .first = first, .n = end - first};
    if (!s->mask) return rows;
    size_t live = mask_count(s->mask, first, end);
    if (live < rows.n / 8) return gather(s, w, first, end);
    if (live < rows.n) rows.mask = s->mask;
    return rows;
}

/* Kept in mind: who asked may take the interrupt back before the scan is over. */
static bool stop(scan *s)
{
    if (sg_interrupted()) atomic_store_explicit(&s->stopped, true, memory_order_relaxed);
    return atomic_load_explicit(&s->stopped, memory_order_relaxed);
}

/* A block of queries over a part of the rows. */
static bool scan_unit(scan *s, worker *w, size_t block, size_t part)
{
    size_t first_query = block * s->block, ndist = 8 * s->nbytes + 1, rows = FIRST_ROWS;
    size_t nq = s->nq - first_query < s->block ? s->nq - first_query : s->block;
    size_t at = part * s->part_rows, end = s->n - at < s->part_rows ? s->n : at + s->part_rows;
    bool ok = true;
    memset(w->counts, 0, nq * ndist * sizeof *w->counts);
    for (size_t q = 0; q < nq; q++)
        w->picks[q] = (pick){.k = s->k, .bound = s->radius, .counts = w->counts + q * ndist};
    for (size_t q = 0; s->sliced && q < nq; q++)
        sg_hamming_slots(w->slots + q * 8 * s->nbytes, s->queries + (first_query + q) * s->nbytes, s->nbytes,
                         s->impl->sliced_rows);
    while (ok && at < end && !stop(s)) {
        size_t next = piece_end(s, at, rows, end);
        piece p = piece_of(s, w, at, next);
        p.sliced = s->sliced && p.n >= s->impl->sliced_rows;
        if (p.sliced) s->impl->slice(w->planes, p.codes, p.n, s->nbytes);
        for (size_t q = 0; ok && q < nq; q++) ok = p.n == 0 || look(s, w, &p, first_query + q, q);
        at = next;
        rows = 2 * rows < s->piece_rows ? 2 * rows : s->piece_rows;
    }
    for (size_t q = 0; q < nq; q++) { /* also on failure: they are freed there */
        drop_farther(&w->picks[q]);
        s->found[(first_query + q) * s->nparts + part] = (sg_near_list){w->picks[q].items, w->picks[q].n};
    }
    return ok;
}

/* --- all of it --- */

/* The parts' lists, each by ascending position, into one by (distance, position): a sort by counting. */
static bool join(sg_near_list *list, const sg_near_list *parts, size_t nparts, size_t k, size_t nbits)
{
    size_t starts[SG_BITS_MAX + 2], total = 0;
    memset(starts, 0, (nbits + 2) * sizeof *starts);
    for (size_t p = 0; p < nparts; p++) {
        for (size_t i = 0; i < parts[p].n; i++) starts[parts[p].items[i].distance + 1]++;
        total += parts[p].n;
    }
    for (size_t d = 0; d <= nbits; d++) starts[d + 1] += starts[d];
    list->n = total < k ? total : k;
    list->items = sg_alloc(list->n, sizeof *list->items);
    for (size_t p = 0; list->items && p < nparts; p++)
        for (size_t i = 0; i < parts[p].n; i++) {
            size_t place = starts[parts[p].items[i].distance]++;
            if (place < list->n) list->items[place] = parts[p].items[i];
        }
    return list->items;
}

static void worker_clear(worker *w)
{
    sg_free(w->picks);
    sg_free(w->counts);
    sg_free(w->hits);
    sg_free(w->codes);
    sg_free(w->rows);
    sg_free_aligned(w->planes);
    sg_free(w->slots);
}

static bool worker_init(worker *w, const scan *s)
{
    size_t nbits = 8 * s->nbytes;
    w->picks = sg_alloc(s->block, sizeof *w->picks);
    w->counts = sg_alloc(s->block * (nbits + 1), sizeof *w->counts);
    w->hits = sg_alloc(s->piece_rows, sizeof *w->hits);
    if (!w->picks || !w->counts || !w->hits) return false;
    if (s->mask) {
        w->codes = sg_alloc(s->piece_rows, s->nbytes);
        w->rows = sg_alloc(s->piece_rows, sizeof *w->rows);
        if (!w->codes || !w->rows) return false;
    }
    if (s->sliced) {
        w->planes = sg_alloc_aligned(s->piece_rows, nbits / 4);
        w->slots = sg_alloc(s->block * nbits, sizeof *w->slots);
        if (!w->planes || !w->slots) return false;
    }
    return true;
}

/* How many rows pass at once. */
static void plan_pieces(scan *s)
{
    size_t group = s->impl->sliced_rows;
    s->piece_rows = PIECE_NBYTES / s->nbytes;
    if (s->piece_rows > SG_HAMMING_ROWS_MAX) s->piece_rows = SG_HAMMING_ROWS_MAX;
    if (s->piece_rows > s->n) s->piece_rows = s->n;
    s->sliced = s->block >= group / 4 && s->n >= group; /* roughly from where on slicing pays */
    if (s->sliced) {
        size_t groups = PLANES_NBYTES / (group * 2 * s->nbytes);
        s->piece_rows = (groups > 1 ? groups : 1) * group;
    }
}

/* Blocks of queries and parts of the rows, enough of them for all threads. */
static int plan(scan *s)
{
    double threads = (double)s->nq * sg_hamming_scan_cost(s->n, s->nbytes) / THREAD_NS;
    int most = omp_in_parallel() ? 1 : sg_threads();
    if (threads < most) most = threads < 1 ? 1 : (int)threads;
    size_t units = most == 1 ? 1 : (size_t)most * PARTS_PER_THREAD;
    s->nblocks = (s->nq + BLOCK_QUERIES - 1) / BLOCK_QUERIES;
    s->block = (s->nq + s->nblocks - 1) / s->nblocks;
    plan_pieces(s);
    s->nparts = (units + s->nblocks - 1) / s->nblocks;
    s->part_rows = (s->n + s->nparts - 1) / s->nparts;
    s->nparts = (s->n + s->part_rows - 1) / s->part_rows;
    return most;
}

static bool run(sg_near_list *lists, scan *s, worker *workers, int threads)
{
    bool ok = true;
    for (int t = 0; ok && t < threads; t++) ok = worker_init(&workers[t], s);
    if (!ok) return false;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (size_t unit = 0; unit < s->nblocks * s->nparts; unit++)
        if (!atomic_load(&s->failed) &&
            !scan_unit(s, &workers[omp_get_thread_num()], unit / s->nparts, unit % s->nparts))
            atomic_store(&s->failed, true);
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads) if (threads > 1 && s->nq > 1)
    for (size_t q = 0; q < s->nq; q++)
        if (!atomic_load(&s->failed) && !stop(s) &&
            !join(&lists[q], s->found + q * s->nparts, s->nparts, s->k, 8 * s->nbytes))
            atomic_store(&s->failed, true);
    return !atomic_load(&s->failed);
}

bool sg_hamming_nearest(sg_near_list *lists, const uint8_t *queries, size_t nq, const uint8_t *codes,
                        size_t n, size_t nbytes, const sg_hamming_ask *ask, sg_error *err)
{
    SG_ASSERT(nbytes >= 1 && nbytes <= SG_BITS_MAX / 8);
    for (size_t q = 0; q < nq; q++) lists[q] = (sg_near_list){0};
    if (nq == 0 || n == 0) return true;
    scan s = {.queries = queries, .codes = codes, .nq = nq, .n = n, .nbytes = nbytes, .mask = ask->mask};
    s.k = ask->k > 0 ? ask->k : SIZE_MAX;
    s.radius = ask->radius < 8 * nbytes ? (int)ask->radius : (int)(8 * nbytes);
    s.impl = ask->impl ? ask->impl : sg_hamming_best();
    int threads = plan(&s);
    worker *workers = sg_calloc((size_t)threads, sizeof *workers);
    s.found = sg_calloc(nq * s.nparts, sizeof *s.found);
    s.bounds = sg_alloc(nq, sizeof *s.bounds);
    for (size_t q = 0; s.bounds && q < nq; q++) atomic_init(&s.bounds[q], s.radius);
    bool ok = workers && s.found && s.bounds && run(lists, &s, workers, threads);
    if (!ok) sg_fail_memory(err, "answers");
    if (ok && stop(&s)) ok = sg_fail(err, SG_ERR_INTERRUPTED, "interrupted");
    for (int t = 0; workers && t < threads; t++) worker_clear(&workers[t]);
    for (size_t i = 0; s.found && i < nq * s.nparts; i++) sg_free(s.found[i].items);
    for (size_t q = 0; !ok && q < nq; q++) {
        sg_free(lists[q].items);
        lists[q] = (sg_near_list){0};
    }
    sg_free(workers);
    sg_free(s.found);
    sg_free(s.bounds);
    return ok;
}

double sg_hamming_scan_cost(size_t n, size_t nbytes)
{
    const sg_hamming_impl *impl = sg_hamming_best();
    return (double)n * (impl->row_ns + impl->byte_ns * (double)nbytes);
}
