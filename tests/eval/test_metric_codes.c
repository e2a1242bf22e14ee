#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signet/mem.h>
#include <signet/metrics.h>
#include <signet/random.h>
#include <string.h>

static double bit_of(const uint8_t *codes, size_t nbits, size_t i, size_t k)
{
    return codes[i * (nbits / 8) + k / 8] >> (k % 8) & 1;
}

/* Means, Pearson's correlation and comparisons of all pairs, as their definitions say. */
static sg_code_stats stats_by_definition(const uint8_t *codes, size_t n, size_t nbits)
{
    sg_code_stats s = {.ones_min = 1};
    size_t pairs = 0, shared = 0;
    for (size_t a = 0; a < nbits; a++) {
        double mean = 0;
        for (size_t i = 0; i < n; i++) mean += bit_of(codes, nbits, i, a) / (double)n;
        s.ones_min = fmin(s.ones_min, mean);
        s.ones_max = fmax(s.ones_max, mean);
        s.balance_mean += fabs(2 * mean - 1) / (double)nbits;
        for (size_t b = 0; b < a; b++) {
            double other = 0, ab = 0, aa = 0, bb = 0;
            for (size_t i = 0; i < n; i++) other += bit_of(codes, nbits, i, b) / (double)n;
            for (size_t i = 0; i < n; i++) {
                double x = bit_of(codes, nbits, i, a) - mean, y = bit_of(codes, nbits, i, b) - other;
                ab += x * y;
                aa += x * x;
                bb += y * y;
            }
            if (aa < 1e-9 || bb < 1e-9) continue;
            s.correlation += fabs(ab) / sqrt(aa * bb);
            pairs++;
        }
    }
    if (pairs) s.correlation /= (double)pairs;
    for (size_t i = 0; i < n; i++) {
        bool other = false, earlier = false;
        for (size_t j = 0; j < n; j++)
            if (j != i && !memcmp(codes + i * nbits / 8, codes + j * nbits / 8, nbits / 8)) {
                other = true;
                earlier |= j < i;
            }
        shared += other;
        s.distinct += !earlier;
    }
    s.collisions = (double)shared / (double)n;
    return s;
}

static void check(const uint8_t *codes, size_t n, size_t nbits)
{
    sg_code_stats s, t = stats_by_definition(codes, n, nbits);
    assert_true(sg_code_stats_of(&s, codes, n, nbits, NULL));
    assert_true(fabs(s.ones_min - t.ones_min) < 1e-12);
    assert_true(fabs(s.ones_max - t.ones_max) < 1e-12);
    assert_true(fabs(s.balance_mean - t.balance_mean) < 1e-12);
    assert_true(fabs(s.correlation - t.correlation) < 1e-12);
    assert_true(fabs(s.collisions - t.collisions) < 1e-12);
    assert_int_equal(s.distinct, t.distinct);
}

static void test_random_codes(void **state)
{
    (void)state;
    uint8_t codes[200 * 8];
    for (uint64_t seed = 0; seed < 20; seed++) {
        sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 0, 0);
        size_t nbits = 8 * (1 + sg_rng_below(&rng, 8)), n = 1 + sg_rng_below(&rng, 200);
        for (size_t i = 0; i < n * nbits / 8; i++) /* two constant bits a byte, and few values: collisions */
            codes[i] = (uint8_t)((sg_rng_u32(&rng) & (seed % 2 ? 0x11 : 0x6f)) | 0x80);
        check(codes, n, nbits);
    }
}

static void test_known_codes(void **state)
{
    (void)state;
    uint8_t codes[] = {0x03, 0x00, 0x03, 0x00, 0x05}; /* bits 0..2 vary, the others are constant */
    sg_code_stats s;
    assert_true(sg_code_stats_of(&s, codes, 5, 8, NULL));
    assert_int_equal(s.distinct, 3);
    assert_true(s.collisions == 0.8);
    assert_true(s.ones_min == 0 && s.ones_max == 0.6);
    assert_true(sg_code_stats_of(&s, codes, 1, 8, NULL));
    assert_true(s.correlation == 0 && s.collisions == 0 && s.balance_mean == 1);
}

static void test_errors(void **state)
{
    (void)state;
    uint8_t codes[8] = {0};
    sg_code_stats s;
    sg_error err;
    uint64_t nth = 0;
    bool ok = false;
    assert_false(sg_code_stats_of(&s, codes, 1, 7, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    assert_false(sg_code_stats_of(&s, codes, 0, 8, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    while (!ok) {
        sg_mem_fail_at(++nth);
        ok = sg_code_stats_of(&s, codes, 4, 16, &err);
        sg_mem_fail_at(0);
        if (!ok) assert_int_equal(err.code, SG_ERR_MEMORY);
    }
    assert_int_equal(nth, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_codes),
        cmocka_unit_test(test_known_codes),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
