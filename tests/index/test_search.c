#include "index/search_impl.h"
#include "reference.h"

#include <faiss/c_api/IndexBinary_c.h>
#include <signet/cpu.h>
#include <signet/search.h>

static unsigned naive_distance(const uint8_t *a, const uint8_t *b, size_t nbits)
{
    unsigned distance = 0;
    for (size_t i = 0; i < nbits / 8; i++) distance += (unsigned)__builtin_popcount(a[i] ^ b[i]);
    return distance;
}

static int by_distance_and_id(const void *a, const void *b)
{
    const sg_hit *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

typedef struct set {
    size_t nbits, n;
    uint8_t *codes;
    uint64_t *ids;
} set;

/* n codes that differ in `loose` bits at most: the fewer, the more ties. Ids ascend with gaps. */
static set make_set(size_t nbits, size_t n, unsigned loose, sg_rng *rng)
{
    set s = {nbits, n, calloc(n + 1, nbits / 8), calloc(n + 1, sizeof *s.ids)};
    for (size_t i = 0; i < n; i++) {
        for (unsigned b = 0; b < loose; b++) {
            size_t bit = b * nbits / loose;
            s.codes[i * (nbits / 8) + bit / 8] |= (uint8_t)((sg_rng_u32(rng) & 1) << bit % 8);
        }
        s.ids[i] = (i ? s.ids[i - 1] : 0) + 1 + sg_rng_below(rng, 1000000007);
    }
    return s;
}

static void free_set(set *s)
{
    free(s->codes);
    free(s->ids);
}

/* Compares a result with sorting everything. */
static void assert_masked_result(const sg_search_result *result, const set *s, const uint8_t *query, size_t k,
                                 int radius, const bool *allowed)
{
    sg_hit *all = calloc(s->n + 1, sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        unsigned d = naive_distance(query, s->codes + i * (s->nbits / 8), s->nbits);
        if ((radius < 0 || d <= (unsigned)radius) && (!allowed || allowed[i]))
            all[n++] = (sg_hit){s->ids[i], d};
    }
    qsort(all, n, sizeof *all, by_distance_and_id);
    size_t want = k > 0 && k < n ? k : n;
    assert_int_equal(result->n, want);
    for (size_t i = 0; i < want; i++) {
        assert_int_equal(result->hits[i].id, all[i].id);
        assert_int_equal(result->hits[i].distance, all[i].distance);
    }
    bool cut = want < n && all[want].distance == all[want - 1].distance;
    assert_int_equal(result->complete, !cut);
    assert_true(result->exact);
    free(all);
}

static void assert_result(const sg_search_result *result, const set *s, const uint8_t *query, size_t k,
                          int radius)
{
    assert_masked_result(result, s, query, k, radius, NULL);
}

static void check_set(const set *s, sg_rng *rng)
{
    enum { NQ = 5 };
    sg_error err = {0};
    sg_search *search;
    uint8_t queries[NQ * SG_BITS_MAX / 8];
    const size_t ks[] = {0, 1, 2, 10, 100, s->n, s->n + 5, SIZE_MAX};
    const int radii[] = {-1, 0, 1, 3, (int)s->nbits / 2, (int)s->nbits, 100000};
    if (!sg_search_new(&search, "flat", NULL, s->nbits, s->codes, s->ids, s->n, &err))
        fail_msg("%s", err.message);
    assert_int_equal(sg_search_size(search), s->n);
    for (size_t i = 0; i < NQ * s->nbits / 8; i++) queries[i] = (uint8_t)sg_rng_u32(rng);
    if (s->n > 0) memcpy(queries, s->codes + sg_rng_below(rng, s->n) * (s->nbits / 8), s->nbits / 8);
    for (size_t k = 0; k < sizeof ks / sizeof *ks; k++) {
        for (size_t r = 0; r < sizeof radii / sizeof *radii; r++) {
            sg_search_result results[NQ];
            if (ks[k] == 0 && radii[r] < 0) continue;
            if (!sg_search_run(results, search, queries, NQ, &(sg_search_ask){.k = ks[k], .radius = radii[r]},
                               &err))
                fail_msg("%s", err.message);
            for (size_t q = 0; q < NQ; q++) {
                assert_result(&results[q], s, queries + q * s->nbits / 8, ks[k], radii[r]);
                sg_search_result_clear(&results[q]);
            }
        }
    }
    sg_search_free(search);
}

static void test_against_sorting(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(1, SG_RNG_TEST, 0, 0);
    static const size_t bits[] = {8, 24, 64, 104, 256, 1024};
    static const size_t sizes[] = {0, 1, 2, 11, 200};
    static const unsigned loose[] = {1, 6};
    for (size_t b = 0; b < sizeof bits / sizeof *bits; b++)
        for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++)
            for (size_t l = 0; l < 2; l++) {
                set s = make_set(bits[b], sizes[n], loose[l], &rng);
                check_set(&s, &rng);
                free_set(&s);
            }
}

/* Larger than FAISS's inner blocks, many equals: positions beyond a block must not come before those within. */
static void test_many_ties(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(2, SG_RNG_TEST, 0, 0);
    sg_error err = {0};
    sg_search *search;
    set s = make_set(64, 70000, 5, &rng);
    assert_true(sg_search_new(&search, "flat", NULL, 64, s.codes, s.ids, s.n, &err));
    static const size_t ks[] = {1, 10, 5000};
    for (size_t i = 0; i < 3; i++) {
        sg_search_result result;
        const uint8_t *query = s.codes + 8 * sg_rng_below(&rng, s.n);
        assert_true(
            sg_search_run(&result, search, query, 1, &(sg_search_ask){.k = ks[i], .radius = -1}, &err));
        assert_result(&result, &s, query, ks[i], -1);
        sg_search_result_clear(&result);
    }
    sg_search_free(search);
    free_set(&s);
}

/* FAISS's own search over the same memory, which it takes for an index of its own, and the scan by each kernel: the same
 * distances, and the same positions but for equals at the end. */
static void assert_as_faiss(const sg_search *search, const uint8_t *queries, size_t nq, size_t k)
{
    size_t kernels, n = sg_search_size(search), nbytes = sg_search_nbits(search) / 8;
    const sg_hamming_impl *impls = sg_hamming_impls(&kernels);
    int32_t *distances = calloc(nq * k, sizeof *distances);
    idx_t *positions = calloc(nq * k, sizeof *positions);
    sg_near_list *lists = calloc(nq, sizeof *lists);
    assert_int_equal(
        faiss_IndexBinary_search(search->flat, (idx_t)nq, queries, (idx_t)k, distances, positions), 0);
    for (size_t i = 0; i < kernels; i++) {
        const sg_hamming_ask ask = {.k = k, .radius = UINT32_MAX, .impl = &impls[i]};
        if (!impls[i].usable()) continue;
        assert_true(sg_hamming_nearest(lists, queries, nq, sg_search_codes(search), n, nbytes, &ask, NULL));
        for (size_t q = 0; q < nq; q++) {
            const int32_t *d = distances + q * k;
            assert_int_equal(lists[q].n, k);
            for (size_t j = 0; j < k; j++) {
                assert_int_equal(lists[q].items[j].distance, d[j]);
                if (d[j] < d[k - 1]) assert_int_equal(lists[q].items[j].position, positions[q * k + j]);
            }
            sg_free(lists[q].items);
        }
    }
    free(lists);
    free(positions);
    free(distances);
}

static void test_against_faiss(void **state)
{
    (void)state;
    enum { NQ = 130 };
    sg_rng rng = sg_rng_at(5, SG_RNG_TEST, 0, 0);
    static const size_t bits[] = {32, 64, 128, 264, 1024};
    static uint8_t queries[NQ * SG_BITS_MAX / 8];
    for (size_t b = 0; b < sizeof bits / sizeof *bits; b++) {
        sg_error err = {0};
        uint8_t *codes;
        uint64_t *ids;
        sg_search *search;
        set s = make_set(bits[b], 3000, 32, &rng);
        for (size_t i = 0; i < NQ * bits[b] / 8; i++) queries[i] = (uint8_t)sg_rng_u32(&rng);
        assert_true(sg_search_begin(&search, "flat", NULL, bits[b], s.n, &codes, &ids, &err));
        memcpy(codes, s.codes, s.n * bits[b] / 8);
        memcpy(ids, s.ids, s.n * sizeof *ids);
        assert_true(sg_search_build(search, &err));
        assert_as_faiss(search, queries, 3, 100);
        assert_as_faiss(search, queries, NQ, 30); /* enough for all kernels to slice */
        sg_search_free(search);
        free_set(&s);
    }
}

/* Only some ids: those that are there, those that are not, none, all. */
static void test_masks(void **state)
{
    (void)state;
    sg_rng rng = sg_rng_at(6, SG_RNG_TEST, 0, 0);
    sg_error err = {0};
    sg_search *search;
    static bool allowed[5000];
    static uint64_t ids[2 * 5000];
    set s = make_set(64, 5000, 10, &rng);
    const uint8_t *query = s.codes + 8 * 77;
    assert_true(sg_search_new(&search, "flat", NULL, 64, s.codes, s.ids, s.n, &err));
    for (uint32_t one_in = 0; one_in <= 1000; one_in = one_in ? 10 * one_in : 1)
        for (size_t k = 0; k <= 30; k += 15) {
            size_t n = 0;
            uint64_t *mask;
            sg_search_result result;
            for (size_t i = 0; i < s.n; i++) {
                allowed[i] = one_in > 0 && sg_rng_u32(&rng) % one_in == 0;
                if (allowed[i]) ids[n++] = s.ids[i];
                if (i % 3 == 0 && i + 1 < s.n && s.ids[i] + 1 < s.ids[i + 1]) ids[n++] = s.ids[i] + 1;
            }
            ids[n++] = UINT64_MAX;
            assert_true(sg_search_mask(&mask, search, ids, n, &err));
            const sg_search_ask ask = {.k = k, .radius = k == 15 ? 3 : k == 0 ? 4 : -1, .mask = mask};
            assert_true(sg_search_run(&result, search, query, 1, &ask, &err));
            assert_masked_result(&result, &s, query, k, ask.radius, allowed);
            sg_search_result_clear(&result);
            sg_free(mask);
        }
    sg_search_free(search);
    free_set(&s);
}

/* Many queries: the same answers as one by one, on any number of threads. */
static void test_many_queries(void **state)
{
    (void)state;
    enum { NQ = 300 };
    sg_rng rng = sg_rng_at(3, SG_RNG_TEST, 0, 0);
    sg_error err = {0};
    sg_search *search;
    static uint8_t queries[NQ * 4];
    static sg_search_result many[NQ];
    int before = sg_threads();
    set s = make_set(32, 800, 8, &rng);
    for (size_t i = 0; i < sizeof queries; i++) queries[i] = (uint8_t)sg_rng_u32(&rng);
    assert_true(sg_search_new(&search, "flat", NULL, 32, s.codes, s.ids, s.n, &err));
    for (int threads = 1; threads <= 3; threads++) {
        sg_threads_set(threads);
        for (int by_radius = 0; by_radius < 2; by_radius++) {
            size_t k = by_radius ? 0 : 7;
            int radius = by_radius ? 9 : -1;
            assert_true(
                sg_search_run(many, search, queries, NQ, &(sg_search_ask){.k = k, .radius = radius}, &err));
            for (size_t q = 0; q < NQ; q++) {
                assert_result(&many[q], &s, queries + 4 * q, k, radius);
                sg_search_result_clear(&many[q]);
            }
        }
    }
    sg_threads_set(before);
    sg_search_free(search);
    free_set(&s);
}

static void test_refusals(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_search *search;
    sg_search_result result;
    const uint8_t code[8] = {0};
    const uint64_t id = 1;
    assert_false(sg_search_new(&search, "tree", NULL, 64, code, &id, 1, &err));
    assert_null(search);
    assert_int_equal(err.code, SG_ERR_USAGE);
    assert_string_equal(err.message, "no kind of index 'tree' (flat, mih, ivf)");
    assert_false(sg_search_new(&search, "flat", NULL, 12, code, &id, 1, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    assert_true(sg_search_new(&search, "flat", NULL, 64, code, &id, 1, &err));
    assert_false(sg_search_run(&result, search, code, 1, &(sg_search_ask){.radius = -1}, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    assert_true(sg_search_run(&result, search, code, 0, &(sg_search_ask){.k = 3, .radius = -1}, &err));
    sg_search_free(search);
    size_t n;
    assert_string_equal(sg_search_kinds(&n)[0], "flat");
    assert_int_equal(n, 3);
    assert_true(sg_search_kind_check("flat", &err));
    sg_kv params = SG_KV_INIT;
    assert_true(sg_search_params_check("flat", NULL, 0, &err) &&
                sg_search_params_check("flat", &params, 0, &err));
    assert_true(sg_kv_set(&params, "tables", "4", &err));
    assert_false(sg_search_params_check("flat", &params, 0, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    assert_string_equal(err.message, "an index of kind flat has no parameter 'tables' (none)");
    assert_false(sg_search_new(&search, "flat", &params, 64, code, &id, 1, &err));
    assert_null(search);
    sg_kv_clear(&params);
    assert_false(sg_search_kind_check("", &err));
}

static bool whole_search(sg_error *err)
{
    static const uint8_t codes[24] = {0};
    static const uint64_t ids[3] = {4, 5, 6};
    sg_search *search = NULL;
    uint64_t *mask = NULL;
    sg_search_result nearest[2] = {0}, within[2] = {0};
    bool ok = sg_search_new(&search, "flat", NULL, 64, codes, ids, 3, err) &&
              sg_search_mask(&mask, search, ids, 2, err) &&
              sg_search_run(nearest, search, codes, 2, &(sg_search_ask){.k = 2, .radius = -1}, err) &&
              sg_search_run(within, search, codes, 2, &(sg_search_ask){.radius = 5}, err);
    if (!ok) assert_true(!within[0].hits && !within[1].hits);
    for (int i = 0; i < 2; i++) {
        sg_search_result_clear(&nearest[i]);
        sg_search_result_clear(&within[i]);
    }
    sg_free(mask);
    sg_search_free(search);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    assert_survives_allocation_failures(whole_search(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_sorting), cmocka_unit_test(test_many_ties),
        cmocka_unit_test(test_against_faiss),   cmocka_unit_test(test_masks),
        cmocka_unit_test(test_many_queries),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
