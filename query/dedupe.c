/* Finding duplicates: equal contents by sorting, equal codes by sorting, near ones by asking a search of the distinct codes
 * for each of them. Crowded codes are one code there, so that a million equal ones are no square of pairs. */
#include <signet/dedupe.h>

#include "groups_impl.h"
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/search.h>
#include <stdlib.h>
#include <string.h>

#define KIND     "mih"
#define ASK_MOST 16384     /* queries at a time */
#define HITS     (1 << 22) /* answers that are held at a time, about: 64 MB */
#define PROBES   64        /* queries that tell how many a block has */

typedef struct finder {
    size_t nbits, nbytes, n, cap;
    uint64_t *ids;     /* (n) ascending */
    uint8_t *codes;    /* (n, nbytes) */
    uint8_t *contents; /* (n, SG_CONTENT_NBYTES) */
    bool *bare;        /* (n): no content */
    sg_sets sets;
    /* Items sorted by content or code: runs of equals. */
    uint32_t *order; /* (n) */
    uint32_t *runs;  /* (nruns + 1): where in order the run begins */
    size_t nruns;
    bool *forced; /* (nruns): two of the run had to stay apart */
} finder;

static void finder_clear(finder *f)
{
    sg_free(f->ids);
    sg_free(f->codes);
    sg_free(f->contents);
    sg_free(f->bare);
    sg_sets_clear(&f->sets);
    sg_free(f->order);
    sg_free(f->runs);
    sg_free(f->forced);
}

/* --- what there is --- */

static bool grow(finder *f)
{
    size_t cap = f->cap;
    bool ok = sg_grow(&f->ids, &cap, f->n + 1, sizeof *f->ids);
    ok = ok && (cap = f->cap, sg_grow(&f->codes, &cap, f->n + 1, f->nbytes));
    ok = ok && (cap = f->cap, sg_grow(&f->contents, &cap, f->n + 1, SG_CONTENT_NBYTES));
    ok = ok && (cap = f->cap, sg_grow(&f->bare, &cap, f->n + 1, sizeof *f->bare));
    if (ok) f->cap = cap;
    return ok;
}

static bool take_item(void *context, const sg_item *item, sg_error *err)
{
    finder *f = context;
    if (f->n == f->cap && !grow(f)) return sg_fail_memory(err, "items");
    f->ids[f->n] = item->id;
    memcpy(f->codes + f->n * f->nbytes, item->code, f->nbytes);
    memcpy(f->contents + f->n * SG_CONTENT_NBYTES, item->content, SG_CONTENT_NBYTES);
    f->bare[f->n++] = item->path == NULL;
    return f->n % 4096 != 0 || sg_interrupt_check(err);
}

/* The position of an id; n: none. */
static size_t position_of(const finder *f, uint64_t id)
{
    size_t low = 0, high = f->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < f->n && f->ids[low] == id ? low : f->n;
}

static bool take_pair(void *context, uint64_t a, uint64_t b, sg_error *err)
{
    finder *f = context;
    size_t x = position_of(f, a), y = position_of(f, b);
    return x == f->n || y == f->n || sg_sets_keep_apart(&f->sets, (uint32_t)x, (uint32_t)y, err);
}

/* --- runs of equals --- */

typedef struct sorting {
    const uint8_t *keys;
    size_t nbytes;
} sorting;

static int compare_keys(const void *a, const void *b, void *context)
{
    const sorting *s = context;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int order = memcmp(s->keys + x * s->nbytes, s->keys + y * s->nbytes, s->nbytes);
    return order != 0 ? order : (x > y) - (x < y);
}

/* Sorts the first n of order by their keys, then by position, and marks where the runs of equals begin. */
static void make_runs(finder *f, size_t n, const uint8_t *keys, size_t nbytes)
{
    sorting s = {keys, nbytes};
    qsort_r(f->order, n, sizeof *f->order, compare_keys, &s);
    f->nruns = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || memcmp(keys + f->order[i] * nbytes, keys + f->order[i - 1] * nbytes, nbytes) != 0)
            f->runs[f->nruns++] = (uint32_t)i;
    f->runs[f->nruns] = (uint32_t)n;
}

/* Joins each of a run with an earlier one that it may stand with. */
static void join_run(finder *f, size_t run)
{
    f->forced[run] = false;
    for (uint32_t i = f->runs[run] + 1; i < f->runs[run + 1]; i++) {
        uint32_t j = f->runs[run];
        while (j < i && !sg_sets_join(&f->sets, f->order[i], f->order[j])) j++;
        f->forced[run] |= j > f->runs[run];
    }
}

static void join_contents(finder *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++)
        if (!f->bare[i]) f->order[n++] = (uint32_t)i;
    make_runs(f, n, f->contents, SG_CONTENT_NBYTES);
    for (size_t run = 0; run < f->nruns; run++) join_run(f, run);
}

static void join_codes(finder *f)
{
    for (size_t i = 0; i < f->n; i++) f->order[i] = (uint32_t)i;
    make_runs(f, f->n, f->codes, f->nbytes);
    for (size_t run = 0; run < f->nruns; run++) join_run(f, run);
}

/* Two runs that are near: where each is one set, any of the one speaks for it. */
static void join_runs(finder *f, size_t a, size_t b)
{
    const uint32_t *runs = f->runs;
    uint32_t last_a = f->forced[a] ? runs[a + 1] : runs[a] + 1,
             last_b = f->forced[b] ? runs[b + 1] : runs[b] + 1;
    for (uint32_t i = runs[a]; i < last_a; i++)
        for (uint32_t j = runs[b]; j < last_b; j++) sg_sets_join(&f->sets, f->order[i], f->order[j]);
}

/* --- near codes --- */

static bool ask(finder *f, const sg_search *search, size_t first, size_t count, int radius, sg_error *err)
{
    const sg_search_ask within = {.radius = radius};
    const uint8_t *queries = sg_search_codes(search) + first * f->nbytes;
    sg_search_result *results = sg_calloc(count, sizeof *results);
    if (!results) return sg_fail_memory(err, "answers");
    bool ok = sg_search_run(results, search, queries, count, &within, err);
    for (size_t q = 0; ok && q < count; q++)
        for (size_t i = 0; i < results[q].n; i++)
            if (results[q].hits[i].id > first + q) join_runs(f, first + q, results[q].hits[i].id);
    for (size_t q = 0; q < count; q++) sg_search_result_clear(&results[q]);
    sg_free(results);
    return ok;
}

/* So many of the next queries have answers that fit the memory meant for them, by some of them: the codes are sorted, and
 * crowded ones may follow lonely ones. */
static bool choose_count(size_t *count, const finder *f, const sg_search *search, size_t first, int radius,
                         sg_error *err)
{
    const sg_search_ask within = {.radius = radius};
    uint8_t queries[PROBES * SG_BITS_MAX / 8];
    *count = f->nruns - first < ASK_MOST ? f->nruns - first : ASK_MOST;
    while (*count > PROBES) {
        sg_search_result results[PROBES];
        size_t nhits = 0;
        for (size_t i = 0; i < PROBES; i++)
            memcpy(queries + i * f->nbytes,
                   sg_search_codes(search) + (first + i * *count / PROBES) * f->nbytes, f->nbytes);
        if (!sg_search_run(results, search, queries, PROBES, &within, err)) return false;
        for (size_t i = 0; i < PROBES; i++) {
            nhits += results[i].n;
            sg_search_result_clear(&results[i]);
        }
        const size_t fits = HITS / (nhits / PROBES + 1) + 1;
        if (fits >= *count) break;
        *count = fits;
    }
    return true;
}

static bool ask_all(finder *f, const sg_search *search, int radius, sg_progress *progress, sg_error *err)
{
    size_t count;
    for (size_t first = 0; first < f->nruns; first += count) {
        if (!sg_interrupt_check(err) || !choose_count(&count, f, search, first, radius, err) ||
            !ask(f, search, first, count, radius, err))
            return false;
        if (progress) sg_progress_update(progress, first + count, NULL);
    }
    return true;
}

static bool make_search(sg_search **search, const finder *f, sg_error *err)
{
    uint8_t *distinct;
    uint64_t *numbers;
    if (!sg_search_begin(search, KIND, NULL, f->nbits, f->nruns, &distinct, &numbers, err)) return false;
    for (size_t run = 0; run < f->nruns; run++) {
        memcpy(distinct + run * f->nbytes, f->codes + f->order[f->runs[run]] * f->nbytes, f->nbytes);
        numbers[run] = run;
    }
    return sg_search_build(*search, err);
}

static bool join_near(finder *f, int radius, sg_progress *progress, sg_error *err)
{
    sg_search *search = NULL;
    bool ok = make_search(&search, f, err);
    if (progress) progress->total = f->nruns;
    /* Without pairs to keep apart the order of joining does not matter. */
    for (int r = f->sets.napart > 0 ? 1 : radius; ok && r <= radius; r++)
        ok = ask_all(f, search, r, progress, err);
    sg_search_free(search);
    return ok;
}

/* --- groups --- */

/* Numbers the sets of two and more by their lowest item. *numbers (n): the caller's. */
static bool number_groups(uint32_t **numbers, sg_groups *groups, finder *f, sg_error *err)
{
    const uint32_t none = UINT32_MAX;
    size_t nids = 0;
    *numbers = sg_alloc(f->n, sizeof **numbers);
    if (!*numbers) return sg_fail_memory(err, "groups");
    for (size_t i = 0; i < f->n; i++) (*numbers)[i] = none;
    for (size_t i = 0; i < f->n; i++) {
        uint32_t root = sg_sets_find(&f->sets, (uint32_t)i);
        if (f->sets.sizes[root] < 2 || (*numbers)[root] != none) continue;
        (*numbers)[root] = (uint32_t)groups->n++;
        nids += f->sets.sizes[root];
    }
    groups->starts = sg_calloc(groups->n + 1, sizeof *groups->starts);
    groups->ids = sg_alloc(nids, sizeof *groups->ids);
    groups->codes = sg_alloc(nids, f->nbytes);
    return groups->starts && groups->ids && groups->codes ? true : sg_fail_memory(err, "groups");
}

static bool give_groups(sg_groups *groups, finder *f, sg_error *err)
{
    uint32_t *numbers;
    bool ok = number_groups(&numbers, groups, f, err);
    if (ok) {
        size_t *ends = groups->starts, at = 0; /* ends[g]: where the next of group g goes */
        for (size_t i = 0; i < f->n; i++) {
            uint32_t root = sg_sets_find(&f->sets, (uint32_t)i);
            if (root == i && f->sets.sizes[root] > 1) ends[numbers[root]] = f->sets.sizes[root];
        }
        for (size_t g = 0; g <= groups->n; g++) {
            size_t size = ends[g];
            ends[g] = at;
            at += size;
        }
        for (size_t i = 0; i < f->n; i++) {
            uint32_t root = sg_sets_find(&f->sets, (uint32_t)i);
            if (f->sets.sizes[root] < 2) continue;
            size_t to = ends[numbers[root]]++;
            groups->ids[to] = f->ids[i];
            memcpy(groups->codes + to * f->nbytes, f->codes + i * f->nbytes, f->nbytes);
        }
        memmove(ends + 1, ends, groups->n * sizeof *ends); /* an end is the start of the next */
        ends[0] = 0;
    }
    sg_free(numbers);
    return ok;
}

static bool read_items(finder *f, sg_store *store, sg_error *err)
{
    sg_store_info info;
    if (!sg_store_info_get(&info, store, err)) return false;
    f->nbits = info.nbits;
    f->nbytes = f->nbits / 8;
    sg_store_info_clear(&info);
    if (!sg_store_each(store, take_item, f, err) || !sg_sets_init(&f->sets, f->n, err) ||
        !sg_store_pairs(store, take_pair, f, err))
        return false;
    f->order = sg_alloc(f->n, sizeof *f->order);
    f->runs = sg_alloc(f->n + 1, sizeof *f->runs);
    f->forced = sg_alloc(f->n, sizeof *f->forced);
    return f->order && f->runs && f->forced ? true : sg_fail_memory(err, "items");
}

bool sg_groups_find(sg_groups *groups, sg_store *store, int radius, sg_progress *progress, sg_error *err)
{
    finder f = {0};
    *groups = (sg_groups){0};
    bool ok = read_items(&f, store, err);
    if (ok) {
        join_contents(&f);
        if (radius >= 0) join_codes(&f);
        if (radius > 0) ok = join_near(&f, radius, progress, err);
    }
    groups->nitems = f.n;
    groups->nbits = f.nbits;
    groups->radius = radius;
    ok = ok && give_groups(groups, &f, err);
    finder_clear(&f);
    if (!ok) sg_groups_clear(groups);
    return ok;
}

void sg_groups_clear(sg_groups *groups)
{
    sg_free(groups->ids);
    sg_free(groups->codes);
    sg_free(groups->starts);
    *groups = (sg_groups){0};
}
