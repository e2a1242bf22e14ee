/* ivf: approximate, for sizes at which even a scan is slow: only the lists of the centroids nearest to the query are
 * looked through. FAISS finds the centroids and holds the lists; they hold distinct codes, so that an equal code
 * is found with all who have it, and are looked through by the kernels of base. */
#include "ivf_impl.h"

#include "faiss_compat_impl.h"
#include <signet/mem.h>

/* What one query has found: distinct codes, by their numbers. */
typedef struct seeker {
    const sg_ivf *ivf;
    const sg_search_rows *codes;
    const uint8_t *query;
    size_t k;       /* SIZE_MAX: all within the radius */
    unsigned bound; /* what is farther is not wanted: the radius, and for the k nearest soon less */
    size_t within;  /* positions found at a distance <= bound */
    size_t *counts; /* (nbits + 1) positions found at each distance */
    uint32_t *hits; /* of as many rows as are looked through at a time */
    const sg_hamming_impl *impl;
    sg_near *found; /* owned; some of them beyond the bound that there is now */
    size_t nfound, cap;
} seeker;

static size_t population(const sg_ivf *ivf, size_t number)
{
    return ivf->starts[number + 1] - ivf->starts[number];
}

static bool look_through(seeker *s, size_t list)
{
    const uint8_t *codes;
    const int64_t *numbers;
    const size_t nbytes = s->codes->nbits / 8,
                 size = sg_faiss_ivf_list(s->ivf->index, list, &codes, &numbers);
    for (size_t from = 0; from < size; from += SG_HAMMING_ROWS_MAX) {
        const size_t rows = size - from < SG_HAMMING_ROWS_MAX ? size - from : SG_HAMMING_ROWS_MAX;
        const size_t n = s->impl->filter(s->hits, s->query, codes + from * nbytes, rows, nbytes, s->bound);
        if (!sg_grow(&s->found, &s->cap, s->nfound + n, sizeof *s->found)) return false;
        for (size_t i = 0; i < n; i++) {
            const unsigned distance = s->hits[i] >> 16;
            const size_t number = (size_t)numbers[from + (s->hits[i] & 0xffff)];
            if (distance > s->bound) continue;
            s->found[s->nfound++] = (sg_near){distance, number};
            s->counts[distance] += population(s->ivf, number);
            s->within += population(s->ivf, number);
            while (s->within - s->counts[s->bound] >= s->k) s->within -= s->counts[s->bound--];
        }
    }
    return true;
}

/* The positions of what was found; of each code no more than k, which are its first. */
static bool give(sg_near_list *list, seeker *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->nfound; i++)
        if (s->found[i].distance <= s->bound) {
            const size_t count = population(s->ivf, s->found[i].position);
            n += count < s->k ? count : s->k;
        }
    sg_near *items = sg_alloc(n, sizeof *items);
    if (!items) return false;
    n = 0;
    for (size_t i = 0; i < s->nfound; i++) {
        const sg_near *code = &s->found[i];
        if (code->distance > s->bound) continue;
        const uint32_t *positions = s->ivf->positions + s->ivf->starts[code->position];
        for (size_t p = 0; p < population(s->ivf, code->position) && p < s->k; p++)
            items[n++] = (sg_near){code->distance, positions[p]};
    }
    *list = (sg_near_list){items, s->k < SIZE_MAX ? sg_near_cut(items, n, s->k) : n};
    return true;
}

static bool seek(sg_near_list *list, seeker *s, sg_error *err)
{
    const sg_hamming_ask ask = {.k = s->ivf->probes, .radius = (unsigned)s->codes->nbits};
    const uint8_t *centroids = sg_faiss_ivf_centroids(s->ivf->index);
    sg_near_list lists = {0};
    if (!sg_hamming_nearest(&lists, s->query, 1, centroids, s->ivf->lists, s->codes->nbits / 8, &ask, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < lists.n; i++) ok = look_through(s, lists.items[i].position);
    sg_free(lists.items);
    return (ok && give(list, s)) || sg_fail_memory(err, "answers");
}

static bool seek_one(sg_near_list *list, const sg_ivf *ivf, const sg_search_rows *codes, const uint8_t *query,
                     size_t k, unsigned radius, sg_error *err)
{
    seeker s = {.ivf = ivf,
                .codes = codes,
                .query = query,
                .impl = sg_hamming_best(),
                .k = k,
                .bound = radius < codes->nbits ? radius : (unsigned)codes->nbits};
    s.counts = sg_calloc(codes->nbits + 1, sizeof *s.counts);
    s.hits =
        sg_alloc(ivf->ndistinct < SG_HAMMING_ROWS_MAX ? ivf->ndistinct : SG_HAMMING_ROWS_MAX, sizeof *s.hits);
    const bool ok = s.counts && s.hits ? seek(list, &s, err) : sg_fail_memory(err, "answers");
    sg_free(s.counts);
    sg_free(s.hits);
    sg_free(s.found);
    return ok;
}

static bool nearest(sg_near_list *lists, const void *state, const sg_search_rows *codes,
                    const uint8_t *queries, size_t nq, size_t k, unsigned radius, sg_error *err)
{
    bool failed = false;
#pragma omp parallel for schedule(dynamic, 4) if (nq > 1)
    for (size_t q = 0; q < nq; q++) {
        sg_error why = {SG_OK, ""};
        if (seek_one(&lists[q], state, codes, queries + q * (codes->nbits / 8), k, radius, &why)) continue;
#pragma omp critical(sg_search_ivf)
        {
            failed = true;
            if (err) *err = why;
        }
    }
    return !failed;
}

static bool within(sg_near_list *lists, const void *state, const sg_search_rows *codes,
                   const uint8_t *queries, size_t nq, unsigned radius, sg_error *err)
{
    return nearest(lists, state, codes, queries, nq, SIZE_MAX, radius, err);
}

/* --- the kind ----------------------------------------------------------------------------------------------- */

static bool get_count(size_t *count, const sg_kv *params, const char *key, sg_error *err)
{
    int64_t value;
    *count = 0;
    if (!sg_kv_get(params, key)) return true;
    if (!sg_kv_get_int(&value, params, key, err)) return false;
    if (value < 1 || value > SG_IVF_LISTS_MAX)
        return sg_fail(err, SG_ERR_USAGE, "%s: 1 to %d, not %lld", key, SG_IVF_LISTS_MAX, (long long)value);
    *count = (size_t)value;
    return true;
}

static bool get_params(size_t *lists, size_t *probes, const sg_kv *params, sg_error *err)
{
    if (!get_count(lists, params, "lists", err) || !get_count(probes, params, "probes", err)) return false;
    if (*lists > 0 && *probes > *lists)
        return sg_fail(err, SG_ERR_USAGE, "probes: at most the lists, of which there are %zu", *lists);
    return true;
}

static bool check(const sg_kv *params, size_t nbits, sg_error *err)
{
    size_t lists, probes;
    (void)nbits;
    return get_params(&lists, &probes, params, err);
}

static bool build(void **state, const sg_search_rows *codes, const sg_kv *params, sg_error *err)
{
    size_t lists, probes;
    sg_ivf *ivf;
    if (!get_params(&lists, &probes, params, err) || !sg_ivf_new(&ivf, codes, lists, probes, err))
        return false;
    *state = ivf;
    return true;
}

static void destroy(void *state)
{
    sg_ivf_free(state);
}

static bool is_exact(const void *state)
{
    const sg_ivf *ivf = state;
    return ivf->probes == ivf->lists;
}

static bool save(const void *state, const sg_search_rows *codes, sg_buf *bytes, sg_error *err)
{
    return sg_ivf_save(state, codes->nbits / 8, bytes, err);
}

static bool load(void **state, const sg_search_rows *codes, const sg_search_moves *moves,
                 const uint8_t *bytes, size_t nbytes, sg_error *err)
{
    sg_ivf *ivf;
    if (!sg_ivf_load(&ivf, codes, moves, bytes, nbytes, err)) return false;
    *state = ivf;
    return true;
}

static const char *const params[] = {"lists", "probes", NULL};

const sg_search_kind sg_search_ivf = {.name = "ivf",
                                      .exact = is_exact,
                                      .params = params,
                                      .check = check,
                                      .build = build,
                                      .destroy = destroy,
                                      .nearest = nearest,
                                      .within = within,
                                      .save = save,
                                      .load = load};
