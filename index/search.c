/* Search: the registry of kinds, and what is the same for all: bounds, cuts, completeness, positions to ids. */
#include "search_impl.h"

#include <signet/buf.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>

/* The registry: names and, in the same order, kinds. */
static const char *const kind_names[] = {"flat"};
static const sg_search_kind *const kinds[] = {&sg_search_flat};
#define NKINDS (sizeof kinds / sizeof *kinds)
_Static_assert(NKINDS == sizeof kind_names / sizeof *kind_names, "a name for each kind");

struct sg_search {
    const sg_search_kind *kind;
    void *state;
    size_t nbits, n;
    uint64_t *ids; /* (n), ascending: position to id */
};

const char *const *sg_search_kinds(size_t *n)
{
    *n = NKINDS;
    return kind_names;
}

static const sg_search_kind *find_kind(const char *name, sg_error *err)
{
    sg_buf known = SG_BUF_INIT;
    for (size_t i = 0; i < NKINDS; i++) {
        if (strcmp(kind_names[i], name) == 0) {
            sg_buf_clear(&known);
            return kinds[i];
        }
        sg_buf_printf(&known, "%s%s", i > 0 ? ", " : "", kind_names[i]);
    }
    sg_fail(err, SG_ERR_USAGE, "no kind of index '%s' (%s)", name, sg_buf_text(&known));
    sg_buf_clear(&known);
    return NULL;
}

bool sg_search_kind_check(const char *kind, sg_error *err)
{
    return find_kind(kind, err) != NULL;
}

bool sg_search_new(sg_search **result, const char *kind, size_t nbits, const uint8_t *codes,
                   const uint64_t *ids, size_t n, sg_error *err)
{
    *result = NULL;
    const sg_search_kind *found = find_kind(kind, err);
    if (!found || !sg_bits_check((int64_t)nbits, err)) return false;
    sg_search *search = sg_calloc(1, sizeof *search);
    if (!search) return sg_fail_memory(err, "search");
    *search = (sg_search){.kind = found, .nbits = nbits, .n = n, .ids = sg_memdup(ids, n * sizeof *ids)};
    if (search->ids ? found->build(&search->state, nbits, codes, n, err) : sg_fail_memory(err, "search")) {
        *result = search;
        return true;
    }
    sg_search_free(search);
    return false;
}

void sg_search_free(sg_search *search)
{
    if (!search) return;
    if (search->state) search->kind->destroy(search->state);
    sg_free(search->ids);
    sg_free(search);
}

size_t sg_search_size(const sg_search *search)
{
    return search->n;
}

static int compare_near(const void *a, const void *b)
{
    const sg_near *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->position > y->position) - (x->position < y->position);
}

/* The first n of a list as a result. */
static bool give(sg_search_result *result, const sg_search *search, const sg_near_list *list, size_t n,
                 sg_error *err)
{
    result->hits = sg_alloc(n, sizeof *result->hits);
    if (!result->hits) return sg_fail_memory(err, "answers");
    result->n = n;
    result->exact = search->kind->exact;
    /* The list is longer than the answer only by what k cut off. */
    result->complete = n == 0 || n == list->n || list->items[n].distance != list->items[n - 1].distance;
    for (size_t i = 0; i < n; i++)
        result->hits[i] = (sg_hit){search->ids[list->items[i].position], list->items[i].distance};
    return true;
}

/* One more than k is asked for, to know whether equals of the last were cut. */
static bool run_nearest(sg_search_result *results, sg_near_list *lists, const sg_search *search,
                        const uint8_t *queries, size_t nq, size_t k, unsigned radius, sg_error *err)
{
    size_t ask = k < search->n ? k + 1 : search->n;
    if (!search->kind->nearest(lists, search->state, queries, nq, ask, err)) return false;
    for (size_t q = 0; q < nq; q++) {
        while (lists[q].n > 0 && lists[q].items[lists[q].n - 1].distance > radius) lists[q].n--;
        if (!give(&results[q], search, &lists[q], lists[q].n < k ? lists[q].n : k, err)) return false;
    }
    return true;
}

static bool run_within(sg_search_result *results, sg_near_list *lists, const sg_search *search,
                       const uint8_t *queries, size_t nq, unsigned radius, sg_error *err)
{
    if (!search->kind->within(lists, search->state, queries, nq, radius, err)) return false;
    for (size_t q = 0; q < nq; q++) {
        qsort(lists[q].items, lists[q].n, sizeof *lists[q].items, compare_near);
        if (!give(&results[q], search, &lists[q], lists[q].n, err)) return false;
    }
    return true;
}

bool sg_search_run(sg_search_result *results, const sg_search *search, const uint8_t *queries, size_t nq,
                   size_t k, int radius, sg_error *err)
{
    for (size_t q = 0; q < nq; q++) results[q] = (sg_search_result){.exact = true, .complete = true};
    if (k == 0 && radius < 0) return sg_fail(err, SG_ERR_USAGE, "a search needs k or a radius");
    if (nq == 0 || search->n == 0) return true;
    unsigned bound =
        radius < 0 || (size_t)radius > search->nbits ? (unsigned)search->nbits : (unsigned)radius;
    sg_near_list *lists = sg_calloc(nq, sizeof *lists);
    if (!lists) return sg_fail_memory(err, "answers");
    bool ok = k > 0 ? run_nearest(results, lists, search, queries, nq, k, bound, err)
                    : run_within(results, lists, search, queries, nq, bound, err);
    for (size_t q = 0; q < nq; q++) {
        sg_free(lists[q].items);
        if (!ok) sg_search_result_clear(&results[q]);
    }
    sg_free(lists);
    return ok;
}

void sg_search_result_clear(sg_search_result *result)
{
    sg_free(result->hits);
    *result = (sg_search_result){0};
}
