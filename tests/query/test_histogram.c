#include "shelf.h"

#include <math.h>
#include <signet/histogram.h>

/* Every pair of `codes`, bit by bit. */
static void assert_counts_all(const sg_histogram *h, const uint8_t *codes, size_t n, size_t nbytes)
{
    static uint64_t counts[SG_BITS_MAX + 1];
    memset(counts, 0, sizeof counts);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            counts[naive_distance(codes + i * nbytes, codes + j * nbytes, nbytes)]++;
    assert_int_equal(h->nbits, 8 * nbytes);
    for (size_t d = 0; d <= 8 * nbytes; d++) assert_int_equal(h->counts[d], counts[d]);
    assert_int_equal(h->npairs, n > 0 ? n * (n - 1) / 2 : 0);
}

static void test_count(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 70, 301}, widths[] = {1, 4, 8, 11, 128};
    static uint8_t codes[301 * 128];
    sg_histogram h;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            draw_codes(codes, sizes[s], widths[w], s);
            assert_true(sg_histogram_count(&h, codes, sizes[s], 8 * widths[w], NULL));
            assert_counts_all(&h, codes, sizes[s], widths[w]);
        }
    /* A row longer than what is counted at a time. */
    static uint8_t many[9000];
    draw_codes(many, 9000, 1, 9);
    assert_true(sg_histogram_count(&h, many, 9000, 8, NULL));
    uint64_t each[256] = {0}, counts[9] = {0};
    for (size_t i = 0; i < 9000; i++) each[many[i]]++;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < a; b++)
            counts[naive_distance((uint8_t[]){(uint8_t)a}, (uint8_t[]){(uint8_t)b}, 1)] += each[a] * each[b];
    for (unsigned a = 0; a < 256; a++) counts[0] += each[a] * (each[a] - 1) / 2;
    for (size_t d = 0; d <= 8; d++) assert_int_equal(h.counts[d], counts[d]);
}

/* --- of an index --- */

#define NBYTES 4

static sg_store *make_store(const uint8_t *codes, const unsigned *contents, size_t n)
{
    sg_error err = {0};
    sg_store *store = shelf_make(8 * NBYTES);
    assert_true(sg_store_begin(store, &err));
    for (size_t i = 0; i < n; i++) {
        char path[32];
        snprintf(path, sizeof path, "/p/%zu", i);
        shelf_put(store, path, codes + i * NBYTES, contents[i], NULL, 0);
    }
    assert_true(sg_store_commit(store, &err));
    return store;
}

static void test_of_an_index(void **state)
{
    (void)state;
    enum { N = 200 };
    sg_error err = {0};
    sg_histogram h, again;
    uint8_t codes[N * NBYTES], once[N * NBYTES];
    unsigned contents[N];
    size_t kept = 0;
    draw_codes(codes, N, NBYTES, 1);
    for (unsigned i = 0; i < N;
         i++) { /* contents 0 to 9 stand twice; equal codes of other contents at 50 to 59 */
        contents[i] = i < 20 ? i / 2 : i;
        if (i < 20 && i % 2 == 1) memcpy(codes + i * NBYTES, codes + (i - 1) * NBYTES, NBYTES);
        if (i >= 50 && i < 60) memcpy(codes + i * NBYTES, codes + (i - 10) * NBYTES, NBYTES);
        if (i >= 20 || i % 2 == 0) memcpy(once + kept++ * NBYTES, codes + i * NBYTES, NBYTES);
    }
    sg_store *store = make_store(codes, contents, N);
    if (!sg_histogram_make(&h, store, 1000000, 0, &err)) fail_msg("%s", err.message);
    assert_counts_all(&h, once, kept, NBYTES);
    assert_true(h.counts[0] >= 10);
    assert_int_equal(h.nitems, N);
    assert_int_equal(h.nsampled, N);
    assert_int_equal(h.nleft_out, 10);
    assert_int_equal(h.generation, 2);
    /* Fewer pairs: a choice of pictures, another by another seed. */
    assert_true(sg_histogram_make(&h, store, 1225, 1, &err) &&
                sg_histogram_make(&again, store, 1225, 1, &err));
    assert_memory_equal(&h, &again, sizeof h);
    assert_int_equal(h.nsampled, 50);
    assert_int_equal(h.npairs, (50 - h.nleft_out) * (49 - h.nleft_out) / 2);
    assert_true(sg_histogram_make(&again, store, 1225, 2, &err));
    assert_memory_not_equal(h.counts, again.counts, sizeof h.counts);
    sg_store_close(store);
}

/* Every picture is as likely as another to be in the choice. */
static void test_choice_is_fair(void **state)
{
    (void)state;
    enum { N = 20, ROUNDS = 2000 };
    sg_histogram h;
    uint8_t codes[N * NBYTES] = {0};
    unsigned contents[N];
    for (unsigned i = 0; i < N; i++) contents[i] = i;
    codes[7 * NBYTES] = 1; /* one at distance 1 of all others */
    sg_store *store = make_store(codes, contents, N);
    size_t with = 0;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        assert_true(sg_histogram_make(&h, store, 10, seed, NULL));
        assert_int_equal(h.nsampled, 5);
        assert_true(h.counts[1] == 0 || h.counts[1] == 4);
        with += h.counts[1] > 0;
    }
    double off = (double)with - ROUNDS / 4.0; /* 5 of 20; deviation of a binomial: 19.4 */
    assert_true(fabs(off) < 4 * 19.4);
    sg_store_close(store);
}

/* --- rates --- */

/* Binomial distances of independent bits: what npairs pairs have of each, rounded. share: the true share within. */
static sg_histogram make_binomial(double *share, size_t nbits, double npairs)
{
    sg_histogram h = {.nbits = nbits};
    double sum = 0;
    for (size_t d = 0; d <= nbits; d++) {
        double p = exp(lgamma((double)nbits + 1) - lgamma((double)d + 1) - lgamma((double)(nbits - d) + 1) -
                       (double)nbits * log(2));
        share[d] = sum += p;
        h.counts[d] = (uint64_t)(p * npairs + 0.5);
        h.npairs += h.counts[d];
    }
    return h;
}

static int true_radius(const double *share, size_t nbits, double rate)
{
    int radius = -1;
    while (radius < (int)nbits && share[radius + 1] <= rate) radius++;
    return radius;
}

static int radius_of(const sg_histogram *h, double rate)
{
    int radius;
    sg_error err = {0};
    if (!sg_histogram_radius(&radius, h, rate, &err)) fail_msg("%s", err.message);
    return radius;
}

static void test_binomial(void **state)
{
    (void)state;
    static const size_t widths[] = {16, 32, 64, 128, 1024};
    double share[SG_BITS_MAX + 1], rates[SG_BITS_MAX + 1];
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        size_t nbits = widths[w], first;
        sg_histogram h = make_binomial(share, nbits, 1e8);
        assert_true(sg_histogram_rates(rates, &first, &h, NULL));
        for (size_t d = 0; d < nbits; d++) {
            assert_true(rates[d] <= rates[d + 1]);
            if (d >= first && share[d] < 0.4) assert_true(fabs(rates[d] / share[d] - 1) < 0.1);
            if (d < first) assert_true(rates[d] >= 0.9 * share[d]); /* told too high rather than too low */
        }
        for (double rate = 0.2; rate > 1e-6; rate /= 3) /* what can be seen */
            assert_int_equal(radius_of(&h, rate), true_radius(share, nbits, rate));
        for (double rate = 1e-7; rate > 1e-11; rate /= 3) { /* what is continued */
            int radius = radius_of(&h, rate), truth = true_radius(share, nbits, rate);
            assert_true(radius <= truth && radius >= truth - 2 - truth / 20);
        }
    }
}

/* Copies and series at small distances do not count for the unrelated. */
static void test_related_pairs(void **state)
{
    (void)state;
    double share[SG_BITS_MAX + 1];
    sg_histogram h = make_binomial(share, 64, 1e8);
    h.nitems = 20000;
    for (size_t d = 0; d < 5; d++) {
        h.counts[d] += 5000;
        h.npairs += 5000;
    }
    for (double rate = 0.2; rate > 1e-6; rate /= 3)
        assert_int_equal(radius_of(&h, rate), true_radius(share, 64, rate));
    /* Where they reach the unrelated ones, the fewest in between bound these. */
    for (size_t d = 0; d < 16; d++) {
        h.npairs += 1000 - h.counts[d];
        h.counts[d] = 1000;
    }
    assert_true(h.counts[16] > 1000); /* so each of 0 to 15 counts for 1000 */
    assert_int_equal(radius_of(&h, 1000.0 / (double)h.npairs * 7.5), 6);
    assert_int_equal(radius_of(&h, 1000.0 / (double)h.npairs * 0.5), -1);
    /* Within 4 there are 110, within 5 610: within 3 110 * 110 / 610 / 1010 = 0.0196, within 2 0.0035. */
    sg_histogram crowded = {.nbits = 8, .nitems = 20, .counts = {400, 0, 0, 10, 100, 500}, .npairs = 1010};
    assert_int_equal(radius_of(&crowded, 0.02), 3);
    assert_int_equal(radius_of(&crowded, 0.01), 2);
    /* In a larger collection so many are no copies: 400 / 1010 within 0. */
    crowded.nitems = 30;
    assert_int_equal(radius_of(&crowded, 0.3), -1);
    assert_int_equal(radius_of(&crowded, 0.4), 2);
    crowded.nitems = 20;
    /* More than half of all pairs are equal: these are the unrelated ones. */
    crowded.counts[0] = 900;
    crowded.npairs = 1510;
    assert_int_equal(radius_of(&crowded, 0.01), -1);
}

static void test_too_few(void **state)
{
    (void)state;
    sg_error err = {0};
    int radius;
    double share[SG_BITS_MAX + 1];
    sg_histogram h = make_binomial(share, 64, 200), none = {.nbits = 64};
    assert_false(sg_histogram_radius(&radius, &h, 0.01, &err));
    assert_int_equal(err.code, SG_ERR_LIMIT);
    assert_non_null(strstr(err.message, "pairs of pictures are too few"));
    assert_false(sg_histogram_radius(&radius, &none, 0.01, &err));
    assert_int_equal(err.code, SG_ERR_LIMIT);
    double mean, deviation;
    sg_histogram_moments(&mean, &deviation, &none);
    assert_true(mean == 0 && deviation == 0);
    h = make_binomial(share, 64, 1e6);
    sg_histogram_moments(&mean, &deviation, &h);
    assert_true(fabs(mean - 32) < 1e-3 && fabs(deviation - 4) < 1e-2);
}

static bool whole(sg_store *store, sg_error *err)
{
    sg_histogram h;
    return sg_histogram_make(&h, store, 100, 0, err);
}

static void test_without_memory(void **state)
{
    (void)state;
    enum { N = 30 };
    uint8_t codes[N * NBYTES];
    unsigned contents[N] = {0};
    draw_codes(codes, N, NBYTES, 1);
    sg_store *store = make_store(codes, contents, N);
    assert_survives_allocation_failures(whole(store, &err));
    sg_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count),         scratch_test(test_of_an_index),
        scratch_test(test_choice_is_fair),    cmocka_unit_test(test_binomial),
        cmocka_unit_test(test_related_pairs), cmocka_unit_test(test_too_few),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
