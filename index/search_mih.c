/* mih: multi-index hashing, or the scan where that is quicker: exact either way. */
#include "mih_impl.h"

#include <omp.h>
#include <signet/cpu.h>
#include <signet/mem.h>
#include <string.h>

#define MANY_QUERIES 16

/* Those queries for which the scan is quicker, all at once. */
static bool scan_rest(sg_near_list *lists, const sg_mih_outcome *outcomes, const sg_search_rows *codes,
                      const uint8_t *queries, size_t nq, size_t nleft, size_t k, unsigned radius,
                      sg_error *err)
{
    const size_t nbytes = codes->nbits / 8;
    uint8_t *left = sg_alloc(nleft, nbytes);
    sg_near_list *answers = sg_calloc(nleft, sizeof *answers);
    bool ok = left && answers ? true : sg_fail_memory(err, "answers");
    for (size_t q = 0, i = 0; ok && q < nq; q++)
        if (outcomes[q] == SG_MIH_DEARER) memcpy(left + i++ * nbytes, queries + q * nbytes, nbytes);
    const sg_hamming_ask ask = {.k = k == SIZE_MAX ? 0 : k, .radius = radius};
    if (ok) ok = sg_hamming_nearest(answers, left, nleft, codes->codes, codes->n, nbytes, &ask, err);
    for (size_t q = 0, i = 0; ok && q < nq; q++)
        if (outcomes[q] == SG_MIH_DEARER) lists[q] = answers[i++];
    sg_free(answers);
    sg_free(left);
    return ok;
}

/* What the scan takes of a query's time here. It shares one query among all threads, which buckets do not; and many queries
 * at once take it a third of the time each. */
static double scan_time(const sg_search_rows *codes, size_t nq)
{
    const double threads = omp_in_parallel() ? 1 : sg_threads(),
                 cost = sg_hamming_scan_cost(codes->n, codes->nbits / 8);
    if ((double)nq < threads) return cost * (double)nq / threads;
    return nq >= MANY_QUERIES ? cost / 3 : cost;
}

/* k SIZE_MAX: all within radius. */
static bool nearest(sg_near_list *lists, const void *state, const sg_search_rows *codes,
                    const uint8_t *queries, size_t nq, size_t k, unsigned radius, sg_error *err)
{
    const size_t nbytes = codes->nbits / 8;
    const double scan = scan_time(codes, nq);
    sg_mih_outcome *outcomes = sg_alloc(nq, sizeof *outcomes);
    size_t ndearer = 0, nfailed = 0;
    if (!outcomes) return sg_fail_memory(err, "answers");
#pragma omp parallel for schedule(dynamic, 4) reduction(+ : ndearer, nfailed) if (nq > 1)
    for (size_t q = 0; q < nq; q++) {
        outcomes[q] = sg_mih_seek(&lists[q], state, codes, queries + q * nbytes, k, radius, scan);
        ndearer += outcomes[q] == SG_MIH_DEARER;
        nfailed += outcomes[q] == SG_MIH_FAILED;
    }
    bool ok = nfailed == 0 || sg_fail_memory(err, "answers");
    if (ok && ndearer > 0) ok = scan_rest(lists, outcomes, codes, queries, nq, ndearer, k, radius, err);
    sg_free(outcomes);
    return ok;
}

static bool within(sg_near_list *lists, const void *state, const sg_search_rows *codes,
                   const uint8_t *queries, size_t nq, unsigned radius, sg_error *err)
{
    return nearest(lists, state, codes, queries, nq, SIZE_MAX, radius, err);
}

/* --- the kind ----------------------------------------------------------------------------------------------- */

static bool get_tables(unsigned *ntables, const sg_kv *params, size_t nbits, sg_error *err)
{
    int64_t value;
    *ntables = 0;
    if (!sg_kv_get(params, "tables")) return true;
    if (!sg_kv_get_int(&value, params, "tables", err)) return false;
    const unsigned least = nbits ? sg_mih_tables_min(nbits) : 1,
                   most = nbits ? sg_mih_tables_max(nbits) : SG_MIH_TABLES_MAX;
    if (value < least || value > most)
        return sg_fail(err, SG_ERR_USAGE, "tables: %u to %u for codes of %zu bits, not %lld", least, most,
                       nbits, (long long)value);
    *ntables = (unsigned)value;
    return true;
}

static bool check(const sg_kv *params, size_t nbits, sg_error *err)
{
    unsigned ntables;
    return get_tables(&ntables, params, nbits, err);
}

static bool build(void **state, const sg_search_rows *codes, const sg_kv *params, sg_error *err)
{
    unsigned ntables;
    sg_mih *mih = NULL;
    if (!get_tables(&ntables, params, codes->nbits, err) || !sg_mih_new(&mih, codes, ntables, err))
        return false;
    *state = mih;
    return true;
}

static void destroy(void *state)
{
    sg_mih_free(state);
}

static bool save(const void *state, const sg_search_rows *codes, sg_buf *bytes, sg_error *err)
{
    (void)codes;
    sg_mih_save(state, bytes);
    return sg_buf_ok(bytes) || sg_fail_memory(err, "snapshot");
}

static bool load(void **state, const sg_search_rows *codes, const sg_search_moves *moves,
                 const uint8_t *bytes, size_t nbytes, sg_error *err)
{
    sg_mih *mih;
    if (!sg_mih_load(&mih, codes, moves, bytes, nbytes, err)) return false;
    *state = mih;
    return true;
}

static const char *const params[] = {"tables", NULL};

const sg_search_kind sg_search_mih = {.name = "mih",
                                      .params = params,
                                      .check = check,
                                      .build = build,
                                      .destroy = destroy,
                                      .nearest = nearest,
                                      .within = within,
                                      .save = save,
                                      .load = load};
