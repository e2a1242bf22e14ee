/* All kinds of search: exact ones find what sorting everything finds, the others nearly all of it, and say so. */
#include "index/faiss_compat_impl.h"

#include "base/scratch.h"
#include "crowd.h"
#include <faiss/c_api/IndexBinary_c.h>
#include <limits.h>
#include <signet/cpu.h>
#include <signet/interrupt.h>
#include <signet/search.h>

typedef struct set {
    size_t nbits, n;
    uint8_t *codes;
    uint64_t *ids; /* FIRST_ID + 3 i */
} set;
#define FIRST_ID ((uint64_t)1 << 40)

static set make_set(size_t nbits, size_t n, size_t ncentres, uint64_t seed)
{
    set s = {nbits, n, calloc(n + 1, nbits / 8), calloc(n + 1, sizeof *s.ids)};
    crowd_codes(s.codes, 0, n, nbits, ncentres, seed);
    for (size_t i = 0; i < n; i++) s.ids[i] = FIRST_ID + 3 * i;
    return s;
}

static void free_set(set *s)
{
    free(s->codes);
    free(s->ids);
}

/* Queries: codes of the set with a few bits flipped, the more the later. */
static uint8_t *make_queries(const set *s, size_t nq)
{
    const size_t nbytes = s->nbits / 8;
    uint8_t *queries = calloc(nq, nbytes);
    sg_rng rng = sg_rng_at(77, SG_RNG_TEST, 0, 0);
    for (size_t q = 0; q < nq; q++) {
        memcpy(queries + q * nbytes, s->codes + sg_rng_below(&rng, s->n) * nbytes, nbytes);
        for (size_t i = 0; i < q % 5; i++)
            queries[q * nbytes + sg_rng_below(&rng, nbytes)] ^= (uint8_t)(1 << sg_rng_below(&rng, 8));
    }
    return queries;
}

static sg_search *make_search(const set *s, const char *kind, const char *params)
{
    sg_error err = {0};
    sg_search *search;
    sg_kv kv = SG_KV_INIT;
    char text[64];
    snprintf(text, sizeof text, "%s", params);
    for (char *at = strtok(text, " "); at; at = strtok(NULL, " ")) {
        char *equals = strchr(at, '=');
        *equals = '\0';
        assert_true(sg_kv_set(&kv, at, equals + 1, &err));
    }
    if (!sg_search_new(&search, kind, &kv, s->nbits, s->codes, s->ids, s->n, &err))
        fail_msg("%s", err.message);
    sg_kv_clear(&kv);
    return search;
}

/* All of a set by (distance, position). */
static sg_near *sort_all(const set *s, const uint8_t *query)
{
    sg_near *all = calloc(s->n + 1, sizeof *all);
    naive_nearest(all, query, s->codes, s->n, s->nbits / 8, 0, (unsigned)s->nbits);
    return all;
}

/* sorted: sort_all's. */
static void assert_exact(const sg_search_result *result, const set *s, const sg_near *sorted,
                         const sg_search_ask *ask)
{
    size_t all = 0;
    while (all < s->n && (ask->radius < 0 || sorted[all].distance <= (unsigned)ask->radius)) all++;
    const size_t n = ask->k > 0 && ask->k < all ? ask->k : all;
    assert_int_equal(result->n, n);
    for (size_t i = 0; i < n; i++) {
        assert_true(result->hits[i].id == s->ids[sorted[i].position]);
        assert_int_equal(result->hits[i].distance, sorted[i].distance);
    }
    assert_int_equal(result->complete, n == all || sorted[n].distance != sorted[n - 1].distance);
    assert_true(result->exact);
}

static void check_exact(const set *s, const char *kind, const char *params)
{
    enum { NQ = 20 };
    const size_t ks[] = {0, 1, 10, 200, s->n, s->n + 5, SIZE_MAX};
    const int radii[] = {-1, 0, 2, 7, (int)s->nbits, INT_MAX};
    sg_error err = {0};
    sg_near *sorted[NQ];
    uint8_t *queries = make_queries(s, NQ);
    sg_search *search = make_search(s, kind, params);
    for (size_t q = 0; q < NQ; q++) sorted[q] = sort_all(s, queries + q * s->nbits / 8);
    for (size_t k = 0; k < sizeof ks / sizeof *ks; k++)
        for (size_t r = 0; r < sizeof radii / sizeof *radii; r++) {
            sg_search_result results[NQ];
            if (ks[k] == 0 && radii[r] < 0) continue;
            const sg_search_ask ask = {.k = ks[k], .radius = radii[r]};
            if (!sg_search_run(results, search, queries, NQ, &ask, &err)) fail_msg("%s", err.message);
            for (size_t q = 0; q < NQ; q++) {
                assert_exact(&results[q], s, sorted[q], &ask);
                sg_search_result_clear(&results[q]);
            }
        }
    for (size_t q = 0; q < NQ; q++) free(sorted[q]);
    sg_search_free(search);
    free(queries);
}

static void test_exact(void **state)
{
    (void)state;
    static const struct {
        size_t nbits, n, ncentres;
    } sets[] = {{64, 1, 0},    {64, 2, 1},     {8, 500, 3},   {64, 1500, 4}, {32, 1500, 0},
                {128, 900, 3}, {1024, 300, 3}, {24, 800, 2},  {40, 700, 3},  {72, 600, 0},
                {136, 600, 4}, {520, 300, 2},  {1016, 200, 0}};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        set s = make_set(sets[i].nbits, sets[i].n, sets[i].ncentres, i);
        check_exact(&s, "flat", "");
        check_exact(&s, "mih", "");
        check_exact(&s, "ivf", "lists=1 probes=1");
        check_exact(&s, "ivf", "lists=7 probes=7");
        free_set(&s);
    }
}

/* Large enough that mih takes its buckets. */
static void test_mih_at_size(void **state)
{
    (void)state;
    enum { N = 300000, NQ = 6 };
    static const size_t centres[] = {0, 1000};
    sg_error err = {0};
    for (size_t c = 0; c < 2; c++) {
        set s = make_set(64, N, centres[c], 9);
        uint8_t *queries = make_queries(&s, NQ);
        sg_search *search = make_search(&s, "mih", "");
        sg_search_result results[NQ];
        sg_near *sorted[NQ];
        static const sg_search_ask asks[] = {
            {.k = 0, .radius = 4}, {.k = 10, .radius = -1}, {.k = 3, .radius = 5}};
        for (size_t q = 0; q < NQ; q++) sorted[q] = sort_all(&s, queries + 8 * q);
        for (size_t a = 0; a < 3; a++) {
            if (!sg_search_run(results, search, queries, NQ, &asks[a], &err)) fail_msg("%s", err.message);
            for (size_t q = 0; q < NQ; q++) {
                assert_exact(&results[q], &s, sorted[q], &asks[a]);
                sg_search_result_clear(&results[q]);
            }
        }
        for (size_t q = 0; q < NQ; q++) free(sorted[q]);
        sg_search_free(search);
        free(queries);
        free_set(&s);
    }
}

/* The part of the k nearest that were found: those at a distance not beyond the true k-th's. */
static double recall(const set *s, const char *kind, size_t k, size_t nq, bool *exact)
{
    sg_error err = {0};
    const size_t nbytes = s->nbits / 8;
    uint8_t *queries = make_queries(s, nq);
    sg_search *search = make_search(s, kind, "");
    sg_search_result *results = calloc(nq, sizeof *results);
    sg_near *want = calloc(s->n, sizeof *want);
    const sg_search_ask ask = {.k = k, .radius = -1};
    size_t hits = 0;
    if (!sg_search_run(results, search, queries, nq, &ask, &err)) fail_msg("%s", err.message);
    for (size_t q = 0; q < nq; q++) {
        naive_nearest(want, queries + q * nbytes, s->codes, s->n, nbytes, k, (unsigned)s->nbits);
        for (size_t i = 0; i < results[q].n; i++) {
            const size_t position = (results[q].hits[i].id - FIRST_ID) / 3;
            assert_int_equal(results[q].hits[i].distance,
                             naive_distance(queries + q * nbytes, s->codes + position * nbytes, nbytes));
            assert_true(i == 0 || results[q].hits[i - 1].distance < results[q].hits[i].distance ||
                        (results[q].hits[i - 1].distance == results[q].hits[i].distance &&
                         results[q].hits[i - 1].id < results[q].hits[i].id));
            hits += results[q].hits[i].distance <= want[k - 1].distance;
        }
        *exact = results[q].exact;
        sg_search_result_clear(&results[q]);
    }
    free(want);
    free(results);
    sg_search_free(search);
    free(queries);
    return (double)hits / (double)(k * nq);
}

static void test_recall(void **state)
{
    (void)state;
    static const struct {
        size_t nbits, n, ncentres;
    } sets[] = {{64, 40000, 100}, {32, 40000, 10}, {64, 3000, 30}, {128, 20000, 300}, {48, 700, 5}};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        bool exact;
        set s = make_set(sets[i].nbits, sets[i].n, sets[i].ncentres, i);
        assert_true(recall(&s, "flat", 10, 60, &exact) == 1 && exact);
        assert_true(recall(&s, "mih", 10, 60, &exact) == 1 && exact);
        const double found = recall(&s, "ivf", 10, 60, &exact);
        print_message("ivf, %zu codes of %zu bits: recall at 10 is %.3f\n", s.n, s.nbits, found);
        assert_true(found >= 0.95);
        free_set(&s);
    }
}

/* An equal code is found with all who have it, however few lists are looked through. */
static void test_ivf_equal_codes(void **state)
{
    (void)state;
    enum { N = 20000, NQ = 50 };
    sg_error err = {0};
    set s = make_set(32, N, 10, 3);
    sg_search *search = make_search(&s, "ivf", "lists=100 probes=1");
    sg_near *want = calloc(N, sizeof *want);
    size_t most = 0;
    for (size_t q = 0; q < NQ; q++) {
        sg_search_result result;
        const uint8_t *query = s.codes + 4 * (q * 397);
        const size_t n = naive_nearest(want, query, s.codes, N, 4, 0, 0);
        const sg_search_ask by_radius = {.k = 0, .radius = 0}, by_k = {.k = n, .radius = -1};
        const sg_search_ask *asks[] = {&by_radius, &by_k};
        for (int a = 0; a < 2; a++) {
            if (!sg_search_run(&result, search, query, 1, asks[a], &err)) fail_msg("%s", err.message);
            assert_int_equal(result.n, n);
            for (size_t i = 0; i < n; i++) assert_int_equal(result.hits[i].id, s.ids[want[i].position]);
            assert_false(result.exact);
            sg_search_result_clear(&result);
        }
        most = n > most ? n : most;
    }
    assert_true(most > 10);
    free(want);
    sg_search_free(search);
    free_set(&s);
}

/* With a mask every kind is exact. */
static void test_masked(void **state)
{
    (void)state;
    static const char *const kinds[] = {"flat", "mih", "ivf"};
    sg_error err = {0};
    set s = make_set(64, 3000, 5, 8);
    for (size_t i = 0; i < 3; i++) {
        sg_search *search = make_search(&s, kinds[i], strcmp(kinds[i], "ivf") ? "" : "lists=50 probes=1");
        uint64_t *mask;
        const uint64_t ids[] = {s.ids[7], s.ids[2999]};
        sg_search_result result;
        if (!sg_search_mask(&mask, search, ids, 2, &err)) fail_msg("%s", err.message);
        const sg_search_ask ask = {.k = 2, .radius = -1, .mask = mask};
        assert_true(sg_search_run(&result, search, s.codes + 8 * 2999, 1, &ask, &err));
        assert_int_equal(result.n, 2);
        assert_int_equal(result.hits[0].id, ids[1]);
        assert_int_equal(result.hits[1].id, ids[0]);
        assert_true(result.exact);
        sg_search_result_clear(&result);
        sg_free(mask);
        sg_search_free(search);
    }
    free_set(&s);
}

/* The same answers on any number of threads, many queries at once or one by one. */
static void test_threads(void **state)
{
    (void)state;
    enum { N = 100000, NQ = 40 };
    static const char *const kinds[] = {"mih", "ivf"};
    sg_error err = {0};
    const int before = sg_threads();
    set s = make_set(64, N, 500, 4);
    uint8_t *queries = make_queries(&s, NQ);
    const sg_search_ask ask = {.k = 10, .radius = -1};
    for (size_t i = 0; i < 2; i++) {
        sg_search *search = make_search(&s, kinds[i], "");
        sg_search_result one[NQ], many[NQ];
        for (size_t q = 0; q < NQ; q++)
            assert_true(sg_search_run(&one[q], search, queries + 8 * q, 1, &ask, &err));
        for (int threads = 1; threads <= 3; threads++) {
            sg_threads_set(threads);
            assert_true(sg_search_run(many, search, queries, NQ, &ask, &err));
            for (size_t q = 0; q < NQ; q++) {
                assert_int_equal(many[q].n, one[q].n);
                for (size_t h = 0; h < one[q].n; h++) {
                    assert_int_equal(many[q].hits[h].id, one[q].hits[h].id);
                    assert_int_equal(many[q].hits[h].distance, one[q].hits[h].distance);
                }
                sg_search_result_clear(&many[q]);
            }
        }
        sg_threads_set(before);
        for (size_t q = 0; q < NQ; q++) sg_search_result_clear(&one[q]);
        sg_search_free(search);
    }
    free(queries);
    free_set(&s);
}

static void assert_refused(const char *kind, const char *key, const char *value, const char *message)
{
    sg_error err = {0};
    sg_kv kv = SG_KV_INIT;
    sg_search *search;
    const uint8_t code[8] = {0};
    const uint64_t id = 1;
    assert_true(sg_kv_set(&kv, key, value, &err));
    assert_false(sg_search_new(&search, kind, &kv, 64, code, &id, 1, &err));
    assert_null(search);
    assert_string_equal(err.message, message);
    sg_kv_clear(&kv);
}

static void test_params(void **state)
{
    (void)state;
    sg_error err = {0};
    assert_refused("mih", "tables", "9", "tables: 2 to 8 for codes of 64 bits, not 9");
    assert_refused("mih", "tables", "1", "tables: 2 to 8 for codes of 64 bits, not 1");
    assert_refused("mih", "tables", "many", "tables: 'many' is no whole number");
    assert_refused("mih", "lists", "9", "an index of kind mih has no parameter 'lists' (tables)");
    assert_refused("ivf", "lists", "0", "lists: 1 to 65536, not 0");
    assert_refused("ivf", "probes", "65537", "probes: 1 to 65536, not 65537");
    sg_kv kv = SG_KV_INIT;
    assert_true(sg_kv_set(&kv, "lists", "8", &err) && sg_kv_set(&kv, "probes", "9", &err));
    assert_false(sg_search_params_check("ivf", &kv, 64, &err));
    assert_string_equal(err.message, "probes: at most the lists, of which there are 8");
    sg_kv_clear(&kv);
    assert_true(sg_kv_set(&kv, "tables", "128", &err));
    assert_true(sg_search_params_check("mih", &kv, 1024, &err) &&
                sg_search_params_check("mih", &kv, 0, &err));
    assert_false(sg_search_params_check("mih", &kv, 512, &err));
    sg_kv_clear(&kv);
}

/* The lists of ivf take long to make: neither FAISS nor what comes after it goes on. */
static void test_interrupt(void **state)
{
    (void)state;
    enum { N = 2000 };
    char why[256];
    sg_error err = {0};
    sg_search *search;
    set s = make_set(64, N, 5, 1);
    void *index = sg_faiss_ivf_new(64, 10, 1, NULL, why, sizeof why);
    sg_interrupt_set(true);
    const bool trained = faiss_IndexBinary_train(index, N, s.codes) == 0,
               made = sg_search_new(&search, "ivf", NULL, 64, s.codes, s.ids, N, &err);
    sg_interrupt_set(false);
    assert_false(trained || made);
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    assert_int_equal(faiss_IndexBinary_train(index, N, s.codes), 0);
    sg_faiss_binary_free(index);
    free_set(&s);
}

static bool whole_search(const char *kind, sg_error *err)
{
    uint8_t codes[60 * 8];
    uint64_t ids[60];
    sg_search *search = NULL;
    sg_search_result nearest[2] = {0}, within[2] = {0};
    const sg_search_ask by_k = {.k = 3, .radius = -1}, by_radius = {.k = 0, .radius = 5};
    crowd_codes(codes, 0, 60, 64, 3, 1);
    for (size_t i = 0; i < 60; i++) ids[i] = i + 1;
    bool ok = sg_search_new(&search, kind, NULL, 64, codes, ids, 60, err) &&
              sg_search_run(nearest, search, codes, 2, &by_k, err) &&
              sg_search_run(within, search, codes, 2, &by_radius, err);
    if (!ok) assert_true(!within[0].hits && !within[1].hits);
    for (int i = 0; i < 2; i++) {
        sg_search_result_clear(&nearest[i]);
        sg_search_result_clear(&within[i]);
    }
    sg_search_free(search);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    assert_survives_allocation_failures(whole_search("mih", &err));
    assert_survives_allocation_failures(whole_search("ivf", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),          cmocka_unit_test(test_mih_at_size),
        cmocka_unit_test(test_recall),         cmocka_unit_test(test_ivf_equal_codes),
        cmocka_unit_test(test_masked),         cmocka_unit_test(test_threads),
        cmocka_unit_test(test_params),         cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
