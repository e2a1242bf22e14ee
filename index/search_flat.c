/* flat: every code is looked at. On FAISS's binary flat index, whose answers come in the order of (distance, lowest
 * position). */
#include "search_impl.h"

#include "faiss_compat_impl.h"
#include <faiss/c_api/IndexBinary_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/impl/AuxIndexStructures_c.h>
#include <signet/mem.h>

/* Queries handed to FAISS at once: bounds what their answers take, and keeps all threads busy. */
#define QUERIES_AT_ONCE 256

static bool fail(sg_error *err, const char *what)
{
    const char *why = faiss_get_last_error();
    return sg_fail(err, SG_ERR_MEMORY, "FAISS: cannot %s: %s", what, why ? why : "no reason given");
}

static bool build(void **state, size_t nbits, const uint8_t *codes, size_t n, sg_error *err)
{
    char why[256] = "";
    FaissIndexBinary *index = sg_faiss_binary_new(nbits, "BFlat", n, why, sizeof why);
    if (!index) return sg_fail(err, SG_ERR_MEMORY, "FAISS: cannot make a flat index: %s", why);
    if (n > 0 && faiss_IndexBinary_add(index, (idx_t)n, codes) != 0) {
        faiss_IndexBinary_free(index);
        return fail(err, "add codes");
    }
    *state = index;
    return true;
}

static void destroy(void *state)
{
    faiss_IndexBinary_free(state);
}

static bool take(sg_near_list *list, size_t n, sg_error *err)
{
    list->items = sg_alloc(n, sizeof *list->items);
    if (!list->items) return sg_fail_memory(err, "answers");
    list->n = n;
    return true;
}

static bool nearest_block(sg_near_list *lists, const FaissIndexBinary *index, const uint8_t *queries,
                          size_t nq, size_t k, int32_t *distances, idx_t *positions, sg_error *err)
{
    if (faiss_IndexBinary_search(index, (idx_t)nq, queries, (idx_t)k, distances, positions) != 0)
        return fail(err, "search");
    for (size_t q = 0; q < nq; q++) {
        if (!take(&lists[q], k, err)) return false;
        for (size_t i = 0; i < k; i++)
            lists[q].items[i] = (sg_near){(uint32_t)distances[q * k + i], (uint64_t)positions[q * k + i]};
    }
    return true;
}

static bool nearest(sg_near_list *lists, const void *state, const uint8_t *queries, size_t nq, size_t k,
                    sg_error *err)
{
    size_t nbytes = (size_t)faiss_IndexBinary_d(state) / 8,
           block = nq < QUERIES_AT_ONCE ? nq : QUERIES_AT_ONCE;
    int32_t *distances = sg_alloc(block * k, sizeof *distances); /* k <= n codes in memory */
    idx_t *positions = sg_alloc(block * k, sizeof *positions);
    bool ok = distances && positions ? true : sg_fail_memory(err, "answers");
    for (size_t q = 0; ok && q < nq; q += block) {
        size_t some = nq - q < block ? nq - q : block;
        ok = nearest_block(lists + q, state, queries + q * nbytes, some, k, distances, positions, err);
    }
    sg_free(distances);
    sg_free(positions);
    return ok;
}

static bool take_range(sg_near_list *lists, FaissRangeSearchResult *found, size_t nq, sg_error *err)
{
    size_t *starts;
    idx_t *positions;
    float *distances;
    faiss_RangeSearchResult_lims(found, &starts);
    faiss_RangeSearchResult_labels(found, &positions, &distances);
    for (size_t q = 0; q < nq; q++) {
        if (!take(&lists[q], starts[q + 1] - starts[q], err)) return false;
        for (size_t i = 0; i < lists[q].n; i++)
            lists[q].items[i] =
                (sg_near){(uint32_t)distances[starts[q] + i], (uint64_t)positions[starts[q] + i]};
    }
    return true;
}

static bool within(sg_near_list *lists, const void *state, const uint8_t *queries, size_t nq, unsigned radius,
                   sg_error *err)
{
    size_t nbytes = (size_t)faiss_IndexBinary_d(state) / 8;
    bool ok = true;
    for (size_t q = 0; ok && q < nq; q += QUERIES_AT_ONCE) {
        size_t some = nq - q < QUERIES_AT_ONCE ? nq - q : QUERIES_AT_ONCE;
        FaissRangeSearchResult *found = NULL;
        if (faiss_RangeSearchResult_new(&found, (idx_t)some) != 0) return fail(err, "search by radius");
        /* FAISS's radius is exclusive; its distances are floats, exact for whole numbers of this size. */
        ok = faiss_IndexBinary_range_search(state, (idx_t)some, queries + q * nbytes, (int)radius + 1,
                                            found) == 0
                 ? take_range(lists + q, found, some, err)
                 : fail(err, "search by radius");
        faiss_RangeSearchResult_free(found);
    }
    return ok;
}

const sg_search_kind sg_search_flat = {
    .name = "flat", .exact = true, .build = build, .destroy = destroy, .nearest = nearest, .within = within};
