#include "scratch.h"

#include <limits.h>
#include <pthread.h>
#include <signet/codes.h>
#include <signet/cpu.h>
#include <signet/interrupt.h>
#include <signet/random.h>
#include <stdatomic.h>

/* The reference: every distance by single bytes, everything sorted. */
static unsigned distance_of(const uint8_t *a, const uint8_t *b, size_t nbytes)
{
    unsigned distance = 0;
    for (size_t i = 0; i < nbytes; i++) distance += (unsigned)__builtin_popcount(a[i] ^ b[i]);
    return distance;
}

static int by_distance_and_position(const void *a, const void *b)
{
    const sg_near *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->position < y->position ? -1 : x->position > y->position;
}

typedef struct set {
    size_t n, nbytes;
    uint8_t *codes;
} set;

/* Codes that differ in `loose` bits at most: the fewer, the more ties. */
static set make_set(size_t n, size_t nbytes, size_t loose, sg_rng *rng)
{
    set s = {n, nbytes, calloc(n + 1, nbytes)};
    for (size_t i = 0; i < n; i++)
        for (size_t b = 0; b < loose; b++) {
            size_t bit = b * 8 * nbytes / loose;
            s.codes[i * nbytes + bit / 8] |= (uint8_t)((sg_rng_u32(rng) & 1) << bit % 8);
        }
    return s;
}

static void assert_list(const sg_near_list *list, const set *s, const uint8_t *query,
                        const sg_hamming_ask *ask)
{
    sg_near *all = calloc(s->n + 1, sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        unsigned d = distance_of(query, s->codes + i * s->nbytes, s->nbytes);
        if (d <= ask->radius && (!ask->mask || ask->mask[i / 64] >> i % 64 & 1)) all[n++] = (sg_near){d, i};
    }
    qsort(all, n, sizeof *all, by_distance_and_position);
    if (ask->k > 0 && ask->k < n) n = ask->k;
    assert_int_equal(list->n, n);
    for (size_t i = 0; i < n; i++)
        if (list->items[i].position != all[i].position || list->items[i].distance != all[i].distance)
            fail_msg("%zu of %zu bytes, k %zu, radius %u, answer %zu: %llu at %u, not %llu at %u", s->n,
                     s->nbytes, ask->k, ask->radius, i, (unsigned long long)list->items[i].position,
                     list->items[i].distance, (unsigned long long)all[i].position, all[i].distance);
    free(all);
}

static void check_ask(const set *s, const uint8_t *queries, size_t nq, const sg_hamming_ask *ask)
{
    sg_error err = {0};
    sg_near_list *lists = calloc(nq, sizeof *lists);
    if (!sg_hamming_nearest(lists, queries, nq, s->codes, s->n, s->nbytes, ask, &err))
        fail_msg("%s", err.message);
    for (size_t q = 0; q < nq; q++) {
        assert_list(&lists[q], s, queries + q * s->nbytes, ask);
        sg_free(lists[q].items);
    }
    free(lists);
}

enum { MASKS = 6 };

/* None, all, one in 2, one in 50, the last tenth, whatever stands in bits beyond the end; sized exactly. */
static uint64_t *make_mask(size_t n, int kind, sg_rng *rng)
{
    uint64_t *mask = calloc((n + 63) / 64 + (n == 0), sizeof *mask);
    for (size_t i = 0; i < n; i++) {
        bool on = kind == 1   ? true
                  : kind == 2 ? sg_rng_u32(rng) % 2
                  : kind == 3 ? sg_rng_u32(rng) % 50 == 0
                  : kind == 4 ? i >= n - n / 10
                              : kind == 5;
        mask[i / 64] |= (uint64_t)on << i % 64;
    }
    if (kind == 5 && n % 64 > 0) mask[n / 64] |= UINT64_MAX << n % 64;
    return mask;
}

static void check_set(const set *s, const sg_hamming_impl *impl, sg_rng *rng)
{
    enum { NQ = 3 };
    uint8_t queries[NQ * SG_BITS_MAX / 8];
    const size_t ks[] = {0, 1, 10, s->n, s->n + 5, SIZE_MAX};
    const unsigned radii[] = {0, 2, (unsigned)s->nbytes * 4, UINT_MAX};
    for (size_t i = 0; i < NQ * s->nbytes; i++) queries[i] = (uint8_t)sg_rng_u32(rng);
    if (s->n > 0) memcpy(queries, s->codes + sg_rng_below(rng, s->n) * s->nbytes, s->nbytes);
    for (size_t k = 0; k < sizeof ks / sizeof *ks; k++)
        for (size_t r = 0; r < sizeof radii / sizeof *radii; r++) {
            sg_hamming_ask ask = {.k = ks[k], .radius = radii[r], .impl = impl};
            check_ask(s, queries, NQ, &ask);
            if (k > 2 || r % 2 == 0) continue;
            for (int kind = 0; kind < MASKS; kind++) {
                uint64_t *mask = make_mask(s->n, kind, rng);
                ask.mask = mask;
                check_ask(s, queries, NQ, &ask);
                free(mask);
            }
        }
}

static void test_against_sorting(void **state)
{
    (void)state;
    size_t kernels;
    const sg_hamming_impl *impls = sg_hamming_impls(&kernels);
    static const size_t nbytes[] = {1, 3, 4, 8, 13, 16, 32, 40, 64, 128}, sizes[] = {0, 1, 7, 64, 333};
    for (size_t i = 0; i < kernels; i++) {
        sg_rng rng = sg_rng_at(1, SG_RNG_TEST, i, 0);
        for (size_t b = 0; impls[i].usable() && b < sizeof nbytes / sizeof *nbytes; b++)
            for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++)
                for (size_t loose = 1; loose <= 64; loose *= 8) {
                    set s = make_set(sizes[n], nbytes[b], loose, &rng);
                    check_set(&s, &impls[i], &rng);
                    free(s.codes);
                }
    }
}

/* Enough rows for several pieces, parts and threads. falling: each row is nearer than those before it, the worst that
 * can come; the masks' pieces are of all sorts. */
static void check_many(size_t n, size_t nbytes, int threads, bool falling)
{
    sg_rng rng = sg_rng_at(2, SG_RNG_TEST, n, nbytes);
    set s = make_set(n, nbytes, 20, &rng);
    int before = sg_threads();
    uint8_t query[SG_BITS_MAX / 8] = {0};
    for (size_t i = 0; falling && i < n; i++) {
        size_t ones = (n - 1 - i) * 8 * nbytes / n;
        for (size_t bit = 0; bit < 8 * nbytes; bit++)
            s.codes[i * nbytes + bit / 8] =
                (uint8_t)((s.codes[i * nbytes + bit / 8] & ~(1 << bit % 8)) | (bit < ones) << bit % 8);
    }
    if (!falling) memcpy(query, s.codes + n / 2 * nbytes, nbytes);
    sg_threads_set(threads);
    static const size_t ks[] = {1, 10, 5000};
    for (size_t k = 0; k < 3; k++)
        for (int kind = -1; kind < MASKS; kind++) {
            uint64_t *mask = kind < 0 ? NULL : make_mask(n, kind, &rng);
            check_ask(&s, query, 1, &(sg_hamming_ask){.k = ks[k], .radius = UINT_MAX, .mask = mask});
            free(mask);
        }
    check_ask(&s, query, 1, &(sg_hamming_ask){.radius = 3});
    check_ask(&s, query, 1, &(sg_hamming_ask){.k = 20000, .radius = 2});
    sg_threads_set(before);
    free(s.codes);
}

static void test_many_rows(void **state)
{
    (void)state;
    check_many(70001, 8, 1, false);
    check_many(70001, 8, 3, false);
    check_many(50021, 8, 3, true);
    check_many(20011, 16, 2, false);
    check_many(200003, 1, 2, true);
}

/* Many queries: blocks of them, sliced, on any number of threads. */
static void test_many_queries(void **state)
{
    (void)state;
    enum { NQ = 300, N = 6001 };
    sg_rng rng = sg_rng_at(3, SG_RNG_TEST, 0, 0);
    static uint8_t queries[NQ * 8];
    int before = sg_threads();
    size_t kernels;
    const sg_hamming_impl *impls = sg_hamming_impls(&kernels);
    set s = make_set(N, 8, 16, &rng);
    uint64_t *mask = make_mask(N, 2, &rng), *sparse = make_mask(N, 3, &rng);
    for (size_t i = 0; i < sizeof queries; i++) queries[i] = (uint8_t)sg_rng_u32(&rng);
    for (size_t i = 0; i < kernels; i++) {
        if (!impls[i].usable()) continue;
        sg_threads_set((int)i % 3 + 1);
        check_ask(&s, queries, NQ, &(sg_hamming_ask){.k = 7, .radius = UINT_MAX, .impl = &impls[i]});
        check_ask(&s, queries, 130, &(sg_hamming_ask){.radius = 22, .impl = &impls[i]});
        check_ask(&s, queries, NQ, &(sg_hamming_ask){.k = 7, .radius = 30, .mask = mask, .impl = &impls[i]});
        check_ask(&s, queries, NQ,
                  &(sg_hamming_ask){.k = 90, .radius = 40, .mask = sparse, .impl = &impls[i]});
    }
    sg_threads_set(before);
    free(sparse);
    free(mask);
    free(s.codes);
}

/* Codes off any alignment, in memory that ends with them. */
static void test_unaligned(void **state)
{
    (void)state;
    static const size_t nbytes[] = {4, 8, 16, 32, 64, 128};
    sg_rng rng = sg_rng_at(4, SG_RNG_TEST, 0, 0);
    for (size_t b = 0; b < sizeof nbytes / sizeof *nbytes; b++)
        for (size_t shift = 1; shift < 64; shift += 7) {
            set s = make_set(1000, nbytes[b], 32, &rng), shifted = s;
            uint8_t *block = malloc(1000 * nbytes[b] + shift), query[128] = {0};
            memcpy(block + shift, s.codes, 1000 * nbytes[b]);
            shifted.codes = block + shift;
            check_ask(&shifted, query, 1, &(sg_hamming_ask){.k = 10, .radius = UINT_MAX});
            free(block);
            free(s.codes);
        }
}

static bool whole_search(sg_error *err)
{
    static const uint8_t codes[3000 * 8] = {1}, queries[2 * 8] = {0};
    static const uint64_t mask[47] = {1, 2, 3};
    sg_near_list lists[2];
    bool ok = sg_hamming_nearest(lists, queries, 2, codes, 3000, 8,
                                 &(sg_hamming_ask){.k = 3, .radius = UINT_MAX, .mask = mask}, err);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lists[i].n, ok ? 3 : 0);
        sg_free(lists[i].items);
    }
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    assert_survives_allocation_failures(whole_search(&err));
}

static void test_interrupt(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_interrupt_set(true);
    assert_false(whole_search(&err));
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    sg_interrupt_set(false);
    assert_true(whole_search(&err));
}

static void *interrupt_again_and_again(void *going)
{
    while (atomic_load((atomic_bool *)going)) {
        sg_interrupt_set(true);
        sg_interrupt_set(false);
    }
    return NULL;
}

/* An interrupt that is taken back while a scan runs: the scan has failed, or seen all rows. */
static void test_interrupt_taken_back(void **state)
{
    (void)state;
    enum { N = 200000, K = 3 };
    uint8_t *codes = calloc(N, 8), query[8];
    static atomic_bool going;
    pthread_t thread;
    memset(query, 0xff, sizeof query);
    atomic_store(&going, true);
    memset(codes + 8 * (N - K), 0xff, 8 * K); /* the nearest are the last */
    assert_int_equal(pthread_create(&thread, NULL, interrupt_again_and_again, &going), 0);
    for (int i = 0; i < 300; i++) {
        sg_error err = {0};
        sg_near_list list;
        const bool ok = sg_hamming_nearest(&list, query, 1, codes, N, 8,
                                           &(sg_hamming_ask){.k = K, .radius = UINT_MAX}, &err);
        assert_true(ok || (err.code == SG_ERR_INTERRUPTED && list.n == 0));
        for (size_t k = 0; ok && k < K; k++) {
            assert_int_equal(list.items[k].position, N - K + k);
            assert_int_equal(list.items[k].distance, 0);
        }
        sg_free(list.items);
    }
    atomic_store(&going, false);
    pthread_join(thread, NULL);
    free(codes);
}

static void test_cost(void **state)
{
    (void)state;
    assert_true(sg_hamming_scan_cost(0, 8) == 0);
    assert_true(sg_hamming_scan_cost(1000, 8) > 0);
    assert_true(sg_hamming_scan_cost(1000, 128) > sg_hamming_scan_cost(1000, 8));
    assert_true(sg_hamming_scan_cost(2000, 8) > sg_hamming_scan_cost(1000, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_sorting),      cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_many_queries),         cmocka_unit_test(test_unaligned),
        cmocka_unit_test(test_without_memory),       cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_interrupt_taken_back), cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
