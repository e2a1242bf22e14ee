/* The way of one query through the buckets (Norouzi, Punjani, Fleet 2012, "Fast search in Hamming space with multi-index
 * hashing").
 *
 * Of m substrings, a code at a distance r = m s + a from the query has one of the first a + 1 within s, or one of the
 * others within s - 1. Step r of a search therefore looks into those buckets of table a whose substrings are at exactly s
 * from the query's: after it all codes within r have been met. */
#include "mih_impl.h"

#include <limits.h>
#include <math.h>
#include <signet/mem.h>
#include <string.h>

/* Nanoseconds, measured by bench/bench_kinds on crowded and uniform codes: a look into a bucket, a code compared. */
#define LOOKUP_NS 14.0
#define CHECK_NS  26.0

/* Parts of a scan's time: what is spent before it is known whether buckets are quicker; what looking into them may take
 * where it is only likely; and all that they may take there, or within a radius, as it is foreseen: near the scan's
 * own time what was not foreseen costs more than there is to gain. */
#define FORESIGHT    0.05 /* of a search by radius: all that it risks */
#define TRIAL        0.015
#define LIKELY_LOOKS 0.08
#define LIKELY       0.8

#define BATCH   64 /* buckets looked into at once, so that the memory's answers overlap */
#define WAITING 64 /* codes compared at once, likewise */

typedef struct seeker {
    const sg_mih *mih;
    const sg_search_rows *codes;
    size_t nbytes;
    const uint8_t *query;
    uint64_t values[SG_MIH_TABLES_MAX]; /* its substrings */
    size_t k;
    unsigned bound; /* what is farther is not wanted: the radius, and for the k nearest soon less */
    size_t within;  /* found at a distance <= bound */
    size_t *counts; /* (nbits + 1) found at each distance */
    sg_near *found; /* some of them beyond the bound that there is now */
    size_t nfound, cap;
    struct {
        double looks, all;
    } * cost;        /* (nbits + 2): of all steps before this one, in nanoseconds */
    unsigned likely; /* that the k nearest are within it; UINT_MAX: not asked yet */
    double spent, scan;
    struct {
        uint32_t position;
        uint64_t value; /* of the bucket where it was met */
    } waiting[WAITING];
    size_t nwaiting;
} seeker;

typedef struct bucket {
    uint64_t value;    /* the substring that was looked for */
    size_t start, end; /* of its positions */
} bucket;

static unsigned distance(const seeker *s, const uint8_t *code)
{
    if (s->nbytes != 8) return sg_hamming(s->query, code, s->nbytes);
    return (unsigned)__builtin_popcountll(sg_get_u64(s->query) ^ sg_get_u64(code));
}

/* The next larger number with as many bits (Warren, Hacker's Delight, 2-1). */
static uint64_t next_subset(uint64_t x)
{
    if (x == 0) return UINT64_MAX;
    const uint64_t carried = x + (x & -x);
    return carried | (x ^ carried) >> (2 + __builtin_ctzll(x));
}

/* --- what it costs ------------------------------------------------------------------------------------------ */

/* Codes in the buckets at exactly `radius` from the query's. */
static size_t count_shell(const seeker *s, unsigned table, unsigned radius)
{
    const sg_mih_table *t = &s->mih->tables[table];
    size_t count = 0;
    for (uint64_t flips = ((uint64_t)1 << radius) - 1; flips >> t->width == 0; flips = next_subset(flips)) {
        const size_t b = sg_mih_bucket(t, s->values[table] ^ flips);
        count += t->starts[b + 1] - t->starts[b];
    }
    return count;
}

static double choose(unsigned n, unsigned k)
{
    double result = 1;
    for (unsigned i = 0; i < k; i++) result *= (double)(n - i) / (i + 1);
    return result;
}

/* Sends for the sizes of the buckets that foresee will count: each is a miss of the cache. */
static void send_for_sizes(const seeker *s)
{
    const unsigned m = s->mih->ntables;
    for (unsigned step = 0; step <= s->bound && step < 2 * m; step++) {
        const sg_mih_table *t = &s->mih->tables[step % m];
        const uint64_t value = s->values[step % m];
        if (step < m) __builtin_prefetch(&t->starts[sg_mih_bucket(t, value)]);
        for (unsigned bit = 0; step >= m && bit < t->width; bit++)
            __builtin_prefetch(&t->starts[sg_mih_bucket(t, value ^ (uint64_t)1 << bit)]);
    }
}

/* The sizes of buckets that foresee counts: of the first 2 m steps. */
static double count_foreseen(size_t nbits, unsigned m, unsigned bound)
{
    const unsigned steps = bound + 1 < 2 * m ? bound + 1 : 2 * m;
    return steps <= m ? steps : m + (double)(steps - m) * (double)nbits / m;
}

/* Fills `cost` as far as it is below the scan's; beyond it is infinite. The codes to be met in the first 2 m steps are
 * counted. Farther out the buckets are taken to be as full as near by: codes crowd, so that they are emptier if anything. */
static void foresee(seeker *s)
{
    const unsigned m = s->mih->ntables;
    double filled[SG_MIH_TABLES_MAX];
    send_for_sizes(s);
    s->cost[0].looks = s->cost[0].all = 0;
    for (unsigned step = 0; step <= s->bound; step++) {
        const unsigned table = step % m, radius = step / m, width = s->mih->tables[table].width;
        s->cost[step + 1].looks = s->cost[step + 1].all = INFINITY;
        if (s->cost[step].all > s->scan) continue;
        const double looks = radius <= width ? choose(width, radius) : 0;
        if (radius <= 1) {
            filled[table] = (double)count_shell(s, table, radius) / looks;
            s->spent += LOOKUP_NS * looks;
        }
        s->cost[step + 1].looks = s->cost[step].looks + LOOKUP_NS * looks;
        s->cost[step + 1].all = s->cost[step].all + looks * (LOOKUP_NS + CHECK_NS * filled[table]);
    }
}

/* The distance within which k of n uniform codes are expected. Of codes that crowd, a query has more near by, unless it
 * is far from all. */
static unsigned likely_radius(size_t nbits, size_t n, size_t k)
{
    double log_share = -(double)nbits * log(2), expected = 0;
    for (unsigned far = 0; far < nbits; far++) {
        expected += (double)n * exp(log_share);
        if (expected >= (double)k) return far;
        log_share += log((double)(nbits - far) / (far + 1));
    }
    return (unsigned)nbits;
}

/* Is it still right not to scan, if what is left of this step takes `rest`, of which `next` is to be spent now? */
static bool worth(seeker *s, unsigned step, double next, double rest)
{
    if (s->spent + next <= TRIAL * s->scan) return true;
    unsigned last = s->bound;
    if (s->within < s->k && s->k < SIZE_MAX) { /* how far the k nearest are is not known */
        if (s->likely == UINT_MAX) s->likely = likely_radius(s->codes->nbits, s->codes->n, s->k);
        if (s->likely < last) last = s->likely;
        if (step > last || s->cost[last + 1].looks > LIKELY_LOOKS * s->scan) return false;
        rest += (1 - LIKELY) * s->scan;
    }
    const double all = s->cost[last + 1].all;
    return isfinite(all) && rest + (last > step ? all - s->cost[step + 1].all : 0) <= s->scan;
}

/* --- the search --------------------------------------------------------------------------------------------- */

/* A code is met in each table where its substring is near. It counts the first time, that is in the first step that it
 * can be met in; and there in the bucket of its own substring alone, should two have become one. */
static bool first_met(const seeker *s, unsigned step, const uint8_t *code, uint64_t value)
{
    const unsigned m = s->mih->ntables;
    for (unsigned i = 0; i < m; i++) {
        const uint64_t own = sg_mih_substring(&s->mih->tables[i], code, s->nbytes);
        if (i == step % m && own != value) return false;
        if ((unsigned)__builtin_popcountll(own ^ s->values[i]) * m + i < step) return false;
    }
    return true;
}

/* The k nearest so far: what is farther than they is wanted no more. */
static bool add(seeker *s, uint32_t position, unsigned far)
{
    if (!sg_grow(&s->found, &s->cap, s->nfound + 1, sizeof *s->found)) return false;
    s->found[s->nfound++] = (sg_near){far, position};
    s->counts[far]++;
    s->within++;
    while (s->within - s->counts[s->bound] >= s->k) s->within -= s->counts[s->bound--];
    return true;
}

static sg_mih_outcome compare_waiting(seeker *s, unsigned step, double *rest)
{
    const double next = CHECK_NS * (double)s->nwaiting;
    if (!worth(s, step, next, *rest)) return SG_MIH_DEARER;
    s->spent += next;
    *rest -= next;
    for (size_t i = 0; i < s->nwaiting; i++) {
        const uint32_t position = s->waiting[i].position;
        const uint8_t *code = s->codes->codes + position * s->nbytes;
        const unsigned far = distance(s, code);
        if (far <= s->bound && first_met(s, step, code, s->waiting[i].value) && !add(s, position, far))
            return SG_MIH_FAILED;
    }
    s->nwaiting = 0;
    return SG_MIH_FOUND;
}

/* All codes of n buckets of a table, each of which holds some of a substring. */
static sg_mih_outcome empty_buckets(seeker *s, unsigned step, const bucket *buckets, size_t n, double *rest)
{
    const uint32_t *positions = s->mih->tables[step % s->mih->ntables].positions;
    for (size_t i = 0; i < n; i++)
        for (size_t p = buckets[i].start; p < buckets[i].end; p++) {
            __builtin_prefetch(s->codes->codes + positions[p] * s->nbytes);
            s->waiting[s->nwaiting].position = positions[p];
            s->waiting[s->nwaiting++].value = buckets[i].value;
            if (s->nwaiting < WAITING) continue;
            const sg_mih_outcome what = compare_waiting(s, step, rest);
            if (what != SG_MIH_FOUND) return what;
        }
    return SG_MIH_FOUND;
}

/* The next buckets at this distance, with all the memory's answers on their way at once: first where they are, then what
 * they hold. *codes: how many that is. */
static size_t next_buckets(bucket *buckets, size_t *codes, uint64_t *flips, const sg_mih_table *t,
                           uint64_t value)
{
    size_t n = 0;
    for (; n < BATCH && *flips >> t->width == 0; *flips = next_subset(*flips), n++) {
        buckets[n].value = value ^ *flips;
        buckets[n].start = sg_mih_bucket(t, buckets[n].value);
        __builtin_prefetch(&t->starts[buckets[n].start]);
    }
    *codes = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t *starts = &t->starts[buckets[i].start];
        buckets[i].start = starts[0];
        buckets[i].end = starts[1];
        *codes += buckets[i].end - buckets[i].start;
        __builtin_prefetch(&t->positions[buckets[i].start]);
    }
    return n;
}

static sg_mih_outcome look(seeker *s, unsigned step)
{
    const unsigned table = step % s->mih->ntables, radius = step / s->mih->ntables;
    const sg_mih_table *t = &s->mih->tables[table];
    const double before = s->spent, foreseen = s->cost[step + 1].all - s->cost[step].all;
    uint64_t flips = radius <= t->width ? ((uint64_t)1 << radius) - 1 : UINT64_MAX;
    while (flips >> t->width == 0) {
        bucket buckets[BATCH];
        size_t codes;
        const size_t n = next_buckets(buckets, &codes, &flips, t, s->values[table]);
        s->spent += LOOKUP_NS * (double)n;
        double rest = fmax(foreseen - (s->spent - before), CHECK_NS * (double)codes);
        if (!worth(s, step, 0, rest)) return SG_MIH_DEARER;
        const sg_mih_outcome what = empty_buckets(s, step, buckets, n, &rest);
        if (what != SG_MIH_FOUND) return what;
    }
    double rest = CHECK_NS * (double)s->nwaiting;
    return compare_waiting(s, step, &rest);
}

static sg_mih_outcome seek(seeker *s)
{
    foresee(s);
    /* A radius is known from the start; that of the k nearest only after a look. */
    if (s->k == SIZE_MAX && s->cost[s->bound + 1].all > LIKELY * s->scan) return SG_MIH_DEARER;
    for (unsigned step = 0; step <= s->bound; step++) {
        const sg_mih_outcome what = look(s, step);
        if (what != SG_MIH_FOUND) return what;
    }
    size_t kept = 0;
    for (size_t i = 0; i < s->nfound; i++)
        if (s->found[i].distance <= s->bound) s->found[kept++] = s->found[i];
    s->nfound = s->k < SIZE_MAX ? sg_near_cut(s->found, kept, s->k) : kept;
    return SG_MIH_FOUND;
}

sg_mih_outcome sg_mih_seek(sg_near_list *list, const sg_mih *mih, const sg_search_rows *codes,
                           const uint8_t *query, size_t k, unsigned radius, double scan)
{
    seeker s = {.mih = mih,
                .codes = codes,
                .nbytes = codes->nbits / 8,
                .query = query,
                .k = k,
                .bound = radius < codes->nbits ? radius : (unsigned)codes->nbits,
                .likely = UINT_MAX,
                .scan = scan};
    const double share = k == SIZE_MAX ? FORESIGHT : TRIAL;
    if (LOOKUP_NS * count_foreseen(codes->nbits, mih->ntables, s.bound) > share * scan) return SG_MIH_DEARER;
    for (unsigned i = 0; i < mih->ntables; i++)
        s.values[i] = sg_mih_substring(&mih->tables[i], query, s.nbytes);
    s.counts = sg_calloc(codes->nbits + 1, sizeof *s.counts);
    s.cost = sg_alloc(codes->nbits + 2, sizeof *s.cost);
    const sg_mih_outcome what = s.counts && s.cost ? seek(&s) : SG_MIH_FAILED;
    sg_free(s.counts);
    sg_free(s.cost);
    if (what == SG_MIH_FOUND)
        *list = (sg_near_list){s.found, s.nfound};
    else
        sg_free(s.found);
    return what;
}
