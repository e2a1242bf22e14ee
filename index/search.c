/* Search: the registry of kinds, and what is the same for all: bounds, cuts, completeness, positions to ids. */
#include "search_impl.h"

#include "faiss_compat_impl.h"
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>

/* The registry: names and, in the same order, kinds. */
static const char *const kind_names[] = {"flat", "mih", "ivf"};
static const sg_search_kind *const kinds[] = {&sg_search_flat, &sg_search_mih, &sg_search_ivf};
#define NKINDS (sizeof kinds / sizeof *kinds)
_Static_assert(NKINDS == sizeof kind_names / sizeof *kind_names, "a name for each kind");

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

static bool check_params(const sg_search_kind *kind, const sg_kv *params, size_t nbits, sg_error *err)
{
    for (size_t i = 0; params && i < params->n; i++) {
        const char *const *name = kind->params;
        while (*name && strcmp(*name, params->pairs[i].key) != 0) name++;
        if (*name) continue;
        sg_buf known = SG_BUF_INIT;
        for (name = kind->params; *name; name++)
            sg_buf_printf(&known, "%s%s", name == kind->params ? "" : ", ", *name);
        sg_fail(err, SG_ERR_USAGE, "an index of kind %s has no parameter '%s' (%s)", kind->name,
                params->pairs[i].key, known.size ? sg_buf_text(&known) : "none");
        sg_buf_clear(&known);
        return false;
    }
    return !params || !kind->check || kind->check(params, nbits, err);
}

bool sg_search_params_check(const char *kind, const sg_kv *params, size_t nbits, sg_error *err)
{
    const sg_search_kind *found = find_kind(kind, err);
    return found && check_params(found, params, nbits, err);
}

/* Room for n codes and their ids. */
static bool take_room(sg_search *search, uint8_t **codes, size_t n, sg_error *err)
{
    size_t nbits = search->codes.nbits, nbytes;
    char why[256] = "";
    if (!sg_mul_size(&nbytes, n, nbits) || !(search->ids = sg_alloc(n, sizeof *search->ids)))
        return sg_fail_memory(err, "search");
    search->flat = sg_faiss_flat_new(nbits, n, codes, why, sizeof why);
    if (!search->flat) return sg_fail(err, SG_ERR_MEMORY, "FAISS: no room for %zu codes: %s", n, why);
    search->codes.codes = *codes;
    search->codes.n = n;
    return true;
}

bool sg_search_begin(sg_search **result, const char *kind, const sg_kv *params, size_t nbits, size_t n,
                     uint8_t **codes, uint64_t **ids, sg_error *err)
{
    *result = NULL;
    const sg_search_kind *found = find_kind(kind, err);
    if (!found || !sg_bits_check((int64_t)nbits, err) || !check_params(found, params, nbits, err))
        return false;
    sg_search *search = sg_calloc(1, sizeof *search);
    if (!search) return sg_fail_memory(err, "search");
    search->kind = found;
    search->codes.nbits = nbits;
    if ((params && !sg_kv_copy(&search->params, params, err)) || !take_room(search, codes, n, err)) {
        sg_search_free(search);
        return false;
    }
    *ids = search->ids;
    *result = search;
    return true;
}

bool sg_search_build(sg_search *search, sg_error *err)
{
    SG_ASSERT(!search->built);
    search->known = search->codes.n;
    search->built = search->kind->build(&search->state, &search->codes, &search->params, err);
    return search->built;
}

bool sg_search_new(sg_search **result, const char *kind, const sg_kv *params, size_t nbits,
                   const uint8_t *codes, const uint64_t *ids, size_t n, sg_error *err)
{
    uint8_t *own_codes;
    uint64_t *own_ids;
    if (!sg_search_begin(result, kind, params, nbits, n, &own_codes, &own_ids, err)) return false;
    if (n > 0) {
        memcpy(own_codes, codes, n * nbits / 8);
        memcpy(own_ids, ids, n * sizeof *ids);
    }
    if (sg_search_build(*result, err)) return true;
    sg_search_free(*result);
    *result = NULL;
    return false;
}

void sg_search_free(sg_search *search)
{
    if (!search) return;
    if (search->state) search->kind->destroy(search->state);
    sg_faiss_binary_free(search->flat);
    sg_kv_clear(&search->params);
    sg_free(search->ids);
    sg_free(search);
}

size_t sg_search_size(const sg_search *search)
{
    return search->codes.n;
}

size_t sg_search_nbits(const sg_search *search)
{
    return search->codes.nbits;
}

const uint8_t *sg_search_codes(const sg_search *search)
{
    return search->codes.codes;
}

const uint64_t *sg_search_ids(const sg_search *search)
{
    return search->ids;
}

/* The first place >= from whose id is not below `id`: by steps that double, then by halving. */
static size_t find_id(const sg_search *search, size_t from, uint64_t id)
{
    size_t n = search->codes.n, low = from, high = from, step = 1;
    while (high < n && search->ids[high] < id) {
        low = high + 1;
        high = step < n - high ? high + step : n;
        step *= 2;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (search->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool sg_search_mask(uint64_t **mask, const sg_search *search, const uint64_t *ids, size_t n, sg_error *err)
{
    uint64_t *bits = sg_calloc(search->codes.n / 64 + 1, sizeof *bits);
    *mask = bits;
    if (!bits) return sg_fail_memory(err, "mask");
    for (size_t i = 0, at = 0; i < n; i++) {
        at = find_id(search, at, ids[i]);
        if (at == search->codes.n) break;
        if (search->ids[at] == ids[i]) bits[at / 64] |= (uint64_t)1 << at % 64;
    }
    return true;
}

/* The first n of a list as a result. */
static bool give(sg_search_result *result, const sg_search *search, const sg_near_list *list, size_t n,
                 sg_error *err)
{
    result->hits = sg_alloc(n, sizeof *result->hits);
    if (!result->hits) return sg_fail_memory(err, "answers");
    result->n = n;
    /* The list is longer than the answer only by what k cut off. */
    result->complete = n == 0 || n == list->n || list->items[n].distance != list->items[n - 1].distance;
    for (size_t i = 0; i < n; i++)
        result->hits[i] = (sg_hit){search->ids[list->items[i].position], list->items[i].distance};
    return true;
}

/* What came after the kind's state was saved: scanned, and put among what the kind has found. k 0: all. */
static bool add_later(sg_near_list *lists, const sg_search *search, const uint8_t *queries, size_t nq,
                      size_t k, unsigned radius, sg_error *err)
{
    const size_t nbytes = search->codes.nbits / 8, first = search->known;
    const sg_hamming_ask ask = {.k = k, .radius = radius};
    sg_near_list *later = sg_calloc(nq, sizeof *later);
    if (!later) return sg_fail_memory(err, "answers");
    bool ok = sg_hamming_nearest(later, queries, nq, search->codes.codes + first * nbytes,
                                 search->codes.n - first, nbytes, &ask, err);
    for (size_t q = 0; ok && q < nq; q++) {
        sg_near_list *list = &lists[q];
        sg_near *both = sg_realloc(list->items, list->n + later[q].n, sizeof *both);
        if (!both) ok = sg_fail_memory(err, "answers");
        if (!ok) break;
        list->items = both;
        for (size_t i = 0; i < later[q].n; i++)
            both[list->n++] = (sg_near){later[q].items[i].distance, later[q].items[i].position + first};
        if (k > 0) list->n = sg_near_cut(both, list->n, k);
    }
    for (size_t q = 0; q < nq; q++) sg_free(later[q].items);
    sg_free(later);
    return ok;
}

/* One more than k is looked for, to know whether equals of the last were cut. */
static bool find(sg_near_list *lists, const sg_search *search, const uint8_t *queries, size_t nq,
                 const sg_search_ask *ask, sg_error *err)
{
    const sg_search_rows *codes = &search->codes;
    unsigned radius = ask->radius < 0 || (size_t)ask->radius > codes->nbits ? (unsigned)codes->nbits
                                                                            : (unsigned)ask->radius;
    size_t k = ask->k == 0 ? 0 : ask->k < codes->n ? ask->k + 1 : codes->n;
    if (ask->mask) {
        const sg_hamming_ask masked = {.k = k, .radius = radius, .mask = ask->mask};
        return sg_hamming_nearest(lists, queries, nq, codes->codes, codes->n, codes->nbits / 8, &masked, err);
    }
    const sg_search_rows known = {codes->nbits, search->known, codes->codes};
    const size_t known_k = k < known.n ? k : known.n;
    bool ok = k > 0 ? search->kind->nearest(lists, search->state, &known, queries, nq, known_k, radius, err)
                    : search->kind->within(lists, search->state, &known, queries, nq, radius, err);
    return ok && (known.n == codes->n || add_later(lists, search, queries, nq, k, radius, err));
}

bool sg_search_run(sg_search_result *results, const sg_search *search, const uint8_t *queries, size_t nq,
                   const sg_search_ask *ask, sg_error *err)
{
    SG_ASSERT(search->built);
    bool exact = ask->mask || !search->kind->exact || !search->state || search->kind->exact(search->state);
    for (size_t q = 0; q < nq; q++) results[q] = (sg_search_result){.exact = exact, .complete = true};
    if (ask->k == 0 && ask->radius < 0) return sg_fail(err, SG_ERR_USAGE, "a search needs k or a radius");
    if (nq == 0 || search->codes.n == 0) return true;
    sg_near_list *lists = sg_calloc(nq, sizeof *lists);
    if (!lists) return sg_fail_memory(err, "answers");
    bool ok = find(lists, search, queries, nq, ask, err);
    for (size_t q = 0; ok && q < nq; q++) {
        size_t n = ask->k > 0 && ask->k < lists[q].n ? ask->k : lists[q].n;
        if (ask->k == 0) sg_near_sort(lists[q].items, lists[q].n);
        ok = give(&results[q], search, &lists[q], n, err);
    }
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
